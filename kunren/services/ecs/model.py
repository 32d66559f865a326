"""Clusters, task definitions, tasks, services and container instances.

What a caller described and nobody decides by is kept as it came, in AWS's words (`document`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource
from kunren.services.ecs.connect.model import Connect, Proxy

STATUSES = (
    "PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED",
)  # fmt: skip
"""What a task passes through, in this order ("Amazon ECS task lifecycle")."""
STOPPED_KEPT_S = 3600.0
"""How long (AWS time) a stopped task is described."""


class Cluster(Resource, frozen=True, kw_only=True):
    """Its id is its name. `document` has settings, configuration and serviceConnectDefaults."""

    kind: ClassVar[str] = "ecs.cluster"

    status: str = "ACTIVE"
    document: dict[str, Any] = {}
    capacity_providers: tuple[str, ...] = ()
    strategy: tuple[dict[str, Any], ...] = ()
    created_at: float
    tags: dict[str, str] = {}


class Family(Resource, frozen=True, kw_only=True):
    """Its id is the family's name; numbers of revisions are never used again."""

    kind: ClassVar[str] = "ecs.family"

    last: int


class TaskDefinition(Resource, frozen=True, kw_only=True):
    """Its id is FAMILY:REVISION. `document` is what was registered, with AWS's defaults."""

    kind: ClassVar[str] = "ecs.task-definition"

    family: str
    revision: int
    document: dict[str, Any]
    status: str = "ACTIVE"
    registered_at: float
    registered_by: str
    deregistered_at: float | None = None
    delete_requested_at: float | None = None
    tags: dict[str, str] = {}

    @property
    def containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document["containerDefinitions"]
        return found


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Where a task of network mode awsvpc gets its interface."""

    subnets: tuple[str, ...]
    groups: tuple[str, ...] = ()
    public: bool = False


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a container that is one of its container instance's too."""

    container_port: int
    host_port: int
    protocol: str = "tcp"
    bind_ip: str = "0.0.0.0"


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """One container of a task. `id` is the last part of its ARN. `last_status` is PENDING, RUNNING or STOPPED; `health`
    UNKNOWN, HEALTHY or UNHEALTHY."""

    name: str
    id: str
    image: str
    image_digest: str | None = None
    runtime_id: str | None = None
    last_status: str = "PENDING"
    health: str = "UNKNOWN"
    exit_code: int | None = None
    reason: str | None = None
    restarts: int = 0
    bindings: tuple[Binding, ...] = ()


class Task(Resource, frozen=True, kw_only=True):
    """Its id is the last part of its ARN. Others set `desired_status` (`tasks/ask.py`); what it is by then
    (`last_status`, times, containers) its engine's controller observes. `definition` is FAMILY:REVISION; `instance` the
    id of a container instance, where it runs on one. `placement` has RunTask's placementConstraints and
    placementStrategy for one that waits for an instance."""

    kind: ClassVar[str] = "ecs.task"

    cluster: str
    definition: str
    launch_type: str
    capacity_provider: str | None = None
    platform_version: str | None = None
    network: Network | None = None
    instance: str | None = None
    placement: dict[str, Any] = {}
    group: str
    started_by: str | None = None
    overrides: dict[str, Any] = {}
    execute_command: bool = False
    cpu: str
    memory: str
    containers: tuple[ContainerState, ...]

    desired_status: str = "RUNNING"
    last_status: str = "PROVISIONING"
    version: int = 1
    stop_code: str | None = None
    stopped_reason: str | None = None

    availability_zone: str | None = None
    interface_id: str | None = None
    subnet_id: str | None = None
    private_ip: str | None = None
    mac: str | None = None
    attachment_id: str | None = None
    proxy: Proxy | None = None
    """Its proxy of Service Connect."""

    created_at: float
    connected_at: float | None = None
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    started_at: float | None = None
    stopping_at: float | None = None
    execution_stopped_at: float | None = None
    stopped_at: float | None = None

    protected_until: float | None = None
    """AWS time until which it is protected from scale-in; None where it is not."""
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}

    def container(self, name: str) -> ContainerState:
        return next(each for each in self.containers if each.name == name)


