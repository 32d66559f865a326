"""Scales: what alarms and the clock ask for is set by the target's own service, and kept as an activity."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, Timer
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.applicationautoscaling import decisions, schedules, views
from kunren.services.applicationautoscaling.alarms import LOW
from kunren.services.applicationautoscaling.model import KEPT_S, Activity, Policy, Schedule, Target
from kunren.services.applicationautoscaling.resources import SCALABLE

log = logging.getLogger(__name__)


class Scaler:
    """`run` lives until it is cancelled; `act` is what CloudWatch calls for the ARN of a policy."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self._timers: dict[str, Timer] = {}
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
        if (timer := self._timers.pop(work, None)) is not None:
            timer.cancel()
        if target is None:
            return
        now = self._clock.now()
        for name, each in sorted(target.schedules.items(), key=lambda item: item[1].next_at or 0.0):
            if each.next_at is not None and each.next_at <= now:
                await self._due(target, name, each, now)
        target = self._store.snapshot().get(Target, account, region, id)
        due = [each.next_at for each in (target.schedules if target else {}).values() if each.next_at is not None]
        if due:
            wait = max(0.0, min(due) - self._clock.now()) + 0.01
            self._timers[work] = self._clock.call_later(wait, lambda: self.controller.enqueue(work))

    async def _due(self, target: Target, name: str, each: Schedule, now: float) -> None:
        """The bounds become the action's, and the capacity comes between them."""
        with self._store.write() as tx:
            found = tx.get(Target, target.account, target.region, target.id)
            if found is None or found.schedules.get(name) != each:
                return
            left = {key: value for key, value in found.schedules.items() if key != name}
            after = schedules.after(each.text, each.time_zone, now, each.start or each.created)
            if after is not None and (each.end is None or after <= each.end):
                left[name] = replace(each, next_at=after)
            found = replace(found, schedules=left)
            if suspended := found.suspended.get("ScheduledScalingSuspended", False):
                tx.put(found)
            else:
                least = found.least if each.least is None else each.least
                most = max(least, found.most if each.most is None else each.most)
                found = replace(found, least=least, most=most)
                tx.put(found)
        if suspended:
            return
        current = await SCALABLE[target.namespace, target.dimension].read(self._call, found)
        if (wanted := decisions.within(found, current)) != current:
            bounds = " and ".join(
                f"{word} capacity was set to {number}"
                for word, number in (("minimum", each.least), ("maximum", each.most))
                if number is not None
            )
            await self._set(found, wanted, f"{bounds} while current capacity was {current}")


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    return (f"{key.account};{key.region};{key.id}",)


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account};{each.region};{each.id}" for each in snapshot.every(Target)]
