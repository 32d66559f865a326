"""The operations of Application Auto Scaling. What follows from them is the scaler's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store, Tx
from kunren.core import pagination
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.applicationautoscaling import alarms, decisions, errors, resources, views
from kunren.services.applicationautoscaling.model import KINDS, Activity, Policy, Schedule, Target
from kunren.services.autoscaling import alarms as group_alarms
from kunren.services.autoscaling import scaling

Params = dict[str, Any]
Result = dict[str, Any]
POLICIES_MOST = 50


class ApplicationAutoScalingApi:
    service: ClassVar[str] = "application-autoscaling"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        store.register(*KINDS)
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call

    # -- scalable targets --------------------------------------------------------------------------------------------

    async def register_scalable_target(self, ctx: RequestContext, params: Params) -> Result:
        namespace, resource, dimension = params["ServiceNamespace"], params["ResourceId"], params["ScalableDimension"]
        scalable = resources.scalable(namespace, resource, dimension)
        id = views.id_of(params)
        before = self._store.snapshot().get(Target, ctx.account, ctx.region, id)
        least, most = params.get("MinCapacity"), params.get("MaxCapacity")
        if before is None and (least is None or most is None):
            raise errors.ValidationException("MinCapacity and MaxCapacity are required for a new scalable target")
        made = before or Target(
            account=ctx.account, region=ctx.region, id=id, namespace=namespace, resource=resource, dimension=dimension,
            number=self._entropy.hex(34), least=0, most=0, created=self._clock.now(),
            role=resources.linked_role(ctx.account, namespace, scalable.role),
        )  # fmt: skip
        if before is None:
            await scalable.read(self._call, made)  # who is not there can't be scaled
        with self._store.write() as tx:
            made = tx.get(Target, ctx.account, ctx.region, id) or made
            made = replace(
                made, least=made.least if least is None else least, most=made.most if most is None else most,
                suspended={**made.suspended, **(params.get("SuspendedState") or {})},
                tags={**made.tags, **(params.get("Tags") or {})},
            )  # fmt: skip
            if made.least < 0 or made.most < made.least:
                raise errors.ValidationException(
                    "Maximum capacity must be greater than or equal to minimum capacity, and neither negative"
                )
            tx.put(made)
        return {"ScalableTargetARN": views.target_arn(made)}

    async def deregister_scalable_target(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            target = _find(tx, ctx, params)
            tx.delete(target)
        gone = [name for each in target.policies.values() for name in each.alarms]
        await group_alarms.delete(self._call, target, gone)
        return {}

    def describe_scalable_targets(self, ctx: RequestContext, params: Params) -> Result:
        wanted, dimension = params.get("ResourceIds") or (), params.get("ScalableDimension")
        found = [
            each
            for each in self._targets(ctx, params)
            if (not wanted or each.resource in wanted) and dimension in (None, each.dimension)
        ]
        page, token = _page(found, params, lambda each: str(each.id))
        return {"ScalableTargets": [views.target_to_wire(each) for each in page], "NextToken": token}

    def _targets(self, ctx: RequestContext, params: Params) -> list[Target]:
        listed = self._store.snapshot().list(Target, ctx.account, ctx.region)
        return [each for each in listed if each.namespace == params["ServiceNamespace"]]

    # -- policies ----------------------------------------------------------------------------------------------------

    async def put_scaling_policy(self, ctx: RequestContext, params: Params) -> Result:
        name = params["PolicyName"]
        with self._store.write() as tx:
            target = _find(tx, ctx, params)
            before = target.policies.get(name)
            if before is None and len(target.policies) >= POLICIES_MOST:
                raise errors.LimitExceededException(f"You already have {POLICIES_MOST} policies for this target")
            made = _policy(params, before, self._entropy.uuid(), self._clock.now())
            if made.tracking is not None:
                kept = before.alarms if before is not None else ()
                made = replace(made, alarms=alarms.names(target, made.tracking, kept, self._entropy))
            target = replace(target, policies={**target.policies, name: made})
            tx.put(target)
        arn = views.policy_arn(target, name)
        for alarm in made.alarms:
            told = alarms.parameters(target, made, arn, alarm)
            await self._call(ctx.account, ctx.region, "cloudwatch", "PutMetricAlarm", told)
        gone = [each for each in (before.alarms if before is not None else ()) if each not in made.alarms]
        await group_alarms.delete(self._call, target, gone)
        return {"PolicyARN": arn, "Alarms": views.alarms(target, made.alarms)}

    async def describe_scaling_policies(self, ctx: RequestContext, params: Params) -> Result:
        wanted = params.get("PolicyNames") or ()
        found = [
            (target, name)
            for target in self._targets(ctx, params)
            for name in sorted(target.policies)
            if _fits(target, params) and (not wanted or name in wanted)
        ]
        page, token = _page(found, params, lambda each: f"{each[0].id}\0{each[1]}")
        shown = []
        for target, name in page:
            shown.append(views.policy_to_wire(target, name, await self._calling(target, name)))
        return {"ScalingPolicies": shown, "NextToken": token}

    async def _calling(self, target: Target, name: str) -> list[dict[str, str]]:
        """The alarms that call the policy."""
        if target.policies[name].tracking is not None:
            return views.alarms(target, target.policies[name].alarms)
        told = {"ActionPrefix": views.policy_arn(target, name)}
        found = await self._call(target.account, target.region, "cloudwatch", "DescribeAlarms", told)
        return views.alarms(target, tuple(each["AlarmName"] for each in found.get("MetricAlarms") or ()))

    async def delete_scaling_policy(self, ctx: RequestContext, params: Params) -> Result:
        name = params["PolicyName"]
        with self._store.write() as tx:
            target = _find(tx, ctx, params)
            if name not in target.policies:
                raise errors.ObjectNotFoundException(
                    f"No scaling policy found for service namespace: {target.namespace}, resource ID: "
                    f"{target.resource}, scalable dimension: {target.dimension}, policy name: {name}"
                )
            tx.put(replace(target, policies={key: each for key, each in target.policies.items() if key != name}))
        await group_alarms.delete(self._call, target, target.policies[name].alarms)
        return {}

    # -- scheduled actions -------------------------------------------------------------------------------------------

    def put_scheduled_action(self, ctx: RequestContext, params: Params) -> Result:
        name, now = params["ScheduledActionName"], self._clock.now()
        with self._store.write() as tx:
            target = _find(tx, ctx, params)
            before = target.schedules.get(name)
            made = _schedule(params, before, self._entropy.uuid(), now)
            tx.put(replace(target, schedules={**target.schedules, name: made}))
        return {}

    def describe_scheduled_actions(self, ctx: RequestContext, params: Params) -> Result:
        wanted = params.get("ScheduledActionNames") or ()
        found = [
            views.schedule_to_wire(target, name, target.schedules[name])
            for target in self._targets(ctx, params)
            for name in sorted(target.schedules)
            if _fits(target, params) and (not wanted or name in wanted)
        ]
        page, token = _page(found, params, lambda each: str(each["ScheduledActionARN"]))
        return {"ScheduledActions": page, "NextToken": token}

    def delete_scheduled_action(self, ctx: RequestContext, params: Params) -> Result:
        name = params["ScheduledActionName"]
        with self._store.write() as tx:
            target = _find(tx, ctx, params)
            if name not in target.schedules:
                raise errors.ObjectNotFoundException(f"No scheduled action found with name: {name}")
            tx.put(replace(target, schedules={key: each for key, each in target.schedules.items() if key != name}))
        return {}

    # -- activities and tags -----------------------------------------------------------------------------------------

    def describe_scaling_activities(self, ctx: RequestContext, params: Params) -> Result:
        begin = f"{params['ServiceNamespace']}|"
        resource, dimension = params.get("ResourceId"), params.get("ScalableDimension")
        found = [
            each
            for each in self._store.snapshot().list(Activity, ctx.account, ctx.region)
            if each.target.startswith(begin)
            and resource in (None, each.target.split("|")[1])
            and dimension in (None, each.target.split("|")[2])
        ]
        found.sort(key=lambda each: (-each.started, each.id))
        page, token = _page(found, params, lambda each: f"{1e11 - each.started:020.6f}{each.id}")
        return {"ScalingActivities": [views.activity_to_wire(each) for each in page], "NextToken": token}

    def tag_resource(self, ctx: RequestContext, params: Params) -> Result:
        return self._tag(ctx, params["ResourceARN"], lambda tags: {**tags, **params["Tags"]})

    def untag_resource(self, ctx: RequestContext, params: Params) -> Result:
        keys = params["TagKeys"]
        return self._tag(ctx, params["ResourceARN"], lambda tags: {k: v for k, v in tags.items() if k not in keys})

    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> Result:
        return {"Tags": _by_arn(self._store.snapshot(), ctx, params["ResourceARN"]).tags}

    def _tag(self, ctx: RequestContext, arn: str, change: Callable[[dict[str, str]], dict[str, str]]) -> Result:
        with self._store.write() as tx:
            target = _by_arn(tx, ctx, arn)
            tx.put(replace(target, tags=change(target.tags)))
        return {}


def _find(tx: Tx, ctx: RequestContext, params: Params) -> Target:
    resources.scalable(params["ServiceNamespace"], params["ResourceId"], params["ScalableDimension"])
    found = tx.get(Target, ctx.account, ctx.region, views.id_of(params))
    if found is None:
        raise errors.ObjectNotFoundException(
            f"No scalable target registered for service namespace: {params['ServiceNamespace']}, resource ID: "
            f"{params['ResourceId']}, scalable dimension: {params['ScalableDimension']}"
        )
    return found


def _by_arn(reader: Snapshot | Tx, ctx: RequestContext, arn: str) -> Target:
    for each in reader.list(Target, ctx.account, ctx.region):
        if views.target_arn(each) == arn:
            return each
    raise errors.ResourceNotFoundException(f"The scalable target {arn} does not exist.")


def _fits(target: Target, params: Params) -> bool:
    return params.get("ResourceId") in (None, target.resource) and params.get("ScalableDimension") in (
        None,
        target.dimension,
    )


def _policy(params: Params, before: Policy | None, id: str, now: float) -> Policy:
    """The policy as it is kept. Raises ValidationException."""
    type = params.get("PolicyType") or (before.type if before is not None else scaling.STEP)
    if type == "PredictiveScaling":
        raise errors.NotYet("predictive scaling policies")
    step, tracking = (
        params.get("StepScalingPolicyConfiguration"),
        params.get("TargetTrackingScalingPolicyConfiguration"),
    )
    if type == scaling.TRACKING:
        if not tracking or step:
            raise errors.ValidationException("TargetTrackingScalingPolicyConfiguration, and no other, is required")
        alarms.check(tracking, params["ServiceNamespace"])
    else:
        if not step or tracking:
            raise errors.ValidationException("StepScalingPolicyConfiguration, and no other, is required")
        if not step.get("StepAdjustments"):
            raise errors.ValidationException("At least one step adjustment is required")
        if (why := scaling.steps_fit(decisions.steps(step))) is not None:
            raise errors.ValidationException(why)
    return Policy(
        id=before.id if before is not None else id, type=type, created=before.created if before is not None else now,
        step=step, tracking=tracking,
    )  # fmt: skip


def _schedule(params: Params, before: Schedule | None, id: str, now: float) -> Schedule:
    """The action as it is kept, with when it is due first. Raises ValidationException."""
    text = params.get("Schedule") or (before.text if before is not None else "")
    action = params.get("ScalableTargetAction")
    if action is None and before is not None:
        action = {"MinCapacity": before.least, "MaxCapacity": before.most}
    least, most = (action or {}).get("MinCapacity"), (action or {}).get("MaxCapacity")
    if not text or (least is None and most is None):
        raise errors.ValidationException("Schedule and ScalableTargetAction are required")
    if least is not None and most is not None and least > most:
        raise errors.ValidationException("Maximum capacity must be greater than or equal to minimum capacity")
    zone = params.get("Timezone") or (before.time_zone if before is not None else None)
    start, end = _seconds(params.get("StartTime")), _seconds(params.get("EndTime"))
    created = before.created if before is not None else now
    try:
        due = decisions.next_time(text, zone, max(now, (start or now) - 1e-3), start or created)
    except ValueError as error:
        raise errors.ValidationException(f"Invalid schedule: {error}") from error
    return Schedule(
        id=before.id if before is not None else id, text=text, created=created, time_zone=zone, start=start, end=end,
        least=least, most=most, next_at=due if due is not None and (end is None or due <= end) else None,
    )  # fmt: skip


def _seconds(given: datetime | float | None) -> float | None:
    return given.timestamp() if isinstance(given, datetime) else given


def _page(items: list[Any], params: Params, key: Callable[[Any], str]) -> tuple[list[Any], str | None]:
    try:
        return pagination.page(items, params.get("NextToken"), min(params.get("MaxResults") or 50, 50), key)
    except pagination.InvalidToken as error:
        raise errors.InvalidNextTokenException("The NextToken value is not valid.") from error
