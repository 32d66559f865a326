"""Metrics in and out: PutMetricData, ListMetrics, GetMetricStatistics, GetMetricData."""

from __future__ import annotations

import base64
import math
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.cloudwatch.api.base import Operations, Params, Result, from_inside, paged, present, seconds
from kunren.services.cloudwatch.errors import (
    InternalServiceFault,
    InvalidNextToken,
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
    NotYet,
    ValidationError,
)
from kunren.services.cloudwatch.metrics.points import Point, of_set, of_values, statistic
from kunren.services.cloudwatch.metrics.storage import DAY, HOUR, LISTED_FOR, MetricId, Row
from kunren.services.cloudwatch.reading import Queries, buckets, check_period, metric_id, rounded_start

DATA_MAX, VALUES_MAX = 1000, 150
DATAPOINTS_MAX, QUERY_DATAPOINTS_MAX, QUERIES_MAX = 1440, 100_800, 500
LIST_PAGE = 500
PAST_MAX_S, FUTURE_MAX_S = 14 * DAY, 2 * HOUR
_GREATEST, _LEAST = 2.0**360, 2.0**-360


class MetricOperations(Operations):
    async def put_metric_data(self, ctx: RequestContext, params: Params) -> Result:
        namespace = params["Namespace"]
        if namespace.startswith("AWS/") and not from_inside(ctx):
            raise InvalidParameterValueException(f"The value {namespace} for parameter Namespace is invalid.")
        data = list(params.get("MetricData") or ())
        for entity in params.get("EntityMetricData") or ():
            data += entity.get("MetricData") or ()
        if not data:
            raise MissingRequiredParameterException("The parameter MetricData is required.")
        if len(data) > DATA_MAX:
            raise InvalidParameterValueException("The collection MetricData must not have a size greater than 1000.")
        now = self._clock.now()
        rows = [
            self._row(ctx, namespace, each, f"MetricData.member.{number}", now) for number, each in enumerate(data, 1)
        ]
        try:
            await self._storage().put(rows)
        except sqlite3.Error as error:
            raise InternalServiceFault(f"The metrics could not be written to disk ({error})") from None
        return {}

    def _row(
        self, ctx: RequestContext, namespace: str, datum: Mapping[str, Any], where: str, now: float
    ) -> Row:  # fmt: skip
        names = [each["Name"] for each in datum.get("Dimensions") or ()]
        if len(set(names)) != len(names):
            raise InvalidParameterValueException(f"The parameter {where}.Dimensions has a name more than once.")
        told = datum.get("Timestamp")
        at = now if told is None else seconds(told)
        if not from_inside(ctx) and not now - PAST_MAX_S <= at <= now + FUTURE_MAX_S:
            shown = datetime.fromtimestamp(at, UTC).isoformat() if abs(at) < 1e11 else str(at)
            raise InvalidParameterValueException(
                f"The parameter {where}.Timestamp must specify a time no earlier than two weeks in the past and no "
                f"later than two hours in the future; {shown} is not."
            )
        resolution = datum.get("StorageResolution") or 60
        if resolution not in (1, 60):
            raise InvalidParameterValueException(f"The parameter {where}.StorageResolution must be 1 or 60.")
        metric = metric_id(ctx.account, ctx.region, {"Namespace": namespace, **datum})
        begin = math.floor(at / resolution) * resolution
        return Row(metric, begin, resolution, datum.get("Unit") or "None", point_of(datum, where))

    async def list_metrics(self, ctx: RequestContext, params: Params) -> Result:
        await self._collected()
        since = self._clock.now() - (3 * HOUR if params.get("RecentlyActive") else LISTED_FOR)
        found = [
            each
            for each in self._storage().metrics(ctx.account, ctx.region, since)
            if params.get("Namespace") in (None, each.namespace)
            and params.get("MetricName") in (None, each.name)
            and _has(each, params.get("Dimensions") or ())
        ]
        shown, token = paged(found, params.get("NextToken"), LIST_PAGE, _key)
        return {"Metrics": [_metric(each) for each in shown], "NextToken": token}

    async def get_metric_statistics(self, ctx: RequestContext, params: Params) -> Result:
        plain, extended = params.get("Statistics") or (), params.get("ExtendedStatistics") or ()
        if bool(plain) == bool(extended):
            if plain:
                raise InvalidParameterCombinationException(
                    "At most one of the parameters ExtendedStatistics and Statistics must be specified."
                )
            raise InvalidParameterCombinationException(
                "At least one of the parameters Statistics or ExtendedStatistics must be specified."
            )
        for each in extended:
            if statistic(each) is None or each in plain:
                raise InvalidParameterValueException(f"The value {each} for parameter ExtendedStatistics is invalid.")
        period = params["Period"]
        try:
            check_period(period)
        except ValidationError as error:
            raise InvalidParameterValueException(error.message) from None
        start, end = seconds(params["StartTime"]), seconds(params["EndTime"])
        if start >= end:
            raise InvalidParameterValueException("The parameter StartTime must be less than the parameter EndTime.")
        wanted = (end - start) / period
        if wanted > DATAPOINTS_MAX:
            raise InvalidParameterCombinationException(
                f"You have requested up to {math.ceil(wanted):,} datapoints, which exceeds the limit of "
                f"{DATAPOINTS_MAX:,}. You may reduce the datapoints requested by increasing Period, or decreasing the "
                "time range."
            )
        await self._collected()
        begin = rounded_start(start, self._clock.now(), period)
        found = buckets(
            self._storage(), metric_id(ctx.account, ctx.region, params), begin, end, period, unit=params.get("Unit"),
            by_unit=True,
        )  # fmt: skip
        points = [_datapoint(each.at, each.unit, each.point, plain, extended) for each in found]
        return {"Label": params["MetricName"], "Datapoints": [each for each in points if each is not None]}

    async def get_metric_data(self, ctx: RequestContext, params: Params) -> Result:
        asked = params["MetricDataQueries"]
        if not asked or len(asked) > QUERIES_MAX:
            raise ValidationError(f"The collection MetricDataQueries must have 1 to {QUERIES_MAX} members.")
        if all(each.get("ReturnData") is False for each in asked):
            raise ValidationError("At least one of the MetricDataQueries must return data.")
        start, end = seconds(params["StartTime"]), seconds(params["EndTime"])
        if start >= end:
            raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
        queries = Queries(ctx.account, ctx.region, asked)
        if (end - start) / min(queries.period(each["Id"]) for each in asked) > QUERY_DATAPOINTS_MAX:
            raise ValidationError(f"More than {QUERY_DATAPOINTS_MAX:,} datapoints of a query are asked for.")
        await self._collected()
        results = queries.results(self._storage(), start, end, self._clock.now())
        newest_first = params.get("ScanBy") != "TimestampAscending"
        every = [
            (number, at) for number, each in enumerate(results) for at in sorted(each.points, reverse=newest_first)
        ]
        first = _offset(params.get("NextToken"))
        limit = min(params.get("MaxDatapoints") or QUERY_DATAPOINTS_MAX, QUERY_DATAPOINTS_MAX)
        shown: dict[int, list[float]] = {}
        for number, at in every[first : first + limit]:
            shown.setdefault(number, []).append(at)
        more = first + limit < len(every)
        answer = []
        for number, each in enumerate(results):
            times = shown.get(number, [])
            answer.append(
                {
                    "Id": each.id,
                    "Label": each.label,
                    "Timestamps": [datetime.fromtimestamp(at, UTC) for at in times],
                    "Values": [each.points[at] for at in times],
                    "StatusCode": "PartialData" if more and len(times) < len(each.points) else "Complete",
                }
            )
        token = base64.urlsafe_b64encode(f"d1:{first + limit}".encode()).decode() if more else None
        return {"MetricDataResults": answer, "Messages": [], "NextToken": token}

    def get_metric_widget_image(self, ctx: RequestContext, params: Params) -> Result:
        raise NotYet("pictures of metrics")


