"""Polls the sources of all event source mappings and invokes their functions: one task for each mapping's row.

The state that a row tells is what its task has come to: Enabled when the source has answered, Disabled when the last
batch has ended, gone when a mapping that is Deleting has nothing in flight. After a restart every row has a task again.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Mapping, Sequence

import msgspec

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.lambda_.invoker import Invoker, InvokeResult
from kunren.services.lambda_.model import EventSourceMapping
from kunren.services.lambda_.sources.interface import EventSource, Record
from kunren.services.lambda_.sources.patterns import matches, parse_pattern

log = logging.getLogger(__name__)
PARALLEL = 2
"""How many batches of a mapping run at once where its scaling config does not say."""
LONG_POLL_S = 5
"""Less than the 20 s that SQS allows: a mapping that is changed or deleted is so when its poll ends."""
AGAIN_S = 1.0
"""Real seconds until a source that refused is asked again."""


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
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the event source mapping %s is polled no more", key.id, exc_info=error)

    def _row(self, key: Key) -> EventSourceMapping | None:
        found = self._store.snapshot().by_key(key)
        return found if isinstance(found, EventSourceMapping) else None

    async def _keep(self, key: Key) -> None:
        """Until the row is gone: work while it is enabled, rest while it is not."""
        change = self._changes[key]
        while (mapping := self._row(key)) is not None:
            if mapping.wanted:
                loops = [asyncio.create_task(self._work(key)) for _ in range(mapping.concurrency or PARALLEL)]
                try:
                    await asyncio.gather(*loops)
                finally:
                    for loop in loops:
                        loop.cancel()
                continue
            with self._store.write() as tx:
                if mapping.deleting:
                    tx.delete(mapping)
                elif mapping.state != "Disabled":
                    tx.put(msgspec.structs.replace(mapping, state="Disabled"))
            change.clear()
            if (after := self._row(key)) is not None and not after.wanted and not after.deleting:
                await change.wait()

    async def _work(self, key: Key) -> None:
        """Batch after batch, until the row says otherwise."""
        first = self._row(key)
        while (mapping := self._row(key)) is not None and mapping.wanted:
            if first is not None and mapping.concurrency != first.concurrency:
                return
            source = self._sources[mapping.source_arn.split(":")[2]]
            try:
                fresh = mapping.state != "Enabled"
                records = await self._receive(key, mapping, source, 0 if fresh else LONG_POLL_S)
                self._enabled(key, mapping)
                if records:
                    await self._batch(mapping, source, records)
            except AwsError as error:
                log.warning("event source mapping %s, %s: %s", key.id, mapping.source_arn, error.message)
                self._told(key, f"PROBLEM: {error.message}")
                await self._clock.wall_sleep(AGAIN_S)

    def _enabled(self, key: Key, before: EventSourceMapping) -> None:
        mapping = self._row(key)
        if (
            mapping is not None
            and mapping.state != "Enabled"
            and mapping.wanted
            and mapping.modified == before.modified
        ):
            with self._store.write() as tx:
                tx.put(msgspec.structs.replace(mapping, state="Enabled"))

    def _told(self, key: Key, result: str) -> None:
        mapping = self._row(key)
        if mapping is not None and mapping.last_result != result:
            with self._store.write() as tx:
                tx.put(msgspec.structs.replace(mapping, last_result=result))

    async def _receive(self, key: Key, mapping: EventSourceMapping, source: EventSource, wait_s: int) -> list[Record]:
        """A batch: what the first poll brings, and what comes in the batching window after it."""
        records = list(await source.receive(mapping, mapping.batch_size, wait_s))
        deadline = self._clock.now() + mapping.window_s
        while records and len(records) < mapping.batch_size:
            left = deadline - self._clock.now()
            more = await source.receive(mapping, mapping.batch_size - len(records), max(0, min(1, int(left))))
            records += more
            if not more and left <= 0:
                break
            if not more and left < 1:
                await self._clock.sleep(left)
        return records

    async def _batch(self, mapping: EventSourceMapping, source: EventSource, records: list[Record]) -> None:
        patterns = [parse_pattern(each) for each in mapping.filters]
        kept: list[Record] = []
        left_out: list[Record] = []
        for each in records:
            passes = not patterns or any(matches(pattern, source.filtered(each)) for pattern in patterns)
            (kept if passes else left_out).append(each)
        if left_out:
            await source.done(mapping, left_out)
        if not kept:
            return
        payload = json.dumps({"Records": kept}, separators=(",", ":")).encode()
        result = await self._invoker.invoke(
            mapping.account, mapping.region, mapping.function_arn, None, payload, source=mapping.source_arn
        )
        failed = failures(result, [source.identifier(each) for each in kept], partial=mapping.partial)
        await source.done(mapping, [each for each in kept if source.identifier(each) not in failed])
        self._told(mapping.key, "PROBLEM: Function call failed" if failed else "OK")


def failures(result: InvokeResult, identifiers: Sequence[str], *, partial: bool) -> set[str]:
    """Which records of a batch failed. With ReportBatchItemFailures the function says so; an answer that makes no
    sense, or names what was not in the batch, fails all of them."""
    everything = set(identifiers)
    if result.function_error is not None:
        return everything
    if not partial:
        return set()
    try:
        told = json.loads(result.payload or b"null")
        items = (told or {}).get("batchItemFailures") or []
        named = {each["itemIdentifier"] for each in items}
    except (ValueError, TypeError, KeyError, AttributeError):
        return everything
    return named if named <= everything else everything
