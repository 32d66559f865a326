"""Keeps the Service Connect proxies of the tasks that run here, and what they know of each other.

A proxy is there before its task's containers start, and gone with the task. Who serves an offer changes with the rows
of tasks; a task that is to stop is let go of by all proxies before its containers hear of it (`leave`). Nothing is
kept: tasks end with the daemon, and their proxies with them.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.envoy.resources import Endpoint, EnvoyResources, Rejected
from kunren.services.ecs.connect.metrics import Inward
from kunren.services.ecs.connect.model import TCP, Offer
from kunren.services.ecs.connect.routing import (
    TABLE,
    Placed,
    endpoints,
    hosts,
    inward_ports,
    placed,
    resources,
    ruleset,
)
from kunren.services.ecs.connect.shares import serving
from kunren.services.ecs.model import Service, Task, TaskDefinition
from kunren.services.ecs.services.facts import deployment_of
from kunren.services.ecs.services.model import ServiceDeployment
from kunren.services.ecs.services.progress import shifting
from kunren.services.ecs.tasks.engine import CannotStart
from kunren.world.channel import RulesetRefused
from kunren.world.interface import NoSuchNamespace

log = logging.getLogger(__name__)
START_WITHIN_S = 30.0
LET_GO_WITHIN_S = 5.0
LOOKS, LOOK_S = 50, 0.1
"""How often (and when, of AWS's time) it is looked whether a task that stops has answered."""


class Proxy(Protocol):
    """The part of Envoy's control that is needed."""

    def publish(self, owner: str, resources: EnvoyResources) -> asyncio.Future[None]: ...
    def withdraw(self, owner: str) -> asyncio.Future[None]: ...
    def set_endpoints(self, owner: str, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> asyncio.Future[None]: ...
    async def statistics(self, pattern: str) -> str: ...


class TablesWorld(Protocol):
    """The part of the world that is needed."""

    def netns_path(self, namespace: str) -> str: ...
    async def apply_table(self, owner: str, namespace: str, table: str, text: str) -> None: ...


class Where(NamedTuple):
    """The network namespace and the address that a task's containers share, or that `container` has for itself."""

    namespace: str
    address: str
    container: str = ""


class _Held(NamedTuple):
    account: str
    region: str
    proxies: tuple[Placed, ...]


class Proxies:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, envoy: Proxy, world: TablesWorld) -> None:
        self._store, self._clock, self._envoy, self._world = store, clock, envoy, world
        self._held: dict[str, _Held] = {}  # by task
        self._controller = Controller(
            "ecs-service-connect", store, clock, keys=_keys, every=lambda snapshot: (), reconcile=self._reconcile,
            wants=lambda kind: kind in (Task.kind, ServiceDeployment.kind),
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    def status(self) -> dict[str, Any]:
        return {"proxies": len(self._held), "errors": dict(self._controller.last_errors)}

    # -- one task's --------------------------------------------------------------------------------------------------

    async def start(self, task: Task, places: Sequence[Where]) -> None:
        """Return when the task's proxy listens; at once for a task without one. Raises CannotStart."""
        snapshot = self._store.snapshot()
        deployment = deployment_of(snapshot, task)
        if task.proxy is None or deployment is None or deployment.connect is None:
            return
        connect = deployment.connect
        taken = _ports(snapshot.get(TaskDefinition, task.account, task.region, task.definition))
        proxies = [
            placed(
                f"{task.id}-{number}" if each.container else task.id, each.address,
                self._world.netns_path(each.namespace), _of(task.proxy.offers, each.container), connect.known, taken,
                direct=bool(each.container),
            )
            for number, each in enumerate(places)
        ]  # fmt: skip
        self._held[task.id] = _Held(task.account, task.region, tuple(proxies))
        served = serving(snapshot, task.account, task.region)
        try:
            async with asyncio.timeout(START_WITHIN_S):
                made = [resources(each, served, self._clock.wall_seconds) for each in proxies]
                await asyncio.gather(*map(self._envoy.publish, [each.owner for each in proxies], made))
                await asyncio.gather(*self._tell(task.account, task.region, proxies))
                for place, each in zip(places, proxies, strict=True):
                    await self._world.apply_table(each.owner, place.namespace, TABLE, ruleset(each))
        except (TimeoutError, Rejected, RulesetRefused, OSError) as error:  # `kunren doctor` knows of the rules
            raise CannotStart(f"The Service Connect proxy could not be started: {error}") from error

    def led(self, task: Task, container: str) -> list[tuple[int, int]]:
        """The ports of its instance that lead to the proxy beside a container, each with the proxy's own."""
        if task.proxy is None or not task.proxy.ports:
            return []
        definition = self._store.snapshot().get(TaskDefinition, task.account, task.region, task.definition)
        pairs = zip(task.proxy.offers, task.proxy.ports, strict=True)
        mine = [port for offer, port in pairs if offer.container == container]
        return list(zip(mine, inward_ports(_ports(definition)), strict=False))

    def hosts(self, task: Task) -> str:
        """What the task's /etc/hosts has of it."""
        held = self._held.get(task.id)
        return hosts(held.proxies[0]) if held is not None else ""

    async def leave(self, task: Task) -> None:
        """Return when no proxy sends the task anything new, and what it was sent is answered, or has taken long."""
        if task.proxy is None:
            return
        try:
            async with asyncio.timeout(LET_GO_WITHIN_S):
                await asyncio.gather(*self._tell(task.account, task.region))
            for _ in range(LOOKS):
                if not await self._busy(task):
                    break
                await self._clock.sleep(LOOK_S)
        except (TimeoutError, OSError, Rejected) as error:
            log.info("task %s stops while its Service Connect proxy is used: %r", task.id, error)

    async def stop(self, task: Task) -> None:
        """Take the task's proxy away; nothing happens where there is none."""
        held = self._held.pop(task.id, None)
        for each in held.proxies if held is not None else ():
            try:
                await self._world.apply_table(each.owner, "", TABLE, "")
                async with asyncio.timeout(LET_GO_WITHIN_S):
                    await self._envoy.withdraw(each.owner)
            except (TimeoutError, Rejected, RulesetRefused, NoSuchNamespace, OSError) as error:
                log.warning("the Service Connect proxy of task %s was not taken away: %r", task.id, error)

    async def _busy(self, task: Task) -> bool:
        """Whether requests are under way that came in through the task's proxy."""
        names = [each.name for each in self.inward() if each.task.id == task.id and each.offer.protocol != TCP]
        if not names:
            return False
        listed = "|".join(map(re.escape, names))
        text = await self._envoy.statistics(rf"^http\.({listed})\.downstream_rq_active$")
        return any(int(line.rpartition(":")[2]) > 0 for line in text.splitlines() if ":" in line)

    def inward(self) -> Iterator[Inward]:
        """What tasks serve through their proxies now."""
        snapshot = self._store.snapshot()
        for id, held in self._held.items():
            if (task := snapshot.get(Task, held.account, held.region, id)) is not None:
                for each in held.proxies:
                    yield from (Inward(each.cluster(way), task, way.offer) for way in each.inward)

    # -- all of them -------------------------------------------------------------------------------------------------

    async def told(self, service: Service) -> None:
        """Return when every proxy knows who serves what, where that is for the stages of a service's deployment."""
        course = self._store.snapshot().get(ServiceDeployment, service.account, service.region, service.current)
        connected = service.primary is not None and service.primary.connect is not None
        if connected and course is not None and course.open and shifting(course):
            await asyncio.gather(*self._tell(service.account, service.region))

    async def _reconcile(self, work: str) -> None:
        account, region = work.split("|")
        await asyncio.gather(*self._tell(account, region))

    def _tell(
        self, account: str, region: str, proxies: Sequence[Placed] | None = None
    ) -> list[asyncio.Future[None]]:  # fmt: skip
        """Tell these proxies, or every one, who serves what they know; what they have by now costs nothing."""
        if proxies is None:
            held = (each for each in self._held.values() if (each.account, each.region) == (account, region))
            proxies = [proxy for each in held for proxy in each.proxies]
        if not proxies:
            return []
        served = serving(self._store.snapshot(), account, region)
        return [self._envoy.set_endpoints(each.owner, endpoints(each, served)) for each in proxies]


def _of(offers: Iterable[Offer], container: str) -> list[Offer]:
    return [each for each in offers if container in ("", each.container)]


def _ports(definition: TaskDefinition | None) -> set[int]:
    containers = definition.containers if definition is not None else ()
    return {port.get("containerPort") or 0 for each in containers for port in each.get("portMappings") or ()}


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == Task.kind:
        task = snapshot.get(Task, key.account, key.region, key.id)
        concerned = task is not None and task.proxy is not None
    else:
        course = snapshot.get(ServiceDeployment, key.account, key.region, key.id)
        concerned = course is not None and shifting(course)
    return (f"{key.account}|{key.region}",) if concerned else ()
