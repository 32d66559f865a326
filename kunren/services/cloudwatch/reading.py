"""Time series out of the datapoints: statistics by period, and queries with metric math over them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kunren.services.cloudwatch.errors import NotYet, ValidationError
from kunren.services.cloudwatch.math.evaluate import KEYWORDS, REFUSED, Evaluator, Range
from kunren.services.cloudwatch.math.parse import BadExpression, Node, functions, names, parse
from kunren.services.cloudwatch.math.series import Series, Value, all_series
from kunren.services.cloudwatch.metrics.points import Point, merged, statistic
from kunren.services.cloudwatch.metrics.storage import DAY, MetricId, Storage

HIGH_RESOLUTION = (1, 5, 10, 20, 30)
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_DEPTH_MAX = 20


class Bucket(NamedTuple):
    """What there was in one period of one unit."""

    at: float
    unit: str
    point: Point


class Result(NamedTuple):
    """One time series that a query gave; `counts` is the samples behind each value, where it reads a metric."""

    id: str
    label: str
    points: Mapping[float, float]
    counts: Mapping[float, float]


def metric_id(account: str, region: str, metric: Mapping[str, Any]) -> MetricId:
    """Of the members Namespace, MetricName and Dimensions."""
    dimensions = sorted((each["Name"], each["Value"]) for each in metric.get("Dimensions") or ())
    return MetricId(account, region, metric["Namespace"], metric["MetricName"], tuple(dimensions))


def rounded_start(start: float, now: float, period: int) -> float:
    """Where the first period begins (API reference, GetMetricStatistics, StartTime)."""
    if period < 60:
        return math.floor(start / period) * period
    age = now - start
    step = 3600 if age > 63 * DAY else 300 if age > 15 * DAY else 60
    return math.floor(start / step) * step


def buckets(
    storage: Storage, metric: MetricId, start: float, end: float, period: int, *, unit: str | None, by_unit: bool
) -> list[Bucket]:
    """The periods from `start` on that have data, in order; of each unit for itself where `by_unit`."""
    found: dict[tuple[float, str], list[Point]] = {}
    for at, held, point in storage.rows(metric, start, end, period, unit):
        begin = start + math.floor((at - start) / period) * period
        found.setdefault((begin, held if by_unit else unit or ""), []).append(point)
    return [Bucket(begin, held, merged(points)) for (begin, held), points in sorted(found.items())]


class Queries:
    """MetricDataQueries of one request, checked. Raises ValidationError, and NotYet for what is missing here."""

    def __init__(self, account: str, region: str, queries: Sequence[Mapping[str, Any]]) -> None:
        self._account, self._region = account, region
        self._queries = {each["Id"]: each for each in queries}
        self._trees: dict[str, Node] = {}
        self._periods: dict[str, int] = {}
        if len(self._queries) != len(queries):
            raise ValidationError("The values for parameter id in MetricDataQueries are not unique.")
        for each in queries:
            self._check(each)
        depths: dict[str, int] = {}
        for each in queries:
            self._depth(each["Id"], (), depths)

    def _check(self, query: Mapping[str, Any]) -> None:
        id, stat, expression = query["Id"], query.get("MetricStat"), query.get("Expression")
        if _ID.fullmatch(id) is None:
            raise ValidationError(f"The value {id} for parameter MetricDataQueries.member.Id is invalid: it must start "
                                  "with a lowercase letter and have only letters, digits and underscores.")  # fmt: skip
        if (stat is None) == (expression is None):
            raise ValidationError("The parameter MetricDataQueries must have exactly one of MetricStat and Expression "
                                  f"in each query; {id} does not.")  # fmt: skip
        if query.get("AccountId") not in (None, self._account):
            raise NotYet("metrics of other accounts")
        if stat is not None:
            if statistic(stat["Stat"]) is None:
                raise ValidationError(f"Invalid value {stat['Stat']!r} for parameter Stat of {id}")
            check_period(stat["Period"])
            if not stat["Metric"].get("Namespace") or not stat["Metric"].get("MetricName"):
                raise ValidationError(f"The parameters Namespace and MetricName of {id} are required.")
            return
        assert expression is not None
        if query.get("Period") is not None:
            check_period(query["Period"])
        if expression.lstrip()[:6].upper() == "SELECT":
            raise NotYet("Metrics Insights queries (SELECT)")
        try:
            tree = self._trees[id] = parse(expression)
        except BadExpression as error:
            raise ValidationError(f"Error in expression '{id}': {error}") from None
        for name in functions(tree) & REFUSED:
            raise NotYet(f"metric math function {name}")
        for name in names(tree):
            if name not in self._queries and name.upper() not in KEYWORDS:
                raise ValidationError(f"Error in expression '{id}': {name!r} is not defined")

    def _depth(self, id: str, through: tuple[str, ...], known: dict[str, int]) -> int:
        """How many expressions stand below one another. Each is looked at once: there may be 500 ways to each."""
        if id in through or len(through) > _DEPTH_MAX:
            raise ValidationError(f"Error in expression '{id}': it refers to itself or is nested too deeply")
        if id not in known:
            below = [name for name in names(self._trees[id]) if name in self._queries] if id in self._trees else []
            known[id] = max((1 + self._depth(name, (*through, id), known) for name in below), default=0)
        if len(through) + known[id] > _DEPTH_MAX:
            raise ValidationError(f"Error in expression '{id}': it refers to itself or is nested too deeply")
        return known[id]

    def period(self, id: str | None = None) -> int:
        """A query's period, of an expression the longest that it reads; of all of them without an id."""
        if id is None:
            return max((self.period(each) for each in self._queries), default=60)
        if id not in self._periods:
            self._periods[id] = self._own_period(id)
        return self._periods[id]

    def _own_period(self, id: str) -> int:
        query = self._queries[id]
        if (stat := query.get("MetricStat")) is not None:
            return int(stat["Period"])
        if query.get("Period"):
            return int(query["Period"])
        read = [self.period(each) for each in names(self._trees[id]) if each in self._queries]
        if not read:
            read = [each["MetricStat"]["Period"] for each in self._queries.values() if each.get("MetricStat")]
        return max(read, default=60)

    def results(self, storage: Storage, start: float, end: float, now: float) -> list[Result]:
        """The time series of the queries that return data, in the queries' order. Raises ValidationError."""
        values: dict[str, Value] = {}
        counts: dict[str, dict[float, float]] = {}
        for id, query in self._queries.items():
            if (stat := query.get("MetricStat")) is not None:
                values[id], counts[id] = self._read(storage, id, query, stat, (start, end, now))
        metrics = [each for each in values.values() if isinstance(each, Series)]
        found = []
        for id, query in self._queries.items():
            value = self._computed(id, values, metrics, (start, end, now))
            if query.get("ReturnData", True) is False:
                continue
            if isinstance(value, float):
                over = self._range(id, start, end, now)
                value = Series(id, id, over.period, dict.fromkeys(over.times(), value))
            for one in all_series(value):
                label = query.get("Label") or (one.label if isinstance(value, tuple) or id in counts else "") or id
                found.append(Result(id, label, one.points, counts.get(id, {})))
        return found

    def _range(self, id: str, start: float, end: float, now: float) -> Range:
        period = self.period(id)
        return Range(rounded_start(start, now, period), end, period)

    def _read(
        self, storage: Storage, id: str, query: Mapping[str, Any], stat: Mapping[str, Any],
        times: tuple[float, float, float],
    ) -> tuple[Series, dict[float, float]]:  # fmt: skip
        over, computed = self._range(id, *times), statistic(stat["Stat"])
        assert computed is not None
        metric = metric_id(self._account, self._region, stat["Metric"])
        points, counts = {}, {}
        for each in buckets(storage, metric, over.start, over.end, over.period, unit=stat.get("Unit"), by_unit=False):
            if (value := computed(each.point)) is not None:
                points[each.at], counts[each.at] = value, each.point.samples
        return Series(id, query.get("Label") or metric.name, over.period, points), counts

    def _computed(
        self, id: str, values: dict[str, Value], metrics: Sequence[Series], times: tuple[float, float, float]
    ) -> Value:
        if id in values:
            return values[id]
        tree = self._trees[id]
        for name in names(tree):
            if name in self._queries:
                self._computed(name, values, metrics, times)
        try:
            value = Evaluator(values, metrics, self._range(id, *times)).value(tree)
        except BadExpression as error:
            raise ValidationError(f"Error in expression '{id}': {error}") from None
        values[id] = value
        return value


def check_period(period: int) -> None:
    """Raises ValidationError."""
    if period not in HIGH_RESOLUTION and (period < 1 or period % 60):
        raise ValidationError("Period must be 1, 5, 10, 20, 30, or any multiple of 60.")
