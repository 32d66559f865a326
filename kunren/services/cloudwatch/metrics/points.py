"""Values of a metric over a stretch of time, and what statistics say of them. Pure.

A point keeps how often which value was seen, so that percentiles are those of the values themselves; where more than
`VALUES_MAX` different ones were seen, neighbours within 1 % (or as much
as is needed) share one. A statistic set has no values: percentiles have
nothing to say about it, except where it holds one value (API reference, PutMetricData).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

VALUES_MAX = 1000
_WIDTH = math.log(1.01)


class Point(NamedTuple):
    """`values` is value → how often; None where only the sums are known."""

    samples: float
    sum: float
    min: float
    max: float
    values: Mapping[float, float] | None


def of_values(counts: Mapping[float, float]) -> Point:
    """From values and how often each was seen; at least one."""
    return Point(
        sum(counts.values()),
        math.fsum(value * count for value, count in counts.items()),
        min(counts),
        max(counts),
        _bounded(counts),
    )


def of_set(count: float, total: float, least: float, most: float) -> Point:
    """From a statistic set."""
    known = count == 1 or (least == most and count > 0)
    return Point(count, total, least, most, {least: count} if known else None)


def merged(points: Iterable[Point]) -> Point:
    """Several as one; at least one."""
    given = list(points)
    if len(given) == 1:
        return given[0]
    counts: dict[float, float] | None = {}
    for each in given:
        if each.values is None:
            counts = None
            break
        for value, count in each.values.items():
            assert counts is not None
            counts[value] = counts.get(value, 0.0) + count
    return Point(
        sum(each.samples for each in given),
        math.fsum(each.sum for each in given),
        min(each.min for each in given),
        max(each.max for each in given),
        None if counts is None else _bounded(counts),
    )


def _bounded(counts: Mapping[float, float]) -> Mapping[float, float]:
    width = _WIDTH
    found = counts
    while len(found) > VALUES_MAX:
        found = _joined(counts, width)
        width *= 2
    return found


def _joined(counts: Mapping[float, float], width: float) -> Mapping[float, float]:
    """Values whose logarithms are within `width` as one; the least and the greatest stay what they are."""
    least, most = min(counts), max(counts)
    found: dict[float, float] = {}
    for value, count in counts.items():
        about = value
        if value not in (least, most, 0.0):
            about = math.copysign(math.exp(round(math.log(abs(value)) / width) * width), value)
            about = min(max(about, least), most)
        found[about] = found.get(about, 0.0) + count
    return found


Statistic = Callable[[Point], float | None]
_SIMPLE: dict[str, Statistic] = {
    "SampleCount": lambda point: point.samples,
    "Sum": lambda point: point.sum,
    "Minimum": lambda point: point.min,
    "Maximum": lambda point: point.max,
    "Average": lambda point: point.sum / point.samples if point.samples else None,
}
SIMPLE = frozenset(_SIMPLE)
_NUMBER = r"\d{1,3}(?:\.\d{1,10})?"
_PERCENTILE = re.compile(rf"p({_NUMBER})")
_SHORT = re.compile(rf"(tm|tc|ts|wm)({_NUMBER})")
_RANGE = re.compile(r"(TM|TC|TS|WM|PR)\((-?[\d.]*)(%?):(-?[\d.]*)(%?)\)")


def statistic(name: str) -> Statistic | None:
    """What a statistic computes ("Sum", "p99", "tm90", "TM(10%:90%)", "PR(:300)", "IQM"); None for none."""
    if name in _SIMPLE:
        return _SIMPLE[name]
    if (found := _PERCENTILE.fullmatch(name)) is not None:
        share = float(found[1])
        return (lambda point: percentile(point, share)) if share <= 100 else None
    if name in ("IQM", "iqm"):
        return _trimmed("TM", 25.0, 75.0, percent=True)
    if (found := _SHORT.fullmatch(name)) is not None:
        return _trimmed(found[1].upper(), 0.0, float(found[2]), percent=True) if float(found[2]) <= 100 else None
    if (found := _RANGE.fullmatch(name)) is not None:
        return _range(found)
    return None


def _range(found: re.Match[str]) -> Statistic | None:
    kind, low, low_percent, high, high_percent = found.groups()
    percent = bool(low_percent or high_percent)
    if (not low and not high) or (low and high and bool(low_percent) != bool(high_percent)):
        return None
    try:
        least = float(low) if low else (0.0 if percent else -math.inf)
        most = float(high) if high else (100.0 if percent else math.inf)
    except ValueError:
        return None
    if least >= most or (kind == "PR" and percent) or (percent and not (least >= 0 and most <= 100)):
        return None
    return _trimmed(kind, least, most, percent=percent)


def percentile(point: Point, share: float) -> float | None:
    """The least value that at least so many percent of the values do not exceed."""
    if point.values is None:
        return None
    needed = share / 100 * point.samples
    seen = 0.0
    for value in sorted(point.values):
        seen += point.values[value]
        if seen >= needed - 1e-9:
            return value
    return point.max


def _trimmed(kind: str, low: float, high: float, *, percent: bool) -> Statistic:
    """TM mean, TC count, TS sum of what lies within; WM the mean with the rest moved to the bounds; PR the share."""

    def computed(point: Point) -> float | None:
        if point.values is None:
            return None
        inside = _within(point, low, high) if percent else _between(point.values, low, high)
        count, total = sum(inside.values()), math.fsum(value * each for value, each in inside.items())
        if kind == "TC":
            return count
        if kind == "TS":
            return total
        if kind == "PR":
            return 100 * count / point.samples if point.samples else None
        if kind == "WM":
            least, most = (min(inside), max(inside)) if inside else (low, high)
            moved = (min(max(value, least), most) * each for value, each in point.values.items())
            return math.fsum(moved) / point.samples if point.samples else None
        return total / count if count else None

    return computed


def _between(values: Mapping[float, float], low: float, high: float) -> dict[float, float]:
    return {value: count for value, count in values.items() if low < value <= high}


def _within(point: Point, low: float, high: float) -> dict[float, float]:
    """The values by rank, from `low` to `high` percent of the count."""
    assert point.values is not None
    first, last, seen = low / 100 * point.samples, high / 100 * point.samples, 0.0
    found: dict[float, float] = {}
    for value in sorted(point.values):
        count = point.values[value]
        share = min(seen + count, last) - max(seen, first)
        if share > 1e-9:
            found[value] = share
        seen += count
    return found
