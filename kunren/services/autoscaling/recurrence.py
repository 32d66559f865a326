"""When a scheduled action is due: five cron fields in a time zone. Pure.

"Scheduled scaling" in the Auto Scaling user guide; crontab(5) for the fields: where both days are restricted, either
is enough.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_MONTHS = dict(
    zip(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], range(1, 13), strict=True)
)
_DAYS = dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(7), strict=True))
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS), (0, 7, _DAYS),
)  # fmt: skip
_LOOKED_DAYS = 8 * 366
"""A leap day comes within so many."""


class Recurrence:
    """`Recurrence("0 9 * * MON-FRI", "Europe/Berlin")`. Raises ValueError for what is none."""

    def __init__(self, text: str, zone: str | None = None) -> None:
        fields = text.split()
        if len(fields) != 5:
            raise ValueError(f"{text} does not have five fields")
        parsed = [_field(each, *shape) for each, shape in zip(fields, _FIELDS, strict=True)]
        self._minutes, self._hours = sorted(parsed[0]), sorted(parsed[1])
        self._days, self._months, self._weekdays = parsed[2], parsed[3], {each % 7 for each in parsed[4]}
        self._any_day, self._any_weekday = fields[2].startswith("*"), fields[4].startswith("*")
        self._zone = zone_of(zone)

    def after(self, now: float) -> float | None:
        """The first time after `now` (both seconds since 1970), within eight years."""
        begin = datetime.fromtimestamp(now, self._zone)
        day = begin.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for number in range(_LOOKED_DAYS):
            date = day + timedelta(days=number)
            if not self._is_day(date):
                continue
            for hour in self._hours:
                for minute in self._minutes:
                    at = date.replace(hour=hour, minute=minute, tzinfo=self._zone).timestamp()
                    if at > now:
                        return at
        return None

    def _is_day(self, date: datetime) -> bool:
        if date.month not in self._months:
            return False
        day, weekday = date.day in self._days, date.isoweekday() % 7 in self._weekdays
        return day and weekday if self._any_day or self._any_weekday else day or weekday


def zone_of(name: str | None) -> tzinfo:
    """The IANA time zone of that name. Raises ValueError."""
    if name in (None, "UTC", "Etc/UTC"):
        return UTC
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{name} is no time zone") from error


def _field(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _number(begin, names)
            last = _number(end, names) if end else (high if step else first)
        every = _number(step, {}) if step else 1
        if not (low <= first <= last <= high) or every < 1:
            raise ValueError(f"{text} is no field from {low} to {high}")
        found |= set(range(first, last + 1, every))
    return found


def _number(text: str, names: dict[str, int]) -> int:
    if text.upper() in names:
        return names[text.upper()]
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise ValueError(f"{text} is no number")
    return int(text)
