"""Tells EventBridge of container instances: "ECS Container Instance State Change"."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.services.ecs.agents.model import InstanceNotice

STATE_CHANGE = "ECS Container Instance State Change"


class InstanceNotices:
    """What is to be told is a row, taken away once EventBridge has it. `run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._call = store, call
        self._controller = Controller(
            "container-instance-events", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == InstanceNotice.kind,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def _reconcile(self, work: str) -> None:
        account, region, instance = work.split("|")
        rows = self._store.snapshot().list(InstanceNotice, account, region)
        for notice in sorted((each for each in rows if each.instance == instance), key=lambda each: each.id):
            entry: dict[str, Any] = {
                "Source": "aws.ecs",
                "DetailType": STATE_CHANGE,
                "Detail": json.dumps(notice.detail),
                "Resources": [notice.detail["containerInstanceArn"]],
                "Time": notice.at,
            }
            await self._call(account, region, "events", "PutEvents", {"Entries": [entry]})
            with self._store.write() as tx:
                if tx.get(InstanceNotice, account, region, notice.id) is not None:
                    tx.delete(notice)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    found = snapshot.get(InstanceNotice, key.account, key.region, key.id)
    return (f"{key.account}|{key.region}|{found.instance}",) if found is not None else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}|{each.instance}" for each in snapshot.every(InstanceNotice)})
