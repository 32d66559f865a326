"""Whether an alarm can be as it is told to be. Raises ValidationError, and NotYet for what is missing here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kunren.core.arn import parse_arn
from kunren.services.cloudwatch.alarms import rules
from kunren.services.cloudwatch.alarms.actions import EC2
from kunren.services.cloudwatch.alarms.watch import BREACHES
from kunren.services.cloudwatch.errors import NotYet, ValidationError
from kunren.services.cloudwatch.metrics.points import statistic
from kunren.services.cloudwatch.metrics.storage import DAY
from kunren.services.cloudwatch.model import ACTIONS
from kunren.services.cloudwatch.reading import Queries

PERIODS = (10, 20, 30)
_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_TO_COMPOSITE = ("sns", "lambda", "ssm", "ssm-incidents", "aiops")
_SETTINGS = frozenset(
    {
        "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions", "MetricName",
        "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit", "EvaluationPeriods",
        "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile",
        "Metrics", "ThresholdMetricId",
    }
)  # fmt: skip
_COMPOSITE_SETTINGS = frozenset(
    {
        "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions", "AlarmRule",
    }
)  # fmt: skip
_NOT_YET = {
    "ThresholdMetricId": "anomaly detection (alarms with ThresholdMetricId)",
    "EvaluationWindow": "evaluation windows of alarms",
    "WarmUpConfiguration": "warm-up of alarms",
    "EvaluationCriteria": "alarms on queries with several contributors (EvaluationCriteria)",
    "EvaluationInterval": "evaluation intervals of alarms",
    "ActionConfiguration": "action configurations of alarms",
    "ActionsSuppressor": "suppressors of composite alarms' actions",
}


def metric_settings(account: str, region: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a metric alarm keeps of PutMetricAlarm."""
    _refuse(params)
    for name in ("EvaluationPeriods", "ComparisonOperator"):
        if params.get(name) is None:
            raise ValidationError(f"The parameter {name} is required.")
    if params["ComparisonOperator"] not in BREACHES:
        raise NotYet(f"anomaly detection ({params['ComparisonOperator']})")
    if params.get("Threshold") is None:
        raise ValidationError("The parameter Threshold is required.")
    if params.get("TreatMissingData") not in (None, *_TREATMENTS):
        raise ValidationError(f"Option {params['TreatMissingData']} for parameter TreatMissingData is not valid.")
    periods = params["EvaluationPeriods"]
    if (params.get("DatapointsToAlarm") or 1) > periods:
        raise ValidationError("The parameter DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    period = _queried(account, region, params) if params.get("Metrics") else _single(params)
    span = 7 * DAY if period >= 3600 else DAY
    if period * periods > span:
        days = "seven days" if period >= 3600 else "a day"
        raise ValidationError(f"Metrics cannot be checked across more than {days} (EvaluationPeriods * Period must be "
                              f"<= {int(span)}).")  # fmt: skip
    _check_actions(region, params, composite=False)
    return _kept(params, _SETTINGS)


def _single(params: Mapping[str, Any]) -> int:
    for name in ("MetricName", "Namespace", "Period"):
        if params.get(name) is None:
            raise ValidationError(f"The parameter {name} is required.")
    plain, extended = params.get("Statistic"), params.get("ExtendedStatistic")
    if (plain is None) == (extended is None):
        raise ValidationError("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.")
    if extended is not None and statistic(extended) is None:
        raise ValidationError(f"The value {extended} for parameter ExtendedStatistic is not supported.")
    low = params.get("EvaluateLowSampleCountPercentile")
    if low not in (None, "evaluate", "ignore") or (low is not None and not (extended or "").startswith("p")):
        raise ValidationError(f"Option {low} for parameter EvaluateLowSampleCountPercentile is not valid.")
    return _period(params["Period"])


def _queried(account: str, region: str, params: Mapping[str, Any]) -> int:
    for name in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit"):
        if params.get(name):
            raise ValidationError(f"Parameter {name} must not be set if Metrics are specified.")
    returned = [each for each in params["Metrics"] if each.get("ReturnData", True) is not False]
    if len(returned) != 1:
        raise ValidationError("Exactly two elements of the metrics list should return data."
                              if params.get("ThresholdMetricId") else
                              "Exactly one element of the metrics list should return data.")  # fmt: skip
    queries = Queries(account, region, params["Metrics"])
    return _period(queries.period())


def _period(period: int) -> int:
    if period not in PERIODS and period % 60:
        raise ValidationError("Period must be 10, 20, 30 or a multiple of 60.")
    return period


def composite_settings(region: str, params: Mapping[str, Any], name: str, known: Collection[str]) -> dict[str, Any]:
    """What a composite alarm keeps of PutCompositeAlarm; `known` are the alarms that there are."""
    _refuse(params)
    try:
        rule = rules.parse(params["AlarmRule"])
    except rules.BadRule as error:
        raise ValidationError(f"Could not parse the AlarmRule of alarm {name}: {error}") from None
    named = {rules.name_of(each) for each in rules.alarms(rule)}
    if len(named) > rules.ALARMS_MAX:
        raise ValidationError(f"The AlarmRule must not have more than {rules.ALARMS_MAX} alarms.")
    if name in named:
        raise ValidationError(f"Alarm {name} must not be in its own AlarmRule.")
    if missing := sorted(named - set(known)):
        raise ValidationError(f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule "
                              "do not exist")  # fmt: skip
    _check_actions(region, params, composite=True)
    return _kept(params, _COMPOSITE_SETTINGS)


def _refuse(params: Mapping[str, Any]) -> None:
    for name, what in _NOT_YET.items():
        if params.get(name):
            raise NotYet(what)


def _kept(params: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    found = {name: params[name] for name in names if params.get(name) is not None}
    found.setdefault("ActionsEnabled", True)
    return found


def _check_actions(region: str, params: Mapping[str, Any], *, composite: bool) -> None:
    for setting in ACTIONS.values():
        for text in params.get(setting) or ():
            arn = parse_arn(text)
            if arn is None:
                raise ValidationError(f"Invalid arn syntax: {text}")
            if arn.region and arn.region != region:
                raise ValidationError(f"Invalid region {arn.region} specified. Only {region} is supported.")
            if arn.service == "automate" and (arn.account != "ec2" or arn.resource not in EC2):
                raise ValidationError(f"Unsupported EC2 action: {arn.resource}")
            if composite and arn.service not in _TO_COMPOSITE:
                raise ValidationError(f"Composite alarms do not support the action {text}.")
