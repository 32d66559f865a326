"""Keeps each group at its desired capacity, with instances that are healthy, balanced over its zones.

Each look at a group takes every step that is due by its rows and the time, and one timer looks again. Instances are
launched and ended by EC2's own operations, registered by the load balancer's; a launch is noted before it is asked for
and has its activity as client token, so that a crash between the two launches once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock, Timer, iso_utc
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import choices
from kunren.services.autoscaling.model import KEPT_S, LAUNCHING, TERMINATING, Activity, Group, Hook, Member, Waiting
from kunren.services.ec2.instances.model import Instance, InstanceRun, LaunchTemplate
from kunren.services.ec2.instances.states import state
from kunren.services.ec2.model import Subnet

log = logging.getLogger(__name__)
LOOK_S = 15.0
"""How often (AWS time) health and draining are looked at besides."""
RETRY_S = 60.0
_ALIVE = ("pending", "running")


class AutoScalingController:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, ec2: Any) -> None:
        """`ec2` has EC2's operations (`kunren.services.ec2.api`)."""
        self._store, self._clock, self._entropy, self._call, self._ec2 = store, clock, entropy, call, ec2
        self._timers: dict[str, Timer] = {}
        self._controller = Controller(
            "autoscaling", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in (Group.kind, Instance.kind, InstanceRun.kind),
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self._controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        account, region, name = work.split("|", 2)
        group = self._group(account, region, name)
        if group is None:
            return
        for member in list(group.members.values()):
            await self._follow(group, member.id)
        group = self._group(account, region, name)
        if group is not None and not (group.deleting and not group.members and not self._noted(group)):
            await self._resize(group)
        elif group is not None:
            self._delete(group)
        self._look_again(work)

    def _context(self, group: Group) -> RequestContext:
        return RequestContext(group.account, group.region, "ec2", "autoscaling", "autoscaling")

    def _group(self, account: str, region: str, name: str) -> Group | None:
        return self._store.snapshot().get(Group, account, region, name)

    # -- one member --------------------------------------------------------------------------------------------------

    async def _follow(self, group: Group, id: str) -> None:
        """The member's next step, as far as one is due."""
        found = self._group(group.account, group.region, group.id)
        member = found.members.get(id) if found is not None else None
        if found is None or member is None:
            return
        snapshot, now = self._store.snapshot(), self._clock.now()
        instance = snapshot.get(Instance, found.account, found.region, id)
        is_now = state(snapshot, instance) if instance is not None else "terminated"
        if member.state in choices.GOING:
            await self._go(found, member, is_now)
        elif is_now not in _ALIVE:
            found_so = f"in response to an EC2 health check indicating it has been {is_now}"
            why = f"an instance was taken out of service {found_so}"
            self._end_member(found, member, why, now)
        elif not member.healthy and "ReplaceUnhealthy" not in found.suspended:
            self._end_member(found, member, "an instance was taken out of service in response to a health check", now)
        elif member.state == "Pending" and is_now == "running":
            self._arrived(found, member, now)
        elif member.state == "Pending:Wait":
            await self._waited(found, member, now, "Pending:Proceed")
        elif member.state == "Pending:Proceed":
            await self._into_service(found, member)
        elif member.state == "InService" and await self._fails_elb(found, member, now):
            why = "an instance was taken out of service in response to an ELB system health check failure"
            self._end_member(found, member, why, now)

    def _arrived(self, group: Group, member: Member, now: float) -> None:
        hooks = self._hooks(group, LAUNCHING, now)
        after = "Pending:Wait" if hooks else "Pending:Proceed"
        self._put(group, member, replace(member, state=after, since=now, hooks=hooks))

    async def _into_service(self, group: Group, member: Member) -> None:
        for arn in group.target_groups:
            targets = {"TargetGroupArn": arn, "Targets": [{"Id": member.id}]}
            try:
                await self._call(group.account, group.region, "elbv2", "RegisterTargets", targets)
            except AwsError as error:
                if error.code != "TargetGroupNotFound":  # a group that is gone keeps nobody out of service
                    raise
        now = self._clock.now()
        if self._put(group, member, replace(member, state="InService", since=now, hooks={})):
            self._ended(group, member.activity, "Successful", now)

    async def _fails_elb(self, group: Group, member: Member, now: float) -> bool:
        """Whether a target group finds it unhealthy, once its grace period is over."""
        if group.health_type != "ELB" or now < member.since + group.grace_s:
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

    def _end_member(self, group: Group, member: Member, why: str, now: float) -> None:
        """It leaves: out of the load balancers first. Who leaves already does so for the reason that was first."""
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            current = found.members.get(member.id) if found is not None else None
            if found is not None and current is not None and current.state not in choices.GOING:
                end_member(tx, self._entropy, found, current, why, now)

    async def _go(self, group: Group, member: Member, is_now: str) -> None:
        now = self._clock.now()
        if is_now == "terminated":
            self._forget(group, member, now)
        elif member.state == "Terminating":
            if is_now in _ALIVE and not await self._drained(group, member):
                return
            hooks = self._hooks(group, TERMINATING, now) if is_now in _ALIVE else {}
            after = "Terminating:Wait" if hooks else "Terminating:Proceed"
            self._put(group, member, replace(member, state=after, since=now, hooks=hooks))
        elif member.state == "Terminating:Wait":
            await self._waited(group, member, now, "Terminating:Proceed")
        elif is_now != "shutting-down":
            params = {"InstanceIds": [member.id]}
            self._ec2.terminate_instances(self._context(group), params)

    async def _drained(self, group: Group, member: Member) -> bool:
        """Deregister it, and whether no load balancer has connections to it any more."""
        done = True
        for arn in group.target_groups:
            current = await self._target_state(group, arn, member)
            if current not in ("unused", "draining"):
                params = {"TargetGroupArn": arn, "Targets": [{"Id": member.id}]}
                await self._call(group.account, group.region, "elbv2", "DeregisterTargets", params)
                current = await self._target_state(group, arn, member)
            done = done and current != "draining"
        return done

    def _forget(self, group: Group, member: Member, now: float) -> None:
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            if found is not None:
                left = {id: each for id, each in found.members.items() if id != member.id}
                tx.put(replace(found, members=left))
        self._ended(group, member.activity, "Successful", now)

    # -- lifecycle hooks ---------------------------------------------------------------------------------------------

    def _hooks(self, group: Group, transition: str, now: float) -> dict[str, Waiting]:
        return {
            name: Waiting(token=self._entropy.uuid(), until=now + hook.timeout_s)
            for name, hook in group.hooks.items()
            if hook.transition == transition
        }

    async def _waited(self, group: Group, member: Member, now: float, after: str) -> None:
        """Go on once every hook is completed or timed out; an ABANDON of a launch ends the instance."""
        results = []
        for name, waiting in member.hooks.items():
            if not waiting.told:
                member = await self._tell(group, member, name, group.hooks.get(name), waiting)
            hook = group.hooks.get(name)
            timed_out = now >= waiting.until or hook is None
            results.append(waiting.result or ((hook.default_result if hook else "CONTINUE") if timed_out else ""))
        if "ABANDON" in results and after == "Pending:Proceed":
            self._end_member(group, member, "a lifecycle action was abandoned", now)
        elif all(results) or "ABANDON" in results:
            self._put(group, member, replace(member, state=after, since=now, hooks={}))

    async def _tell(self, group: Group, member: Member, name: str, hook: Hook | None, waiting: Waiting) -> Member:
        """Tell whom the hook names, and note that."""
        if hook is not None:
            await self._send(group, member, name, hook, waiting)
        found = self._group(group.account, group.region, group.id)
        now = found.members.get(member.id, member) if found is not None else member
        if now.state != member.state:
            return member
        told = replace(now, hooks={**now.hooks, name: replace(now.hooks.get(name, waiting), told=True)})
        self._put(group, now, told)
        return told

    async def _send(self, group: Group, member: Member, name: str, hook: Hook, waiting: Waiting) -> None:
        launching = hook.transition == LAUNCHING
        detail = {
            "LifecycleActionToken": waiting.token,
            "AutoScalingGroupName": group.id,
            "LifecycleHookName": name,
            "EC2InstanceId": member.id,
            "LifecycleTransition": hook.transition,
            **({"NotificationMetadata": hook.metadata} if hook.metadata else {}),
            "Origin": "EC2" if launching else "AutoScalingGroup",
            "Destination": "AutoScalingGroup" if launching else "EC2",
        }
        kind = "launch" if launching else "terminate"
        now = self._clock.now()
        entry = {
            "Source": "aws.autoscaling", "DetailType": f"EC2 Instance-{kind} Lifecycle Action",
            "Detail": json.dumps(detail), "Resources": [], "Time": now,
        }  # fmt: skip
        message = json.dumps(
            {**detail, "Service": "AWS Auto Scaling", "Time": iso_utc(now), "AccountId": group.account}
        )
        try:
            await self._call(group.account, group.region, "events", "PutEvents", {"Entries": [entry]})
            if hook.target and ":sqs:" in hook.target:
                account, queue = hook.target.split(":")[4:6]
                named = {"QueueName": queue, "QueueOwnerAWSAccountId": account}
                url = (await self._call(group.account, group.region, "sqs", "GetQueueUrl", named))["QueueUrl"]
                params = {"QueueUrl": url, "MessageBody": message}
                await self._call(group.account, group.region, "sqs", "SendMessage", params)
            elif hook.target:
                params = {"TopicArn": hook.target, "Message": message}
                await self._call(group.account, group.region, "sns", "Publish", params)
        except AwsError as error:
            log.warning("the lifecycle hook of %s could not be told: %s", group.id, error)

    # -- the group ---------------------------------------------------------------------------------------------------

    async def _resize(self, group: Group) -> None:
        now, snapshot = self._clock.now(), self._store.snapshot()
        for each in self._noted(group):
            await self._launch(group, each)
        group = self._group(group.account, group.region, group.id) or group
        held, wanted = choices.active(group), 0 if group.deleting else group.desired
        if len(held) < wanted and "Launch" not in group.suspended and not (group.retry_at and now < group.retry_at):
            self._note_launches(group, snapshot, wanted - len(held), now)
        elif len(held) > wanted and "Terminate" not in group.suspended:
            newest = _version_number(snapshot, group)
            for member in choices.to_end(group, len(held) - wanted, newest):
                self._end_member(self._group(group.account, group.region, group.id) or group, member, _less(group), now)

    def _noted(self, group: Group) -> list[Activity]:
        """The launches that are noted and not answered: EC2 may have been asked for them before a crash."""
        listed = self._store.snapshot().list(Activity, group.account, group.region)
        return [each for each in listed if each.group == group.id and each.launches and each.status == "PreInService"]

    def _note_launches(self, group: Group, snapshot: Snapshot, count: int, now: float) -> None:
        subnets = {}
        for id in group.subnets:
            found = snapshot.get(Subnet, group.account, group.region, id)
            if found is not None:
                subnets[id] = found.availability_zone
        if not subnets:
            return
        chosen: list[str] = []
        with self._store.write() as tx:
            for _ in range(count):
                chosen.append(choices.next_subnet(subnets, choices.active(group), chosen))
                cause = group.cause or (
                    f"At {iso_utc(now)[:19]}Z an instance was started in response to a difference between desired and "
                    f"actual capacity, increasing the capacity from {len(choices.active(group))} to {group.desired}."
                )
                activity = Activity(
                    account=group.account, region=group.region, id=self._entropy.uuid(), group=group.id, launches=True,
                    description="Launching a new EC2 instance", cause=cause, started=now, subnet=chosen[-1],
                    status="PreInService",
                )  # fmt: skip
                tx.put(activity)
            tx.put(replace(group, cause=""))

    async def _launch(self, group: Group, activity: Activity) -> None:
        """Ask EC2 for the instance of a noted launch."""
        tags = {key: group.tags[key] for key in group.propagated} | {"aws:autoscaling:groupName": group.id}
        params = {
            "LaunchTemplate": {"LaunchTemplateId": group.template, "Version": group.version},
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": activity.subnet,
            "ClientToken": activity.id,
            "OwnTags": tags,
        }
        now = self._clock.now()
        try:
            answer = await self._ec2.run_instances(self._context(group), params)
        except AwsError as error:
            message = f"{error.message} Launching EC2 instance failed."
            self._ended(group, activity.id, "Failed", now, message)
            with self._store.write() as tx:
                if (found := tx.get(Group, group.account, group.region, group.id)) is not None:
                    tx.put(replace(found, retry_at=now + RETRY_S))
            return
        launched = answer["Instances"][0]
        version = {each["Key"]: each["Value"] for each in launched.get("Tags") or ()}
        member = Member(
            id=launched["InstanceId"], zone=launched["Placement"]["AvailabilityZone"], state="Pending", since=now,
            instance_type=launched["InstanceType"], version=version.get("aws:ec2launchtemplate:version", ""),
            activity=activity.id, protected=group.protects_new,
        )  # fmt: skip
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            if found is not None:
                tx.put(replace(found, members={**found.members, member.id: member}, retry_at=None))
            noted = tx.get(Activity, group.account, group.region, activity.id)
            if noted is not None:
                text = f"Launching a new EC2 instance: {member.id}"
                tx.put(replace(noted, status="InProgress", description=text, progress=30))

    def _delete(self, group: Group) -> None:
        with self._store.write() as tx:
            for each in tx.list(Activity, group.account, group.region):
                if each.group == group.id:
                    tx.delete(each)
            tx.delete(group)

    # -- writing -----------------------------------------------------------------------------------------------------

    def _put(self, group: Group, before: Member, changed: Member) -> bool:
        """Write a member's next step, unless somebody had it take another while we waited: whether it was written. What
        was set meanwhile beside the step stays."""
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            current = found.members.get(before.id) if found is not None else None
            if found is None or current is None or current.state != before.state:
                return False
            kept = replace(changed, healthy=current.healthy, protected=current.protected)
            tx.put(replace(found, members={**found.members, before.id: kept}))
            return True

    def _ended(self, group: Group, id: str, status: str, now: float, message: str | None = None) -> None:
        with self._store.write() as tx:
            found = tx.get(Activity, group.account, group.region, id)
            if found is not None and found.ended is None:
                tx.put(replace(found, status=status, ended=now, progress=100, message=message))
            for each in tx.list(Activity, group.account, group.region):
                if each.ended is not None and each.ended < now - KEPT_S:
                    tx.delete(each)

    def _look_again(self, work: str) -> None:
        account, region, name = work.split("|", 2)
        if (before := self._timers.pop(work, None)) is not None:
            before.cancel()
        if self._group(account, region, name) is not None:
            self._timers[work] = self._clock.call_later(LOOK_S, lambda: self._controller.enqueue(work))


def end_member(tx: Tx, entropy: Entropy, group: Group, member: Member, why: str, now: float) -> Activity:
    """The member is to go, with an activity that says why."""
    activity = Activity(
        account=group.account, region=group.region, id=entropy.uuid(), group=group.id, launches=False,
        description=f"Terminating EC2 instance: {member.id}", cause=f"At {iso_utc(now)[:19]}Z {why}.", started=now,
    )  # fmt: skip
    tx.put(activity)
    brought = tx.get(Activity, group.account, group.region, member.activity)
    if brought is not None and brought.ended is None:  # a launch, or another end, that comes to nothing now
        tx.put(replace(brought, status="Cancelled", ended=now, progress=100))
    found = tx.get(Group, group.account, group.region, group.id)
    if found is not None:
        going = replace(member, state="Terminating", since=now, activity=activity.id, hooks={})
        tx.put(replace(found, members={**found.members, member.id: going}))
    return activity


def _less(group: Group) -> str:
    return (
        "an instance was taken out of service in response to a difference between desired and actual capacity, "
        f"shrinking the capacity from {len(choices.active(group))} to {group.desired}"
    )


def _version_number(snapshot: Snapshot, group: Group) -> str:
    found = snapshot.get(LaunchTemplate, group.account, group.region, group.template)
    version = found.version(group.version) if found is not None else None
    return str(version.number) if version is not None else ""


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == Group.kind:
        return (_work(key),)
    instance = snapshot.get(Instance, key.account, key.region, key.id)
    name = instance.tags.get("aws:autoscaling:groupName") if instance is not None else None
    return (f"{key.account}|{key.region}|{name}",) if name else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.key) for each in snapshot.every(Group)]


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
