"""Instances that leave a group for a while, or for good, and come back or join."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.clock import iso_utc
from kunren.core.context import RequestContext
from kunren.services.autoscaling import errors, views
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, members_named
from kunren.services.autoscaling.model import Activity, Group, Member

_SHRINKING = "shrinking the capacity from {} to {}"
_GROWING = "increasing the capacity from {} to {}"


class StandbyOperations(Operations):
    def enter_standby(self, ctx: RequestContext, params: Params) -> Result:
        return self._leave(ctx, params, "EnteringStandby", "Moving EC2 instance to Standby", "moved to standby")

    def detach_instances(self, ctx: RequestContext, params: Params) -> Result:
        return self._leave(ctx, params, "Detaching", "Detaching EC2 instance", "detached")

    def _leave(self, ctx: RequestContext, params: Params, state: str, text: str, done: str) -> Result:
        less = params["ShouldDecrementDesiredCapacity"]
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            chosen = members_named(group, params.get("InstanceIds") or [])
            for each in chosen:
                if each.state != "InService" and not (state == "Detaching" and each.state == "Standby"):
                    raise errors.ValidationError(
                        f"The instance {each.id} is not in InService or Standby."
                        if state == "Detaching"
                        else f"The instance {each.id} is not in InService."
                    )
            serving = sum(each.units for each in chosen if each.state == "InService")
            if less and group.desired - serving < group.min_size:
                raise errors.ValidationError(
                    f"AutoScalingGroup {group.id} has min-size={group.min_size}, max-size={group.max_size}, and "
                    f"desired-size={group.desired}. To place into standby {len(chosen)} instance(s), please update the "
                    "AutoScalingGroup sizes appropriately."
                )
            told = []
            for each in chosen:
                after = group.desired - (each.units if less and each.state == "InService" else 0)
                why = f"was {done} in response to a user request, {_SHRINKING.format(group.desired, after)}"
                activity = self._moves(tx, group, each, text, why)
                moving = replace(each, state=state, since=self._clock.now(), activity=activity.id)
                group = replace(group, desired=after, members={**group.members, each.id: moving})
                told.append(activity)
            tx.put(group)
        return {"Activities": [views.activity_to_wire(each, group) for each in told]}

    def exit_standby(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            chosen = members_named(group, params.get("InstanceIds") or [])
            for each in chosen:
                if each.state != "Standby":
                    raise errors.ValidationError(f"The instance {each.id} is not in Standby.")
            wanted = group.desired + sum(each.units for each in chosen)
            if wanted > group.max_size:
                raise errors.ValidationError(
                    f"AutoScalingGroup {group.id} has min-size={group.min_size}, max-size={group.max_size}, and "
                    f"desired-size={group.desired}. To place into service {len(chosen)} instance(s), please update the "
                    "AutoScalingGroup sizes appropriately."
                )
            told = []
            for each in chosen:
                after = group.desired + each.units
                why = f"was moved out of standby in response to a user request, {_GROWING.format(group.desired, after)}"
                activity = self._moves(tx, group, each, "Moving EC2 instance out of Standby", why, "PreInService")
                back = replace(each, state="Pending", since=self._clock.now(), activity=activity.id)
                group = replace(group, desired=after, members={**group.members, each.id: back})
                told.append(activity)
            tx.put(group)
        return {"Activities": [views.activity_to_wire(each, group) for each in told]}

    def _moves(self, tx: Tx, group: Group, member: Member, text: str, why: str, status: str = "InProgress") -> Activity:
        now = self._clock.now()
        activity = Activity(
            account=group.account, region=group.region, id=self._entropy.uuid(), group=group.id, launches=False,
            description=f"{text}: {member.id}", cause=f"At {iso_utc(now)[:19]}Z instance {member.id} {why}.",
            started=now, status=status, progress=30 if status == "PreInService" else 50, zone=member.zone,
            instance_id=member.id,
        )  # fmt: skip
        tx.put(activity)
        return activity
