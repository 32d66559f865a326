"""Evaluates metric math over time series. Pure.

"Using math expressions with CloudWatch metrics": the functions that need other services or models of the past (SEARCH,
ANOMALY_DETECTION_BAND, INSIGHT_RULE_METRIC, SERVICE_QUOTA, DB_PERF_INSIGHTS, LAMBDA) are refused by their names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from kunren.services.cloudwatch.math.parse import (
    Array,
    BadExpression,
    Binary,
    Function,
    Name,
    Node,
    Number,
    Text,
    Unary,
)
from kunren.services.cloudwatch.math.series import Series, Value, all_series, both, mapped, number, one_series

REFUSED = frozenset(
    {"SEARCH", "ANOMALY_DETECTION_BAND", "INSIGHT_RULE_METRIC", "SERVICE_QUOTA", "DB_PERF_INSIGHTS", "LAMBDA", "LOGS"}
)


class Range(NamedTuple):
    """The times that a query is about: from `start` on and before `end`, every `period` seconds."""

    start: float
    end: float
    period: int

    def times(self) -> list[float]:
        count = max(0, math.ceil((self.end - self.start) / self.period))
        return [self.start + number * self.period for number in range(count)]


class Evaluator:
    """One expression, with the values of the other queries by id; `metrics` are those that read a metric."""

    def __init__(self, values: Mapping[str, Value], metrics: Sequence[Series], over: Range) -> None:
        self._values = values
        self.metrics = metrics
        self.over = over

    def value(self, node: Node) -> Value:
        """Raises BadExpression."""
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            if node.id not in self._values:
                raise BadExpression(f"{node.id!r} is not defined")
            return self._values[node.id]
        if isinstance(node, Unary):
            return mapped(self.value(node.operand), lambda value: -value)
        if isinstance(node, Binary):
            return both(self.value(node.left), self.value(node.right), _OPERATORS[node.operator])
        if isinstance(node, Array):
            return tuple(found for item in node.items for found in all_series(self.value(item)))
        if isinstance(node, Function):
            return self._call(node)
        raise BadExpression("a text stands where a value is expected")

    def _call(self, node: Function) -> Value:
        if node.name == "METRICS":
            part = node.arguments[0] if node.arguments else Text("")
            if not isinstance(part, Text):
                raise BadExpression("METRICS takes a text")
            return tuple(found for found in self.metrics if part.value in found.id)
        if node.name in _KEYWORDED:
            return _KEYWORDED[node.name](self, node.arguments)
        arguments = [self.value(each) for each in node.arguments]
        if (known := _FUNCTIONS.get(node.name)) is None:
            raise BadExpression(f"the function {node.name} is not known")
        least, most, computed = known
        if not least <= len(arguments) <= most:
            raise BadExpression(f"{node.name} takes {least} to {most} arguments, not {len(arguments)}")
        return computed(self.over, *arguments)


def _truth(value: bool) -> float:
    return 1.0 if value else 0.0


def _power(left: float, right: float) -> float | None:
    try:
        found = left**right
    except (OverflowError, ZeroDivisionError):
        return None
    return found if isinstance(found, float) and math.isfinite(found) else None


_OPERATORS: dict[str, Callable[[float, float], float | None]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right if right else None,
    "^": _power,
    "==": lambda left, right: _truth(left == right),
    "!=": lambda left, right: _truth(left != right),
    "<": lambda left, right: _truth(left < right),
    ">": lambda left, right: _truth(left > right),
    "<=": lambda left, right: _truth(left <= right),
    ">=": lambda left, right: _truth(left >= right),
    "&&": lambda left, right: _truth(left != 0 and right != 0),
    "||": lambda left, right: _truth(left != 0 or right != 0),
}


# -- functions: of a time series a number, of an array a time series --------------------------------------------------


def _reduced(reduce: Callable[[Sequence[float]], float]) -> Callable[..., Value]:
    def computed(over: Range, value: Value) -> Value:
        if isinstance(value, Series):
            return reduce(list(value.points.values())) if value.points else value
        found: dict[float, list[float]] = {}
        series = all_series(value)
        for one in series:
            for at, each in one.points.items():
                found.setdefault(at, []).append(each)
        period = max((one.period for one in series), default=over.period)
        return Series("", "", period, {at: reduce(found[at]) for at in sorted(found)})

    return computed


def _deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((each - mean) ** 2 for each in values) / len(values))


def _log(base: Callable[[float], float]) -> Callable[..., Value]:
    return lambda over, value: mapped(value, lambda number: base(number) if number > 0 else None)


def _plain(change: Callable[[float], float]) -> Callable[..., Value]:
    return lambda over, value: mapped(value, lambda number: float(change(number)))


def _along(change: Callable[[float, float, float, float], float]) -> Callable[..., Value]:
    """Of each value and the one before it: `change(before, value, time before, time)`."""

    def of(series: Series) -> Series:
        times = list(series.points)
        found = {now: change(series.points[before], series.points[now], before, now) for before, now in pairwise(times)}
        return replace(series, points=found)

    def computed(over: Range, value: Value) -> Value:
        return of(value) if isinstance(value, Series) else tuple(map(of, all_series(value)))

    return computed


def _running(over: Range, value: Value) -> Value:
    def of(series: Series) -> Series:
        total, found = 0.0, {}
        for at, each in series.points.items():
            total += each
            found[at] = total
        return replace(series, points=found)

    return of(value) if isinstance(value, Series) else tuple(map(of, all_series(value)))


def _if(over: Range, condition: Value, then: Value, otherwise: Value | None = None) -> Value:
    def chosen(value: Value | None, at: float) -> float | None:
        if value is None or isinstance(value, float):
            return value
        return one_series(value).points.get(at)

    if isinstance(condition, float):
        value = then if condition else otherwise
        return value if value is not None else Series("", "", over.period, {})
    told = one_series(condition)
    points = {
        at: found for at, each in told.points.items() if (found := chosen(then if each else otherwise, at)) is not None
    }
    return replace(told, points=points)


def _slice(over: Range, value: Value, first: Value, last: Value | None = None) -> Value:
    series = all_series(value)
    start = int(number(first))
    end = int(number(last)) if last is not None else None
    if last is None:
        return series[start:] if len(series[start:]) != 1 else series[start]
    chosen = series[start:end]
    return chosen[0] if len(chosen) == 1 else chosen


def _edge(index: int) -> Callable[..., Value]:
    def computed(over: Range, value: Value) -> Value:
        series = all_series(value)
        if not series:
            raise BadExpression("the array is empty")
        return series[index]

    return computed


def _time_series(over: Range, value: Value) -> Value:
    return Series("", "", over.period, dict.fromkeys(over.times(), number(value)))


def _part_of_time(part: Callable[[datetime], float]) -> Callable[..., Value]:
    def computed(over: Range, value: Value) -> Value:
        points = {at: part(datetime.fromtimestamp(at, UTC)) for at in one_series(value).points}
        return replace(one_series(value), points=points)

    return computed


def _remove_empty(over: Range, value: Value) -> Value:
    return tuple(one for one in all_series(value) if one.points)


_Known = tuple[int, int, Callable[..., Value]]
_FUNCTIONS: dict[str, _Known] = {
    "SUM": (1, 1, _reduced(math.fsum)),
    "AVG": (1, 1, _reduced(lambda values: math.fsum(values) / len(values))),
    "MIN": (1, 1, _reduced(min)),
    "MAX": (1, 1, _reduced(max)),
    "STDDEV": (1, 1, _reduced(_deviation)),
    "METRIC_COUNT": (1, 1, lambda over, value: float(len(all_series(value)))),
    "DATAPOINT_COUNT": (1, 1, _reduced(lambda values: float(len(values)))),
    "ABS": (1, 1, _plain(abs)),
    "CEIL": (1, 1, _plain(math.ceil)),
    "FLOOR": (1, 1, _plain(math.floor)),
    "LOG": (1, 1, _log(math.log)),
    "LOG10": (1, 1, _log(math.log10)),
    "RATE": (1, 1, _along(lambda before, value, then, now: (value - before) / (now - then))),
    "DIFF": (1, 1, _along(lambda before, value, then, now: value - before)),
    "DIFF_TIME": (1, 1, _along(lambda before, value, then, now: now - then)),
    "RUNNING_SUM": (1, 1, _running),
    "IF": (2, 3, _if),
    "SLICE": (2, 3, _slice),
    "FIRST": (1, 1, _edge(0)),
    "LAST": (1, 1, _edge(-1)),
    "PERIOD": (1, 1, lambda over, value: float(one_series(value).period)),
    "TIME_SERIES": (1, 1, _time_series),
    "REMOVE_EMPTY": (1, 1, _remove_empty),
    "EPOCH": (1, 1, _part_of_time(lambda at: at.timestamp())),
    "MINUTE": (1, 1, _part_of_time(lambda at: float(at.minute))),
    "HOUR": (1, 1, _part_of_time(lambda at: float(at.hour))),
    "DAY": (1, 1, _part_of_time(lambda at: float(at.isoweekday()))),
    "DATE": (1, 1, _part_of_time(lambda at: float(at.day))),
    "MONTH": (1, 1, _part_of_time(lambda at: float(at.month))),
    "YEAR": (1, 1, _part_of_time(lambda at: float(at.year))),
}


# -- functions with keywords -------------------------------------------------------------------------------------------


def _fill(evaluator: Evaluator, arguments: Sequence[Node]) -> Value:
    if len(arguments) != 2:
        raise BadExpression(f"FILL takes 2 arguments, not {len(arguments)}")
    value, way = evaluator.value(arguments[0]), arguments[1]
    keyword = way.id.upper() if isinstance(way, Name) else ""
    if keyword in ("REPEAT", "LINEAR"):
        filled = [_filled(one, evaluator.over, keyword) for one in all_series(value)]
    else:
        filling = evaluator.value(way)
        filled = [_filled_with(one, evaluator.over, filling) for one in all_series(value)]
    return filled[0] if isinstance(value, Series) else tuple(filled)


def _filled_with(series: Series, over: Range, filling: Value) -> Series:
    found = {}
    for at in sorted({*over.times(), *series.points}):
        other = filling if isinstance(filling, float) else one_series(filling).points.get(at)
        new = series.points.get(at, other)
        if new is not None:
            found[at] = new
    return replace(series, points=found)


def _filled(series: Series, over: Range, way: str) -> Series:
    times, known = sorted({*over.times(), *series.points}), list(series.points)
    found = dict(series.points)
    for at in times:
        if at in series.points:
            continue
        before = max((each for each in known if each < at), default=None)
        after = min((each for each in known if each > at), default=None)
        if before is None:
            continue
        if way == "REPEAT":
            found[at] = series.points[before]
        elif after is not None:
            share = (at - before) / (after - before)
            found[at] = series.points[before] + share * (series.points[after] - series.points[before])
    return replace(series, points={at: found[at] for at in sorted(found)})


_BY: dict[str, Callable[[Sequence[float]], float]] = {
    "AVG": lambda values: math.fsum(values) / len(values),
    "SUM": math.fsum,
    "MIN": min,
    "MAX": max,
}


def _sort(evaluator: Evaluator, arguments: Sequence[Node]) -> Value:
    if not 3 <= len(arguments) <= 4:
        raise BadExpression(f"SORT takes 3 to 4 arguments, not {len(arguments)}")
    by, order = arguments[1], arguments[2]
    if not isinstance(by, Name) or by.id.upper() not in _BY:
        raise BadExpression("SORT sorts by AVG, MIN, MAX or SUM")
    if not isinstance(order, Name) or order.id.upper() not in ("ASC", "DESC"):
        raise BadExpression("SORT's order is ASC or DESC")
    reduce = _BY[by.id.upper()]
    series = [one for one in all_series(evaluator.value(arguments[0])) if one.points]
    found = sorted(series, key=lambda one: reduce(list(one.points.values())), reverse=order.id.upper() == "DESC")
    return tuple(found[: int(number(evaluator.value(arguments[3])))] if len(arguments) == 4 else found)


_KEYWORDED: dict[str, Callable[[Evaluator, Sequence[Node]], Value]] = {"FILL": _fill, "SORT": _sort}
KEYWORDS = frozenset({"REPEAT", "LINEAR", "AVG", "SUM", "MIN", "MAX", "ASC", "DESC"})
