"""Keeps each group at its desired capacity, with instances that are healthy, balanced over its zones.

Each look at a group takes every step that is due by its rows and the time, and one timer looks again. Instances are
launched and ended by EC2's own operations, registered by the load balancer's.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.schedules import Crontab
from kunren.services.autoscaling import alarms, choices, launches, refreshing
from kunren.services.autoscaling.activities import end_member
from kunren.services.autoscaling.launches import Launches
from kunren.services.autoscaling.members import Members
from kunren.services.autoscaling.model import Activity, Group, Member, Refresh, Schedule
from kunren.services.autoscaling.refresher import Refresher, active, version_number
from kunren.services.ec2.instances.model import Instance, InstanceRun, SpotRequest

log = logging.getLogger(__name__)
LOOK_S = 15.0
"""How often (AWS time) health and draining are looked at besides."""


class AutoScalingController:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, ec2: Any) -> None:
        """`ec2` has EC2's operations (`kunren.services.ec2.api`)."""
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self._members = Members(store, clock, entropy, call, ec2)
        self._launches = Launches(store, clock, entropy, ec2)
        self._refresher = Refresher(store, clock, entropy, call)
        self._looked: set[str] = set()
        kinds = (Group.kind, Refresh.kind, Instance.kind, InstanceRun.kind, SpotRequest.kind)
        self._controller = Controller(
            "autoscaling", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in kinds,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self._controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        group = self._group(work)
        if group is None:
            return
        if work not in self._looked:
            self._looked.add(work)
            await self._make_alarms(group)
        self._schedules(group)
        for member in list(group.members.values()):
            await self._members.follow(group, member.id)
        group = self._group(work)
        if group is not None and group.deleting and not group.members and not self._launches.noted(group):
            await self._delete(group)
        elif group is not None:
            if group.left_groups:
                self._left(group)
            await self._resize(work, group)
        self._look_again(work)

    def _group(self, work: str) -> Group | None:
        account, region, name = work.split("|", 2)
        return self._store.snapshot().get(Group, account, region, name)

    async def _make_alarms(self, group: Group) -> None:
        """After a start: the alarms of the group's policies that a crash has kept from being made."""
        for name, policy in group.scaling.items():
            if not policy.alarms:
                continue
            told = {"AlarmNames": list(policy.alarms)}
            try:
                shown = await self._call(group.account, group.region, "cloudwatch", "DescribeAlarms", told)
                if len(shown["MetricAlarms"]) < len(policy.alarms):
                    await alarms.put(self._call, group, name, policy)
            except AwsError as error:
                log.warning("the alarms of policy %s of %s could not be made: %s", name, group.id, error)

    # -- scheduled actions -------------------------------------------------------------------------------------------

    def _schedules(self, group: Group) -> None:
        """Those that are due: the group's sizes become theirs."""
        now = self._clock.now()
        due = [name for name, each in group.schedules.items() if each.next_at is not None and each.next_at <= now]
        for name in sorted(due, key=lambda each: group.schedules[each].next_at or 0.0):
            with self._store.write() as tx:
                found = tx.get(Group, group.account, group.region, group.id)
                if found is None or found.deleting or name not in found.schedules:
                    continue
                each = found.schedules[name]
                if "ScheduledActions" not in found.suspended:
                    found = scheduled(found, each, now)
                after = next_time(each, now)
                left = {key: value for key, value in found.schedules.items() if key != name}
                if after is not None:
                    left[name] = replace(each, next_at=after)
                tx.put(replace(found, schedules=left))

    # -- the group ---------------------------------------------------------------------------------------------------

    async def _resize(self, work: str, group: Group) -> None:
        snapshot = self._store.snapshot()
        surge = 0 if group.deleting else await self._refresher.follow(group)
        group = self._group(work) or group
        surge = max(surge, 0 if group.deleting else self._replace_risky(group))
        group = self._group(work) or group
        chosen = refreshing.configuration(group, active(self._store.snapshot(), group))
        for each in self._launches.noted(group):
            await self._launches.launch(group, each, chosen)
        group = self._group(work) or group
        now = self._clock.now()
        held, wanted = choices.units(choices.active(group)), 0 if group.deleting else group.desired + surge
        launching = "Launch" not in group.suspended and not (group.retry_at and now < group.retry_at)
        if held < wanted and launching:
            missing = self._draw_from_pool(group, wanted - held, now)
            if missing > 0:
                self._launches.note(self._group(work) or group, missing, wanted)
        elif held > wanted and "Terminate" not in group.suspended:
            self._shrink(group, held, held - wanted, version_number(snapshot, group, chosen), now)
        self._fill_pool(self._group(work) or group, launching)

    def _shrink(self, group: Group, held: int, surplus: int, newest: str, now: float) -> None:
        chosen = choices.to_end(group, surplus, newest, now)
        if not chosen:
            return
        why = launches.shrinking(group, held, chosen, now)
        with self._store.write() as tx:
            for each in chosen:
                found = tx.get(Group, group.account, group.region, group.id) or group
                current = found.members.get(each.id)
                if current is None or choices.is_going(current):
                    continue
                returns = found.pool is not None and found.pool.reuse and not found.pool.deleting and not found.deleting
                returns = returns and current.state == "InService"
                activity = end_member(tx, self._entropy, found, replace(current, returns=returns), why, now)
                if returns:
                    tx.put(replace(activity, destination="WarmPool"))
            found = tx.get(Group, group.account, group.region, group.id) or group
            tx.put(replace(found, cause=""))

    def _replace_risky(self, group: Group) -> int:
        """Those at risk are replaced, a tenth of the group at a time, the new ones first: how many more that needs."""
        risky = [each for each in choices.active(group) if each.at_risk and each.state == "InService"]
        if not risky:
            return 0
        serving = [each for each in choices.active(group) if each.state == "InService"]
        others = choices.units([each for each in serving if not each.at_risk])
        room = max(1, math.floor(group.desired / 10))
        now = self._clock.now()
        for each in risky:
            if others + choices.units(risky) - each.units < group.desired:
                break
            risky = [one for one in risky if one.id != each.id]
            why = "an instance was taken out of service in response to an EC2 instance rebalance recommendation"
            if group.lifetime_s is not None and now >= each.launched + group.lifetime_s:
                why = "an instance was taken out of service in response to its maximum lifetime"
            self._members.end(group, each, why, now)
        return min(room, choices.units(risky))

    # -- the warm pool -----------------------------------------------------------------------------------------------

    def _draw_from_pool(self, group: Group, missing: int, now: float) -> int:
        """Warm instances come into the group first; returns what is missing still."""
        ready = [each for each in group.members.values() if each.state in choices.WARMED]
        with self._store.write() as tx:
            for each in sorted(ready, key=lambda one: (one.launched, one.id)):
                found = tx.get(Group, group.account, group.region, group.id)
                if missing <= 0 or found is None:
                    break
                missing -= each.units
                at = f"{iso_utc(now)[:19]}Z"
                cause = (
                    f"{found.cause}  At {at} an instance was started in response to a difference between desired and "
                    "actual capacity."
                ).strip()
                activity = Activity(
                    account=group.account, region=group.region, id=self._entropy.uuid(), group=group.id, launches=False,
                    description=f"Launching a new EC2 instance from warm pool: {each.id}", cause=cause, started=now,
                    zone=each.zone, instance_id=each.id, origin="WarmPool", progress=30,
                )  # fmt: skip
                tx.put(activity)
                coming = replace(each, state="Pending", since=now, activity=activity.id)
                tx.put(replace(found, members={**found.members, each.id: coming}))
        return missing

    def _fill_pool(self, group: Group, launching: bool) -> None:
        if group.pool is None:
            return
        now = self._clock.now()
        pooled = [each for each in group.members.values() if each.state.startswith("Warmed:")]
        held = [each for each in pooled if not choices.is_going(each)]
        coming = [each for each in group.members.values() if each.returns]
        wanted, there = choices.pool_wanted(group), choices.units([*held, *coming])
        noted = [each for each in self._launches.noted(group) if each.destination == "WarmPool"]
        serving = choices.units(choices.active(group)) >= group.desired
        if there + sum(each.weight for each in noted) < wanted and launching and serving:
            self._launches.note(group, wanted - there, wanted, pool=True)
        elif there > wanted and "Terminate" not in group.suspended:
            for each in self._least_warm(held, there - wanted):
                why = "an instance was taken out of the warm pool in response to a difference between its desired and "
                self._members.end(group, each, f"{why}actual capacity", now)
        if group.pool.deleting and not held and not coming:
            with self._store.write() as tx:
                found = tx.get(Group, group.account, group.region, group.id)
                if found is not None and not any(each.state.startswith("Warmed:") for each in found.members.values()):
                    tx.put(replace(found, pool=None))

    def _least_warm(self, held: list[Member], surplus: int) -> list[Member]:
        """Of what is too much in the pool, those that are not prepared yet go first."""
        chosen = []
        for each in sorted(held, key=lambda one: (one.state in choices.WARMED, one.launched, one.id)):
            if each.units <= surplus:
                surplus -= each.units
                chosen.append(each)
        return chosen

    # -- the end -----------------------------------------------------------------------------------------------------

    def _left(self, group: Group) -> None:
        """Every instance was taken out of the target groups that the group has left."""
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            if found is not None and found.left_groups == group.left_groups:
                tx.put(replace(found, left_groups=()))

    async def _delete(self, group: Group) -> None:
        for each in group.scaling.values():
            try:
                await alarms.delete(self._call, group, each.alarms)
            except AwsError as error:
                log.warning("the alarms of %s stay: %s", group.id, error)
        with self._store.write() as tx:
            for activity in tx.list(Activity, group.account, group.region):
                if activity.group == group.id:
                    tx.delete(activity)
            for refresh in tx.list(Refresh, group.account, group.region):
                if refresh.group == group.id:
                    tx.delete(refresh)
            tx.delete(group)

    def _look_again(self, work: str) -> None:
        group = self._group(work)
        if group is not None:
            due = [each.next_at for each in group.schedules.values() if each.next_at is not None]
            wait = min([LOOK_S, *(max(0.0, each - self._clock.now()) + 0.01 for each in due)])
            self._controller.enqueue_after(wait, work)


def scheduled(group: Group, each: Schedule, now: float) -> Group:
    """The group as a scheduled action leaves it. Pure."""
    least = group.min_size if each.min_size is None else each.min_size
    most = group.max_size if each.max_size is None else each.max_size
    desired = group.desired if each.desired is None else each.desired
    desired, most = min(max(desired, least), max(most, least)), max(most, least)
    if desired != group.desired:
        cause = (
            f"At {iso_utc(now)[:19]}Z a scheduled action update of AutoScalingGroup constraints to min: {least}, max: "
            f"{most}, desired: {desired} changing the desired capacity from {group.desired} to {desired}."
        )
        group = replace(group, cause=cause, retry_at=None)
    return replace(group, min_size=least, max_size=most, desired=desired)


def next_time(each: Schedule, now: float) -> float | None:
    """When an action that is due now is due again. Pure."""
    if each.recurrence is None:
        return None
    after = Crontab(each.recurrence, each.time_zone).after(now)
    return after if after is not None and (each.end is None or after <= each.end) else None


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == Group.kind:
        return (_work(key),)
    found = snapshot.by_key(key)
    if isinstance(found, Refresh):
        return (f"{key.account}|{key.region}|{found.group}",)
    id = found.instance_id if isinstance(found, SpotRequest) else key.id
    instance = snapshot.get(Instance, key.account, key.region, id) if id is not None else None
    name = instance.tags.get("aws:autoscaling:groupName") if instance is not None else None
    return (f"{key.account}|{key.region}|{name}",) if name else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.key) for each in snapshot.every(Group)]


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
