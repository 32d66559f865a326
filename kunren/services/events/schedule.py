"""Schedule expressions: `rate(5 minutes)`, `cron(0 12 * * ? *)`, `at(2030-01-01T12:00:00)`. Pure.

"Setting a schedule pattern" (EventBridge) and "Schedule types" (EventBridge Scheduler) in their user guides.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

_RATE = re.compile(r"rate\(\s*(\d+)\s+(minute|hour|day)(s?)\s*\)")
_CRON = re.compile(r"cron\(([^()]*)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, {name.upper(): number for name, number in _MONTHS.items()}),
    (1, 7, _DAYS), (1970, 2199, {}),
)  # fmt: skip
_LOOKED_DAYS = 366 * 12


class BadSchedule(ValueError):
    """It is none; the text says why."""


class Schedule:
    """`after(now, since)` is the next time after `now`, for what began at `since`; None when there is no more. Raises
    BadSchedule. Times are seconds since 1970; `zone` is an IANA time zone."""

    def __init__(self, text: str, *, once: bool = False, zone: str | None = None) -> None:
        """`once` allows `at(...)`."""
        self.rate_s, self.at = 0, None
        self._cron: _Cron | None = None
        timezone = _zone(zone)
        if (found := _RATE.fullmatch(text)) is not None:
            number, unit, plural = int(found[1]), found[2], found[3]
            if number < 1 or (not once and bool(plural) != (number > 1)):
                raise BadSchedule("the unit must be singular for 1, and plural for more")
            self.rate_s = number * _SECONDS[unit]
        elif (found := _CRON.fullmatch(text)) is not None:
            self._cron = _Cron(found[1], timezone)
        elif once and (found := _AT.fullmatch(text)) is not None:
            try:
                self.at = datetime.fromisoformat(found[1]).replace(tzinfo=timezone).timestamp()
            except ValueError:
                raise BadSchedule("there is no such time") from None
        else:
            raise BadSchedule("it is neither rate(...) nor cron(...)")

    def after(self, now: float, since: float) -> float | None:
        if self.at is not None:
            return self.at if self.at > now else None
        if self._cron is not None:
            return self._cron.after(now)
        return since + self.rate_s * max(1, math.floor((now - since) / self.rate_s) + 1)


class _Cron:
    """Six fields: minutes, hours, day of month, month, day of week (1 is Sunday), year. Where clocks are set forward,
    times that do not exist are left out; where they are set back, the first of two counts ("Schedule types")."""

    def __init__(self, text: str, zone: tzinfo) -> None:
        fields = text.upper().split()
        if len(fields) != 6 or not text.isascii():
            raise BadSchedule("cron has six fields")
        if (fields[2] == "?") == (fields[4] == "?"):
            raise BadSchedule("one of day-of-month and day-of-week must be ?")
        self._zone = zone
        self._minutes, self._hours = (sorted(_values(fields[each], *_FIELDS[each])) for each in (0, 1))
        self._months, self._years = (_values(fields[each], *_FIELDS[each]) for each in (3, 5))
        self._day, self._weekday = fields[2], fields[4]
        for _ in self._days(2024, 1):  # raises where they are none
            break

    def after(self, now: float) -> float | None:
        begin = datetime.fromtimestamp(now, self._zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        days: dict[tuple[int, int], set[int]] = {}
        for number in range(_LOOKED_DAYS):
            date = begin + timedelta(days=number)
            if date.year not in self._years or date.month not in self._months:
                continue
            month = (date.year, date.month)
            if month not in days:
                days[month] = set(self._days(*month))
            if date.day not in days[month]:
                continue
            for hour in self._hours:
                for minute in self._minutes:
                    wall = date.replace(hour=hour, minute=minute)
                    at = wall.replace(tzinfo=self._zone).timestamp()
                    if at > now and datetime.fromtimestamp(at, self._zone).replace(tzinfo=None) == wall:
                        return at
        return None

    def _days(self, year: int, month: int) -> Iterator[int]:
        last = calendar.monthrange(year, month)[1]
        if self._weekday == "?":
            yield from self._of_month(year, month, last)
        else:
            yield from self._of_week(year, month, last)

    def _of_month(self, year: int, month: int, last: int) -> Iterator[int]:
        if self._day == "L":
            yield last
        elif self._day == "LW" or (self._day.endswith("W") and self._day[:-1].isdigit()):
            wanted = last if self._day == "LW" else min(_one(self._day[:-1], *_FIELDS[2]), last)
            near = [each for each in (wanted, wanted - 1, wanted + 1, wanted - 2, wanted + 2) if 1 <= each <= last]
            yield next(each for each in near if calendar.weekday(year, month, each) < 5)
        else:
            yield from (each for each in _values(self._day, *_FIELDS[2]) if each <= last)

    def _of_week(self, year: int, month: int, last: int) -> Iterator[int]:
        def weekday(day: int) -> int:
            return (calendar.weekday(year, month, day) + 1) % 7 + 1

        text = self._weekday
        if text.endswith("L") and len(text) > 1:
            wanted = _one(text[:-1], *_FIELDS[4])
            yield max(day for day in range(1, last + 1) if weekday(day) == wanted)
        elif "#" in text:
            name, _, nth = text.partition("#")
            wanted = _one(name, *_FIELDS[4])
            if not nth.isdigit() or not 1 <= int(nth) <= 5:
                raise BadSchedule(f"{text} is no day of week")
            found = [day for day in range(1, last + 1) if weekday(day) == wanted]
            yield from found[int(nth) - 1 : int(nth)]
        else:
            allowed = _values("7" if text == "L" else text, *_FIELDS[4])
            yield from (day for day in range(1, last + 1) if weekday(day) in allowed)


def _values(text: str, least: int, most: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        whole, _, step = part.partition("/")
        if step and (not step.isdigit() or int(step) < 1):
            raise BadSchedule(f"{part} is no step")
        low, dash, high = whole.partition("-")
        if whole in ("*", "?"):
            first, last = least, most
        else:
            first = _value(low, names)
            last = _value(high, names) if dash else most if step else first
        if not least <= first <= last <= most:
            raise BadSchedule(f"{part} is not within {least} to {most}")
        found.update(range(first, last + 1, int(step) if step else 1))
    return found


def _one(text: str, least: int, most: int, names: dict[str, int]) -> int:
    found = _values(text, least, most, names)
    if len(found) != 1:
        raise BadSchedule(f"{text} is not one value")
    return found.pop()


def _value(text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isdigit():
        raise BadSchedule(f"{text!r} is no value")
    return int(text)


def _zone(name: str | None) -> tzinfo:
    if name in (None, "UTC", "Etc/UTC"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(str(name))
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        raise BadSchedule(f"{name} is no time zone") from None
    except KeyError:
        raise BadSchedule(f"{name} is no time zone") from None
