"""Makes tasks targets of their service's target groups, and takes them out before they stop.

Level-triggered: what a target group has is compared with what the tasks are. That a task is a target is written before
it becomes one, and taken back when the target group has let go of it (its deregistration delay is over); a task that is
to stop waits for that (`still_balanced`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ecs.model import Service, Task
from kunren.services.ecs.services import words
from kunren.services.ecs.services.desk import said
from kunren.services.ecs.services.facts import target_of
from kunren.services.ecs.services.model import Member, Registered
from kunren.services.elbv2.model import Target, TargetGroup

Calls = Mapping[str, list[Registered]]


class Balancing:
    """`keep` takes the steps that are due for one service."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call

    async def keep(self, service: Service) -> None:
        self._note_wanted(service)
        snapshot = self._store.snapshot()
        register, deregister = due(snapshot, service)
        for group, targets in deregister.items():
            await self._tell(service, "DeregisterTargets", group, targets)
            self._say(service, words.deregistered(service, group, len(targets)))
        for group, targets in register.items():
            if await self._tell(service, "RegisterTargets", group, targets):
                self._say(service, words.registered(service, group, len(targets)))
        self._let_go(service)

    def _note_wanted(self, service: Service) -> None:
        """Tasks that run are targets from now on."""
        snapshot = self._store.snapshot()
        changed = []
        for member, task in members(snapshot, service):
            wanted = wanted_targets(snapshot, service, member, task)
            if wanted is not None and not set(wanted) <= set(member.targets):
                both = tuple(dict.fromkeys((*member.targets, *wanted)))
                changed.append(replace(member, targets=both))
        if changed:
            with self._store.write() as tx:
                for each in changed:
                    tx.put(each)

    def _let_go(self, service: Service) -> None:
        """Take from tasks what target groups have of them no more."""
        snapshot = self._store.snapshot()
        owned = _owned(snapshot, service)
        with self._store.write() as tx:
            for member, task in members(snapshot, service):
                wanted = wanted_targets(snapshot, service, member, task)
                ended = task is None or task.last_status in ("DEPROVISIONING", "STOPPED")
                kept = tuple(
                    each
                    for each in member.targets
                    if (wanted is not None and each in wanted)
                    or (each not in owned and _holds(_found(snapshot, service, each), ended))
                )
                if kept != member.targets:
                    tx.put(replace(member, targets=kept))

    async def _tell(self, service: Service, operation: str, group: str, targets: Iterable[Registered]) -> bool:
        told = [{"Id": each.id, "Port": each.port} for each in targets]
        params: dict[str, Any] = {"TargetGroupArn": group, "Targets": told}
        try:
            await self._call(service.account, service.region, "elbv2", operation, params)
        except AwsError as error:
            doing = "register" if operation == "RegisterTargets" else "deregister"
            self._say(
                service,
                f"(service {service.name}) failed to {doing} targets in (target-group {group}) with "
                f"(error {error.message})",
            )
            return False
        return True

    def _say(self, service: Service, text: str) -> None:
        with self._store.write() as tx:
            found = tx.get(Service, service.account, service.region, service.id)
            if found is not None and (not found.events or found.events[0]["message"] != text):
                tx.put(said(found, self._entropy, self._clock.now(), text))


def members(snapshot: Snapshot, service: Service) -> list[tuple[Member, Task | None]]:
    return [
        (each, snapshot.get(Task, service.account, service.region, each.id))
        for each in snapshot.by_id(Member, service.account, service.region).values()
        if each.service == service.id
    ]


def wanted_targets(
    snapshot: Snapshot, service: Service, member: Member, task: Task | None
) -> tuple[Registered, ...] | None:
    """The targets that a task is to be; None where it is to be none any more. Before it runs, it is none yet."""
    if (
        task is None
        or task.desired_status != "RUNNING"
        or task.last_status in ("STOPPING", "DEPROVISIONING", "STOPPED")
    ):
        return None
    if task.last_status not in ("ACTIVATING", "RUNNING"):
        return ()
    deployment = service.deployment(member.deployment)
    loads = deployment.loads if deployment is not None else ()
    found = [target_of(snapshot, task, each) for each in loads]
    return tuple(each for each in found if each is not None)


def due(snapshot: Snapshot, service: Service) -> tuple[Calls, Calls]:
    """By target group: what is to be registered, and what deregistered."""
    register: dict[str, list[Registered]] = {}
    deregister: dict[str, list[Registered]] = {}
    owned = _owned(snapshot, service)
    for member, task in members(snapshot, service):
        wanted = wanted_targets(snapshot, service, member, task)
        for each in member.targets:
            found = _found(snapshot, service, each)
            if wanted is not None and each in wanted:
                if found is None and snapshot.get(TargetGroup, service.account, service.region, each.group) is not None:
                    register.setdefault(each.group, []).append(each)
            elif found is not None and found.draining_since is None and each not in owned:
                deregister.setdefault(each.group, []).append(each)
    return register, deregister


def _owned(snapshot: Snapshot, service: Service) -> set[Registered]:
    """The targets that tasks are to be: an address may be another task's by now."""
    found: set[Registered] = set()
    for member, task in members(snapshot, service):
        found.update(wanted_targets(snapshot, service, member, task) or ())
    return found


def _holds(found: Target | None, ended: bool) -> bool:
    """Whether a target group still has to let go of a target: of a task that has ended, it need only have begun to."""
    return found is not None and (not ended or found.draining_since is None)


def _found(snapshot: Snapshot, service: Service, wanted: Registered) -> Target | None:
    group = snapshot.get(TargetGroup, service.account, service.region, wanted.group)
    if group is None:
        return None
    return next((each for each in group.targets if (each.id, each.port) == (wanted.id, wanted.port)), None)
