"""The environments of one function version on managed instances: kept running, shared, never started for an invocation.

Between a minimum and a maximum of them, invocations go to the one with the most room; where there is no room they are
refused. What scales is what was used: when an invocation takes the last room, one more environment is started (it will
serve later ones), and one that has had nothing to do for long ends while there are more than the minimum (developer
guide, "Scaling Lambda Managed Instances").
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from kunren.core.clock import Clock, Timer
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.shared_environment import SharedEnvironment
from kunren.dataplane.runtime.version import FunctionVersion, Invocation, Throttled

log = logging.getLogger(__name__)
INIT_LIMIT_S = 130.0
"""Or the function's timeout, where that is longer."""
IDLE_S = 600.0
_LOOK_S = 60.0
_RETRY_FIRST_S = 1.0
_RETRY_LAST_S = 60.0


class Fleet:
    """See the module. `make` builds an environment that has not been started."""

    def __init__(
        self, version: FunctionVersion, clock: Clock, make: Callable[[Fleet], SharedEnvironment], limit: int
    ) -> None:
        self.version = version
        self.minimum = 0
        self.maximum = limit
        self.retired = False
        self.failure: Reply | None = None
        """Why the last environment did not come up; None when it did."""
        self._clock = clock
        self._make = make
        self._limit = limit
        self._all: set[SharedEnvironment] = set()
        self._leaving: set[SharedEnvironment] = set()
        self._starting = 0
        self._failures = 0
        self._timer: Timer | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def environments(self) -> frozenset[SharedEnvironment]:
        return frozenset(self._all | self._leaving)

    @property
    def size(self) -> int:
        return len(self._all)

    @property
    def running(self) -> int:
        """How many are initialised."""
        return sum(1 for each in self._all if each.phase == "idle")

    def resize(self, minimum: int, maximum: int | None) -> None:
        """Keep so many from now on; without a maximum, as many as this machine is to have."""
        self.minimum = minimum
        self.maximum = self._limit if maximum is None else min(maximum, self._limit)
        self._failures = 0
        self._scale()
        self._shrink()

    async def settled(self) -> Reply | None:
        """Return when the minimum is running, or why it is not."""
        self._scale()
        while self.running < min(self.minimum, self.maximum):
            if self.failure is not None or self.retired:
                return self.failure
            self._changed.clear()
            await self._changed.wait()
        return None

    async def run(self, call: Invocation) -> tuple[Reply, bytes]:
        """Raises Throttled where there is no room."""
        while True:
            free = [each for each in self._all if each.free]
            if not free or self.retired:
                self._grow()
                raise Throttled("ConcurrentInvocationLimitExceeded")
            chosen = max(free, key=lambda each: each.free)
            if sum(each.free for each in free) == 1:
                self._grow()
            answered = await chosen.invoke(call)
            self._ended_one(chosen)
            if answered is not None:
                return answered

    # Scaling

    def _scale(self) -> None:
        while self.size < min(self.minimum, self.maximum) and not self.retired:
            self._start()
        if self._timer is None and not self.retired:
            self._timer = self._clock.call_later(_LOOK_S, self._look)

    def _grow(self) -> None:
        if self.size < self.maximum and not self._starting and not self.retired:
            self._start()

    def _look(self) -> None:
        self._timer = None
        self._shrink()
        self._scale()

    def _shrink(self) -> None:
        """End those that are too many: beyond the maximum, or beyond the minimum and not used for long."""
        idle_before = self._clock.now() - IDLE_S
        for each in sorted(self._all, key=lambda each: each.idle_since):
            unused = self.size > self.minimum and each.phase == "idle" and each.idle_since < idle_before
            if not each.busy and (unused or self.size > self.maximum):
                self._discard(each)

    def _discard(self, environment: SharedEnvironment) -> None:
        self._all.discard(environment)
        self._leaving.add(environment)
        self._task(environment.end())

    def _start(self) -> None:
        environment = self._make(self)
        self._all.add(environment)
        self._starting += 1
        self._task(self._begin(environment))

    async def _begin(self, environment: SharedEnvironment) -> None:
        failure: Reply | None = Reply(error_type="Runtime.Unknown", message="no environment could be started")
        try:
            failure = await environment.start(max(INIT_LIMIT_S, self.version.timeout_s))
        except Exception as error:  # the world's failure, as a namespace that is not there
            log.warning("no environment of %s could be started: %r", self.version.key, error, exc_info=True)
        finally:
            self._starting -= 1
            self.failure = failure
            if failure is not None:
                self._failures += 1
                await environment.end()
            else:
                self._failures = 0
            self._changed.set()

    # Told by environments and the runtime

    def ended(self, environment: SharedEnvironment) -> None:
        """One is gone: another takes its place, later where they fail."""
        self._all.discard(environment)
        self._leaving.discard(environment)
        self._changed.set()
        if self.retired:
            return
        if self._failures:
            delay = min(_RETRY_FIRST_S * 2.0 ** (self._failures - 1), _RETRY_LAST_S)
            self._clock.call_later(delay, self._scale)
        else:
            self._scale()

    def _ended_one(self, environment: SharedEnvironment) -> None:
        if self.retired and not environment.busy and environment in self._all:
            self._discard(environment)

    def retire(self) -> None:
        """No new invocations come: environments end when they have answered what they have."""
        self.retired = True
        if self._timer is not None:
            self._timer.cancel()
        self._changed.set()
        for each in list(self._all):
            self._ended_one(each)

    async def end(self) -> None:
        """End everything now."""
        self.retired = True
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(each.end() for each in self.environments), return_exceptions=True)
        for task in self._tasks:
            task.cancel()

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
