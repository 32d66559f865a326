"""The tables of "Configuring how CloudWatch alarms treat missing data", and what hypothesis says besides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.cloudwatch.alarms.watch import Datapoint, judged, times

KEEP = None
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
ALL = ["ALARM"] * 4


def settings(breaching=3, periods=3, treatment="missing", **given):
    return {"DatapointsToAlarm": breaching, "EvaluationPeriods": periods, "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": treatment, **given}  # fmt: skip


def points(row):
    """The newest first, from a row of the tables: the newest stands on the right."""
    told = {"0": 0.0, "X": 9.0, "-": None}
    return [Datapoint(float(-60 * age), told[each]) for age, each in enumerate(reversed(row.split()))]


@pytest.mark.parametrize(
    ("breaching", "row", "states"),
    [
        (3, "0 - X - X", ["OK", "OK", "OK", "OK"]),
        (3, "0 - - - -", ["OK", "OK", "OK", "OK"]),
        (3, "- - - - -", ["INSUFFICIENT_DATA", KEEP, "ALARM", "OK"]),
        (3, "0 X X - X", ALL),
        (3, "- - X - -", ["ALARM", KEEP, "ALARM", "OK"]),
        (2, "0 - X - X", ALL),
        (2, "0 0 X 0 X", ALL),
        (2, "0 - X - -", ["OK", "OK", "ALARM", "OK"]),
        (2, "- - - - 0", ["OK", "OK", "ALARM", "OK"]),
        (2, "- - - X -", ["ALARM", KEEP, "ALARM", "OK"]),
    ],
)
def test_missing_data_is_treated_as_the_tables_have_it(breaching, row, states):
    found = [judged(settings(breaching, treatment=each), points(row)).state for each in TREATMENTS]
    assert found == states


@pytest.mark.parametrize("row", ["- - - - X", "- - - X -"])
def test_an_alarm_is_not_raised_too_early(row):
    assert judged(settings(3), points(row)).state != "ALARM"


def test_too_few_samples_keep_the_state_where_a_percentile_says_too_little():
    few = settings(1, 1, ExtendedStatistic="p99", EvaluateLowSampleCountPercentile="ignore")
    assert judged(few, [Datapoint(0.0, 9.0, 999.0)]).state is KEEP
    assert judged(few, [Datapoint(0.0, 9.0, 1000.0)]).state == "ALARM"
    assert judged({**few, "EvaluateLowSampleCountPercentile": "evaluate"}, [Datapoint(0.0, 9.0, 1.0)]).state == "ALARM"


def test_the_periods_that_are_looked_at_are_complete():
    assert times(60, 1, 1_000_030.0)[:2] == [999_960.0, 999_900.0]
    assert times(300, 1, 1_000_030.0)[:2] == [999_720.0, 999_420.0]
    assert times(10, 1, 1_000_039.0)[0] == 1_000_020.0
    assert len(times(60, 3, 0.0)) == 5


@given(st.lists(st.sampled_from("0X-"), min_size=5, max_size=5), st.integers(1, 3), st.sampled_from(TREATMENTS))
def test_one_more_breach_never_calms_an_alarm(row, breaching, treatment):
    before = judged(settings(breaching, treatment=treatment), points(" ".join(row)))
    for number, each in enumerate(row):
        if each == "0":
            worse = judged(
                settings(breaching, treatment=treatment), points(" ".join([*row[:number], "X", *row[number + 1 :]]))
            )
            if before.state == "ALARM":
                assert worse.state == "ALARM"
