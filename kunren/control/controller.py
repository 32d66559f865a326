"""Level-triggered reconciliation: changed keys in, one idempotent call per key out, retried until it holds.

`reconcile(key)` reads a snapshot and makes the data plane as it should be; it never learns what happened, so create,
update, delete, retry and restart are one path (controller-runtime's rule). A key that is added while it is being
reconciled is reconciled once more afterwards; a key that fails backs off from 50 ms to 10 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from kunren.control.store import Key, Snapshot, Store, Wants
from kunren.core.clock import Clock, Timer
from kunren.core.errors import TerminalError

log = logging.getLogger(__name__)
BACKOFF_FIRST_S = 0.05
BACKOFF_LAST_S = 10.0


class Controller:
    """Joins a store's change feed to one `reconcile` function. `run` lives until it is cancelled."""

    def __init__(
        self,
        name: str,
        store: Store,
        clock: Clock,
        *,
        keys: Callable[[Snapshot, Key], Iterable[str]],
        every: Callable[[Snapshot], Iterable[str]],
        reconcile: Callable[[str], Awaitable[None]],
        wants: Wants = lambda kind: True,
        parallel: int = 8,
    ) -> None:
        """`keys` maps one changed resource to the work keys it concerns (none: not ours), and is asked for those kinds
        that `wants` says; `every` lists all work keys, for the resync at start."""
        self.name = name
        self.last_errors: dict[str, str] = {}
        self._store = store
        self._clock = clock
        self._keys = keys
        self._every = every
        self._reconcile = reconcile
        self._wants = wants
        self._parallel = parallel
        self._queued: dict[str, None] = {}
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, Timer] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()
        store.subscribe(self._changed, wants)

    def _changed(self, changed: frozenset[Key]) -> None:
        snapshot = self._store.snapshot()
        for key in filter(lambda each: self._wants(each.kind), changed):  # a commit may have changed others too
            for work in self._keys(snapshot, key):
                self.enqueue(work)

    def enqueue(self, work: str) -> None:
        """Ask for one more reconcile of that key; many asks before it runs are one."""
        if work in self._queued:
            return
        if work in self._busy:
            self._again.add(work)
        else:
            self._queued[work] = None
        self._idle.clear()
        self._wake.set()

    def enqueue_after(self, wait_s: float, work: str) -> None:
        """Ask for a reconcile of that key in so many AWS seconds. A key has one such appointment, the last that was
        made; it is void once the key is reconciled before, which says anew when to come back, if at all."""
        self._forget_timer(work)
        self._timers[work] = self._clock.call_later(max(0.0, wait_s), lambda: self.enqueue(work))

    def _forget_timer(self, work: str) -> None:
        if (timer := self._timers.pop(work, None)) is not None:
            timer.cancel()

    async def settled(self) -> None:
        """Return when nothing is queued, running or waiting for a retry."""
        await self._idle.wait()

    def enqueue_all(self) -> None:
        """Ask for a reconcile of every key. `run` does; done before, nothing is settled until it has run."""
        for work in self._every(self._store.snapshot()):
            self.enqueue(work)

    async def run(self) -> None:
        self.enqueue_all()
        try:
            while True:
                self._wake.clear()
                while self._queued and len(self._busy) < self._parallel:
                    work = next(iter(self._queued))
                    del self._queued[work]
                    self._busy.add(work)
                    self._forget_timer(work)
                    task = asyncio.get_running_loop().create_task(self._one(work), name=f"{self.name}:{work}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                self._mark_idle()
                await self._wake.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            for work in list(self._timers):
                self._forget_timer(work)

    def _mark_idle(self) -> None:
        if not self._queued and not self._busy and not self._again and not self._failures:
            self._idle.set()

    async def _one(self, work: str) -> None:
        try:
            await self._reconcile(work)
        except TerminalError as error:
            log.error("%s: %s will not be tried again: %s", self.name, work, error)
            self.last_errors[work] = str(error)
            self._failures.pop(work, None)
        except Exception as error:  # the world's failure: back off and try again
            failures = self._failures[work] = self._failures.get(work, 0) + 1
            delay = min(BACKOFF_FIRST_S * 2 ** (failures - 1), BACKOFF_LAST_S)
            log.warning("%s: %s failed, again in %.2f s: %r", self.name, work, delay, error, exc_info=failures == 1)
            self.last_errors[work] = repr(error)
            asyncio.get_running_loop().call_later(delay, self.enqueue, work)
        else:
            self._failures.pop(work, None)
            self.last_errors.pop(work, None)
        finally:
            self._busy.discard(work)
            if work in self._again:
                self._again.discard(work)
                self._queued[work] = None
            self._wake.set()
