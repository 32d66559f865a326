"""The workers of one function version: warm ones first, the most recently used before others, new ones on demand.

An invocation waits for whichever comes first: a worker that becomes free, or one that is being started because it
waits. A worker that cannot be started fails the invocation that has waited longest, after one repetition of its init,
as AWS does ("suppressed init").
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from kunren.core.clock import Clock
from kunren.dataplane.runtime.environment import INIT_LIMIT_S, Environment, Place
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.version import FunctionVersion

log = logging.getLogger(__name__)
_FINISHING_GRACE_S = 0.05
"""A worker that has just answered asks for more within a fraction of a millisecond; starting another would be waste."""


class StartFailure:
    """An environment that did not come up, and why."""

    def __init__(self, environment: Environment, reply: Reply) -> None:
        self.environment = environment
        self.reply = reply


Waiter = asyncio.Future["Environment | StartFailure"]


class Capacity(Protocol):
    """The runtime's own limit over all pools."""

    def may_start(self) -> bool:
        """Whether one more worker may be started now (it may end idle workers of other pools for that)."""
        ...

    def freed(self) -> None:
        """A worker has come up or ended: other pools may start theirs."""
        ...


class Pool:
    """See the module. `make` builds an environment that has not been started; `discard` forgets a place for good."""

    def __init__(
        self,
        version: FunctionVersion,
        clock: Clock,
        capacity: Capacity,
        make: Callable[[Pool, Place | None, bool], Environment],
        discard: Callable[[Place], None],
    ) -> None:
        self.version = version
        self.retired = False
        self.floor = 0
        """How many workers are kept initialised, whether anything asks for them or not (provisioned concurrency)."""
        self.floor_failure: Reply | None = None
        self.idle: list[Environment] = []
        self._all: set[Environment] = set()
        self._finishing: dict[Environment, float] = {}
        self._waiters: deque[Waiter] = deque()
        self._starting = 0
        self._spare: list[Place] = []
        self._clock = clock
        self._capacity = capacity
        self._make = make
        self._discard = discard
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def environments(self) -> frozenset[Environment]:
        return frozenset(self._all)

    @property
    def size(self) -> int:
        return len(self._all)

    @property
    def provisioned(self) -> int:
        """How many of the floor's workers are initialised."""
        return sum(1 for each in self._all if each.provisioned and each.phase not in ("init", "ended"))

    def provision(self, count: int) -> None:
        """Keep that many workers initialised from now on."""
        self.floor, self.floor_failure = count, None
        surplus = self.provisioned - count
        for environment in [each for each in self.idle if each.provisioned][: max(surplus, 0)]:
            environment.provisioned = False  # it goes when it has been idle long enough
        self.scale()

    @property
    def starting(self) -> int:
        return self._starting

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def acquire(self) -> Environment | StartFailure:
        """An idle worker, now taken by the caller (who must invoke it at once), or why there is none."""
        if self.idle and not self._waiters:
            return self.idle.pop()
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.scale()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and isinstance(taken := waiter.result(), Environment):
                self._became_idle(taken)
            raise

    def scale(self) -> None:
        """Start as many workers as waiting invocations need and limits allow."""
        while self._waiters and self._waiters[0].done():
            self._waiters.popleft()
        now = self._clock.monotonic()
        soon = sum(1 for since in self._finishing.values() if now - since < _FINISHING_GRACE_S)
        if soon and self._waiters:
            self._clock.call_later((_FINISHING_GRACE_S + 0.001) * self._clock.speed, self.scale)
        while len(self._waiters) > self._starting + soon and not self.retired and self._capacity.may_start():
            self._starting += 1
            self._task(self._start(self._new()))
        held = sum(1 for each in self._all if each.provisioned)
        while held < self.floor and self.floor_failure is None and not self.retired and self._capacity.may_start():
            held += 1
            self._starting += 1
            self._task(self._start(self._new(provisioned=True)))

    def _new(self, *, provisioned: bool = False) -> Environment:
        environment = self._make(self, self._spare.pop() if self._spare else None, provisioned)
        self._all.add(environment)
        return environment

    async def _start(self, environment: Environment) -> None:
        failed = True
        try:
            reply = await environment.start(INIT_LIMIT_S)
            if reply is not None and environment.provisioned:
                self.floor_failure = reply
            elif reply is not None and self._waiters:
                log.info("init of %s failed (%s); once more, as AWS does", self.version.key, reply.error_type)
                await environment.end(keep_place=True)
                environment = self._new()
                reply = await environment.start(self.version.timeout_s)
            failed = reply is not None
            if reply is not None and not environment.provisioned:
                self._fail_one(StartFailure(environment, reply))
        except Exception as error:  # the world's failure, as a namespace that is not there
            log.warning("no worker of %s could be started: %r", self.version.key, error, exc_info=True)
            self._fail_one(error)
        finally:
            self._starting -= 1
            if failed:
                await environment.end()
            self.scale()
            self._capacity.freed()

    def _fail_one(self, failure: StartFailure | Exception) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if waiter.done():
                continue
            if isinstance(failure, Exception):
                waiter.set_exception(failure)
            else:
                waiter.set_result(failure)
            return

    # Told by environments

    def finishing(self, environment: Environment) -> None:
        if environment.phase == "finishing":
            self._finishing[environment] = self._clock.monotonic()

    def became_idle(self, environment: Environment) -> None:
        self._finishing.pop(environment, None)
        self._became_idle(environment)

    def _became_idle(self, environment: Environment) -> None:
        if self.retired:
            self._end(environment)
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(environment)
                return
        self.idle.append(environment)

    def leaving(self, environment: Environment) -> None:
        self._finishing.pop(environment, None)
        if environment in self.idle:
            self.idle.remove(environment)
        if environment.place_kept:
            self._spare.append(environment.place)

    def ended(self, environment: Environment) -> None:
        self._all.discard(environment)
        if environment.provisioned and not self.retired:
            self.scale()
        if self.retired:
            self._drop_spare()
        self._capacity.freed()

    # Told by the runtime

    def evict(self, idle_before: float) -> int:
        """End the workers that have been idle since before that AWS time; how many."""
        old = [each for each in self.idle if each.idle_since < idle_before and not each.provisioned]
        for environment in old:
            self.idle.remove(environment)
            self._end(environment)
        return len(old)

    def evict_one(self, environment: Environment) -> None:
        self.idle.remove(environment)
        self._end(environment)

    def retire(self) -> None:
        """No new invocations come: idle workers end now, busy ones when they have answered."""
        self.retired = True
        idle, self.idle = self.idle, []
        for environment in idle:
            self._end(environment)
        self._drop_spare()

    async def end(self) -> None:
        """End everything now."""
        self.retired = True
        for waiter in self._waiters:
            waiter.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(each.end() for each in list(self._all)), return_exceptions=True)
        self._drop_spare()

    def _drop_spare(self) -> None:
        for place in self._spare:
            self._discard(place)
        self._spare = []

    def _end(self, environment: Environment) -> None:
        self._task(environment.end())

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
