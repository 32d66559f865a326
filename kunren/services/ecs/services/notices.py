"""Tells EventBridge of services: "ECS Service Action" and "ECS Deployment State Change".

What is to be told is a row, written where it happens and taken away once EventBridge has it: after a crash something
may be told twice, and nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.arn import build_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.services.ecs.services.model import ServiceNotice


class ServiceNotices:
    """`run` lives until it is cancelled. `heard` says whether there can be rules."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._call = store, call
        self.heard: Callable[[], bool] = lambda: True
        self._controller = Controller(
            "ecs-service-notices", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == ServiceNotice.kind,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    async def _reconcile(self, work: str) -> None:
        account, region, service = work.split("|", 2)
        for notice in self._store.snapshot().list(ServiceNotice, account, region):
            if notice.service != service:
                continue
            if self.heard():
                entry: dict[str, Any] = {
                    "Source": "aws.ecs",
                    "DetailType": notice.detail_type,
                    "Detail": json.dumps(notice.detail),
                    "Resources": [build_arn("ecs", region, account, f"service/{service}")],
                    "Time": notice.at,
                }
                await self._call(account, region, "events", "PutEvents", {"Entries": [entry]})
            with self._store.write() as tx:
                if tx.get(ServiceNotice, account, region, notice.id) is not None:
                    tx.delete(notice)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    found = snapshot.by_key(key)
    return (f"{key.account}|{key.region}|{found.service}",) if isinstance(found, ServiceNotice) else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}|{each.service}" for each in snapshot.every(ServiceNotice)})
