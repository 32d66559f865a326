"""Quotas of usage plans: periods by day, week (from Sunday) and month, with offsets."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.apigateway.quotas import counted, period_start, remaining_now

SATURDAY = date(2026, 11, 28)


def test_periods_begin_where_their_offset_says():
    assert period_start({"period": "DAY"}, SATURDAY) == SATURDAY
    assert period_start({"period": "WEEK"}, SATURDAY) == date(2026, 11, 22)
    assert period_start({"period": "WEEK", "offset": 1}, SATURDAY) == date(2026, 11, 23)
    assert period_start({"period": "MONTH"}, SATURDAY) == date(2026, 11, 1)
    assert period_start({"period": "MONTH", "offset": 27}, SATURDAY) == date(2026, 11, 28)
    assert period_start({"period": "MONTH", "offset": 9}, date(2026, 11, 5)) == date(2026, 10, 10)


def test_a_new_period_has_the_whole_limit_again():
    quota = {"period": "DAY", "limit": 2}
    days = counted(quota, {}, SATURDAY)
    assert days == {"2026-11-28": (1, 1)}
    days = counted(quota, days, SATURDAY)
    assert remaining_now(quota, days, SATURDAY) == 0
    assert remaining_now(quota, days, SATURDAY + timedelta(days=1)) == 2
    assert remaining_now({"period": "MONTH", "limit": 2}, days, SATURDAY + timedelta(days=1)) == 0


@given(st.lists(st.integers(0, 40), max_size=30).map(sorted), st.integers(1, 40))
def test_what_is_used_and_what_remains_are_the_limit(offsets, limit):
    quota, days = {"period": "MONTH", "limit": limit}, {}
    for offset in offsets:
        days = counted(quota, days, date(2026, 10, 1) + timedelta(days=offset))
    for day in (date(2026, 10, 31), date(2026, 11, 30)):
        start = period_start(quota, day)
        used = sum(count for each, (count, _) in days.items() if start.isoformat() <= each <= day.isoformat())
        assert remaining_now(quota, days, day) == limit - used
