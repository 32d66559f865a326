"""Which resources an operation of EventBridge, its Scheduler, or CloudWatch concerns ("Actions, resources, and
condition keys for Amazon EventBridge", and so on). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kunren.core.conditions import many

if TYPE_CHECKING:
    from kunren.access.actions import Target

ALL, DEFAULT = "*", "default"


def events(target: Target) -> list[str]:
    """ARNs; of PutEvents those of all buses that get something."""
    operation, params = target.operation, target.params
    if operation == "PutEvents":
        entries = [each for each in many(params.get("Entries")) if isinstance(each, dict)]
        return list(dict.fromkeys(_bus(target, each.get("EventBusName")) for each in entries)) or [ALL]
    if isinstance(arn := params.get("ResourceARN"), str):
        return [arn]
    for member, kind in (("ArchiveName", "archive"), ("ReplayName", "replay")):
        if params.get(member):
            return [target.arn("events", f"{kind}/{params[member]}")]
    if rule := params.get("Rule") or (params.get("Name") if operation.endswith("Rule") else None):
        bus = _bus(target, params.get("EventBusName")).rpartition("event-bus/")[2]
        return [target.arn("events", f"rule/{rule}" if bus == DEFAULT else f"rule/{bus}/{rule}")]
    if operation.endswith(("EventBus", "Permission")):
        return [_bus(target, params.get("Name") or params.get("EventBusName"))]
    return [ALL]


def _bus(target: Target, told: Any) -> str:
    if isinstance(told, str) and told.startswith("arn:"):
        return told
    return target.arn("events", f"event-bus/{told or DEFAULT}")


def scheduler(target: Target) -> list[str]:
    """ARNs."""
    operation, params = target.operation, target.params
    if isinstance(arn := params.get("ResourceArn"), str):
        return [arn]
    name = params.get("Name")
    if operation.endswith("ScheduleGroup"):
        return [target.arn("scheduler", f"schedule-group/{name}")]
    if operation.endswith("Schedule"):
        return [target.arn("scheduler", f"schedule/{params.get('GroupName') or DEFAULT}/{name}")]
    return [ALL]


def cloudwatch(target: Target) -> list[str]:
    """ARNs; metrics have none."""
    params = target.params
    if isinstance(arn := params.get("ResourceARN"), str):
        return [arn]
    if alarms := many(params.get("AlarmNames")) or many(params.get("AlarmName")):
        return [target.arn("cloudwatch", f"alarm:{each}") for each in alarms]
    dashboards = many(params.get("DashboardNames")) or many(params.get("DashboardName"))
    return [target.arn("cloudwatch", f"dashboard/{each}", region=False) for each in dashboards] or [ALL]
