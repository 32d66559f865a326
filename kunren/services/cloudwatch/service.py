"""All of CloudWatch's metrics and alarms together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.cloudwatch.alarms.actions import Actions
from kunren.services.cloudwatch.alarms.evaluator import Evaluator
from kunren.services.cloudwatch.alarms.transitions import HISTORY_DAYS
from kunren.services.cloudwatch.api import CloudWatchApi
from kunren.services.cloudwatch.metrics.storage import DAY, Storage
from kunren.services.cloudwatch.model import KINDS, Alarm, HistoryItem
from kunren.services.cloudwatch.queues import QueueMetrics

log = logging.getLogger(__name__)
AGED_EVERY_S = 3600.0
AGED_LEAST_S = 60.0
"""Real seconds between two rounds of ageing, however fast the clock."""
HISTORY_MAX = 200
"""Items of history kept for one alarm."""
Source = Callable[[str], Awaitable[None]]


class CloudWatchService:
    """`api` answers calls, `run` evaluates alarms and lets datapoints age. `sources` are awaited, with an operation's
    name, before metrics are read: each delivers then what it has held back. Nothing is opened before it is needed."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, call: CallService, path: Path, sources: list[Source]
    ) -> None:
        store.register(*KINDS)
        self._store, self._clock = store, clock
        self._path, self._sources = path, sources
        self._queues = QueueMetrics(store, clock, call)
        self._opened: Storage | None = None
        self.actions = Actions(store, clock, entropy, call)
        self._evaluator = Evaluator(store, clock, entropy, self._storage, self._collected)
        self.api = CloudWatchApi(store, clock, entropy, self._storage, self._collected)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._evaluator.run(), name="alarms")
                group.create_task(self._evaluator.composites.run(), name="composite-alarms")
                group.create_task(self.actions.controller.run(), name="alarm-actions")
                group.create_task(self._age(), name="metrics-age")
        finally:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def status(self) -> dict[str, Any]:
        held = self._opened.status() if self._opened is not None else {}
        alarms = sum(1 for _ in self._store.snapshot().every(Alarm))
        return {**held, "alarms": alarms, "errors": dict(self.actions.controller.last_errors)}

    def _storage(self) -> Storage:
        if self._opened is None:
            self._opened = Storage(self._path)
        return self._opened

    async def _collected(self) -> None:
        for each in (*self._sources, self._queues.before):
            await each("GetMetricData")

    async def _age(self) -> None:
        while True:
            await self._clock.sleep(max(AGED_EVERY_S, AGED_LEAST_S * self._clock.speed))
            now = self._clock.now()
            self._forget_history(now)
            if self._opened is not None or self._path.exists():
                try:
                    await self._storage().age(now)
                except Exception:
                    log.exception("datapoints could not be aged")

    def _forget_history(self, now: float) -> None:
        """What is older than 30 days, and of each alarm what is beyond its number."""
        kept: dict[tuple[str, str, str], int] = {}
        with self._store.write() as tx:
            for item in sorted(self._store.snapshot().every(HistoryItem), key=lambda each: each.id, reverse=True):
                alarm = (item.account, item.region, item.alarm)
                kept[alarm] = kept.get(alarm, 0) + 1
                if item.at < now - HISTORY_DAYS * DAY or kept[alarm] > HISTORY_MAX:
                    tx.delete(item)
