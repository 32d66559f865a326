"""What changes Auto Scaling groups: AWS::AutoScaling::ScalingPolicy, ScheduledAction, LifecycleHook and WarmPool."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Taken, change
from kunren.services.cloudformation.work import Work

_POLICY = (
    "AdjustmentType Cooldown EstimatedInstanceWarmup MetricAggregationType MinAdjustmentMagnitude PolicyType "
    "PredictiveScalingConfiguration ScalingAdjustment StepAdjustments TargetTrackingConfiguration"
)
_ACTION = "DesiredCapacity EndTime MaxSize MinSize Recurrence StartTime TimeZone"
_HOOK = "DefaultResult HeartbeatTimeout LifecycleTransition NotificationMetadata NotificationTargetARN RoleARN"
_POOL = "InstanceReusePolicy MaxGroupPreparedCapacity MinSize PoolState"
_NUMBERS = frozenset({
    "Cooldown", "EstimatedInstanceWarmup", "MinAdjustmentMagnitude", "ScalingAdjustment", "DesiredCapacity", "MaxSize",
    "MinSize", "HeartbeatTimeout", "MaxGroupPreparedCapacity",
})  # fmt: skip


def _settings(work: Work, names: str) -> dict[str, Any]:
    """The properties as the API has them: numbers that are texts, and times."""
    found: dict[str, Any] = work.pick(*names.split())
    found |= {name: int(each) for name, each in found.items() if name in _NUMBERS}
    for name in ("StartTime", "EndTime"):
        if name in found:
            found[name] = datetime.fromisoformat(found[name])
    return {"AutoScalingGroupName": work.properties["AutoScalingGroupName"], **found}


def _action(work: Work) -> Mapping[str, Any]:
    return _settings(work, _ACTION)


def _hook(work: Work) -> Mapping[str, Any]:
    return _settings(work, _HOOK)


class ScalingPolicy(Declared):
    """Nobody names it but CloudFormation; Ref is its ARN."""

    async def create(self, work: Work) -> None:
        params = {**_settings(work, _POLICY), "PolicyName": work.name(255)}
        await work.write("autoscaling", "PutScalingPolicy", params, "PolicyARN", physical=True)
        await self.settle(work)


def _policy(work: Work) -> Mapping[str, Any]:
    return {**_settings(work, _POLICY), "PolicyName": work.physical.partition(":policyName/")[2]}


class OfGroup(Declared):
    """Found by its own name and its group's."""

    async def create(self, work: Work) -> None:
        name = work.get(self.name) if self.name else None
        name = name or work.name(255)
        await self.must_be_free(work)
        work.known(name)
        await work.write(self.service, self.create_operation, {**self.settings[0].params(work), self.key: name})
        await self.settle(work)

    def id_params(self, work: Work) -> dict[str, Any]:
        return {"AutoScalingGroupName": work.properties["AutoScalingGroupName"], self.key: work.physical}


class WarmPool(Declared):
    async def create(self, work: Work) -> None:
        name = work.properties["AutoScalingGroupName"]
        at = {"AutoScalingGroupName": name}
        await work.must_be_free(name, "autoscaling", "DescribeWarmPool", at, lambda it: it.get("WarmPoolConfiguration"))
        work.known(name)
        await work.write("autoscaling", "PutWarmPool", _settings(work, _POOL))
        await self.settle(work)


KINDS: tuple[Kind, ...] = (
    ScalingPolicy(
        "AWS::AutoScaling::ScalingPolicy",
        "autoscaling",
        create="PutScalingPolicy",
        also="AutoScalingGroupName",
        key="PolicyName",
        describe="DescribePolicies",
        by="PolicyNames[]",
        item="ScalingPolicies[0]",
        gives={"Arn": "PolicyARN", "PolicyName": "PolicyName"},
        settings=[Setting("PutScalingPolicy", _POLICY, _policy, on_create=False)],
        delete="DeletePolicy",
    ),
    OfGroup(
        "AWS::AutoScaling::ScheduledAction",
        "autoscaling",
        create="PutScheduledUpdateGroupAction",
        also="AutoScalingGroupName",
        key="ScheduledActionName",
        gives={"ScheduledActionName": ""},
        settings=[change("PutScheduledUpdateGroupAction", "ScheduledActionName", _ACTION, _action)],
        delete="DeleteScheduledAction",
    ),
    OfGroup(
        "AWS::AutoScaling::LifecycleHook",
        "autoscaling",
        create="PutLifecycleHook",
        taken=Taken(
            "DescribeLifecycleHooks",
            lambda work, name: {**work.pick("AutoScalingGroupName"), "LifecycleHookNames": [name]},
            "LifecycleHooks",
        ),
        also="AutoScalingGroupName",
        name="LifecycleHookName",
        longest=255,
        key="LifecycleHookName",
        settings=[change("PutLifecycleHook", "LifecycleHookName", _HOOK, _hook)],
        delete="DeleteLifecycleHook",
    ),
    WarmPool(
        "AWS::AutoScaling::WarmPool",
        "autoscaling",
        create="PutWarmPool",
        also="AutoScalingGroupName",
        key="AutoScalingGroupName",
        describe="DescribeWarmPool",
        item="WarmPoolConfiguration",
        settings=[Setting("PutWarmPool", _POOL, lambda work: _settings(work, _POOL), on_create=False)],
        delete="DeleteWarmPool",
        delete_extra=lambda work: {"ForceDelete": True},
        await_end=True,
    ),
)
