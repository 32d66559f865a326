"""Health checks on CloudWatch alarms: the alarm's metric against its settings, as Route 53 itself evaluates them.

Route 53 watches the alarm's data, not the state of the alarm, so SetAlarmState has no effect (developer guide, "How
Route 53 determines the status of health checks that monitor CloudWatch alarms"). It keeps the settings that the alarm
had when the health check was made or last told to use it. What it supports is in AlarmIdentifier's documentation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kunren.core.calling import CallService
from kunren.services.route53.errors import InvalidInput
from kunren.services.route53.model import AlarmIdentifier, AlarmSettings

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
_PERIOD_MIN_S = 60
_EVERY_S = 30.0
_STATISTICS = frozenset(("Average", "Sum", "SampleCount", "Maximum", "Minimum"))
_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True, slots=True)
class WatchedAlarm:
    """An alarm that a health check watches, evaluated every half minute of AWS time."""

    account: str
    region: str
    address: str  # the alarm's name
    settings: AlarmSettings
    interval_s: float = _EVERY_S


async def read_settings(call: CallService, account: str, alarm: AlarmIdentifier) -> AlarmSettings:
    """The alarm's settings as CloudWatch has them. Raises InvalidInput where there is no such alarm, or one that
    Route 53 does not support; AwsError where CloudWatch does not answer."""
    answer = await call(account, alarm.region, "cloudwatch", "DescribeAlarms", {"AlarmNames": [alarm.name]})
    found = next(iter(answer.get("MetricAlarms") or ()), None)
    if found is None:
        raise InvalidInput(f"Invalid parameter : The CloudWatch alarm {alarm.name} in {alarm.region} does not exist.")
    if (unsupported := _unsupported(found)) is not None:
        raise InvalidInput(f"Invalid parameter : The CloudWatch alarm {alarm.name} is not supported: {unsupported}.")
    return AlarmSettings(
        namespace=found["Namespace"],
        metric_name=found["MetricName"],
        statistic=found["Statistic"],
        period_s=found["Period"],
        evaluation_periods=found["EvaluationPeriods"],
        threshold=found["Threshold"],
        comparison=found["ComparisonOperator"],
        dimensions={each["Name"]: each["Value"] for each in found.get("Dimensions") or ()},
        treat_missing=found.get("TreatMissingData") or "missing",
    )


def _unsupported(found: Mapping[str, Any]) -> str | None:
    if found.get("Metrics") or not found.get("MetricName"):
        return "it does not watch a single metric"
    if found.get("Statistic") not in _STATISTICS:
        return "extended statistics are not supported"
    if found.get("ComparisonOperator") not in _BREACHES or found.get("Threshold") is None:
        return "its comparison is not supported"
    if found["Period"] < _PERIOD_MIN_S:
        return "high-resolution metrics are not supported"
    if (found.get("DatapointsToAlarm") or found["EvaluationPeriods"]) != found["EvaluationPeriods"]:
        return '"M out of N" alarms are not supported'
    return None


async def read_state(call: CallService, alarm: WatchedAlarm, now: float) -> str:
    """What the metric's last periods say. Raises AwsError where CloudWatch does not answer."""
    values = [await _value(call, alarm, start) for start in periods(alarm.settings, now)]
    return judged(alarm.settings, values)


def periods(settings: AlarmSettings, now: float) -> Iterator[float]:
    """When the last complete periods began, the oldest first."""
    end = math.floor(now / settings.period_s) * settings.period_s
    for number in range(settings.evaluation_periods, 0, -1):
        yield float(end - number * settings.period_s)


async def _value(call: CallService, alarm: WatchedAlarm, start: float) -> float | None:
    """The statistic over one period. Asked period by period, so that periods begin where CloudWatch has them begin."""
    settings = alarm.settings
    asked = {
        "Namespace": settings.namespace,
        "MetricName": settings.metric_name,
        "Statistics": [settings.statistic],
        "Period": settings.period_s,
        "StartTime": datetime.fromtimestamp(start, UTC),
        "EndTime": datetime.fromtimestamp(start + settings.period_s, UTC),
        "Dimensions": [{"Name": name, "Value": value} for name, value in settings.dimensions.items()],
    }
    answer = await call(alarm.account, alarm.region, "cloudwatch", "GetMetricStatistics", asked)
    found = [float(each[settings.statistic]) for each in answer.get("Datapoints") or () if settings.statistic in each]
    return found[0] if found else None


def judged(settings: AlarmSettings, values: Sequence[float | None]) -> str:
    """The state that those periods mean ("Configuring how CloudWatch alarms treat missing data"): ALARM when every one
    breaches. Missing ones count as TreatMissingData says; they are left out where it says `missing` or `ignore`."""
    breaches = _BREACHES[settings.comparison]
    assumed = {"breaching": True, "notBreaching": False}.get(settings.treat_missing)
    known = [breaches(each, settings.threshold) if each is not None else assumed for each in values]
    seen = [each for each in known if each is not None]
    if not seen:
        return INSUFFICIENT_DATA
    return ALARM if all(seen) else OK


def is_healthy(state: str, insufficient: str | None, last_known: bool) -> bool:
    """The health that a state stands for; `insufficient` is InsufficientDataHealthStatus."""
    if state == INSUFFICIENT_DATA:
        return {"Healthy": True, "Unhealthy": False}.get(insufficient or "", last_known)
    return state == OK
