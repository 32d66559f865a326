"""One event source mapping at work: a single receiver, and the batches that it hands on running side by side.

One receiver for however many batches: an idle mapping costs its source one long poll at a time. It receives nothing
that no batch has room for, so what waits stays in the source.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.core.event_patterns import matches, parse
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.model import EventSourceMapping
from kunren.services.lambda_.sources.batches import cut, event, failures
from kunren.services.lambda_.sources.interface import EventSource, Record

log = logging.getLogger(__name__)
PARALLEL = 5
"""How many batches of a mapping run at once where its scaling config does not say (what Lambda begins with)."""
LONG_POLL_S = 5
"""Less than the 20 s that SQS allows: a mapping that is changed or deleted is so when its poll ends."""
_RETRY_MAX_S = 30.0


def retry_after_s(failures: int) -> float:
    """Real seconds until what has failed so many times in a row is tried again: 1, 2, 4 ... 30."""
    return min(_RETRY_MAX_S, 2.0 ** min(failures - 1, 10))


class Polling:
    """`run` ends when the mapping is no longer wanted and nothing of it is in flight. It retries what fails, and tells
    it as the mapping's last result."""

    def __init__(self, store: Store, invoker: Invoker, clock: Clock, source: EventSource, key: Key) -> None:
        self._store = store
        self._invoker = invoker
        self._clock = clock
        self._source = source
        self._key = key
        self._batches: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        failed = 0
        try:
            while (mapping := self._row()) is not None and mapping.wanted:
                if len(self._batches) >= (mapping.concurrency or PARALLEL):
                    await asyncio.wait(self._batches, return_when=asyncio.FIRST_COMPLETED)
                    continue
                try:
                    records = await self._receive(mapping)
                    self._enabled(mapping)
                    failed = 0
                except Exception as error:
                    failed += 1
                    self._trouble(error)
                    await self._clock.wall_sleep(retry_after_s(failed))
                    continue
                if records:
                    task = asyncio.create_task(self._hand_on(mapping, records))
                    self._batches.add(task)
                    task.add_done_callback(self._batches.discard)
            if self._batches:
                await asyncio.wait(self._batches)
        finally:
            for task in self._batches:
                task.cancel()

    def _row(self) -> EventSourceMapping | None:
        found = self._store.snapshot().by_key(self._key)
        return found if isinstance(found, EventSourceMapping) else None

    def _enabled(self, before: EventSourceMapping) -> None:
        """The source has answered as the mapping was then."""
        now = self._row()
        if now is not None and now.state != "Enabled" and now.wanted and now.modified == before.modified:
            with self._store.write() as tx:
                tx.put(msgspec.structs.replace(now, state="Enabled"))

    def _told(self, result: str) -> None:
        mapping = self._row()
        if mapping is not None and mapping.last_result != result:
            with self._store.write() as tx:
                tx.put(msgspec.structs.replace(mapping, last_result=result))

    def _trouble(self, error: Exception) -> None:
        expected = isinstance(error, AwsError)
        message = error.message if isinstance(error, AwsError) else f"internal error, {error!r}"
        log.warning("event source mapping %s: %s", self._key.id, message, exc_info=None if expected else error)
        self._told(f"PROBLEM: {message}")

    async def _receive(self, mapping: EventSourceMapping) -> list[Record]:
        """A batch: what the first poll brings, and what comes in the batching window after it."""
        wait_s = LONG_POLL_S if mapping.state == "Enabled" else 0
        records = list(await self._source.receive(mapping, mapping.batch_size, wait_s))
        deadline = self._clock.now() + mapping.window_s
        while records and len(records) < mapping.batch_size and (left := deadline - self._clock.now()) > 0:
            wanted = mapping.batch_size - len(records)
            more = await self._source.receive(mapping, wanted, min(1, int(left)))
            records += more
            if not more and left < 1:
                await self._clock.sleep(left)
        return records

    async def _hand_on(self, mapping: EventSourceMapping, records: list[Record]) -> None:
        """What the filter lets through goes to the function; the rest is done with."""
        try:
            patterns = [parse(each) for each in mapping.filters]
            kept: list[Record] = []
            left_out: list[Record] = []
            for each in records:
                passes = not patterns or any(matches(pattern, self._source.filtered(each)) for pattern in patterns)
                (kept if passes else left_out).append(each)
            if left_out:
                await self._source.done(mapping, left_out)
            for batch in cut(kept):
                # What follows a failed record in its message group must not overtake it.
                if not await self._invoke(mapping, batch) and mapping.source_arn.endswith(".fifo"):
                    break
        except Exception as error:
            self._trouble(error)
            await self._clock.wall_sleep(retry_after_s(1))

    async def _invoke(self, mapping: EventSourceMapping, batch: Sequence[Record]) -> bool:
        """Whether all of the batch was done with."""
        result = await self._invoker.invoke(
            mapping.account, mapping.region, mapping.function_arn, None, event(batch), source=mapping.source_arn
        )
        failed = failures(result, [self._source.identifier(each) for each in batch], partial=mapping.partial)
        await self._source.done(mapping, [each for each in batch if self._source.identifier(each) not in failed])
        self._told("PROBLEM: Function call failed" if failed else "OK")
        return not failed
