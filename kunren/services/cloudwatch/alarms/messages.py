"""What others are told when an alarm changes: SNS's message, a function's event, EventBridge's detail. Pure.

A *change* is a dict of plain values, kept until its messages are out: `name`, `type`, `account`, `region`, `settings`,
`configured_at`, `old` and `new` (each value, reason, data, at).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.core.arn import build_arn
from kunren.services.cloudwatch.alarms.reasons import stamp
from kunren.services.cloudwatch.model import COMPOSITE, Alarm, AlarmState

REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "af-south-1": "Africa (Cape Town)",
    "ap-east-1": "Asia Pacific (Hong Kong)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-northeast-3": "Asia Pacific (Osaka)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ca-central-1": "Canada (Central)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-north-1": "EU (Stockholm)",
    "eu-south-1": "EU (Milan)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-west-3": "EU (Paris)",
    "me-south-1": "Middle East (Bahrain)",
    "sa-east-1": "South America (Sao Paulo)",
}
_STATISTICS = {"Average": "AVERAGE", "Sum": "SUM", "Minimum": "MINIMUM", "Maximum": "MAXIMUM", "SampleCount": "COUNT"}
_SUBJECT_MAX = 100


def change_of(alarm: Alarm, old: AlarmState, new: AlarmState) -> dict[str, Any]:
    return {
        "name": alarm.id,
        "type": alarm.type,
        "account": alarm.account,
        "region": alarm.region,
        "settings": alarm.settings,
        "configured_at": alarm.configured_at,
        "old": _kept(old),
        "new": _kept(new),
    }


def _kept(state: AlarmState) -> dict[str, Any]:
    return {"value": state.value, "reason": state.reason, "data": state.reason_data, "at": state.updated_at}


def arn_of(change: Mapping[str, Any]) -> str:
    return build_arn("cloudwatch", change["region"], change["account"], f"alarm:{change['name']}")


def subject(change: Mapping[str, Any]) -> str:
    region = REGIONS.get(change["region"], change["region"])
    return f'{change["new"]["value"]}: "{change["name"]}" in {region}'[:_SUBJECT_MAX]


def sns_message(change: Mapping[str, Any]) -> dict[str, Any]:
    settings, old, new = change["settings"], change["old"], change["new"]
    found = {
        "AlarmName": change["name"],
        "AlarmDescription": settings.get("AlarmDescription"),
        "AWSAccountId": change["account"],
        "AlarmConfigurationUpdatedTimestamp": stamp(change["configured_at"]),
        "NewStateValue": new["value"],
        "NewStateReason": new["reason"],
        "StateChangeTime": stamp(new["at"]),
        "Region": REGIONS.get(change["region"], change["region"]),
        "AlarmArn": arn_of(change),
        "OldStateValue": old["value"],
        "OKActions": settings.get("OKActions") or [],
        "AlarmActions": settings.get("AlarmActions") or [],
        "InsufficientDataActions": settings.get("InsufficientDataActions") or [],
    }
    if change["type"] == COMPOSITE:
        triggering = _triggering(new["data"])
        return {**found, "AlarmRule": settings["AlarmRule"], "TriggeringChildren": triggering}
    return {**found, "Trigger": _trigger(settings)}


def _triggering(data: str) -> list[dict[str, Any]]:
    told = json.loads(data).get("triggeringAlarms", []) if data else []
    return [
        {"Arn": each["arn"], "State": {"Value": each["state"]["value"], "Timestamp": each["state"]["timestamp"]}}
        for each in told
    ]


def _trigger(settings: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.get("Metrics"):
        found["Metrics"] = [_query_in_trigger(each) for each in settings["Metrics"]]
    else:
        found |= {"MetricName": settings["MetricName"], "Namespace": settings["Namespace"]}
        if settings.get("ExtendedStatistic"):
            found |= {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": settings["ExtendedStatistic"]}
        else:
            found |= {"StatisticType": "Statistic", "Statistic": _STATISTICS[settings["Statistic"]]}
        found["Unit"] = settings.get("Unit")
        found["Dimensions"] = [
            {"value": each["Value"], "name": each["Name"]} for each in settings.get("Dimensions") or ()
        ]
    if settings.get("Period"):
        found["Period"] = settings["Period"]
    found["EvaluationPeriods"] = settings["EvaluationPeriods"]
    if settings.get("DatapointsToAlarm"):
        found["DatapointsToAlarm"] = settings["DatapointsToAlarm"]
    return {
        **found,
        "ComparisonOperator": settings["ComparisonOperator"],
        "Threshold": float(settings["Threshold"]),
        "TreatMissingData": settings.get("TreatMissingData") or "",
        "EvaluateLowSampleCountPercentile": settings.get("EvaluateLowSampleCountPercentile") or "",
    }


def _query_in_trigger(query: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"Id": query["Id"], "ReturnData": query.get("ReturnData", True)}
    if query.get("Label"):
        found["Label"] = query["Label"]
    if query.get("Expression"):
        found["Expression"] = query["Expression"]
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        dimensions = [{"value": each["Value"], "name": each["Name"]} for each in metric.get("Dimensions") or ()]
        found["MetricStat"] = {
            "Metric": {
                "Dimensions": dimensions, "MetricName": metric["MetricName"], "Namespace": metric["Namespace"],
            },
            "Period": stat["Period"],
            "Stat": stat["Stat"],
        }  # fmt: skip
    return found


def lambda_event(change: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": "aws.cloudwatch",
        "alarmArn": arn_of(change),
        "accountId": change["account"],
        "time": stamp(change["new"]["at"]),
        "region": change["region"],
        "alarmData": detail(change),
    }


def detail(change: Mapping[str, Any]) -> dict[str, Any]:
    """Of EventBridge's "CloudWatch Alarm State Change"."""
    return {
        "alarmName": change["name"],
        "state": _state(change["new"]),
        "previousState": _state(change["old"]),
        "configuration": _configuration(change),
    }


def _state(state: Mapping[str, Any]) -> dict[str, Any]:
    found = {"value": state["value"], "reason": state["reason"]}
    if state["data"]:
        found["reasonData"] = state["data"]
    return {**found, "timestamp": stamp(state["at"])}


def _configuration(change: Mapping[str, Any]) -> dict[str, Any]:
    settings = change["settings"]
    found: dict[str, Any] = {}
    if settings.get("AlarmDescription"):
        found["description"] = settings["AlarmDescription"]
    if change["type"] == COMPOSITE:
        return {"alarmRule": settings["AlarmRule"], **found}
    if settings.get("Metrics"):
        return {**found, "metrics": [_query_in_detail(each) for each in settings["Metrics"]]}
    stat = {
        "Metric": settings,
        "Period": settings["Period"],
        "Stat": settings.get("Statistic") or settings.get("ExtendedStatistic"),
    }
    id = settings.get("QueryId") or "m1"
    return {**found, "metrics": [_query_in_detail({"Id": id, "MetricStat": stat, "ReturnData": True})]}


def _query_in_detail(query: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": query["Id"]}
    if query.get("Expression"):
        found["expression"] = query["Expression"]
    if query.get("Label"):
        found["label"] = query["Label"]
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        found["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": {each["Name"]: each["Value"] for each in metric.get("Dimensions") or ()},
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
    return {**found, "returnData": query.get("ReturnData", True)}
