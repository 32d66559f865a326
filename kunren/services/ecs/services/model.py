"""What services keep besides their own rows: revisions, service deployments, and what is known of each task."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource, Snapshot, Tx
from kunren.services.ecs.model import Task


class ServiceRevision(Resource, frozen=True, kw_only=True):
    """What one deployment is of; never changed. Its id is CLUSTER/NAME/NUMBER. `document` is in AWS's words."""

    kind: ClassVar[str] = "ecs.service-revision"

    service: str
    document: dict[str, Any]
    created_at: float


class HookRun(msgspec.Struct, frozen=True, kw_only=True):
    """One lifecycle hook at one stage and step. `status` is as DeploymentLifecycleHookDetail has it; `ask_at` when its
    function is asked (again)."""

    id: str
    index: int
    stage: str
    step: int
    status: str
    since: float
    ask_at: float
    expires_at: float | None = None


class ServiceDeployment(Resource, frozen=True, kw_only=True):
    """How a service came from some revisions to another one. Its id is CLUSTER/NAME/ID. `source` and `target` are ids
    of deployments (`Deployment`), `source_revisions` and `target_revision` of revisions; `stage`, `stage_since` and
    `step` say how far one that shifts traffic has come. `bake_until` is of a rolling one that watches alarms."""

    kind: ClassVar[str] = "ecs.service-deployment"

    service: str
    status: str = "PENDING"
    reason: str | None = None
    source: str | None = None
    source_revisions: tuple[str, ...] = ()
    target: str
    target_revision: str
    configuration: dict[str, Any] = {}
    stage: str | None = None
    stage_since: float = 0.0
    step: int = 0
    reconciles: bool = False
    hooks: tuple[HookRun, ...] = ()
    failures: int = 0
    breaker: str = "DISABLED"
    alarms: str = "DISABLED"
    triggered: tuple[str, ...] = ()
    bake_until: float | None = None
    rollback_reason: str | None = None
    rollback_at: float | None = None
    rollback_revision: str | None = None
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    stopped_at: float | None = None
    updated_at: float

    @property
    def open(self) -> bool:
        return self.status in OPEN


OPEN = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A target of a target group."""

    group: str
    id: str
    port: int


class Member(Resource, frozen=True, kw_only=True):
    """What a service knows of its task, whose id it has: the targets that it is, and whether it was healthy once. A
    task with targets stays DEACTIVATING when it is to stop: they are taken from it when load balancers have let go."""

    kind: ClassVar[str] = "ecs.member"

    service: str
    deployment: str
    targets: tuple[Registered, ...] = ()
    registries: dict[str, str] = {}
    """The registries of Cloud Map that have it (ARNs), with the health that each was told last."""
    proven: bool = False
    failed: bool = False
    """Whether its failure has been counted."""


class ServiceNotice(Resource, frozen=True, kw_only=True):
    """What EventBridge is still to be told of a service. Its id sorts by time."""

    kind: ClassVar[str] = "ecs.service-notice"

    service: str
    detail_type: str
    detail: dict[str, Any]
    at: float


KINDS: tuple[type[Resource], ...] = (ServiceRevision, ServiceDeployment, Member, ServiceNotice)


def still_balanced(reader: Snapshot | Tx, task: Task) -> bool:
    """Whether load balancers still have the task as a target: nobody stops its containers before they let go."""
    member = reader.get(Member, task.account, task.region, task.id)
    return member is not None and bool(member.targets)
