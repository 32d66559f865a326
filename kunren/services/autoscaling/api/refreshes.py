"""Instance refreshes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.autoscaling import checks, errors, events, refreshing, views
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged
from kunren.services.autoscaling.model import Configuration, Group, Refresh
from kunren.services.autoscaling.refresher import rolled_back


class RefreshOperations(Operations):
    def start_instance_refresh(self, ctx: RequestContext, params: Params) -> Result:
        if (params.get("Strategy") or "Rolling") != "Rolling":
            raise errors.NotYet(f"strategy {params['Strategy']} of instance refreshes")
        now = self._clock.now()
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            if (running := _active(tx, group)) is not None:
                raise errors.InstanceRefreshInProgressFault(
                    f"An Instance Refresh is already in progress and blocks the execution of this Instance Refresh: "
                    f"{running.id}"
                )
            preferences = refreshing.preferences(params.get("Preferences"), group)
            wanted = params.get("DesiredConfiguration")
            before = refreshing.of_group(group)
            target = _target(tx, ctx, group, wanted) if wanted else before
            _check(preferences, params.get("Preferences") or {})
            if preferences["AutoRollback"] and (why := _irreversible(before, wanted)) is not None:
                raise errors.ValidationError(f"Auto rollback is not possible: {why}")
            refresh = Refresh(
                account=ctx.account, region=ctx.region, id=self._entropy.uuid(), group=group.id, status="Pending",
                created=now, started=now, preferences=preferences, target=target, before=before, wanted=wanted,
            )  # fmt: skip
            tx.put(refresh)
        return {"InstanceRefreshId": refresh.id}

    def cancel_instance_refresh(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            refresh = self._running(tx, find(tx, ctx, params["AutoScalingGroupName"]))
            tx.put(replace(refresh, status="Cancelling", reason="Cancelled due to user request.", wait_until=None))
        return {"InstanceRefreshId": refresh.id}

    def rollback_instance_refresh(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            refresh = self._running(tx, group)
            if refresh.status == "RollbackInProgress":
                raise errors.ActiveInstanceRefreshNotFoundFault("The instance refresh is being rolled back already.")
            if (why := _irreversible(refresh.before, refresh.wanted)) is not None:
                raise errors.IrreversibleInstanceRefreshFault(f"The instance refresh can't be rolled back: {why}")
            back = rolled_back(group, refresh, "User initiated rollback", now)
            tx.put(back)
            events.note_refresh(tx, self._entropy, group, back, "Rollback Started", now)
        return {"InstanceRefreshId": refresh.id}

    def describe_instance_refreshes(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        group, wanted = find(snapshot, ctx, params["AutoScalingGroupName"]), params.get("InstanceRefreshIds") or ()
        listed = snapshot.list(Refresh, ctx.account, ctx.region)
        found = [each for each in listed if each.group == group.id and (not wanted or each.id in wanted)]
        found.sort(key=lambda each: (-each.created, each.id))
        page, token = paged(found, params, lambda each: f"{1e11 - each.created:020.6f}{each.id}", 50)
        now = self._clock.now()
        return {"InstanceRefreshes": [views.refresh_to_wire(group, each, now) for each in page], "NextToken": token}

    def _running(self, tx: Tx, group: Group) -> Refresh:
        if (found := _active(tx, group)) is None:
            raise errors.ActiveInstanceRefreshNotFoundFault(
                f"No in progress or pending Instance Refresh found for Auto Scaling group {group.id}"
            )
        return found


def _active(tx: Tx, group: Group) -> Refresh | None:
    listed = tx.list(Refresh, group.account, group.region)
    return next((each for each in listed if each.group == group.id and each.status in refreshing.RUNNING), None)


def _target(tx: Tx, ctx: RequestContext, group: Group, wanted: Mapping[str, Any]) -> Configuration:
    if not wanted.get("LaunchTemplate") and not wanted.get("MixedInstancesPolicy"):
        raise errors.ValidationError("DesiredConfiguration must have a LaunchTemplate or a MixedInstancesPolicy")
    return checks.configuration(tx, ctx, dict(wanted), group.mixed)


def _irreversible(before: Configuration, wanted: Mapping[str, Any] | None) -> str | None:
    if not wanted:
        return "there is no desired configuration"
    if before.version.startswith("$"):
        return f"the group uses the launch template's {before.version} version"
    return None


def _check(found: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raises ValidationError where the preferences don't go together."""
    least, most = found["MinHealthyPercentage"], found["MaxHealthyPercentage"]
    if not (0 <= least <= 100 <= most <= 200) or most - least > 100:
        raise errors.ValidationError(
            "The difference between MinHealthyPercentage and MaxHealthyPercentage cannot be greater than 100"
        )
    if given.get("MaxHealthyPercentage") is not None and given.get("MinHealthyPercentage") is None:
        raise errors.ValidationError("MinHealthyPercentage must be specified with MaxHealthyPercentage")
    checkpoints = list(given.get("CheckpointPercentages") or ())
    if checkpoints != sorted(set(checkpoints)) or any(not 1 <= each <= 100 for each in checkpoints):
        raise errors.ValidationError("CheckpointPercentages must be unique, from 1 to 100, and in ascending order")
    if given.get("CheckpointDelay") is not None and not checkpoints:
        raise errors.ValidationError("CheckpointPercentages must be specified with CheckpointDelay")
    for name, words in (("ScaleInProtectedInstances", ("Refresh", "Ignore", "Wait")),
                        ("StandbyInstances", ("Terminate", "Ignore", "Wait"))):  # fmt: skip
        if found[name] not in words:
            raise errors.ValidationError(f"{found[name]} is not a valid value of {name}")
