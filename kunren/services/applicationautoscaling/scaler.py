"""Scales: what alarms and the clock ask for is set by the target's own service, and kept as an activity."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.applicationautoscaling import alarms, decisions, views
from kunren.services.applicationautoscaling.alarms import LOW
from kunren.services.applicationautoscaling.model import KEPT_S, Activity, Policy, Schedule, Target
from kunren.services.applicationautoscaling.resources import SCALABLE

log = logging.getLogger(__name__)


class Scaler:
    """`run` lives until it is cancelled; `act` is what CloudWatch calls for the ARN of a policy."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self._looked: set[str] = set()
        self.controller = Controller(
            "application-autoscaling", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == Target.kind,
        )  # fmt: skip

    # -- alarms ------------------------------------------------------------------------------------------------------

    async def act(self, policy_arn: str, alarm: str, state: str, value: float | None, threshold: float | None) -> None:
        """An alarm is in `state`, with its metric at `value`."""
        region, account = policy_arn.split(":")[3:5]
        for target in self._store.snapshot().list(Target, account, region):
            for name, policy in target.policies.items():
                if views.policy_arn(target, name) == policy_arn and value is not None and threshold is not None:
                    await self._scale(target, name, policy, alarm, state, value, threshold)

    async def _scale(
        self, target: Target, name: str, policy: Policy, alarm: str, state: str, value: float, threshold: float
    ) -> None:
        scalable, now = SCALABLE[target.namespace, target.dimension], self._clock.now()
        current = await scalable.read(self._call, target)
        shrinks = f"-{LOW}-" in alarm and await self._all_low(target, policy)
        wanted = decisions.wanted(target, policy, current, value, threshold, now, shrinks=shrinks)
        if wanted == current:
            return
        if wanted < current and scalable.changes is not None and await scalable.changes(self._call, target):
            return
        cause = f"monitor alarm {alarm} in state {state} triggered policy {name}"
        if not await self._set(target, wanted, cause):
            return
        default = scalable.cooldown_s if policy.tracking is not None else 300
        with self._store.write() as tx:
            found = tx.get(Target, target.account, target.region, target.id)
            if found is not None:
                tx.put(replace(found, cooldown=decisions.cooldown(policy, current, wanted, now, default)))

    async def _all_low(self, target: Target, policy: Policy) -> bool:
        """Whether every other target tracking policy that shrinks the target would do so too."""
        others = [name for each in target.policies.values() if each.id != policy.id
                  for name in each.alarms if f"-{LOW}-" in name]  # fmt: skip
        if not others:
            return True
        params = {"AlarmNames": others}
        shown = await self._call(target.account, target.region, "cloudwatch", "DescribeAlarms", params)
        return all(each["StateValue"] == "ALARM" for each in shown["MetricAlarms"])

    async def _set(self, target: Target, wanted: int, cause: str) -> bool:
        scalable, now = SCALABLE[target.namespace, target.dimension], self._clock.now()
        try:
            await scalable.write(self._call, target, wanted)
            status = "Successful"
            message = (
                f"Successfully set {scalable.what} to {wanted}. Change successfully fulfilled by {target.namespace}."
            )
        except AwsError as error:
            status, message = "Failed", f"Failed to set {scalable.what} to {wanted}. Reason: {error.message}"
        activity = Activity(
            account=target.account, region=target.region, id=self._entropy.uuid(), target=target.id,
            description=f"Setting {scalable.what} to {wanted}.", cause=cause, started=now, ended=self._clock.now(),
            status=status, message=message,
        )  # fmt: skip
        with self._store.write() as tx:
            tx.put(activity)
            for each in tx.list(Activity, target.account, target.region):
                if each.ended < now - KEPT_S:
                    tx.delete(each)
        return status == "Successful"

    # -- scheduled actions -------------------------------------------------------------------------------------------

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split(";", 2)
        target = self._store.snapshot().get(Target, account, region, id)
        if target is None:
            return
        if work not in self._looked:
            self._looked.add(work)
            await self._make_alarms(target)
        now = self._clock.now()
        for name, each in sorted(target.schedules.items(), key=lambda item: item[1].next_at or 0.0):
            if each.next_at is not None and each.next_at <= now:
                current = self._store.snapshot().get(Target, account, region, id)
                if current is not None and current.schedules.get(name) == each:
                    await self._due(current, name, each, now)
        target = self._store.snapshot().get(Target, account, region, id)
        due = [each.next_at for each in (target.schedules if target else {}).values() if each.next_at is not None]
        if due:
            wait = max(0.0, min(due) - self._clock.now()) + 0.01
            self.controller.enqueue_after(wait, work)

    async def _make_alarms(self, target: Target) -> None:
        """After a start: the alarms of the target's policies that a crash has kept from being made."""
        for name, policy in target.policies.items():
            if not policy.alarms:
                continue
            told = {"AlarmNames": list(policy.alarms)}
            try:
                shown = await self._call(target.account, target.region, "cloudwatch", "DescribeAlarms", told)
                there = {each["AlarmName"] for each in shown["MetricAlarms"]}
                for alarm in [each for each in policy.alarms if each not in there]:
                    params = alarms.parameters(target, policy, views.policy_arn(target, name), alarm)
                    await self._call(target.account, target.region, "cloudwatch", "PutMetricAlarm", params)
            except AwsError as error:
                log.warning("the alarms of policy %s of %s could not be made: %s", name, target.id, error)

    async def _due(self, target: Target, name: str, each: Schedule, now: float) -> None:
        """The capacity comes between the action's bounds, which become the target's; after a crash in between once
        more."""
        suspended = target.suspended.get("ScheduledScalingSuspended", False)
        least = target.least if each.least is None else each.least
        bounded = target
        if not suspended:
            bounded = replace(target, least=least, most=max(least, target.most if each.most is None else each.most))
            await self._bring_within(bounded, each)
        with self._store.write() as tx:
            found = tx.get(Target, target.account, target.region, target.id)
            if found is None or found.schedules.get(name) != each:
                return
            left = {key: value for key, value in found.schedules.items() if key != name}
            after = decisions.next_time(each.text, each.time_zone, now, each.start or each.created)
            if after is not None and (each.end is None or after <= each.end):
                left[name] = replace(each, next_at=after)
            if not suspended:
                found = replace(found, least=bounded.least, most=bounded.most)
            tx.put(replace(found, schedules=left))

    async def _bring_within(self, target: Target, each: Schedule) -> None:
        try:
            current = await SCALABLE[target.namespace, target.dimension].read(self._call, target)
        except AwsError as error:  # who is gone is not scaled
            log.warning("a scheduled action of %s: %s", target.id, error)
            return
        if (wanted := decisions.within(target, current)) != current:
            bounds = " and ".join(
                f"{word} capacity was set to {number}"
                for word, number in (("minimum", each.least), ("maximum", each.most))
                if number is not None
            )
            await self._set(target, wanted, f"{bounds} while current capacity was {current}")


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    return (f"{key.account};{key.region};{key.id}",)


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account};{each.region};{each.id}" for each in snapshot.every(Target)]
