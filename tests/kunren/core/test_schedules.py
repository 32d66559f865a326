"""Schedule expressions."""

from datetime import UTC, datetime

import pytest

from kunren.core.schedules import BadSchedule, Schedule


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "now", "wanted"),
    [
        ("cron(0 12 * * ? *)", "2026-01-01T12:00:00", "2026-01-02T12:00:00"),
        ("cron(0/15 * * * ? *)", "2026-01-01T12:07:00", "2026-01-01T12:15:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-02T18:00:00", "2026-01-05T18:00:00"),
        ("cron(0 8 1 * ? *)", "2026-01-15T00:00:00", "2026-02-01T08:00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-01-01T00:00:00", "2026-01-05T09:00:00"),
        ("cron(0 9 L * ? *)", "2026-02-01T00:00:00", "2026-02-28T09:00:00"),
        ("cron(0 9 ? * 6L *)", "2026-01-01T00:00:00", "2026-01-30T09:00:00"),
        ("cron(0 9 1W * ? *)", "2026-08-01T00:00:00", "2026-08-03T09:00:00"),
        ("cron(0 0 29 FEB ? *)", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("rate(5 minutes)", "2026-01-01T00:07:00", "2026-01-01T00:10:00"),
        ("rate(1 hour)", "2026-01-01T00:00:00", "2026-01-01T01:00:00"),
    ],
)
def test_the_next_time(text, now, wanted):
    assert Schedule(text).after(at(now), at("2026-01-01T00:00:00")) == at(wanted)


def test_one_time_and_time_zones():
    once = Schedule("at(2026-07-01T12:00:00)", once=True, zone="Europe/Berlin")
    assert once.after(at("2026-01-01T00:00:00"), 0.0) == at("2026-07-01T10:00:00")
    assert once.after(at("2026-07-01T10:00:00"), 0.0) is None
    assert Schedule("cron(0 0 1 1 ? 2020)").after(at("2026-01-01T00:00:00"), 0.0) is None


@pytest.mark.parametrize(
    "text", ["", "rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "cron(0 12 * * * *)", "cron(0 12 ? * ? *)",
             "cron(60 * * * ? *)", "cron(* * * * ?)", "at(2026-01-01T00:00:00)", "cron(0 12 X * ? *)"]
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(BadSchedule):
        Schedule(text)


def test_no_such_time_zone():
    with pytest.raises(BadSchedule, match="time zone"):
        Schedule("rate(1 hour)", zone="Mars/Olympus")


@pytest.mark.parametrize(
    "text", ["cron(0 0 ? * MON-FRI#2 *)", "cron(0 0 ? * 2-4L *)", "cron(\u00b2 0 * * ? *)", "cron(0 0 40W * ? *)"]
)
def test_what_looks_like_numbers_is_refused(text):
    with pytest.raises(BadSchedule):
        Schedule(text)


def test_where_clocks_are_set():
    daily = Schedule("cron(30 2 * * ? *)", zone="America/New_York")
    assert daily.after(at("2026-03-07T08:00"), 0) == at("2026-03-09T06:30")  # on 8 March there is no 02:30
    hour = Schedule("cron(30 1 * * ? *)", zone="America/New_York")
    assert hour.after(at("2026-11-01T04:00"), 0) == at("2026-11-01T05:30")
    assert hour.after(at("2026-11-01T05:30"), 0) == at("2026-11-02T06:30")  # not at the second 01:30
