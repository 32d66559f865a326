"""Tells EventBridge of each change of a task: "ECS Task State Change", with the task as DescribeTasks shows it.

What is to be told is a row, written with the change and taken away once EventBridge has it. Where nobody has used what
answers for EventBridge there are no rules, and nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.services.ecs.model import Task, TaskEvent
from kunren.services.ecs.views import task_to_wire

STATE_CHANGE = "ECS Task State Change"
_AT_ONCE = 10
"""PutEvents takes so many entries."""
_LEFT_OUT = ("tags", "healthStatus", "inferenceAccelerators", "fargateEphemeralStorage")


class TaskEvents:
    """`run` lives until it is cancelled. `heard` says whether there can be rules."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self.heard: Callable[[], bool] = lambda: True
        self._controller = Controller(
            "task-events", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == TaskEvent.kind,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    def note(self, tx: Tx, task: Task) -> None:
        """The task has changed in this transaction."""
        if not self.heard():
            return
        now = self._clock.now()
        event = TaskEvent(
            account=task.account,
            region=task.region,
            id=f"{now:020.6f}-{task.version:06d}-{self._entropy.hex(4)}",
            task_id=task.id,
            detail=_detail(tx, task, now),
            at=now,
        )
        tx.put(event)

    async def _reconcile(self, work: str) -> None:
        account, region = work.split("|")
        while waiting := self._store.snapshot().list(TaskEvent, account, region)[:_AT_ONCE]:
            await self._tell(account, region, waiting)

    async def _tell(self, account: str, region: str, waiting: list[TaskEvent]) -> None:
        """The oldest first, as they happened."""
        entries: list[dict[str, Any]] = [
            {
                "Source": "aws.ecs",
                "DetailType": STATE_CHANGE,
                "Detail": json.dumps(each.detail),
                "Resources": [each.detail["taskArn"]],
                "Time": each.at,
            }
            for each in waiting
        ]
        await self._call(account, region, "events", "PutEvents", {"Entries": entries})
        with self._store.write() as tx:
            for each in waiting:
                if tx.get(TaskEvent, account, region, each.id) is not None:
                    tx.delete(each)


def _detail(tx: Tx, task: Task, now: float) -> dict[str, Any]:
    shown = {name: value for name, value in task_to_wire(tx, task).items() if name not in _LEFT_OUT}
    for name, value in shown.items():
        if name.endswith("At") and isinstance(value, float):
            shown[name] = iso_utc(value)
    shown["attachments"] = [{**each, "type": "eni", "status": each["status"]} for each in shown["attachments"]]
    return {**shown, "updatedAt": iso_utc(now)}


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    return (f"{key.account}|{key.region}",) if snapshot.by_key(key) is not None else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}" for each in snapshot.every(TaskEvent)})
