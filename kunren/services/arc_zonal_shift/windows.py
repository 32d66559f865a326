"""When practice runs may be: dates and windows of the week, in UTC. Pure. "CreatePracticeRunConfiguration"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kunren.services.arc_zonal_shift.errors import invalid

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(r"(\w{3}):(\d\d):(\d\d)-(\w{3}):(\d\d):(\d\d)")
_WEEK_MIN = 7 * 24 * 60


def blocked(configuration: Mapping[str, Any], now: float) -> str | None:
    """Why no practice run may start now, as ConflictExceptionReason has it."""
    at = datetime.fromtimestamp(now, UTC)
    if at.strftime("%Y-%m-%d") in (configuration.get("blockedDates") or ()):
        return "PracticeInBlockedDates"
    minute = at.weekday() * 24 * 60 + at.hour * 60 + at.minute
    if any(_holds(each, minute) for each in configuration.get("blockedWindows") or ()):
        return "PracticeInBlockedWindows"
    allowed = configuration.get("allowedWindows") or ()
    if allowed and not any(_holds(each, minute) for each in allowed):
        return "PracticeOutsideAllowedWindows"
    return None


def check(configuration: Mapping[str, Any]) -> None:
    """Raises ValidationException."""
    for each in configuration.get("blockedDates") or ():
        try:
            datetime.strptime(each, "%Y-%m-%d")
        except ValueError as error:
            raise invalid("InvalidPracticeBlocker", f"{each} is not a date.") from error
    for member, reason in (
        ("blockedWindows", "InvalidPracticeBlocker"),
        ("allowedWindows", "InvalidPracticeAllowedWindow"),
    ):
        for each in configuration.get(member) or ():
            first, last = _minutes(each)
            if first is None or last is None or first == last:
                raise invalid(reason, f"{each} is not a window of the week.")
    if configuration.get("blockedWindows") and configuration.get("allowedWindows"):
        raise invalid("InvalidPracticeWindows", "A practice run has blocked windows or allowed windows, not both.")


def _holds(window: str, minute: int) -> bool:
    first, last = _minutes(window)
    if first is None or last is None:
        return False
    return (minute - first) % _WEEK_MIN < (last - first) % _WEEK_MIN


def _minutes(window: str) -> tuple[int | None, int | None]:
    match = _WINDOW.fullmatch(window)
    if match is None:
        return None, None
    return _minute(match[1], match[2], match[3]), _minute(match[4], match[5], match[6])


def _minute(day: str, hour: str, minute: str) -> int | None:
    if day not in _DAYS or int(hour) > 23 or int(minute) > 59:
        return None
    return _DAYS.index(day) * 24 * 60 + int(hour) * 60 + int(minute)
