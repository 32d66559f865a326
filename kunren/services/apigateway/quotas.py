"""Quotas of usage plans: when a period begins, and what remains of it. Pure.

"Usage plans and API keys for REST APIs": DAY, WEEK (from Sunday, plus offset) and MONTH, in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

DAYS_KEPT = 100


def period_start(quota: Mapping[str, Any], today: date) -> date:
    """The first day of the period that today is in."""
    offset = quota.get("offset") or 0
    if quota["period"] == "WEEK":
        return today - timedelta(days=(today.isoweekday() - offset) % 7)
    if quota["period"] == "MONTH":
        start = today.replace(day=1) + timedelta(days=offset)
        if start > today:
            start = (today.replace(day=1) - timedelta(days=1)).replace(day=1) + timedelta(days=offset)
        return start
    return today


def remaining_now(quota: Mapping[str, Any], days: Mapping[str, tuple[int, int]], today: date) -> int:
    """What remains before the next request: what the last day of the period left, or the whole limit."""
    start = period_start(quota, today).isoformat()
    within = [day for day in days if start <= day <= today.isoformat()]
    return days[max(within)][1] if within else int(quota["limit"])


def counted(quota: Mapping[str, Any], days: Mapping[str, tuple[int, int]], today: date) -> dict[str, tuple[int, int]]:
    """The days after one more request; old ones are forgotten."""
    day = today.isoformat()
    used = days.get(day, (0, 0))[0]
    oldest = (today - timedelta(days=DAYS_KEPT)).isoformat()
    kept = {each: value for each, value in days.items() if each >= oldest}
    return {**kept, day: (used + 1, remaining_now(quota, days, today) - 1)}
