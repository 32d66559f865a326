"""Groups, instances and activities as the wire has them. Pure."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from kunren.control.store import Snapshot
from kunren.core.arn import build_arn
from kunren.services.autoscaling import refreshing
from kunren.services.autoscaling.model import Activity, Group, Hook, Member, Refresh, Schedule


def group_arn(group: Group) -> str:
    told = f"{group.account}|{group.region}|{group.id}|{group.created_at}"
    digits = sha256(told.encode()).hexdigest()
    id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
    resource = f"autoScalingGroup:{id}:autoScalingGroupName/{group.id}"
    return build_arn("autoscaling", group.region, group.account, resource)


def policy_arn(group: Group, name: str) -> str:
    resource = f"scalingPolicy:{group.scaling[name].id}:autoScalingGroupName/{group.id}:policyName/{name}"
    return build_arn("autoscaling", group.region, group.account, resource)


def alarm_arn(group: Group, alarm: str) -> str:
    return build_arn("cloudwatch", group.region, group.account, f"alarm:{alarm}")


def group_of(snapshot: Snapshot, activity: Activity) -> Group | None:
    return snapshot.get(Group, activity.account, activity.region, activity.group)


def template(group: Group, each: Member | None = None) -> dict[str, str]:
    """The group's, or what a member was launched of."""
    if each is not None and each.template:
        return {
            "LaunchTemplateId": each.template,
            "LaunchTemplateName": each.template_name,
            "Version": each.version,
        }
    return {
        "LaunchTemplateId": group.template,
        "LaunchTemplateName": group.template_name,
        "Version": (each.version if each is not None else "") or group.version,
    }


