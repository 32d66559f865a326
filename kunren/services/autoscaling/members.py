"""One instance of a group: its next step, as far as one is due.

Into service: Pending, its hooks, registered with the load balancers, InService. Out of it: deregistered and drained,
its hooks, terminated; or into standby, detached, or back to the warm pool. A step is written only where nobody had the
instance take another one meanwhile.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import choices
from kunren.services.autoscaling.activities import end_member, ended
from kunren.services.autoscaling.model import LAUNCHING, TERMINATING, Activity, Group, Member
from kunren.services.autoscaling.waiting import Hooks
from kunren.services.ec2.instances.model import Instance, SpotRequest
from kunren.services.ec2.instances.states import state

ALIVE = ("pending", "running")


class Members:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, ec2: Any) -> None:
        self._store, self._clock, self._entropy, self._call, self._ec2 = store, clock, entropy, call, ec2
        self._hooks = Hooks(store, clock, entropy, call)

    async def follow(self, group: Group, id: str) -> None:
        found = self._store.snapshot().get(Group, group.account, group.region, group.id)
        member = found.members.get(id) if found is not None else None
        if found is None or member is None:
            return
        snapshot, now = self._store.snapshot(), self._clock.now()
        instance = snapshot.get(Instance, found.account, found.region, id)
        is_now = state(snapshot, instance) if instance is not None else "terminated"
        if choices.is_going(member):
            await self._go(found, member, is_now)
        elif member.state.startswith("Warmed:"):
            await self._warm(found, member, is_now, now)
        elif member.state in ("EnteringStandby", "Detaching"):
            await self._leave(found, member, now)
        elif not self._ends(found, member, is_now, now):
            await self._come(found, member, is_now, now, snapshot, instance)

    def _ends(self, group: Group, member: Member, is_now: str, now: float) -> bool:
        """End who does not run, or is said to be unhealthy: whether that was so."""
        if member.state == "Standby":
            return is_now == "terminated" and self.end(group, member, _found(is_now), now)
        if is_now not in ALIVE:
            starting = member.state == "Pending" and is_now in ("stopped", "stopping") and self._was_warm(member, group)
            kept = starting or "HealthCheck" in group.suspended
            return not kept and self.end(group, member, _found(is_now), now)
        if not member.healthy and "ReplaceUnhealthy" not in group.suspended:
            why = "an instance was taken out of service in response to a user health-check"
            return self.end(group, member, why, now)
        return False

    async def _come(
        self, group: Group, member: Member, is_now: str, now: float, snapshot: Snapshot, instance: Instance | None
    ) -> None:
        if member.state == "Pending" and is_now == "running":
            hooks = self._hooks.of(group, LAUNCHING, now)
            after = "Pending:Wait" if hooks else "Pending:Proceed"
            self.put(group, member, replace(member, state=after, since=now, hooks=hooks))
        elif member.state == "Pending" and is_now == "stopped":
            self._ec2.start_instances(_context(group), {"InstanceIds": [member.id]})
        elif member.state == "Pending:Wait":
            await self._waited(group, member, now, "Pending:Proceed")
        elif member.state == "Pending:Proceed":
            await self._into_service(group, member)
        elif member.state == "InService":
            self._note_risk(group, member, snapshot, instance, now)
            for arn in group.left_groups:
                await self._deregister(group, arn, member)
            if await self._fails_elb(group, member, now):
                why = "an instance was taken out of service in response to an ELB system health check failure"
                self.end(group, member, why, now)

    def _was_warm(self, member: Member, group: Group) -> bool:
        activity = self._store.snapshot().get(Activity, group.account, group.region, member.activity)
        return activity is not None and activity.origin == "WarmPool"

    async def _into_service(self, group: Group, member: Member) -> None:
        if "AddToLoadBalancer" not in group.suspended:
            for arn in group.target_groups:
                await self._register(group, arn, member)
        now = self._clock.now()
        self.put(group, member, replace(member, state="InService", since=now, hooks={}), ends=True)

    async def _register(self, group: Group, arn: str, member: Member) -> None:
        targets = {"TargetGroupArn": arn, "Targets": [{"Id": member.id}]}
        try:
            await self._call(group.account, group.region, "elbv2", "RegisterTargets", targets)
        except AwsError as error:
            if error.code != "TargetGroupNotFound":  # a group that is gone keeps nobody out of service
                raise

    def _note_risk(
        self, group: Group, member: Member, snapshot: Snapshot, instance: Instance | None, now: float
    ) -> None:
        """EC2 recommends to rebalance, or the instance is as old as one may get: it is replaced, the new one first."""
        old = group.lifetime_s is not None and now >= member.launched + group.lifetime_s
        risky = False
        if group.rebalances and instance is not None and instance.spot_request_id is not None:
            request = snapshot.get(SpotRequest, group.account, group.region, instance.spot_request_id)
            risky = request is not None and request.rebalance_at is not None
        if (old or risky) and not member.at_risk:
            self.put(group, member, replace(member, at_risk=True))

    async def _fails_elb(self, group: Group, member: Member, now: float) -> bool:
        """Whether a target group finds it unhealthy, once its grace period is over."""
        suspended = {"HealthCheck", "ReplaceUnhealthy"} & set(group.suspended)
        if group.health_type != "ELB" or now < member.since + group.grace_s or suspended:
            return False
        for arn in group.target_groups:
            if await self._target_state(group, arn, member) == "unhealthy":
                return True
        return False

    async def _target_state(self, group: Group, arn: str, member: Member) -> str:
        params = {"TargetGroupArn": arn, "Targets": [{"Id": member.id}]}
        try:
            shown = await self._call(group.account, group.region, "elbv2", "DescribeTargetHealth", params)
        except AwsError:
            return "unused"
        return str(shown["TargetHealthDescriptions"][0]["TargetHealth"]["State"])

    def end(self, group: Group, member: Member, why: str, now: float) -> bool:
        """It leaves: out of the load balancers first. Who leaves already does so for the reason that was first."""
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            current = found.members.get(member.id) if found is not None else None
            if found is not None and current is not None and not choices.is_going(current):
                end_member(tx, self._entropy, found, current, why, now)
        return True

    # -- out of service ----------------------------------------------------------------------------------------------

    async def _go(self, group: Group, member: Member, is_now: str) -> None:
        now, pooled = self._clock.now(), "Warmed:" if member.state.startswith("Warmed:") else ""
        step = member.state.removeprefix("Warmed:")
        if is_now == "terminated":
            self.forget(group, member, now)
        elif step == "Terminating":
            if is_now in ALIVE and not await self._drained(group, member):
                return
            hooks = self._hooks.of(group, TERMINATING, now) if is_now in ALIVE else {}
            after = f"{pooled}Terminating:{'Wait' if hooks else 'Proceed'}"
            self.put(group, member, replace(member, state=after, since=now, hooks=hooks))
        elif step == "Terminating:Wait":
            await self._waited(group, member, now, f"{pooled}Terminating:Proceed")
        elif is_now != "shutting-down":
            self._proceed(group, member, now)

    def _proceed(self, group: Group, member: Member, now: float) -> None:
        """Nothing holds it any more: it is terminated, or goes back to the warm pool."""
        if member.returns and group.pool is not None and not group.pool.deleting and not group.deleting:
            back = replace(member, state="Warmed:Pending:Proceed", since=now, hooks={}, returns=False)
            self.put(group, member, back)
        else:
            self._ec2.terminate_instances(_context(group), {"InstanceIds": [member.id]})

    async def _drained(self, group: Group, member: Member) -> bool:
        """Deregister it, and whether no load balancer has connections to it any more."""
        done = True
        for arn in group.target_groups:
            done = await self._deregister(group, arn, member) and done
        return done

    async def _deregister(self, group: Group, arn: str, member: Member) -> bool:
        current = await self._target_state(group, arn, member)
        if current not in ("unused", "draining"):
            params = {"TargetGroupArn": arn, "Targets": [{"Id": member.id}]}
            await self._call(group.account, group.region, "elbv2", "DeregisterTargets", params)
            current = await self._target_state(group, arn, member)
        return current != "draining"

    async def _leave(self, group: Group, member: Member, now: float) -> None:
        """Into standby, or out of the group for good."""
        if not await self._drained(group, member):
            return
        if member.state == "EnteringStandby":
            self.put(group, member, replace(member, state="Standby", since=now), ends=True)
        else:
            self.forget(group, member, now)

    def forget(self, group: Group, member: Member, now: float) -> None:
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            if found is not None:
                left = {id: each for id, each in found.members.items() if id != member.id}
                tx.put(replace(found, members=left))
            ended(tx, self._entropy, found or group, member.activity, "Successful", now)

    async def _waited(self, group: Group, member: Member, now: float, after: str) -> None:
        """Go on once every hook is completed or timed out; an ABANDON of a launch ends the instance."""
        results = await self._hooks.results(group, member, now)
        if "ABANDON" in results and after.endswith("Pending:Proceed"):
            self.end(group, member, "a lifecycle action was abandoned", now)
        elif all(results) or "ABANDON" in results:
            self.put(group, member, replace(member, state=after, since=now, hooks={}))

    # -- in the warm pool --------------------------------------------------------------------------------------------

    async def _warm(self, group: Group, member: Member, is_now: str, now: float) -> None:
        step, pool = member.state.removeprefix("Warmed:"), group.pool
        if is_now in ("terminated", "shutting-down"):
            self.end(group, member, _found(is_now), now)
        elif pool is None:
            self.end(group, member, "a user request deleted the warm pool", now)
        elif step == "Pending" and is_now == "running":
            hooks = self._hooks.of(group, LAUNCHING, now)
            after = f"Warmed:Pending:{'Wait' if hooks else 'Proceed'}"
            self.put(group, member, replace(member, state=after, since=now, hooks=hooks))
        elif step == "Pending:Wait":
            await self._waited(group, member, now, "Warmed:Pending:Proceed")
        elif step == "Pending:Proceed" and (pool.state == "Running" or is_now == "stopped"):
            self.put(group, member, replace(member, state=f"Warmed:{pool.state}", since=now, hooks={}), ends=True)
        elif step == "Pending:Proceed" and is_now == "running":
            try:
                self._ec2.stop_instances(
                    _context(group), {"InstanceIds": [member.id], "Hibernate": pool.state == "Hibernated"}
                )
            except AwsError as error:  # it was not launched for hibernation
                self.end(group, member, error.message, now)
        elif step == "Running" and pool.state == "Running" and is_now not in ALIVE:
            self.end(group, member, _found(is_now), now)

    # -- writing -----------------------------------------------------------------------------------------------------

    def put(self, group: Group, before: Member, changed: Member, *, ends: bool = False) -> bool:
        """Write a member's next step, with the end of its activity, unless somebody had it take another while we
        waited: whether it was written. What was set meanwhile beside the step stays."""
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            current = found.members.get(before.id) if found is not None else None
            if found is None or current is None or current.state != before.state:
                return False
            kept = replace(changed, healthy=current.healthy, protected=current.protected)
            found = replace(found, members={**found.members, before.id: kept})
            tx.put(found)
            if ends:
                ended(tx, self._entropy, found, before.activity, "Successful", self._clock.now())
            return True


def _found(is_now: str) -> str:
    what = "terminated or stopped" if is_now in ("terminated", "stopped") else is_now
    return f"an instance was taken out of service in response to an EC2 health check indicating it has been {what}"


def _context(group: Group) -> RequestContext:
    return RequestContext(group.account, group.region, "ec2", "autoscaling", "autoscaling")
