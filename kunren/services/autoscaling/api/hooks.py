"""Lifecycle hooks, and the actions that wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.autoscaling import checks, errors, views
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, put_member
from kunren.services.autoscaling.model import LAUNCHING, TERMINATING, Hook


class HookOperations(Operations):
    def put_lifecycle_hook(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            name = params["LifecycleHookName"]
            tx.put(replace(group, hooks={**group.hooks, name: checks.hook(params, group.hooks.get(name))}))
        return {}

    def describe_lifecycle_hooks(self, ctx: RequestContext, params: Params) -> Result:
        group = find(self._store.snapshot(), ctx, params["AutoScalingGroupName"])
        wanted = params.get("LifecycleHookNames") or list(group.hooks)
        if missing := [each for each in wanted if each not in group.hooks]:
            raise errors.ValidationError(f"No Lifecycle Hook found with name {missing[0]}")
        return {"LifecycleHooks": [views.hook_to_wire(group, each, group.hooks[each]) for each in sorted(wanted)]}

    def delete_lifecycle_hook(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            if params["LifecycleHookName"] not in group.hooks:
                raise errors.ValidationError("No Lifecycle Hook found")
            tx.put(replace(group, hooks={k: v for k, v in group.hooks.items() if k != params["LifecycleHookName"]}))
        return {}

    def complete_lifecycle_action(self, ctx: RequestContext, params: Params) -> Result:
        result = params["LifecycleActionResult"]
        if result not in ("CONTINUE", "ABANDON"):
            raise errors.ValidationError("LifecycleActionResult must be CONTINUE or ABANDON")
        return self._waiting(ctx, params, lambda waiting, hook, now: replace(waiting, result=result))

    def record_lifecycle_action_heartbeat(self, ctx: RequestContext, params: Params) -> Result:
        return self._waiting(ctx, params, lambda waiting, hook, now: replace(waiting, until=now + hook.timeout_s))

    def _waiting(self, ctx: RequestContext, params: Params, change: Callable[[Any, Hook, float], Any]) -> Result:
        name, now = params["LifecycleHookName"], self._clock.now()
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            for each in group.members.values():
                waiting = each.hooks.get(name)
                named = waiting is not None and (
                    params.get("LifecycleActionToken") == waiting.token or params.get("InstanceId") == each.id
                )
                if named and name in group.hooks:
                    put_member(
                        tx, group, replace(each, hooks={**each.hooks, name: change(waiting, group.hooks[name], now)})
                    )
                    return {}
        token = params.get("LifecycleActionToken") or params.get("InstanceId")
        raise errors.ValidationError(f"No active Lifecycle Action found with token or instance ID {token}")

    def describe_lifecycle_hook_types(self, ctx: RequestContext, params: Params) -> Result:
        return {"LifecycleHookTypes": [LAUNCHING, TERMINATING]}