def member(group: Group, each: Member) -> dict[str, Any]:
    return {
        "InstanceId": each.id,
        "InstanceType": each.instance_type,
        "AvailabilityZone": each.zone,
        "LifecycleState": each.state,
        "HealthStatus": "Healthy" if each.healthy and each.state != "Terminating" else "Unhealthy",
        "LaunchTemplate": template(group, each),
        "ProtectedFromScaleIn": each.protected,
        "WeightedCapacity": str(each.weight) if each.weight is not None else None,
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
    members = sorted((each for each in group.members.values() if not is_pooled(each)), key=lambda each: each.id)
    pool = [each for each in group.members.values() if is_pooled(each)]
    return {
        "AutoScalingGroupName": group.id,
        "AutoScalingGroupARN": group_arn(group),
        **({"MixedInstancesPolicy": group.mixed} if group.mixed else {"LaunchTemplate": template(group)}),
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
        "EnabledMetrics": [{"Metric": each, "Granularity": "1Minute"} for each in group.metrics],
        "Status": "Delete in progress" if group.deleting else None,
        "Tags": tags(group),
        "TerminationPolicies": list(group.policies),
        "NewInstancesProtectedFromScaleIn": group.protects_new,
        "ServiceLinkedRoleARN": f"arn:aws:iam::{group.account}:role/aws-service-role/autoscaling.amazonaws.com/"
        "AWSServiceRoleForAutoScaling",
        "AvailabilityZoneDistribution": {
            "CapacityDistributionStrategy": "balanced-only" if group.balanced_only else "balanced-best-effort"
        },
        "CapacityRebalance": group.rebalances or None,
        "PlacementGroup": group.placement_group or None,
        "DesiredCapacityType": group.capacity_type,
        "DefaultInstanceWarmup": group.warmup_s,
        "MaxInstanceLifetime": group.lifetime_s,
        "InstanceMaintenancePolicy": maintenance(group),
        "WarmPoolConfiguration": pool_to_wire(group),
        "WarmPoolSize": len(pool) if group.pool is not None else None,
        "TrafficSources": [{"Identifier": each, "Type": "elbv2"} for each in group.target_groups],
    }


def is_pooled(each: Member) -> bool:
    return each.state.startswith("Warmed:")


def maintenance(group: Group) -> dict[str, int] | None:
    if group.maintenance is None:
        return None
    return {"MinHealthyPercentage": group.maintenance[0], "MaxHealthyPercentage": group.maintenance[1]}


def pool_to_wire(group: Group) -> dict[str, Any] | None:
    if (pool := group.pool) is None:
        return None
    return {
        "MaxGroupPreparedCapacity": pool.prepared,
        "MinSize": pool.min_size,
        "PoolState": pool.state,
        "Status": "PendingDelete" if pool.deleting else None,
        "InstanceReusePolicy": {"ReuseOnScaleIn": True} if pool.reuse else None,
    }


def policy_to_wire(group: Group, name: str) -> dict[str, Any]:
    """Without its alarms."""
    policy = group.scaling[name]
    steps = [
        {
            "MetricIntervalLowerBound": each.lower,
            "MetricIntervalUpperBound": each.upper,
            "ScalingAdjustment": each.by,
        }
        for each in policy.steps
    ]
    return {
        "AutoScalingGroupName": group.id,
        "PolicyName": name,
        "PolicyARN": policy_arn(group, name),
        "PolicyType": policy.type,
        "AdjustmentType": policy.adjustment,
        "MinAdjustmentMagnitude": policy.magnitude,
        "ScalingAdjustment": policy.by,
        "Cooldown": policy.cooldown_s,
        "StepAdjustments": steps,
        "MetricAggregationType": policy.aggregation,
        "EstimatedInstanceWarmup": policy.warmup_s,
        "TargetTrackingConfiguration": policy.tracking and {"DisableScaleIn": False, **policy.tracking},
        "Enabled": policy.enabled,
    }


def schedule_to_wire(group: Group, name: str, schedule: Schedule) -> dict[str, Any]:
    resource = f"scheduledUpdateGroupAction:{schedule.id}:autoScalingGroupName/{group.id}:scheduledActionName/{name}"
    due = schedule.next_at if schedule.recurrence or schedule.next_at is not None else schedule.start
    return {
        "AutoScalingGroupName": group.id,
        "ScheduledActionName": name,
        "ScheduledActionARN": build_arn("autoscaling", group.region, group.account, resource),
        "Time": due,
        "StartTime": due,
        "EndTime": schedule.end,
        "Recurrence": schedule.recurrence,
        "MinSize": schedule.min_size,
        "MaxSize": schedule.max_size,
        "DesiredCapacity": schedule.desired,
        "TimeZone": schedule.time_zone,
    }


def activity_to_wire(each: Activity, group: Group | None) -> dict[str, Any]:
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
        "Details": json.dumps(
            {
                **({"Subnet ID": each.subnet} if each.subnet else {}),
                **({"Availability Zone": each.zone} if each.zone else {}),
            }
        ),
        "AutoScalingGroupState": "Deleted" if group is None or group.deleting else None,
        "AutoScalingGroupARN": group_arn(group) if group is not None else None,
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


def refresh_to_wire(group: Group, each: Refresh, now: float) -> dict[str, Any]:
    if each.ended is None and each.status != "Pending":
        found = refreshing.progress(group, each, now)
    else:
        left = each.total - each.replaced
        found = refreshing.Progress(left, each.replaced * 100 // each.total if each.total else 100)
    back = each.rolled_back_at is not None
    done = each.percentage_then - each.percentage_then * found.done // 100 if back else found.done
    rollback = {
        "RollbackReason": each.rollback_reason,
        "RollbackStartTime": each.rolled_back_at,
        "PercentageCompleteOnRollback": each.percentage_then,
        "InstancesToUpdateOnRollback": each.left_then,
    }
    return {
        "InstanceRefreshId": each.id,
        "AutoScalingGroupName": each.group,
        "Status": each.status,
        "StatusReason": each.reason or None,
        "StartTime": each.started if each.status != "Pending" else None,
        "EndTime": each.ended,
        "PercentageComplete": done if each.status != "Pending" else None,
        "InstancesToUpdate": each.left_then if back else found.left,
        "Preferences": each.preferences,
        "DesiredConfiguration": each.wanted,
        "RollbackDetails": rollback if back else None,
        "Strategy": "Rolling",
    }
