"""When schedules are due: `rate(5 minutes)`, `cron(0 12 * * ? *)`, `at(2030-01-01T12:00:00)`, and a crontab's five
fields. Pure.

"Setting a schedule pattern" (EventBridge), "Schedule types" (EventBridge Scheduler), "Scheduled scaling" (Application
Auto Scaling, whose cron is EventBridge's; EC2 Auto Scaling, whose is crontab's) in their user guides; crontab(5).
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

_RATE = re.compile(r"rate\(\s*(\d+)\s+(minute|hour|day)(s?)\s*\)", re.ASCII)
_CRON = re.compile(r"cron\(([^()]*)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", re.ASCII)
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
Field = tuple[int, int, dict[str, int]]
_MINUTES: Field = (0, 59, {})
_HOURS: Field = (0, 23, {})
_MONTH_DAYS: Field = (1, 31, {})
_YEARS: Field = (1970, 2199, {})
_OF_MONTHS: Field = (1, 12, _MONTHS)
_WEEKDAYS: Field = (1, 7, _DAYS)
_CRONTAB_WEEKDAYS: Field = (0, 7, {name: number - 1 for name, number in _DAYS.items()})
_LOOKED_DAYS = 366 * 12


class BadSchedule(ValueError):
    """It is none; the text says why."""


class Schedule:
    """`after(now, since)` is the next time after `now`, for what began at `since`; None when there is no more. Raises
    BadSchedule. Times are seconds since 1970; `zone` is an IANA time zone."""

    def __init__(
        self, text: str, *, once: bool = False, zone: str | None = None, from_begin: bool = False
    ) -> None:  # fmt: skip
        """`once` allows `at(...)`, and units of a rate in any number. With `from_begin` a rate is due first when it
        begins, not a period later."""
        self.rate_s, self.at = 0, None
        self._cron: Cron | None = None
        self._least = 0 if from_begin else 1
        timezone = zone_of(zone)
        if (found := _RATE.fullmatch(text)) is not None:
            number, unit, plural = int(found[1]), found[2], found[3]
            if number < 1 or (not once and bool(plural) != (number > 1)):
                raise BadSchedule("the unit must be singular for 1, and plural for more")
            self.rate_s = number * _SECONDS[unit]
        elif (found := _CRON.fullmatch(text)) is not None:
            self._cron = Cron(found[1], timezone)
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
        return since + self.rate_s * max(self._least, math.floor((now - since) / self.rate_s) + 1)


class _Times:
    """Times of some days. Where clocks are set forward, times that do not exist are left out; where they are set back,
    the first of two counts ("Schedule types")."""

    def __init__(self, minutes: set[int], hours: set[int], zone: tzinfo) -> None:
        self._minutes, self._hours, self._zone = sorted(minutes), sorted(hours), zone

    def _is_day(self, date: datetime) -> bool:
        raise NotImplementedError

    def after(self, now: float) -> float | None:
        """The first time after `now` (both seconds since 1970), within twelve years."""
        begin = datetime.fromtimestamp(now, self._zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for number in range(_LOOKED_DAYS):
            date = begin + timedelta(days=number)
            if not self._is_day(date):
                continue
            for hour in self._hours:
                for minute in self._minutes:
                    wall = date.replace(hour=hour, minute=minute)
                    at = wall.replace(tzinfo=self._zone).timestamp()
                    if at > now and datetime.fromtimestamp(at, self._zone).replace(tzinfo=None) == wall:
                        return at
        return None


class Crontab(_Times):
    """Five fields: minutes, hours, day of month, month, day of week (0 and 7 are Sunday). Where both days are
    restricted, either is enough. Raises BadSchedule."""

    def __init__(self, text: str, zone: str | None = None) -> None:
        fields = text.upper().split()
        if len(fields) != 5 or not text.isascii() or "?" in text:
            raise BadSchedule(f"{text} does not have the five fields of a crontab")
        shapes = (_MINUTES, _HOURS, _MONTH_DAYS, _OF_MONTHS, _CRONTAB_WEEKDAYS)
        minutes, hours, days, months, weekdays = (
            _values(each, *shape) for each, shape in zip(fields, shapes, strict=True)
        )
        super().__init__(minutes, hours, zone_of(zone))
        self._days, self._months, self._weekdays = days, months, {each % 7 for each in weekdays}
        self._both = not fields[2].startswith("*") and not fields[4].startswith("*")

    def _is_day(self, date: datetime) -> bool:
        if date.month not in self._months:
            return False
        day, weekday = date.day in self._days, date.isoweekday() % 7 in self._weekdays
        return day or weekday if self._both else day and weekday


class Cron(_Times):
    """Six fields: minutes, hours, day of month, month, day of week (1 is Sunday), year. Raises BadSchedule."""

    def __init__(self, text: str, zone: tzinfo) -> None:
        fields = text.upper().split()
        if len(fields) != 6 or not text.isascii():
            raise BadSchedule("cron has six fields")
        if (fields[2] == "?") == (fields[4] == "?"):
            raise BadSchedule("one of day-of-month and day-of-week must be ?")
        super().__init__(_values(fields[0], *_MINUTES), _values(fields[1], *_HOURS), zone)
        self._months, self._years = _values(fields[3], *_OF_MONTHS), _values(fields[5], *_YEARS)
        self._day, self._weekday = fields[2], fields[4]
        self._month, self._month_days = (2024, 1), set(self._days(2024, 1))  # raises where they are none

    def _is_day(self, date: datetime) -> bool:
        if date.year not in self._years or date.month not in self._months:
            return False
        if (date.year, date.month) != self._month:
            self._month, self._month_days = (date.year, date.month), set(self._days(date.year, date.month))
        return date.day in self._month_days

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
            wanted = last if self._day == "LW" else min(_one(self._day[:-1], *_MONTH_DAYS), last)
            near = [each for each in (wanted, wanted - 1, wanted + 1, wanted - 2, wanted + 2) if 1 <= each <= last]
            yield next(each for each in near if calendar.weekday(year, month, each) < 5)
        else:
            yield from (each for each in _values(self._day, *_MONTH_DAYS) if each <= last)

    def _of_week(self, year: int, month: int, last: int) -> Iterator[int]:
        def weekday(day: int) -> int:
            return (calendar.weekday(year, month, day) + 1) % 7 + 1

        text = self._weekday
        if text.endswith("L") and len(text) > 1:
            wanted = _one(text[:-1], *_WEEKDAYS)
            yield max(day for day in range(1, last + 1) if weekday(day) == wanted)
        elif "#" in text:
            name, _, nth = text.partition("#")
            wanted = _one(name, *_WEEKDAYS)
            if not nth.isdigit() or not 1 <= int(nth) <= 5:
                raise BadSchedule(f"{text} is no day of week")
            found = [day for day in range(1, last + 1) if weekday(day) == wanted]
            yield from found[int(nth) - 1 : int(nth)]
        else:
            allowed = _values("7" if text == "L" else text, *_WEEKDAYS)
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


def zone_of(name: str | None) -> tzinfo:
    """The IANA time zone of that name. Raises BadSchedule."""
    if name in (None, "UTC", "Etc/UTC"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(str(name))
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise BadSchedule(f"{name} is no time zone") from None
