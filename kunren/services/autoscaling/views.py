"""Groups, instances and activities as the wire has them. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from kunren.core.arn import build_arn
from kunren.services.autoscaling.model import Activity, Group, Hook, Member


def group_arn(group: Group) -> str:
    told = f"{group.account}|{group.region}|{group.id}|{group.created_at}"
    digits = sha256(told.encode()).hexdigest()
    id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
    resource = f"autoScalingGroup:{id}:autoScalingGroupName/{group.id}"
    return build_arn("autoscaling", group.region, group.account, resource)


def template(group: Group, version: str | None = None) -> dict[str, str]:
    return {
        "LaunchTemplateId": group.template,
        "LaunchTemplateName": group.template_name,
        "Version": version or group.version,
    }


def member(group: Group, each: Member) -> dict[str, Any]:
    return {
        "InstanceId": each.id,
        "InstanceType": each.instance_type,
        "AvailabilityZone": each.zone,
        "LifecycleState": each.state,
        "HealthStatus": "Healthy" if each.healthy and each.state != "Terminating" else "Unhealthy",
        "LaunchTemplate": template(group, each.version),
        "ProtectedFromScaleIn": each.protected,
    }


def tags(group: Group) -> list[dict[str, Any]]:
    return [
        {
            "ResourceId": group.id,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": group.tags[key],
            "PropagateAtLaunch": key in group.propagated,
        }
        for key in sorted(group.tags)
    ]


def group_to_wire(group: Group) -> dict[str, Any]:
    members = sorted(group.members.values(), key=lambda each: each.id)
    return {
        "AutoScalingGroupName": group.id,
        "AutoScalingGroupARN": group_arn(group),
        "LaunchTemplate": template(group),
        "MinSize": group.min_size,
        "MaxSize": group.max_size,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": group.cooldown_s,
        "AvailabilityZones": list(group.zones),
        "LoadBalancerNames": [],
        "TargetGroupARNs": list(group.target_groups),
        "HealthCheckType": group.health_type,
        "HealthCheckGracePeriod": group.grace_s,
        "Instances": [member(group, each) for each in members],
        "CreatedTime": group.created_at,
        "SuspendedProcesses": [{"ProcessName": each, "SuspensionReason": "User suspended"} for each in group.suspended],
        "VPCZoneIdentifier": ",".join(group.subnets),
        "EnabledMetrics": [],
        "Status": "Delete in progress" if group.deleting else None,
        "Tags": tags(group),
        "TerminationPolicies": list(group.policies),
        "NewInstancesProtectedFromScaleIn": group.protects_new,
        "ServiceLinkedRoleARN": f"arn:aws:iam::{group.account}:role/aws-service-role/autoscaling.amazonaws.com/"
        "AWSServiceRoleForAutoScaling",
        "TrafficSources": [{"Identifier": each, "Type": "elbv2"} for each in group.target_groups],
    }


def activity_to_wire(each: Activity) -> dict[str, Any]:
    return {
        "ActivityId": each.id,
        "AutoScalingGroupName": each.group,
        "Description": each.description,
        "Cause": each.cause,
        "StartTime": each.started,
        "EndTime": each.ended,
        "StatusCode": each.status,
        "StatusMessage": each.message,
        "Progress": each.progress,
        "Details": "{}",
    }


def hook_to_wire(group: Group, name: str, hook: Hook) -> dict[str, Any]:
    return {
        "LifecycleHookName": name,
        "AutoScalingGroupName": group.id,
        "LifecycleTransition": hook.transition,
        "NotificationTargetARN": hook.target,
        "NotificationMetadata": hook.metadata,
        "HeartbeatTimeout": hook.timeout_s,
        "GlobalTimeout": min(100 * hook.timeout_s, 172_800),
        "DefaultResult": hook.default_result,
    }
