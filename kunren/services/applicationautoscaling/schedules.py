"""When a scheduled action is due: at(...), rate(...) and cron(...). Pure. "Scheduled scaling" in the user guide."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from kunren.services.autoscaling.recurrence import Recurrence, zone_of

_UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_TEXT = re.compile(r"(at|rate|cron)\((.*)\)\Z")


def after(text: str, zone: str | None, now: float, begin: float) -> float | None:
    """The first time after `now`; rates count from `begin`. Raises ValueError for what is no schedule."""
    found = _TEXT.match(text.strip())
    if found is None:
        raise ValueError(f"{text} is none of at(...), rate(...) and cron(...)")
    kind, inner = found.groups()
    if kind == "at":
        moment = datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone_of(zone))
        at = moment.timestamp()
        return at if at > now else None
    if kind == "rate":
        every = _rate(inner)
        return begin if begin > now else begin + ((now - begin) // every + 1) * every
    return _cron(inner, zone, now)


def _rate(inner: str) -> float:
    value, _, unit = inner.partition(" ")
    every = _UNITS.get(unit.removesuffix("s"))
    if not (value.isascii() and value.isdigit() and int(value) > 0) or every is None:
        raise ValueError(f"rate({inner}) is no rate")
    return int(value) * every


def _cron(inner: str, zone: str | None, now: float) -> float | None:
    fields = inner.split()
    if len(fields) != 6:
        raise ValueError(f"cron({inner}) does not have six fields")
    if re.search("[LW#]", fields[2] + re.sub("[A-Za-z]{3}", "", fields[4])):
        raise ValueError(f"cron({inner}) has L, W or #, which Kunren does not know yet")
    days = re.sub(r"(?<!/)\b[1-7]\b", lambda each: str(int(each[0]) - 1), fields[4])  # 1 is Sunday here, 0 in crontab
    five = [each.replace("?", "*") for each in (*fields[:4], days)]
    years = None if fields[5] == "*" else _years(fields[5])
    rule, at = Recurrence(" ".join(five), zone), now
    for _ in range(1000):
        due = rule.after(at)
        if due is None or years is None or datetime.fromtimestamp(due, UTC).year in years:
            return due
        if datetime.fromtimestamp(due, UTC).year > max(years):
            return None
        following = min((each for each in years if each > datetime.fromtimestamp(due, UTC).year), default=None)
        if following is None:
            return None
        at = datetime(following, 1, 1, tzinfo=UTC).timestamp() - 1
    return None


def _years(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdigit() and (not last or last.isdigit())):
            raise ValueError(f"{text} are no years")
        found |= set(range(int(first), int(last or first) + 1))
    return found
