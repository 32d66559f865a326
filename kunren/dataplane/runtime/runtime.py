"""The function runtime: every worker pool of one Kunren, their limits and their end.

`run` is what the lambda service calls: it counts concurrency as AWS does (account and reserved), finds or starts a
worker, and gives back what came of it. Workers of a version that was replaced end by themselves; workers idle for
`idle_timeout_s` of AWS time end too. How many workers may exist at once on this machine is `environment_limit`:
beyond it invocations wait for a free one (idle workers of other functions make room), which AWS would not do.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from kunren.core.clock import Clock, Timer
from kunren.core.entropy import Entropy
from kunren.dataplane.runtime.api_server import RuntimeApi
from kunren.dataplane.runtime.environment import Credentials, Environment, Place, Surroundings, usual_credentials
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.fleet import Fleet
from kunren.dataplane.runtime.host import FunctionHost
from kunren.dataplane.runtime.interpreters import Command, Interpreters
from kunren.dataplane.runtime.layout import TASK_ROOT
from kunren.dataplane.runtime.logs import FunctionLogs, LogSink
from kunren.dataplane.runtime.pool import Pool, StartFailure
from kunren.dataplane.runtime.shared_environment import SharedEnvironment
from kunren.dataplane.runtime.version import FunctionVersion, Invocation, Outcome, Throttled

log = logging.getLogger(__name__)
ACCOUNT_CONCURRENCY = 1000
_SWEEP_S = 60.0
_ATTEMPTS = 5
_IMAGE_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/bin"


class FunctionRuntime:
    """See the module. `folder` is for what workers read that is not the functions' own."""

    def __init__(
        self,
        *,
        host: FunctionHost,
        clock: Clock,
        entropy: Entropy,
        folder: Path,
        log_folder: Path,
        trust: Mapping[str, str] | None = None,
        log_sink: LogSink | None = None,
        credentials: Credentials = usual_credentials,
        environment_limit: int = 64,
        idle_timeout_s: float = 600.0,
    ) -> None:
        self.logs = FunctionLogs(log_folder, clock, log_sink)
        self._clock = clock
        self._entropy = entropy
        self._api = RuntimeApi()
        self._with = Surroundings(host, self._api, clock, self.logs, dict(trust or {}), credentials)
        self._host = host
        self.limit = environment_limit
        self._starting_max = 2 * (os.cpu_count() or 1) + 2
        self._idle_timeout_s = idle_timeout_s
        self._interpreters = Interpreters(folder / "python-packages")
        self._commands: dict[tuple[str, ...], Command] = {}
        self._pools: dict[str, Pool] = {}
        self._old: list[Pool] = []
        self._fleets: dict[tuple[str, str], Fleet] = {}
        self._old_fleets: list[Fleet] = []
        self._listening: dict[str, asyncio.Future[None]] = {}
        self._addresses = 0
        self._discarding: set[asyncio.Future[None]] = set()
        self._in_flight: dict[tuple[str, str], int] = {}
        self._in_flight_of: dict[str, int] = {}
        self._sweeper: Timer | None = None
        self._stopped = False
        self._started = 0

    async def prepare(self, version: FunctionVersion) -> None:
        """Check that this machine can run it, and have the Runtime API listening where it will. Raises
        RuntimeUnavailable, and what the world raises."""
        await self._command(version)
        for network in version.networks:
            await self._listen(network)

    async def check_runtime(self, runtime: str) -> None:
        """Raises RuntimeUnavailable where nothing on this machine runs it."""
        if (runtime, TASK_ROOT) not in self._commands:
            await asyncio.to_thread(self._interpreters.command, runtime, TASK_ROOT)

    def _task_root(self, version: FunctionVersion) -> str:
        return TASK_ROOT if self._host.lays_files else version.code_dir

    def _key(self, version: FunctionVersion) -> tuple[str, ...]:
        if version.image is not None:
            return (version.image.digest, *version.image.argv)
        return (version.runtime, self._task_root(version))

    async def _command(self, version: FunctionVersion) -> Command:
        key = self._key(version)
        if version.image is not None:
            described = f"image sha256:{version.image.digest}"
            return self._commands.setdefault(key, Command(version.image.argv, _IMAGE_PATH, described))
        if (known := self._commands.get(key)) is None:
            known = await asyncio.to_thread(self._interpreters.command, version.runtime, self._task_root(version))
            self._commands[key] = known
        return known

    async def _listen(self, network: str) -> None:
        if (waiting := self._listening.get(network)) is None or (waiting.done() and waiting.exception() is not None):
            waiting = self._listening[network] = asyncio.ensure_future(self._open(network))
        await asyncio.shield(waiting)

    async def _open(self, network: str) -> None:
        await self._api.serve(network, await self._host.listen(network))

    def uses(self, network: str) -> bool:
        """Whether any worker lives there."""
        holders: list[Pool | Fleet] = [*self._pools.values(), *self._old, *self._fleets.values(), *self._old_fleets]
        return any(worker.network == network for holder in holders for worker in holder.environments)

    def leave(self, network: str) -> None:
        """Nobody will live there any more."""
        self._listening.pop(network, None)
        self._api.leave(network)

    async def run(self, version: FunctionVersion, call: Invocation, *, reserved: int | None = None) -> Outcome:
        """Run the function once. Raises Throttled; a function that fails is an Outcome, not an exception."""
        scope = (version.account, version.region)
        arn = version.arn
        in_flight, own = self._in_flight.get(scope, 0), self._in_flight_of.get(arn, 0)
        if reserved is not None and own >= reserved:
            raise Throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        if in_flight >= ACCOUNT_CONCURRENCY:
            raise Throttled("ConcurrentInvocationLimitExceeded")
        self._in_flight[scope], self._in_flight_of[arn] = in_flight + 1, own + 1
        try:
            return await (self._run_shared(version, call) if version.concurrency else self._run(version, call))
        finally:
            self._in_flight[scope] -= 1
            self._in_flight_of[arn] -= 1
            if not self._in_flight_of[arn]:
                del self._in_flight_of[arn]

    async def _run(self, version: FunctionVersion, call: Invocation) -> Outcome:
        pool = self._pools.get(version.key)
        if pool is None or pool.retired or (pool.version is not version and pool.version != version):
            pool = await self._new_pool(version)
        for _ in range(_ATTEMPTS):
            try:
                worker = await pool.acquire()
            except Exception as error:
                return Outcome(b"", system_error=f"no worker could be started: {error!r}")
            if isinstance(worker, StartFailure):
                tail = worker.environment.failed_init_log(call, worker.reply)
                return Outcome(worker.reply.document(call.request_id), "Unhandled", tail)
            answered = await worker.invoke(call)
            if answered is not None:
                reply, tail = answered
                return Outcome(reply.document(call.request_id), "Unhandled" if reply.error_type else None, tail)
        return Outcome(b"", system_error="the workers ended before they could be given the event")

    async def _run_shared(self, version: FunctionVersion, call: Invocation) -> Outcome:
        fleet = self._fleets.get((version.key, version.revision))
        if fleet is None:
            raise Throttled("ConcurrentInvocationLimitExceeded")
        reply, tail = await fleet.run(call)
        return Outcome(reply.document(call.request_id), "Unhandled" if reply.error_type else None, tail)

    async def keep(self, version: FunctionVersion, minimum: int, maximum: int | None) -> Reply | None:
        """Keep environments of a version on managed instances running; returns when so many are, or why they are not.
        Raises RuntimeUnavailable, and what the world raises."""
        await self.prepare(version)
        fleet = self._fleets.get((version.key, version.revision))
        if fleet is None:
            fleet = Fleet(version, self._clock, self._make_shared, self.limit)
            self._fleets[(version.key, version.revision)] = fleet
        fleet.resize(minimum, maximum)
        return await fleet.settled()

    def drop(self, version: FunctionVersion) -> None:
        """Keep no environments of that very version any more."""
        fleet = self._fleets.pop((version.key, version.revision), None)
        if fleet is not None:
            self._let_end(fleet)

    def kept(self, version: FunctionVersion) -> Fleet | None:
        """The environments of a version on managed instances."""
        return self._fleets.get((version.key, version.revision))

    def _make_shared(self, fleet: Fleet) -> SharedEnvironment:
        version = fleet.version
        place = self._new_place(version)
        self._started += 1
        self._addresses += 1
        return SharedEnvironment(
            version,
            self._commands[(version.runtime, self._task_root(version))],
            self._with,
            place,
            version.networks[self._addresses % len(version.networks)],
            _address(self._addresses),
            on_idle=_nothing,
            on_finishing=_nothing,
            on_leaving=_nothing,
            on_ended=lambda environment: fleet.ended(cast(SharedEnvironment, environment)),
        )

    def _new_place(self, version: FunctionVersion) -> Place:
        scratch = f"{version.name[:24]}-{self._entropy.hex(12)}"
        return Place(scratch, f"{self._clock_date()}/[{version.version}]{self._entropy.hex(32)}")

    async def _new_pool(self, version: FunctionVersion) -> Pool:
        await self.prepare(version)
        pool = self._pools.get(version.key)
        if pool is not None and not pool.retired and pool.version == version:  # made while we waited
            return pool
        if pool is not None:
            self._retire(pool)
        pool = self._pools[version.key] = Pool(version, self._clock, self, self._make, self._discard)
        self._sweep_later()
        return pool

    async def provision(self, version: FunctionVersion, count: int) -> None:
        """Keep that many workers of a version initialised. Raises RuntimeUnavailable, and what the world raises."""
        pool = self._pools.get(version.key)
        if pool is None or pool.retired or pool.version != version:
            pool = await self._new_pool(version)
        if pool.floor != count:
            pool.provision(count)

    def provisioned(self, key: str) -> tuple[int, Reply | None]:
        """How many workers of a version are initialised as asked, and why no more can be."""
        pool = self._pools.get(key)
        return (min(pool.provisioned, pool.floor), pool.floor_failure) if pool is not None else (0, None)

    def floors(self, arn: str) -> dict[str, FunctionVersion]:
        """The versions of a function that have workers kept initialised, by version."""
        held = [each.version for each in self._pools.values() if each.floor and each.version.arn == arn]
        return {each.version: each for each in held}

    def _make(self, pool: Pool, place: Place | None, provisioned: bool) -> Environment:
        version = pool.version
        self._started += 1
        place = place or self._new_place(version)
        self._addresses += 1
        return Environment(
            version,
            self._commands[self._key(version)],
            self._with,
            place,
            version.networks[self._addresses % len(version.networks)],
            _address(self._addresses),
            provisioned=provisioned,
            on_idle=self._idle(pool),
            on_finishing=pool.finishing,
            on_leaving=pool.leaving,
            on_ended=pool.ended,
        )

    def _discard(self, place: Place) -> None:
        task = asyncio.ensure_future(self._host.drop_scratch(place.scratch))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)

    def _idle(self, pool: Pool) -> Any:
        def became_idle(environment: Environment) -> None:
            pool.became_idle(environment)
            self.freed()

        return became_idle

    def _clock_date(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y/%m/%d")

    # Capacity

    def may_start(self) -> bool:
        pools = [*self._pools.values(), *self._old]
        if self._stopped or sum(each.starting for each in pools) >= self._starting_max:
            return False
        if sum(each.size for each in pools) < self.limit:
            return True
        idle = [environment for each in pools for environment in each.idle if not environment.provisioned]
        if idle:  # make room; `freed` will ask again
            oldest = min(idle, key=lambda each: each.idle_since)
            next(each for each in pools if oldest in each.idle).evict_one(oldest)
        return False

    def freed(self) -> None:
        if self._stopped:
            return
        for pool in list(self._pools.values()):
            if pool.waiting or pool.floor:
                pool.scale()

    # Ends

    def retire(self, arn: str, version: str) -> None:
        """That version was deleted: its idle workers end now, the others when they have answered."""
        pool = self._pools.pop(f"{arn}:{version}", None)
        if pool is not None:
            self._retire(pool)
        self._retire_fleets(f"{arn}:{version}", but="")

    def _retire_fleets(self, key: str, but: str) -> None:
        """Those of a version, but for one revision."""
        for each, revision in list(self._fleets):
            if each == key and revision != but:
                self._let_end(self._fleets.pop((each, revision)))

    def _let_end(self, fleet: Fleet) -> None:
        fleet.retire()
        self._old_fleets = [old for old in self._old_fleets if old.environments] + [fleet]

    def replace(self, version: FunctionVersion) -> None:
        """This version is what runs from now on: workers of the one before it go."""
        pool = self._pools.get(version.key)
        if pool is not None and pool.version != version:
            del self._pools[version.key]
            self._retire(pool)
        self._retire_fleets(version.key, but=version.revision if version.concurrency else "")

    def _retire(self, pool: Pool) -> None:
        pool.retire()
        self._old = [each for each in self._old if each.size] + ([pool] if pool.size else [])

    def _sweep_later(self) -> None:
        if self._sweeper is None and not self._stopped:
            self._sweeper = self._clock.call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        idle_before = self._clock.now() - self._idle_timeout_s
        for key, pool in list(self._pools.items()):
            pool.evict(idle_before)
            if not pool.size and not pool.waiting and not pool.floor:
                del self._pools[key]
        self._old = [each for each in self._old if each.size]
        if self._pools:
            self._sweep_later()

    async def stop(self) -> None:
        """End every worker, close the Runtime API, write the last log lines."""
        self._stopped = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*(pool.end() for pool in [*self._pools.values(), *self._old]))
        self._pools, self._old = {}, []
        await asyncio.gather(*(fleet.end() for fleet in [*self._fleets.values(), *self._old_fleets]))
        self._fleets, self._old_fleets = {}, []
        await asyncio.gather(*self._discarding)
        await self._api.stop()
        self.logs.flush()

    def status(self) -> dict[str, Any]:
        """For `kunren status`: workers now, and how many were ever started."""
        pools = [*self._pools.values(), *self._old]
        fleets = [*self._fleets.values(), *self._old_fleets]
        return {
            "workers": sum(each.size for each in pools) + sum(len(each.environments) for each in fleets),
            "idle": sum(len(each.idle) for each in pools),
            "in_flight": sum(self._in_flight.values()),
            "started": self._started,
            "limit": self.limit,
        }


def _nothing(environment: Environment) -> None:
    """Fleets look at their environments themselves."""


def _address(number: int) -> str:
    """The number-th loopback address for a worker, from 127.1.0.1 on (16 million of them, then again)."""
    host = number % 254 + 1
    middle = number // 254 % 256
    high = number // (254 * 256) % 254 + 1
    return f"127.{high}.{middle}.{host}"