def point_of(datum: Mapping[str, Any], where: str) -> Point:
    """What a datum says. Raises MissingParameter, InvalidParameterValue, InvalidParameterCombination."""
    value, told, values = datum.get("Value"), datum.get("StatisticValues"), datum.get("Values")
    if sum(each is not None for each in (value, told, values)) > 1:
        raise InvalidParameterCombinationException(
            f"The parameters {where}.Value, {where}.Values and {where}.StatisticValues are mutually exclusive and you "
            "have specified more than one."
        )
    if value is not None:
        return of_values({_number(value, f"{where}.Value"): 1.0})
    if told is not None:
        count, total, least, most = (
            _number(told[name], f"{where}.StatisticValues.{name}")
            for name in ("SampleCount", "Sum", "Minimum", "Maximum")
        )
        if count < 0 or least > most:
            raise InvalidParameterValueException(f"The parameter {where}.StatisticValues is invalid.")
        return of_set(count, total, least, most)
    if values:
        counts = datum.get("Counts") or [1.0] * len(values)
        if len(values) > VALUES_MAX:
            raise InvalidParameterValueException(f"The collection {where}.Values must not have a size over 150.")
        if len(counts) != len(values):
            raise InvalidParameterValueException(
                f"The parameters {where}.Values and {where}.Counts must be of the same size."
            )
        found: dict[float, float] = {}
        for each, count in zip(values, counts, strict=True):
            if _number(count, f"{where}.Counts") < 0:
                raise InvalidParameterValueException(f"The parameter {where}.Counts must not be negative.")
            number = _number(each, f"{where}.Values")
            found[number] = found.get(number, 0.0) + count
        return of_values(found)
    raise MissingRequiredParameterException(
        f"At least one of the parameters {where}.Value, {where}.Values or {where}.StatisticValues must be specified."
    )


def _number(value: float, where: str) -> float:
    if not math.isfinite(value) or abs(value) > _GREATEST:
        raise InvalidParameterValueException(
            f"The value {value} for parameter {where} is invalid. It must be between -2^360 and 2^360, and a number."
        )
    return 0.0 if abs(value) < _LEAST else float(value)


def _datapoint(at: float, unit: str, point: Point, plain: Any, extended: Any) -> dict[str, Any] | None:
    found: dict[str, Any] = {"Timestamp": datetime.fromtimestamp(at, UTC), "Unit": unit}
    for name in plain:
        computed = statistic(name)
        assert computed is not None
        found[name] = computed(point)
    if extended:
        values = {}
        for name in extended:
            computed = statistic(name)
            assert computed is not None
            if (value := computed(point)) is not None:
                values[name] = value
        if not values:
            return None
        found["ExtendedStatistics"] = values
    return found


def _has(metric: MetricId, filters: Any) -> bool:
    held = dict(metric.dimensions)
    return all(each["Name"] in held and each.get("Value") in (None, held[each["Name"]]) for each in filters)


def _key(metric: MetricId) -> str:
    return "\0".join((metric.namespace, metric.name, *(f"{name}\1{value}" for name, value in metric.dimensions)))


def _metric(metric: MetricId) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return present(Namespace=metric.namespace, MetricName=metric.name, Dimensions=dimensions)


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        raw = base64.urlsafe_b64decode(token.encode()).decode()
        kind, _, number = raw.partition(":")
        if kind == "d1":
            return int(number)
    except ValueError:
        pass
    raise InvalidNextToken("The next token is invalid.")
