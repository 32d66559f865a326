"""Tells EventBridge what happens to instances and images: "EC2 Instance State-change Notification" and what else is
noted.

What is to be told is a row, written in the transaction in which it happens and taken away once EventBridge has it, so
that nothing is lost and after a crash something may be told twice. States are told in their order also where several
passed between two looks. Where nobody has used what answers for EventBridge there are no rules, and nothing is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.arn import build_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ec2.instances.model import Instance, InstanceEvent, InstanceRun, InstanceTold
from kunren.services.ec2.instances.states import state

STATE_CHANGE = "EC2 Instance State-change Notification"
_NEXT = {"": "pending", "pending": "running", "running": "stopping", "stopping": "stopped", "stopped": "pending"}


def passed(told: str, now: str) -> list[str]:
    """The states from what was told last (excluded) to what is so now. A boot after a crash is no new state. Pure."""
    if told == now or (now == "pending" and told == "running") or told == "terminated":
        return []
    if told == "shutting-down":
        return [now] if now == "terminated" else []
    if now in ("shutting-down", "terminated"):
        ends = ["shutting-down", "terminated"][: 1 if now == "shutting-down" else 2]
        return ["pending", *ends] if told == "" else ends
    found: list[str] = []
    while (told := _NEXT[told]) != now:
        found.append(told)
    return [*found, now]


def note(tx: Tx, entropy: Entropy, instance: Instance, detail_type: str, detail: dict[str, str], at: float) -> None:
    """Something happened to the instance that EventBridge is to be told."""
    event = InstanceEvent(
        account=instance.account,
        region=instance.region,
        id=f"{at:020.6f}-{entropy.hex(8)}",
        instance_id=instance.id,
        detail_type=detail_type,
        detail={"instance-id": instance.id, **detail},
        at=at,
    )
    tx.put(event)


class InstanceEvents:
    """`run` lives until it is cancelled. `heard` says whether there can be rules."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self.heard: Callable[[], bool] = lambda: True
        kinds = (Instance.kind, InstanceRun.kind, InstanceEvent.kind)
        self._controller = Controller(
            "instance-events", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in kinds,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        instance = snapshot.get(Instance, account, region, id)
        if instance is None:
            with self._store.write() as tx:
                if (before := tx.get(InstanceTold, account, region, id)) is not None:
                    tx.delete(before)
        else:
            self._note_state(snapshot, instance)
        for event in self._store.snapshot().list(InstanceEvent, account, region):
            if event.instance_id == id:
                await self._tell(event)

    def _note_state(self, snapshot: Snapshot, instance: Instance) -> None:
        told = snapshot.get(InstanceTold, instance.account, instance.region, instance.id)
        news = passed(told.state if told is not None else "", state(snapshot, instance))
        if not news:
            return
        now = self._clock.now()
        with self._store.write() as tx:
            for number, each in enumerate(news):
                note(tx, self._entropy, instance, STATE_CHANGE, {"state": each}, now + number / 1e4)
            key = {"account": instance.account, "region": instance.region, "id": instance.id}
            tx.put(InstanceTold(**key, state=news[-1]))

    async def _tell(self, event: InstanceEvent) -> None:
        if self.heard():
            of = event.instance_id
            if of.startswith("ami-"):
                arn = build_arn("ec2", event.region, "", f"image/{of}")
            else:
                arn = build_arn("ec2", event.region, event.account, f"instance/{of}")
            entry: dict[str, Any] = {
                "Source": "aws.ec2",
                "DetailType": event.detail_type,
                "Detail": json.dumps(event.detail),
                "Resources": [arn],
                "Time": event.at,
            }
            await self._call(event.account, event.region, "events", "PutEvents", {"Entries": [entry]})
        with self._store.write() as tx:
            if tx.get(InstanceEvent, event.account, event.region, event.id) is not None:
                tx.delete(event)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == InstanceEvent.kind:
        found = snapshot.by_key(key)
        return (f"{key.account}|{key.region}|{found.instance_id}",) if isinstance(found, InstanceEvent) else ()
    return (f"{key.account}|{key.region}|{key.id}",)


def _every(snapshot: Snapshot) -> Iterable[str]:
    work = {f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Instance)}
    return sorted(work | {f"{each.account}|{each.region}|{each.instance_id}" for each in snapshot.every(InstanceEvent)})
