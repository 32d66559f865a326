"""Which shift is in effect, and when practice runs may be: the pure parts of ARC zonal shift."""

import pytest

from kunren.core.errors import AwsError
from kunren.services.arc_zonal_shift import windows
from kunren.services.arc_zonal_shift.api import duration
from kunren.services.arc_zonal_shift.effect import applied
from kunren.services.arc_zonal_shift.model import AWS, Autoshift, ZonalShift

WEDNESDAY_NOON = 1_750_852_800.0  # 2025-06-25 12:00 UTC


def shift(kind, started=0.0):
    return ZonalShift(account="1", region="r", id=kind, resource="arn", away_from=kind, started=started, expires=9.0,
                      lasts_s=9.0, type=kind)  # fmt: skip


def test_a_customers_shift_comes_before_awss_and_that_before_a_practice_run():
    own, practice, experiment = shift("ZONAL_SHIFT", 5.0), shift("PRACTICE_RUN"), shift("FIS_EXPERIMENT", 7.0)
    auto = Autoshift(account=AWS, region="r", id="a", away_from="auto", started=1.0)
    assert applied([practice, own, experiment], [auto]) is own
    assert applied([practice, experiment], [auto]) is experiment
    assert applied([practice], [auto]) is auto
    assert applied([practice], []) is practice
    assert applied([], []) is None


@pytest.mark.parametrize(
    ("configuration", "why"),
    [
        ({}, None),
        ({"blockedDates": ["2025-06-25"]}, "PracticeInBlockedDates"),
        ({"blockedDates": ["2025-06-26"]}, None),
        ({"blockedWindows": ["Wed:11:00-Wed:13:00"]}, "PracticeInBlockedWindows"),
        ({"blockedWindows": ["Sun:22:00-Wed:12:00"]}, None),
        ({"blockedWindows": ["Fri:00:00-Thu:00:00"]}, "PracticeInBlockedWindows"),
        ({"allowedWindows": ["Mon:00:00-Mon:01:00"]}, "PracticeOutsideAllowedWindows"),
        ({"allowedWindows": ["Wed:12:00-Wed:12:01"]}, None),
    ],
)
def test_practice_runs_keep_to_their_times(configuration, why):
    windows.check(configuration)
    assert windows.blocked(configuration, WEDNESDAY_NOON) == why


def test_what_is_no_time_is_refused():
    assert (duration("1m"), duration("72h")) == (60.0, 259_200.0)
    for text in ("73h", "4321m"):
        with pytest.raises(AwsError):
            duration(text)
    for wrong in (
        {"blockedDates": ["2025-13-01"]},
        {"blockedWindows": ["Wed:11:00-Wed:11:00"]},
        {"allowedWindows": ["Wed:25:00-Thu:00:00"]},
        {"blockedWindows": ["Wed:11:00-Thu:00:00"], "allowedWindows": ["Mon:00:00-Tue:00:00"]},
    ):
        with pytest.raises(AwsError):
            windows.check(wrong)
