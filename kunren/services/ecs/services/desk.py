"""One look at one service: what is read, what is decided, and the transaction that it is written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import build_arn
from kunren.core.clock import iso_utc
from kunren.core.entropy import Entropy
from kunren.services.ecs.model import Deployment, Service, Task
from kunren.services.ecs.names import arn
from kunren.services.ecs.services.facts import tasks_of, views
from kunren.services.ecs.services.model import Member, ServiceDeployment, ServiceNotice
from kunren.services.ecs.services.scheduling import TaskView

EVENTS_MAX = 100
ACTION, CHANGE = "ECS Service Action", "ECS Deployment State Change"


@dataclass(slots=True)
class Desk:
    """`service` and `course` (the service deployment under way, or the last) are as they are by now; `put` and `say`
    change them, `close` writes them."""

    snapshot: Snapshot
    tx: Tx
    entropy: Entropy
    now: float
    service: Service
    course: ServiceDeployment | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    views: dict[str, list[TaskView]] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    shifted: bool = True
    """Whether the load balancers' rules are as the course wants them by now."""
    alarm_bake_s: float = 0.0
    """How long alarms are watched once all else is well."""
    _noted: int = 0

    @classmethod
    def opened(cls, snapshot: Snapshot, tx: Tx, entropy: Entropy, now: float, service: Service) -> Desk:
        made = cls(snapshot, tx, entropy, now, service)
        made.course = snapshot.get(ServiceDeployment, service.account, service.region, service.current)
        made.tasks = tasks_of(snapshot, service)
        members = snapshot.by_id(Member, service.account, service.region)
        made.members = {id: each for id, each in members.items() if each.service == service.id}
        made.views = views(snapshot, service, made.tasks, made.members, now)
        return made

    def close(self, before: Service) -> None:
        if self.service != before:
            self.tx.put(self.service)
        if self.course is not None:
            old = self.snapshot.get(ServiceDeployment, self.course.account, self.course.region, self.course.id)
            if old != self.course:
                self.course = replace(self.course, updated_at=self.now)
                self.tx.put(self.course)

    # -- reading -----------------------------------------------------------------------------------------------------

    def deployment(self, id: str | None) -> Deployment | None:
        return next((each for each in self.service.deployments if each.id == id), None)

    def of(self, deployment: Deployment) -> list[TaskView]:
        return self.views.get(deployment.id, [])

    def present(self, deployment: Deployment) -> bool:
        """Whether a task of it is there in any state but STOPPED."""
        return any(each.started_by == deployment.id and each.last_status != "STOPPED" for each in self.tasks.values())

    # -- changing ----------------------------------------------------------------------------------------------------

    def put(self, changed: Deployment) -> None:
        changed = replace(changed, updated_at=self.now)
        found = tuple(changed if each.id == changed.id else each for each in self.service.deployments)
        self.service = replace(self.service, deployments=found)

    def put_member(self, member: Member) -> None:
        self.members[member.id] = member
        self.tx.put(member)

    def forget(self, member: Member) -> None:
        self.members.pop(member.id, None)
        self.tx.delete(member)

    def say(self, text: str) -> None:
        self.service = said(self.service, self.entropy, self.now, text)

    def tell(self, detail_type: str, kind: str, name: str, detail: dict[str, Any]) -> None:
        """EventBridge; `kind` is INFO, WARN or ERROR."""
        self._noted += 1
        service = self.service
        told = {"eventType": kind, "eventName": name, **detail}
        if detail_type == ACTION:
            told |= {"clusterArn": arn(service, "cluster", service.cluster), "createdAt": iso_utc(self.now)}
        self.tx.put(
            ServiceNotice(
                account=service.account,
                region=service.region,
                service=service.id,
                detail_type=detail_type,
                id=f"{self.now:020.6f}-{self._noted:03d}-{self.entropy.hex(6)}",
                detail=told,
                at=self.now,
            )
        )

    def tell_deployment(self, kind: str, name: str, deployment: str, reason: str) -> None:
        detail = {"deploymentId": deployment, "updatedAt": iso_utc(self.now), "reason": reason}
        self.tell(CHANGE, kind, name, detail)


def said(service: Service, entropy: Entropy, now: float, text: str) -> Service:
    """The service with one more event, the newest first."""
    event = {"id": entropy.uuid(), "createdAt": now, "message": text}
    return replace(service, events=(event, *service.events)[:EVENTS_MAX])


def service_arn(service: Service) -> str:
    return build_arn("ecs", service.region, service.account, f"service/{service.id}")
