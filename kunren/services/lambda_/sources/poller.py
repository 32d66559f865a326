"""Keeps every event source mapping's row at work: one task for each, from the row's creation until it is gone.

The state that a row tells is what its task has come to: Enabled when the source has answered, Disabled when the last
batch has ended, gone when a mapping that is Deleting has nothing in flight. After a restart every row has a task again.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping

import msgspec

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.model import EventSourceMapping
from kunren.services.lambda_.sources.interface import EventSource
from kunren.services.lambda_.sources.polling import Polling, retry_after_s

log = logging.getLogger(__name__)


class Poller:
    """`run` lives until it is cancelled. `sources` are by the service that an ARN names."""

    def __init__(self, store: Store, invoker: Invoker, clock: Clock, sources: Mapping[str, EventSource]) -> None:
        self._store = store
        self._invoker = invoker
        self._clock = clock
        self._sources = sources
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._changes: dict[Key, asyncio.Event] = {}
        self._running = False
        store.subscribe(self._changed, wants=lambda kind: kind == EventSourceMapping.kind)

    async def run(self) -> None:
        self._running = True
        self._changed(frozenset(each.key for each in self._store.snapshot().every(EventSourceMapping)))
        try:
            await asyncio.Event().wait()
        finally:
            self._running = False
            for task in self._tasks.values():
                task.cancel()

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys:
            if key.kind != EventSourceMapping.kind or not self._running:
                continue
            if key in self._tasks:
                self._changes[key].set()
            elif self._store.snapshot().by_key(key) is not None:
                self._changes[key] = asyncio.Event()
                task = self._tasks[key] = asyncio.get_running_loop().create_task(self._keep(key))
                task.add_done_callback(functools.partial(self._ended, key))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        del self._tasks[key], self._changes[key]
        if not task.cancelled() and task.exception() is not None:
            log.error("the event source mapping %s is polled no more", key.id, exc_info=task.exception())

    def _row(self, key: Key) -> EventSourceMapping | None:
        found = self._store.snapshot().by_key(key)
        return found if isinstance(found, EventSourceMapping) else None

    async def _keep(self, key: Key) -> None:
        """Until the row is gone: poll while it is enabled, rest while it is not. Whatever fails is tried again."""
        failures = 0
        while (mapping := self._row(key)) is not None:
            try:
                if mapping.wanted:
                    source = self._sources[mapping.source_arn.split(":")[2]]
                    await Polling(self._store, self._invoker, self._clock, source, key).run()
                else:
                    await self._rest(mapping)
                failures = 0
            except Exception:
                failures += 1
                log.exception("the event source mapping %s is tried again", key.id)
                await self._clock.wall_sleep(retry_after_s(failures))

    async def _rest(self, mapping: EventSourceMapping) -> None:
        """Nothing is in flight: say so, and wait until the row is changed."""
        change = self._changes[mapping.key]
        change.clear()
        with self._store.write() as tx:
            if mapping.deleting:
                tx.delete(mapping)
            elif mapping.state != "Disabled":
                tx.put(msgspec.structs.replace(mapping, state="Disabled"))
        after = self._row(mapping.key)
        while after is not None and not after.wanted and not after.deleting:
            await change.wait()
            change.clear()
            after = self._row(mapping.key)
