"""All of EventBridge together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.schedules import Schedule
from kunren.services.events.api import EventsApi
from kunren.services.events.clockwork import Clockwork, Due
from kunren.services.events.deliveries import Deliveries
from kunren.services.events.model import ENABLED, KINDS, Rule
from kunren.services.events.publishing import scheduled


class EventsService:
    """`api` answers calls; `run` delivers and keeps the time."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        store.register(*KINDS)
        self._store, self._clock, self._entropy = store, clock, entropy
        self.api = EventsApi(store, clock, entropy)
        self.deliveries = Deliveries(store, clock, entropy, call)
        self._clockwork = Clockwork(store, clock, [Rule.kind], self._dues)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.deliveries.run(), name="event-deliveries")
            group.create_task(self._clockwork.run(), name="scheduled-rules")

    def status(self) -> dict[str, Any]:
        rules = sum(1 for _ in self._store.snapshot().every(Rule))
        return {"rules": rules, **self.deliveries.status()}

    def _dues(self, snapshot: Snapshot) -> Iterable[Due]:
        for rule in snapshot.every(Rule):
            if rule.schedule is not None and rule.state == ENABLED:
                yield rule.arn, partial(_next, rule), partial(self._fire, rule)

    def _fire(self, rule: Rule, at: float) -> None:
        with self._store.write() as tx:
            scheduled(tx, self._entropy, rule, at, self._clock.now())


def _next(rule: Rule, after: float) -> float | None:
    assert rule.schedule is not None
    return _schedule(rule.schedule).after(after, rule.since)


@lru_cache(maxsize=256)
def _schedule(text: str) -> Schedule:
    return Schedule(text)
