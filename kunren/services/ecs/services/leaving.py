"""Holds a task that is to stop until load balancers have let go of it."""

from __future__ import annotations

import asyncio

from kunren.control.store import Key, Store
from kunren.services.ecs.model import Task
from kunren.services.ecs.services.model import Member, still_balanced
from kunren.services.ecs.tasks.ask import ESSENTIAL_EXITED, FAILED_TO_START


class Leaving:
    """`wait` is what a task awaits while it is DEACTIVATING. One whose program has ended has nothing to wait for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, asyncio.Event] = {}
        store.subscribe(self._changed, lambda kind: kind == Member.kind)

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys:
            if (woken := self._waiting.get(key.id)) is not None:
                woken.set()

    async def wait(self, task: Task) -> None:
        if task.stop_code in (ESSENTIAL_EXITED, FAILED_TO_START):
            return
        woken = self._waiting[task.id] = asyncio.Event()
        try:
            while still_balanced(self._store.snapshot(), task):
                woken.clear()
                await woken.wait()
        finally:
            del self._waiting[task.id]
