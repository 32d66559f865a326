"""When scheduled actions are due."""

from datetime import UTC, datetime

import pytest

from kunren.services.applicationautoscaling.decisions import next_time


def seconds(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "zone", "due"),
    [
        ("at(2026-12-01T10:00:00)", None, "2026-12-01T10:00"),
        ("at(2026-12-01T10:00:00)", "Europe/Berlin", "2026-12-01T09:00"),
        ("at(2026-01-01T10:00:00)", None, None),
        ("rate(10 minutes)", None, "2026-11-29T12:10"),
        ("cron(0 9 ? * MON-FRI *)", None, "2026-11-30T09:00"),
        ("cron(0 9 ? * 1 *)", None, "2026-12-06T09:00"),
        ("cron(15 10 1 1 ? 2028-2029)", None, "2028-01-01T10:15"),
        ("cron(15 10 1 1 ? 2020)", None, None),
        ("cron(0 9 L * ? *)", None, "2026-11-30T09:00"),
        ("cron(0 9 ? * 6#3 *)", None, "2026-12-18T09:00"),
    ],
)
def test_the_next_time(text, zone, due):
    now = seconds("2026-11-29T12:05:00")
    found = next_time(text, zone, now, seconds("2026-11-29T12:00:00"))
    assert found == (seconds(f"{due}:00") if due else None)


@pytest.mark.parametrize("text", ["at(tomorrow)", "rate(0 minutes)", "rate(5 weeks)", "cron(0 9 * * *)", "never"])
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError):
        next_time(text, None, 0.0, 0.0)
