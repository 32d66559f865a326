"""Event invocations: worked off from their rows, retried as AWS does, their results told to whoever is to know.

A function error is retried twice, one and then two minutes (AWS time) later; what could not be tried at all
(throttled, no worker) is tried again after 1 s, doubling to 5 minutes, until the event is 6 hours old; the function's
event invoke configuration may say less. What ends goes to a destination, a failed event also to the dead-letter queue,
or else it is dropped with a line in the log. A row goes when
its event is done with, so after a restart whatever was in flight runs again: delivery is at least once, as on AWS.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from typing import NamedTuple

import msgspec

from kunren.control.store import Key, Store
from kunren.core.clock import Clock, Timer
from kunren.core.errors import AwsError
from kunren.services.lambda_.destinations import Destinations, Ending
from kunren.services.lambda_.errors import ResourceNotFoundException
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.lookup import find, find_function
from kunren.services.lambda_.model import LATEST, AsyncEvent, EventInvokeConfig
from kunren.services.lambda_.names import FunctionName, function_arn

log = logging.getLogger(__name__)
RETRY_AFTER_S = (60.0, 120.0)
REFUSAL_FIRST_S = 1.0
REFUSAL_LAST_S = 300.0
AGE_MAX_S = 6 * 3600.0
_PARALLEL = 100


class _Config(NamedTuple):
    """How one event is to be worked off."""

    retries_max: int
    age_max_s: float
    on_success: str
    on_failure: str
    dead_letter: str
    reserved: int | None


class EventQueue:
    """All accepted events of one Kunren. `run` lives until it is cancelled."""

    def __init__(self, store: Store, invoker: Invoker, clock: Clock, destinations: Destinations) -> None:
        self._store = store
        self._destinations = destinations
        self._invoker = invoker
        self._clock = clock
        self._due: list[tuple[float, Key]] = []
        self._known: set[Key] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._timer: Timer | None = None
        store.subscribe(self._changed, wants=lambda kind: kind == AsyncEvent.kind)

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys:
            if key.kind == AsyncEvent.kind and key not in self._known:
                self._add(key)

    def _add(self, key: Key) -> None:
        event = self._store.snapshot().by_key(key)
        if isinstance(event, AsyncEvent):
            self._known.add(key)
            heapq.heappush(self._due, (event.not_before, key))
            self._wake.set()

    async def run(self) -> None:
        for event in self._store.snapshot().every(AsyncEvent):
            if event.key not in self._known:
                self._add(event.key)
        try:
            while True:
                self._wake.clear()
                self._start_due()
                await self._wake.wait()
        finally:
            for task in self._running:
                task.cancel()

    def _start_due(self) -> None:
        while self._due and len(self._running) < _PARALLEL:
            not_before, key = self._due[0]
            wait = not_before - self._clock.now()
            if wait > 0:
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._clock.call_later(wait, self._wake.set)
                return
            heapq.heappop(self._due)
            task = asyncio.get_running_loop().create_task(self._one(key))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an event invocation could not be worked off", exc_info=error)

    async def _one(self, key: Key) -> None:
        event = self._store.snapshot().by_key(key)
        if not isinstance(event, AsyncEvent):
            self._known.discard(key)
            return
        after = await self._try(event)
        with self._store.write() as tx:
            if after is None:
                tx.delete(event)
            else:
                tx.put(after)
        if after is None:
            self._known.discard(key)
        else:
            heapq.heappush(self._due, (after.not_before, key))

    async def _try(self, event: AsyncEvent) -> AsyncEvent | None:
        """Run it once; the event as it is to be tried again, or None when it is done with."""
        config = self._config(event)
        if (event.errors or event.refusals) and self._clock.now() - event.accepted_at > config.age_max_s:
            await self._end(event, Ending("EventAgeExceeded", event.errors, status=429, text=event.refused))
            return None
        try:
            result = await self._invoker.invoke(
                event.account,
                event.region,
                event.function,
                event.qualifier or None,
                event.payload,
                request_id=event.id,
                client_context=event.client_context,
            )
        except ResourceNotFoundException:
            log.warning("event %s for function %s is dropped: the function is gone", event.id, event.function)
            return None
        except AwsError as error:
            return await self._refused(event, config, error)
        if result.function_error is not None and event.errors < config.retries_max:
            delay = RETRY_AFTER_S[event.errors]
            return msgspec.structs.replace(event, errors=event.errors + 1, not_before=self._clock.now() + delay)
        ending = Ending(
            "Success" if result.function_error is None else "RetriesExhausted",
            event.errors + 1,
            result.payload,
            result.executed_version,
            result.function_error,
        )
        await self._end(event, ending)
        return None

    async def _refused(self, event: AsyncEvent, config: _Config, error: AwsError) -> AsyncEvent | None:
        if config.reserved == 0:
            await self._end(event, Ending("ZeroReservedConcurrency", event.errors, status=429, text=error.message))
            return None
        delay = min(REFUSAL_FIRST_S * 2**event.refusals, REFUSAL_LAST_S)
        log.info("event %s for %s refused (%s), again in %.0f s", event.id, event.function, error.message, delay)
        return msgspec.structs.replace(
            event, refusals=event.refusals + 1, refused=error.message, not_before=self._clock.now() + delay
        )

    def _config(self, event: AsyncEvent) -> _Config:
        """What holds for the event now."""
        snapshot = self._store.snapshot()
        id = f"{event.function}:{event.qualifier or LATEST}"
        config = snapshot.get(EventInvokeConfig, event.account, event.region, id)
        name = FunctionName(event.account, event.region, event.function, event.qualifier)
        try:
            dead_letter, reserved = (
                find(snapshot, name).dead_letter_arn,
                find_function(snapshot, name).reserved_concurrency,
            )
        except ResourceNotFoundException:
            dead_letter, reserved = "", None
        retries = config.retries_max if config is not None else None
        age = config.age_max_s if config is not None else None
        return _Config(
            len(RETRY_AFTER_S) if retries is None else retries,
            AGE_MAX_S if age is None else age,
            config.on_success if config is not None else "",
            config.on_failure if config is not None else "",
            dead_letter,
            reserved,
        )

    async def _end(self, event: AsyncEvent, ending: Ending) -> None:
        """Tell whoever is to know; the event is done with."""
        config = self._config(event)
        arn = f"{function_arn(event.account, event.region, event.function)}:{event.qualifier or LATEST}"
        target = config.on_success if ending.success else config.on_failure
        if not ending.success:
            log.warning(
                "event %s for function %s failed after %d attempts (%s)%s",
                event.id,
                event.function,
                ending.attempts,
                ending.condition,
                "" if target or config.dead_letter else " and is dropped",
            )
        if target:
            await self._destinations.deliver(event, arn, target, ending)
        if config.dead_letter and not ending.success:
            await self._destinations.dead_letter(event, config.dead_letter, ending)

    def status(self) -> dict[str, int]:
        return {"waiting": len(self._due), "running": len(self._running)}