class TaskRun(Resource, frozen=True, kw_only=True):
    """Observed: containers of the task run, as processes of these numbers in the world. By container name."""

    kind: ClassVar[str] = "ecs.task-run"
    durable: ClassVar[bool] = False

    pids: dict[str, int]


class TaskEvent(Resource, frozen=True, kw_only=True):
    """A "Task State Change" that EventBridge is still to be told."""

    kind: ClassVar[str] = "ecs.task-event"

    task_id: str
    detail: dict[str, Any]
    at: float


class AccountSetting(Resource, frozen=True, kw_only=True):
    """Its id is NAME|PRINCIPAL, where the default for all of the account has the principal "default"."""

    kind: ClassVar[str] = "ecs.account-setting"

    value: str


# -- services, deployments (`services/`) -------------------------------------------------------------------------------


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A target group in which a container's port of each task is a target."""

    group: str
    container: str
    port: int


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One of a service's deployments, or (where others than ECS deploy) one of its task sets. `id` is ecs-svc/ and 19
    digits, and what its tasks are `started_by`. `document` is its revision in AWS's words; `loads` are the target
    groups that it has by its strategy."""

    id: str
    status: str  # PRIMARY, ACTIVE; of a task set also DRAINING
    revision: str
    definition: str
    desired_count: int
    launch_type: str | None = None
    network: Network | None = None
    loads: tuple[Load, ...] = ()
    connect: Connect | None = None
    document: dict[str, Any] = {}
    failed_tasks: int = 0
    never_ran: int = 0
    """How many tasks in a row ended before they ran."""
    retry_at: float = 0.0
    rollout_state: str = "IN_PROGRESS"
    rollout_reason: str = ""
    completed: bool = False
    """Whether it was COMPLETED once: deployments are rolled back to such a one."""
    scale: float | None = None
    external_id: str | None = None
    stable_since: float | None = None
    created_at: float
    updated_at: float
    tags: dict[str, str] = {}


class Service(Resource, frozen=True, kw_only=True):
    """Its id is CLUSTER/NAME. `document` is what deployments do not change, in AWS's words, with defaults;
    `deployments` has the newest first. `current` is the id of the service deployment that is under way, or was last."""

    kind: ClassVar[str] = "ecs.service"

    cluster: str
    name: str
    status: str = "ACTIVE"
    desired_count: int
    document: dict[str, Any] = {}
    deployments: tuple[Deployment, ...] = ()
    current: str = ""
    events: tuple[dict[str, Any], ...] = ()
    steady: bool = False
    """Whether its events said so since anything changed."""
    created_at: float
    client_token: str | None = None
    tags: dict[str, str] = {}

    @property
    def controller(self) -> str:
        """ECS, CODE_DEPLOY or EXTERNAL."""
        return str(self.document["deploymentController"]["type"])

    @property
    def primary(self) -> Deployment | None:
        return next((each for each in self.deployments if each.status == "PRIMARY"), None)

    def deployment(self, id: str) -> Deployment | None:
        return next((each for each in self.deployments if each.id == id), None)


# -- container instances (`agents/`) -----------------------------------------------------------------------------------


class ContainerInstance(Resource, frozen=True, kw_only=True):
    """Its id is the last part of its ARN. `resources` are those that it registered, by name."""

    kind: ClassVar[str] = "ecs.container-instance"

    cluster: str
    instance_id: str
    status: str = "ACTIVE"
    agent_connected: bool = True
    resources: dict[str, Any] = {}
    attributes: dict[str, str | None] = {}
    versions: dict[str, str] = {}
    capacity_provider: str | None = None
    version: int = 1
    registered_at: float
    tags: dict[str, str] = {}


KINDS: tuple[type[Resource], ...] = (
    Cluster, Family, TaskDefinition, Task, TaskRun, TaskEvent, AccountSetting, Service, ContainerInstance,
)  # fmt: skip
