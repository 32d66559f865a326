"""Warm pools."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.autoscaling import errors, refreshing, views
from kunren.services.autoscaling.activities import end_member
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged
from kunren.services.autoscaling.model import Refresh, WarmPool


class WarmPoolOperations(Operations):
    def put_warm_pool(self, ctx: RequestContext, params: Params) -> Result:
        state, prepared = params.get("PoolState") or "Stopped", params.get("MaxGroupPreparedCapacity")
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            running = [each for each in tx.list(Refresh, ctx.account, ctx.region) if each.group == group.id]
            if any(each.status in refreshing.RUNNING for each in running):
                raise errors.InstanceRefreshInProgressFault("An Instance Refresh is in progress for this group")
            if group.mixed:
                raise errors.ValidationError(
                    "You can't add a warm pool to an Auto Scaling group that has a mixed instances policy"
                )
            least = params.get("MinSize") or 0
            if least < 0 or (prepared is not None and prepared != -1 and prepared < least):
                raise errors.ValidationError("MinSize must not be greater than MaxGroupPreparedCapacity")
            reuse = bool((params.get("InstanceReusePolicy") or {}).get("ReuseOnScaleIn"))
            pool = WarmPool(state=state, min_size=least, prepared=None if prepared == -1 else prepared, reuse=reuse)
            tx.put(replace(group, pool=pool))
        return {}

    def describe_warm_pool(self, ctx: RequestContext, params: Params) -> Result:
        group = find(self._store.snapshot(), ctx, params["AutoScalingGroupName"])
        held = sorted((each for each in group.members.values() if views.is_pooled(each)), key=lambda each: each.id)
        page, token = paged(held, params, lambda each: each.id, 50)
        shown = [views.member(group, each) for each in page]
        return {"WarmPoolConfiguration": views.pool_to_wire(group), "Instances": shown, "NextToken": token}

    def delete_warm_pool(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            if group.pool is None:
                raise errors.ValidationError("No warm pool found for the Auto Scaling group")
            held = [each for each in group.members.values() if views.is_pooled(each)]
            if held and not params.get("ForceDelete"):
                raise errors.ResourceInUseFault("You cannot delete a warm pool while there are instances in it")
            tx.put(replace(group, pool=replace(group.pool, deleting=True)))
            for each in held:
                why = "a user request force-deleted the warm pool"
                end_member(tx, self._entropy, group, each, why, now)
        return {}
