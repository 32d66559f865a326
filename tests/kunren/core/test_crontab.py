"""When scheduled actions are due."""

from datetime import UTC, datetime

import pytest

from kunren.core.schedules import Crontab


def after(text, now, zone=None):
    found = Crontab(text, zone).after(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp())
    return datetime.fromtimestamp(found, UTC).isoformat()[:16] if found is not None else None


@pytest.mark.parametrize(
    ("text", "now", "due"),
    [
        ("30 0 1 1,6,12 *", "2026-01-01T00:30", "2026-06-01T00:30"),
        ("0 9 * * MON-FRI", "2026-11-27T09:00", "2026-11-30T09:00"),
        ("*/20 * * * *", "2026-01-01T00:21", "2026-01-01T00:40"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 13 * 5", "2026-11-01T00:00", "2026-11-06T00:00"),
        ("0 0 31 2 *", "2026-01-01T00:00", None),
        ("0 12 * * 7", "2026-11-28T13:00", "2026-11-29T12:00"),
    ],
)
def test_the_next_time(text, now, due):
    assert after(text, now) == due


def test_a_time_zone_moves_it():
    assert after("0 9 * * *", "2026-07-01T00:00", "Europe/Berlin") == "2026-07-01T07:00"
    assert after("0 9 * * *", "2026-12-01T00:00", "Europe/Berlin") == "2026-12-01T08:00"


@pytest.mark.parametrize("text", ["* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "² * * * *"])
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError):
        Crontab(text)
    with pytest.raises(ValueError):
        Crontab("* * * * *", "Nowhere/Land")


def test_where_clocks_are_set_forward_a_time_is_left_out():
    assert after("30 2 * * *", "2026-03-08T06:00", "America/New_York") == "2026-03-09T06:30"
