"""Does at its time what is scheduled: of rules, and of schedules. What came due while nobody ran is left out, as it is
where time passes in steps longer than a period."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from kunren.control.store import Snapshot, Store
from kunren.core.clock import Clock

log = logging.getLogger(__name__)
_LONGEST_S, _SHORTEST_WALL_S = 3600.0, 0.05
Next = Callable[[float], float | None]
Due = tuple[str, Next, Callable[[float], None]]
"""A key, when it is due next after a time, and what is done then."""


class Clockwork:
    """`run` lives until it is cancelled; `dues` gives what is scheduled, of the kinds that are watched."""

    def __init__(
        self, store: Store, clock: Clock, kinds: Iterable[str], dues: Callable[[Snapshot], Iterable[Due]]
    ) -> None:
        self._store, self._clock, self._dues = store, clock, dues
        self._changed = asyncio.Event()
        watched = frozenset(kinds)
        store.subscribe(lambda keys: self._changed.set(), lambda kind: kind in watched)

    async def run(self) -> None:
        last = self._clock.now()
        while True:
            self._changed.clear()
            now = self._clock.now()
            soonest = self._do(last, now)
            last = now
            wait = min(_LONGEST_S, (soonest if soonest is not None else now + _LONGEST_S) - self._clock.now())
            await self._sleep(max(wait, _SHORTEST_WALL_S * self._clock.speed))

    def _do(self, last: float, now: float) -> float | None:
        """What came due since `last`. Returns when the next will be."""
        soonest: float | None = None
        for key, next_after, act in list(self._dues(self._store.snapshot())):
            try:
                due = next_after(last)
                if due is not None and due <= now:
                    act(due)
                    due = next_after(now)
            except Exception:
                log.exception("the schedule of %s failed", key)
                continue
            if due is not None:
                soonest = due if soonest is None else min(soonest, due)
        return soonest

    async def _sleep(self, seconds: float) -> None:
        """So long, or until something about schedules changes."""
        woken = self._clock.call_later(seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            woken.cancel()
