"""The one handle on Envoy: owners publish their resources, and learn when Envoy has them.

`publish` replaces everything an owner had. Changed listeners and clusters of unknown shape are validated first (in a
task; a later publish of the same owner waits for it, and only the latest is pushed); everything else is pushed at
once. The future of a publish resolves when Envoy has acknowledged all of it, and fails with `Rejected` when it refused
a part. Resources that nothing refers to are never asked for, so a publish holds only what its listeners reach.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunren.core.clock import Clock
from kunren.dataplane.envoy.access_log import AccessLog
from kunren.dataplane.envoy.admin import Counted, counted, statistics
from kunren.dataplane.envoy.ads import AdsServer, Delta, Refusal
from kunren.dataplane.envoy.authorization import Authorization
from kunren.dataplane.envoy.encode import CLUSTER, LISTENER
from kunren.dataplane.envoy.process import EnvoyProcess, Spawner, envoy_binary
from kunren.dataplane.envoy.resources import Endpoint, EnvoyResources, Rejected
from kunren.dataplane.envoy.snapshot import Name, Part, State, changed, encoded_part, with_endpoints
from kunren.dataplane.envoy.validate import Validator
from kunren.settings import Settings
from kunren.world.interface import TRANSIT, ProcessSpec

log = logging.getLogger(__name__)
_MAX_NOTES = 50


@dataclass(slots=True, eq=False)
class _Ticket:
    """Somebody waits until Envoy holds exactly these versions, and no more of what was removed."""

    owner: str
    part: Part
    removed: tuple[Name, ...]
    future: asyncio.Future[None]


@dataclass(slots=True)
class _Desk:
    """An owner's publish that is being validated, and the newest one that came meanwhile."""

    task: asyncio.Task[None] | None = None
    next: tuple[EnvoyResources, asyncio.Future[None]] | None = None
    followers: list[asyncio.Future[None]] = field(default_factory=list)


