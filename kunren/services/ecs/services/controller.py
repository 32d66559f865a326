"""Keeps each service: its tasks, their place behind load balancers, its deployments.

Every look reads one snapshot, decides by pure functions, and writes one transaction; then load balancers are told what
follows. Rows of tasks, targets and their health bring the next look, and a timer what is due by time alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ecs.connect import offering
from kunren.services.ecs.model import ContainerInstance, Service, Task
from kunren.services.ecs.services import course, staffing, stages
from kunren.services.ecs.services.alarms import LOOK_S, Alarms
from kunren.services.ecs.services.balancing import Balancing
from kunren.services.ecs.services.desk import Desk
from kunren.services.ecs.services.discovery import Discovery
from kunren.services.ecs.services.hook_runner import HookRunner
from kunren.services.ecs.services.hooks import present
from kunren.services.ecs.services.model import Member, ServiceDeployment
from kunren.services.ecs.services.notices import ServiceNotices
from kunren.services.ecs.services.progress import progress_of, shape_of, shifting
from kunren.services.ecs.services.scheduling import HEALTHY_AFTER_S
from kunren.services.ecs.services.traffic import Traffic
from kunren.services.elbv2.model import TargetGroup, TargetHealth

_KINDS = (
    Service.kind, ServiceDeployment.kind, Task.kind, Member.kind, ContainerInstance.kind, TargetGroup.kind,
    TargetHealth.kind,
)  # fmt: skip
LOOK_AGAIN_S = 60.0


class ServiceController:
    """`run` lives until it is cancelled. The elbv2 kinds are registered before."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy
        self._balancing = Balancing(store, clock, entropy, call)
        self._traffic = Traffic(store, call)
        self._discovery = Discovery(store, call)
        self._alarms = Alarms(store, clock, call)
        self.hooks = HookRunner(store, clock, call)
        self.notices = ServiceNotices(store, clock, call)
        self.before: Callable[[Service], Awaitable[None]] = nothing
        """Awaited before each look: what the last one wanted of proxies is so then."""
        self._controller = Controller(
            "ecs-services", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in _KINDS,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self._controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        if (service := self._service(work)) is None:
            return
        await self._alarms.look(self._course(service))
        await self.before(service)
        self._look(service)
        if (service := self._service(work)) is None:
            return
        if await self._traffic.keep(service, self._course(service)):
            self._controller.enqueue(work)
        await self._balancing.keep(service)
        await self._discovery.keep(service, self._clock.now())
        self._look_again(work)

    def _service(self, work: str) -> Service | None:
        account, region, id = work.split("|", 2)
        found = self._store.snapshot().get(Service, account, region, id)
        return found if found is not None and found.status != "INACTIVE" else None

    def _course(self, service: Service) -> ServiceDeployment | None:
        return self._store.snapshot().get(ServiceDeployment, service.account, service.region, service.current)

    def _look(self, before: Service) -> None:
        now = self._clock.now()
        snapshot = self._store.snapshot()
        service = snapshot.get(Service, before.account, before.region, before.id)
        if service is None:
            return
        with self._store.write() as tx:
            desk = Desk.opened(snapshot, tx, self._entropy, now, service)
            desk.shifted = self._traffic.is_as_wanted(service, desk.course)
            desk.alarm_bake_s = self._alarms.bake_s(desk.course)
            staffing.recount(desk)
            course.count(desk)
            course.advance(desk)
            staffing.staff(desk)
            if service.status == "DRAINING" and not desk.members and not _alive(desk):
                desk.service = replace(desk.service, deployments=())
            if not offering.forget(tx, desk.service) and service.status == "DRAINING" and not desk.service.deployments:
                desk.service = replace(desk.service, status="INACTIVE")
            desk.close(service)

    def _look_again(self, work: str) -> None:
        service = self._service(work)
        if service is None:
            return
        now = self._clock.now()
        due = [each for each in self._due(service, now) if each > now]
        wait_s = max(min([*due, now + LOOK_AGAIN_S]) - now, 0.05)
        self._controller.enqueue_after(wait_s, work)

    def _due(self, service: Service, now: float) -> Iterable[float]:
        """AWS times at which something may be due though no row changes."""
        yield from (each.retry_at for each in service.deployments)
        if service.status == "DRAINING":
            yield now + 1.0
        grace_s = float(service.document.get("healthCheckGracePeriodSeconds") or 0)
        snapshot = self._store.snapshot()
        for member in snapshot.by_id(Member, service.account, service.region).values():
            if member.service != service.id:
                continue
            task = snapshot.get(Task, service.account, service.region, member.id)
            if task is not None and task.started_at is not None:
                yield task.started_at + HEALTHY_AFTER_S
                yield task.started_at + grace_s
            if task is not None and task.protected_until is not None:
                yield task.protected_until
        found = self._course(service)
        if found is None or not found.open:
            return
        if found.alarms == "MONITORING":
            yield now + LOOK_S
        if found.bake_until is not None:
            yield found.bake_until
        if shifting(found):
            yield from (each.expires_at for each in present(found) if each.expires_at is not None)
            progress = progress_of(found)
            at = stages.looks_again_at(progress, shape_of(found))
            yield at if at is not None else progress.since + stages.STAGE_MAX_S


async def nothing(service: Service) -> None:
    """Where no service has proxies."""


def _alive(desk: Desk) -> bool:
    return any(each.last_status != "STOPPED" for each in desk.tasks.values())


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    scope = f"{key.account}|{key.region}|"
    if key.kind == Service.kind:
        return (scope + key.id,)
    if key.kind == ServiceDeployment.kind:
        return (scope + key.id.rpartition("/")[0],)
    if key.kind in (Task.kind, Member.kind):
        member = snapshot.get(Member, key.account, key.region, key.id)
        if member is not None:
            return (scope + member.service,)
        task = snapshot.get(Task, key.account, key.region, key.id)
        name = task.group.removeprefix("service:") if task is not None and task.group.startswith("service:") else None
        return (f"{scope}{task.cluster}/{name}",) if task is not None and name else ()
    services = snapshot.by_id(Service, key.account, key.region).values()
    if key.kind == ContainerInstance.kind:
        instance = snapshot.get(ContainerInstance, key.account, key.region, key.id)
        return [scope + each.id for each in services if instance is None or each.cluster == instance.cluster]
    group = key.id.partition("|")[0]
    return [scope + each.id for each in services if _has(each, group)]


def _has(service: Service, group: str) -> bool:
    return any(load.group == group for each in service.deployments for load in each.loads)


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Service) if each.status != "INACTIVE"]
