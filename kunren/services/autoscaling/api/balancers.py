"""The target groups that a group's instances are registered with."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.autoscaling import checks
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged


class BalancerOperations(Operations):
    def describe_load_balancer_target_groups(self, ctx: RequestContext, params: Params) -> Result:
        group = find(self._store.snapshot(), ctx, params["AutoScalingGroupName"])
        page, token = paged(list(group.target_groups), params, str, 100)
        shown = [{"LoadBalancerTargetGroupARN": each, "State": "InService"} for each in page]
        return {"LoadBalancerTargetGroups": shown, "NextToken": token}

    def attach_load_balancer_target_groups(self, ctx: RequestContext, params: Params) -> Result:
        return self._change(ctx, params, params["TargetGroupARNs"], ())

    def detach_load_balancer_target_groups(self, ctx: RequestContext, params: Params) -> Result:
        return self._change(ctx, params, (), params["TargetGroupARNs"])

    def attach_traffic_sources(self, ctx: RequestContext, params: Params) -> Result:
        return self._change(ctx, params, [checks.traffic_source(each) for each in params["TrafficSources"]], ())

    def detach_traffic_sources(self, ctx: RequestContext, params: Params) -> Result:
        return self._change(ctx, params, (), [checks.traffic_source(each) for each in params["TrafficSources"]])

    def describe_traffic_sources(self, ctx: RequestContext, params: Params) -> Result:
        group = find(self._store.snapshot(), ctx, params["AutoScalingGroupName"])
        wanted = params.get("TrafficSourceType")
        listed = list(group.target_groups) if wanted in (None, "elbv2") else []
        page, token = paged(listed, params, str, 50)
        shown = [{"Identifier": each, "TrafficSource": each, "Type": "elbv2", "State": "InService"} for each in page]
        return {"TrafficSources": shown, "NextToken": token}

    def describe_load_balancers(self, ctx: RequestContext, params: Params) -> Result:
        find(self._store.snapshot(), ctx, params["AutoScalingGroupName"])
        return {"LoadBalancers": []}  # Classic ones can't be attached

    def _change(
        self, ctx: RequestContext, params: Params, more: list[str] | tuple[()], less: list[str] | tuple[()]
    ) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            checked = checks.target_groups(tx, ctx, more)
            kept = tuple(each for each in group.target_groups if each not in less)
            joined = tuple(dict.fromkeys((*kept, *checked)))
            gone = tuple(each for each in (*group.left_groups, *less) if each not in joined)
            tx.put(replace(group, target_groups=joined, left_groups=tuple(dict.fromkeys(gone))))
        return {}