class EnvoyControl:
    """Envoy as the rest of Kunren sees it. `start` before the first publish."""

    def __init__(
        self,
        settings: Settings,
        world: Spawner,
        clock: Clock,
        *,
        namespace: str = TRANSIT,
        concurrency: int | None = None,
    ) -> None:
        self._settings = settings
        self._world = world
        self._namespace = namespace
        self.state = State()
        self.ads = AdsServer(self.state, self._progress, self._refused)
        self.access_log = AccessLog()
        self.authorization = Authorization()
        self.process = EnvoyProcess(
            world, clock, settings.run_dir, settings.log_dir, namespace=namespace, concurrency=concurrency
        )
        self.validator = Validator(self._validate, settings.run_dir)
        self.refusals: dict[str, str] = {}
        self._tickets: list[_Ticket] = []
        self._desks: dict[str, _Desk] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start Envoy and the discovery server; `ready` says when the two have met."""
        await self.process.start()
        await self.ads.start(self.process.xds_socket, self.access_log.handlers(), self.authorization.handlers())

    async def ready(self) -> None:
        """Return when Envoy is connected and asks for configuration."""
        await self.ads.connected.wait()

    async def stop(self) -> None:
        for desk in self._desks.values():
            if desk.task is not None:
                desk.task.cancel()
        for task in self._background:
            task.cancel()
        await self.process.stop()
        await self.ads.stop()
        for ticket in self._tickets:
            ticket.future.cancel()

    def publish(self, owner: str, resources: EnvoyResources) -> asyncio.Future[None]:
        """Replace everything that `owner` had. Resolves when Envoy has it; fails with Rejected."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        desk = self._desks.setdefault(owner, _Desk())
        if desk.task is not None:
            if desk.next is not None:
                desk.followers.append(desk.next[1])
            desk.next = (resources, future)
            return future
        self._begin(owner, desk, resources, future)
        return future

    def withdraw(self, owner: str) -> asyncio.Future[None]:
        """Remove everything of the owner; resolves when Envoy let go of its listeners and clusters."""
        return self.publish(owner, EnvoyResources())

    def warm(self, resources: EnvoyResources) -> None:
        """Check shapes that are likely to come, in the background, so that their first publish need not wait for it."""
        if not self.validator.unknown(resources.listeners, resources.clusters):
            return

        async def check() -> None:
            try:
                await self.validator.check(resources.listeners, resources.clusters)
            except Exception as error:
                log.warning("typical resources could not be validated beforehand: %r", error)

        task = asyncio.get_running_loop().create_task(check(), name="envoy-warm")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def set_endpoints(self, owner: str, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> asyncio.Future[None]:
        """Replace these of the owner's EDS resources and leave all else as it is; those it does not have are passed
        over. Resolves when Envoy has them. While a `publish` of the owner is under way, that one decides."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        before = self.state.part(owner)
        part = with_endpoints(before, endpoints)
        if part is before:
            future.set_result(None)
        else:
            self._commit(owner, part, future)
        return future

    async def cut(self, namespace: str, address: str, port: int, sources: tuple[str, ...]) -> None:
        """End the TCP connections in that namespace from any of `sources` (from anywhere for none) to the address and
        port."""
        program = Path(__file__).with_name("cut.py")
        argv = [sys.executable, "-I", "-S", str(program), str(port), address, *sources]
        said = self._settings.log_dir / "envoy-cut.log"
        process = await self._world.spawn(ProcessSpec(name="envoy-cut", argv=argv, namespace=namespace, log=said))
        code = await process.wait()
        if code != 0:
            raise OSError(f"ending connections to {address}:{port} failed with {code}; see {said}")

    async def counted(self) -> list[Counted]:
        """What each endpoint did since Envoy started. Raises OSError and TimeoutError where Envoy does not say."""
        return await counted(self.process.admin_socket)

    async def statistics(self, pattern: str) -> str:
        """The counters whose names match, as text. Raises OSError and TimeoutError where Envoy does not say."""
        return await statistics(self.process.admin_socket, pattern)

    def status(self) -> dict[str, Any]:
        process = self.process.process
        return {
            "running": process is not None and process.returncode is None,
            "connected": self.ads.connected.is_set(),
            "restarts": self.process.restarts,
            "listeners": len(self.state.of(LISTENER)),
            "clusters": len(self.state.of(CLUSTER)),
            "refused": dict(self.refusals),
        }

    def _begin(self, owner: str, desk: _Desk, resources: EnvoyResources, future: asyncio.Future[None]) -> None:
        before = self.state.part(owner)
        try:
            part = encoded_part(resources, before)
        except Rejected as error:
            self._fail(future, error)
            return
        names = changed(before, part, LISTENER, CLUSTER)
        listeners = {name: part.given[kind, name] for kind, name in names if kind == LISTENER}
        clusters = {name: part.given[kind, name] for kind, name in names if kind == CLUSTER}
        if not self.validator.unknown(listeners, clusters):
            self._commit(owner, part, future)
            return

        async def checked() -> None:
            try:
                await self.validator.check(listeners, clusters)
                self._commit(owner, part, future)
            except Rejected as error:
                self._fail(future, error)
            except Exception as error:
                log.exception("the configuration of %s could not be validated", owner)
                self._fail(future, error)
            finally:
                self._next(owner, desk)

        desk.task = asyncio.get_running_loop().create_task(checked(), name=f"envoy-validate:{owner}")

    def _next(self, owner: str, desk: _Desk) -> None:
        desk.task = None
        if desk.next is None:
            self._desks.pop(owner, None)
            return
        (resources, future), desk.next = desk.next, None
        followers, desk.followers = desk.followers, []
        for follower in followers:
            future.add_done_callback(lambda done, follower=follower: _copy(done, follower))  # type: ignore[misc]
        self._begin(owner, desk, resources, future)

    def _commit(self, owner: str, part: Part, future: asyncio.Future[None]) -> None:
        before = self.state.part(owner)
        try:
            self.state.replace(owner, part)
        except Rejected as error:
            self._fail(future, error)
            return
        removed = tuple(key for key in before.encoded if key not in part.encoded and key[0] in (LISTENER, CLUSTER))
        for client in self.ads.clients:
            client.retry(iter(part.encoded))
        for older in [ticket for ticket in self._tickets if ticket.owner == owner]:
            self._tickets.remove(older)
            future.add_done_callback(lambda done, older=older: _copy(done, older.future))  # type: ignore[misc]
        self._tickets.append(_Ticket(owner, part, removed, future))
        self.ads.wake()
        self._progress()

    def _fail(self, future: asyncio.Future[None], error: Exception) -> None:
        if isinstance(error, Rejected):
            self._note(error.resource, error.message)
        if not future.done():
            future.set_exception(error)

    def _note(self, resource: str, message: str) -> None:
        log.error("envoy refused %s: %s", resource, message)
        self.refusals[resource] = message
        while len(self.refusals) > _MAX_NOTES:
            del self.refusals[next(iter(self.refusals))]

    def _progress(self) -> None:
        clients = self.ads.clients
        if not clients:
            return
        for ticket in list(self._tickets):
            if all(_holds(client, ticket) for client in clients):
                self._tickets.remove(ticket)
                for _, name in ticket.part.encoded:
                    self.refusals.pop(name, None)
                if not ticket.future.done():
                    ticket.future.set_result(None)

    def _refused(self, refusal: Refusal) -> None:
        for key in refusal.resources:
            self._note(key[1], refusal.message)
            for ticket in list(self._tickets):
                if key in ticket.part.encoded:
                    self._tickets.remove(ticket)
                    if not ticket.future.done():
                        ticket.future.set_exception(Rejected(key[1], refusal.message))

    async def _validate(self, file: Path) -> tuple[int, str]:
        said = file.with_suffix(".log")
        argv = [str(envoy_binary()), "--mode", "validate", "--config-path", str(file), "--disable-hot-restart",
                "--log-level", "error", "--concurrency", "1"]  # fmt: skip
        process = await self._world.spawn(
            ProcessSpec(name="envoy-validate", argv=argv, namespace=self._namespace, log=said)
        )
        try:
            code = await process.wait()
            return code, said.read_text(errors="replace") if said.exists() else ""
        finally:
            said.unlink(missing_ok=True)


def _holds(client: Delta, ticket: _Ticket) -> bool:
    held = client.acknowledged
    return all(held[kind].get(name) == made.version for (kind, name), made in ticket.part.encoded.items()) and not any(
        name in held[kind] for kind, name in ticket.removed
    )


def _copy(source: asyncio.Future[None], target: asyncio.Future[None]) -> None:
    if target.done():
        return
    if source.cancelled():
        target.cancel()
    elif (error := source.exception()) is not None:
        target.set_exception(error)
    else:
        target.set_result(None)
