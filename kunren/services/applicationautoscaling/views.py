"""Targets, policies, scheduled actions and activities as the wire has them. Pure."""

from __future__ import annotations

from typing import Any

from kunren.core.arn import build_arn
from kunren.services.applicationautoscaling.model import Activity, Schedule, Target

_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def id_of(params: dict[str, Any]) -> str:
    return f"{params['ServiceNamespace']}|{params['ResourceId']}|{params['ScalableDimension']}"


def target_arn(target: Target) -> str:
    return build_arn("application-autoscaling", target.region, target.account, f"scalable-target/{target.number}")


def policy_arn(target: Target, name: str) -> str:
    resource = f"resource/{target.namespace}/{target.resource}:policyName/{name}"
    return build_arn(
        "autoscaling", target.region, target.account, f"scalingPolicy:{target.policies[name].id}:{resource}"
    )


def _of(target: Target) -> dict[str, str]:
    return {
        "ServiceNamespace": target.namespace,
        "ResourceId": target.resource,
        "ScalableDimension": target.dimension,
    }


def target_to_wire(target: Target) -> dict[str, Any]:
    return {
        **_of(target),
        "MinCapacity": target.least,
        "MaxCapacity": target.most,
        "RoleARN": target.role,
        "CreationTime": target.created,
        "SuspendedState": {each: target.suspended.get(each, False) for each in _SUSPENDED},
        "ScalableTargetARN": target_arn(target),
    }


def alarms(target: Target, names: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"AlarmName": each, "AlarmARN": build_arn("cloudwatch", target.region, target.account, f"alarm:{each}")}
        for each in names
    ]


def policy_to_wire(target: Target, name: str, called_by: list[dict[str, str]]) -> dict[str, Any]:
    policy = target.policies[name]
    return {
        **_of(target),
        "PolicyARN": policy_arn(target, name),
        "PolicyName": name,
        "PolicyType": policy.type,
        "StepScalingPolicyConfiguration": policy.step,
        "TargetTrackingScalingPolicyConfiguration": policy.tracking,
        "Alarms": called_by,
        "CreationTime": policy.created,
    }


def schedule_to_wire(target: Target, name: str, each: Schedule) -> dict[str, Any]:
    resource = f"resource/{target.namespace}/{target.resource}:scheduledActionName/{name}"
    bounds = {"MinCapacity": each.least, "MaxCapacity": each.most}
    return {
        **_of(target),
        "ScheduledActionName": name,
        "ScheduledActionARN": build_arn(
            "autoscaling", target.region, target.account, f"scheduledAction:{each.id}:{resource}"
        ),
        "Schedule": each.text,
        "Timezone": each.time_zone,
        "StartTime": each.start,
        "EndTime": each.end,
        "ScalableTargetAction": {key: value for key, value in bounds.items() if value is not None},
        "CreationTime": each.created,
    }


def activity_to_wire(each: Activity) -> dict[str, Any]:
    namespace, resource, dimension = each.target.split("|")
    return {
        "ActivityId": each.id,
        "ServiceNamespace": namespace,
        "ResourceId": resource,
        "ScalableDimension": dimension,
        "Description": each.description,
        "Cause": each.cause,
        "StartTime": each.started,
        "EndTime": each.ended,
        "StatusCode": each.status,
        "StatusMessage": each.message,
    }
