"""Scaling policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.autoscaling import alarms, errors, execution, scaling, views
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged
from kunren.services.autoscaling.model import Group, Policy, Step

MOST, STEPS_MOST = 50, 20
_ONLY = {
    scaling.SIMPLE: ("ScalingAdjustment", "Cooldown"),
    scaling.STEP: ("StepAdjustments", "MetricAggregationType"),
    scaling.TRACKING: ("TargetTrackingConfiguration",),
}


class PolicyOperations(Operations):
    async def put_scaling_policy(self, ctx: RequestContext, params: Params) -> Result:
        name = params["PolicyName"]
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            before = group.scaling.get(name)
            if before is None and len(group.scaling) >= MOST:
                raise errors.LimitExceededFault(f"You already have {MOST} scaling policies in this group")
            made = policy(params, before.id if before is not None else self._entropy.uuid())
            if made.tracking is not None:
                kept = before.alarms if before is not None else ()
                made = replace(made, alarms=alarms.names(group, made, kept, self._entropy))
            gone = [each for each in (before.alarms if before is not None else ()) if each not in made.alarms]
            group = replace(group, scaling={**group.scaling, name: made})
            tx.put(group)
        await alarms.put(self._call, group, name, made)
        await alarms.delete(self._call, group, gone)
        return {"PolicyARN": views.policy_arn(group, name), "Alarms": alarms.described(group, made.alarms)}

    async def describe_policies(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, name = self._store.snapshot(), params.get("AutoScalingGroupName")
        groups = [find(snapshot, ctx, name)] if name else snapshot.list(Group, ctx.account, ctx.region)
        wanted, types = params.get("PolicyNames") or (), params.get("PolicyTypes") or ()
        found = [
            (group, key)
            for group in groups
            for key in sorted(group.scaling)
            if (not wanted or key in wanted or views.policy_arn(group, key) in wanted)
            and (not types or group.scaling[key].type in types)
        ]
        page, token = paged(found, params, lambda each: f"{each[0].id}\0{each[1]}", 50)
        shown = []
        for group, key in page:
            calling = await alarms.calling(self._call, group, key)
            shown.append({**views.policy_to_wire(group, key), "Alarms": calling})
        return {"ScalingPolicies": shown, "NextToken": token}

    async def delete_policy(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group, name = self._named(tx.list(Group, ctx.account, ctx.region), ctx, params)
            gone = group.scaling[name].alarms
            tx.put(replace(group, scaling={key: each for key, each in group.scaling.items() if key != name}))
        await alarms.delete(self._call, group, gone)
        return {}

    def execute_policy(self, ctx: RequestContext, params: Params) -> Result:
        now, value, threshold = self._clock.now(), params.get("MetricValue"), params.get("BreachThreshold")
        with self._store.write() as tx:
            group, name = self._named(tx.list(Group, ctx.account, ctx.region), ctx, params)
            chosen = group.scaling[name]
            if chosen.type == scaling.TRACKING:
                raise errors.ValidationError(
                    "ExecutePolicy is not supported for policies of type TargetTrackingScaling"
                )
            if chosen.type == scaling.STEP and (value is None or threshold is None):
                raise errors.ValidationError(
                    "MetricValue and BreachThreshold are required for policies of type StepScaling"
                )
            if chosen.type == scaling.SIMPLE and not (value is None and threshold is None):
                raise errors.ValidationError(
                    "MetricValue and BreachThreshold are not supported for policies of type SimpleScaling"
                )
            if params.get("HonorCooldown") and chosen.type == scaling.SIMPLE and execution.is_cooling(group, now):
                raise execution.in_cooldown(group)
            execution.execute(
                tx, group, chosen, f"a user request executed policy {name}", now, value=value, threshold=threshold
            )
        return {}

    def _named(self, groups: list[Group], ctx: RequestContext, params: Params) -> tuple[Group, str]:
        """The policy by its name and group, or by its ARN."""
        wanted, name = params["PolicyName"], params.get("AutoScalingGroupName")
        if not wanted.startswith("arn:") and name is None:
            raise errors.ValidationError("AutoScalingGroupName is required where PolicyName is not an ARN")
        for group in groups:
            for key in group.scaling:
                if not group.deleting and name in (None, group.id) and wanted in (key, views.policy_arn(group, key)):
                    return group, key
        if name is not None and name not in [each.id for each in groups if not each.deleting]:
            raise errors.no_group(name)
        raise errors.ValidationError(f"Scaling policy not found: {wanted}")


def policy(params: Mapping[str, Any], id: str) -> Policy:
    """The policy as it is kept. Raises ValidationError."""
    type = params.get("PolicyType") or scaling.SIMPLE
    if type == "PredictiveScaling":
        raise errors.NotYet("predictive scaling policies")
    if type not in _ONLY:
        raise errors.ValidationError(f"{type} is not a valid policy type")
    foreign = {each for other, names in _ONLY.items() if other != type for each in names}
    foreign |= {"EstimatedInstanceWarmup"} if type == scaling.SIMPLE else set()
    # Terraform writes a zero where nothing is meant when it changes a policy
    params = {key: value for key, value in params.items() if value != 0 or key not in foreign}
    if given := sorted(each for each in foreign if params.get(each) is not None):
        raise errors.ValidationError(f"{given[0]} is not supported for policies of type {type}")
    adjustment, steps = params.get("AdjustmentType"), [_step(each) for each in params.get("StepAdjustments") or ()]
    magnitude = params.get("MinAdjustmentMagnitude") or params.get("MinAdjustmentStep")
    if type == scaling.TRACKING:
        if not params.get("TargetTrackingConfiguration"):
            raise errors.ValidationError(
                "TargetTrackingConfiguration is required for policies of type TargetTrackingScaling"
            )
        alarms.check(params["TargetTrackingConfiguration"])
    else:
        _check_adjustment(type, adjustment, params.get("ScalingAdjustment"), steps, magnitude)
    aggregation = params.get("MetricAggregationType")
    if aggregation not in (None, "Minimum", "Maximum", "Average"):
        raise errors.ValidationError("MetricAggregationType must be one of Minimum, Maximum, and Average")
    return Policy(
        id=id, type=type, enabled=params.get("Enabled") is not False, adjustment=adjustment,
        by=params.get("ScalingAdjustment"), magnitude=magnitude, cooldown_s=params.get("Cooldown"), steps=tuple(steps),
        aggregation=aggregation or ("Average" if type == scaling.STEP else None),
        warmup_s=params.get("EstimatedInstanceWarmup"), tracking=params.get("TargetTrackingConfiguration"),
    )  # fmt: skip


def _check_adjustment(type: str, adjustment: str | None, by: int | None, steps: list[Step], magnitude: Any) -> None:
    if adjustment not in (scaling.CHANGE, scaling.EXACT, scaling.PERCENT):
        raise errors.ValidationError(
            "AdjustmentType must be one of ChangeInCapacity, ExactCapacity, PercentChangeInCapacity"
        )
    if type == scaling.SIMPLE and by is None:
        raise errors.ValidationError("ScalingAdjustment is required for policies of type SimpleScaling")
    if type == scaling.STEP and not steps:
        raise errors.ValidationError("StepAdjustments is required for policies of type StepScaling")
    if len(steps) > STEPS_MOST:
        raise errors.ValidationError(f"A policy can have at most {STEPS_MOST} step adjustments")
    if adjustment == scaling.EXACT and ((by or 0) < 0 or any(each.by < 0 for each in steps)):
        raise errors.ValidationError("ScalingAdjustment must not be negative with AdjustmentType ExactCapacity")
    if magnitude is not None and adjustment != scaling.PERCENT:
        raise errors.ValidationError("MinAdjustmentMagnitude is only supported with PercentChangeInCapacity")
    if (why := scaling.steps_fit(steps)) is not None:
        raise errors.ValidationError(why)


def _step(given: Mapping[str, Any]) -> Step:
    return Step(
        by=given["ScalingAdjustment"], lower=given.get("MetricIntervalLowerBound"),
        upper=given.get("MetricIntervalUpperBound"),
    )  # fmt: skip
