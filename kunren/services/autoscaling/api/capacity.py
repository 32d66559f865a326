"""A group's capacity, its instances' health and protection, its processes, activities and metrics."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.autoscaling import errors, execution, metrics, views
from kunren.services.autoscaling.activities import end_member
from kunren.services.autoscaling.api.base import (
    Operations,
    Params,
    Result,
    find,
    find_member,
    members_named,
    paged,
    put_member,
)  # fmt: skip
from kunren.services.autoscaling.api.groups import check_sizes, resized
from kunren.services.autoscaling.model import PROCESSES, Activity


class CapacityOperations(Operations):
    def set_desired_capacity(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            if params.get("HonorCooldown") and execution.is_cooling(group, now):
                raise execution.in_cooldown(group)
            why = "a user request explicitly set group desired capacity"
            changed = resized(group, params["DesiredCapacity"], why, now)
            check_sizes(changed)
            tx.put(changed)
        return {}

    def terminate_instance_in_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            group, member = find_member(tx, ctx, params.get("InstanceId") or "")
            if params["ShouldDecrementDesiredCapacity"]:
                if group.desired - member.units < group.min_size:
                    raise errors.ValidationError(
                        "Currently, desiredSize equals minSize "
                        f"({group.min_size}). Terminating instance without replacement will violate group's min size "
                        "constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
                    )
                group = replace(group, desired=group.desired - member.units)
                tx.put(group)
            why = "instance was taken out of service in response to a user request"
            activity = end_member(tx, self._entropy, group, member, why, now)
            return {"Activity": views.activity_to_wire(activity, group)}

    def set_instance_health(self, ctx: RequestContext, params: Params) -> Result:
        healthy = params["HealthStatus"].lower()
        if healthy not in ("healthy", "unhealthy"):
            raise errors.ValidationError("HealthStatus must be Healthy or Unhealthy")
        with self._store.write() as tx:
            group, member = find_member(tx, ctx, params["InstanceId"])
            grace = member.since + group.grace_s if params.get("ShouldRespectGracePeriod", True) else 0.0
            if healthy == "healthy" or self._clock.now() >= grace:
                put_member(tx, group, replace(member, healthy=healthy == "healthy"))
        return {}

    def set_instance_protection(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            for each in members_named(group, params["InstanceIds"]):
                group = put_member(tx, group, replace(each, protected=params["ProtectedFromScaleIn"]))
        return {}

    def suspend_processes(self, ctx: RequestContext, params: Params) -> Result:
        return self._suspend(ctx, params, lambda now, named: now | named)

    def resume_processes(self, ctx: RequestContext, params: Params) -> Result:
        return self._suspend(ctx, params, lambda now, named: now - named)

    def _suspend(self, ctx: RequestContext, params: Params, change: Callable[[set[str], set[str]], set[str]]) -> Result:
        named = set(params.get("ScalingProcesses") or PROCESSES)
        if unknown := sorted(named - set(PROCESSES)):
            raise errors.ValidationError(f"{unknown[0]} is not a valid process type")
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            tx.put(replace(group, suspended=tuple(sorted(change(set(group.suspended), named)))))
        return {}

    def describe_scaling_activities(self, ctx: RequestContext, params: Params) -> Result:
        name, wanted = params.get("AutoScalingGroupName"), params.get("ActivityIds") or ()
        snapshot = self._store.snapshot()
        if name is not None:
            find(snapshot, ctx, name)
        found = [
            each
            for each in snapshot.list(Activity, ctx.account, ctx.region)
            if name in (None, each.group) and (not wanted or each.id in wanted)
        ]
        found.sort(key=lambda each: (-each.started, each.id))
        page, token = paged(found, params, lambda each: f"{1e11 - each.started:020.6f}{each.id}", 100)
        groups = {each.group: views.group_of(snapshot, each) for each in page}
        return {"Activities": [views.activity_to_wire(each, groups[each.group]) for each in page], "NextToken": token}

    # -- metrics -----------------------------------------------------------------------------------------------------

    def enable_metrics_collection(self, ctx: RequestContext, params: Params) -> Result:
        if params["Granularity"] != "1Minute":
            raise errors.ValidationError("Granularity must be 1Minute")
        return self._collect(ctx, params, lambda now, named: now | named)

    def disable_metrics_collection(self, ctx: RequestContext, params: Params) -> Result:
        return self._collect(ctx, params, lambda now, named: now - named)

    def _collect(self, ctx: RequestContext, params: Params, change: Callable[[set[str], set[str]], set[str]]) -> Result:
        named = set(params.get("Metrics") or metrics.METRICS)
        if unknown := sorted(named - set(metrics.METRICS)):
            raise errors.ValidationError(f"{unknown[0]} is not a valid metric type")
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            tx.put(replace(group, metrics=tuple(sorted(change(set(group.metrics), named)))))
        return {}
