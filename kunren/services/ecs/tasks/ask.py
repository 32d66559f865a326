"""How a task is asked for and asked to stop, by whoever decides that: RunTask, a service, a container instance's end.

Both write desired state within the caller's transaction; what follows from it is the tasks' controller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ecs.connect.model import Connect, Proxy
from kunren.services.ecs.model import Cluster, ContainerState, Network, Task, TaskDefinition

USER_INITIATED = "UserInitiated"
SCHEDULER_INITIATED = "ServiceSchedulerInitiated"
ESSENTIAL_EXITED = "EssentialContainerExited"
FAILED_TO_START = "TaskFailedToStart"
SPOT_INTERRUPTION = "SpotInterruption"
TERMINATION_NOTICE = "TerminationNotice"
PLATFORM_LATEST = "1.4.0"


def ask_for_task(
    tx: Tx,
    entropy: Entropy,
    *,
    at: float,
    cluster: Cluster,
    definition: TaskDefinition,
    launch_type: str,
    network: Network | None = None,
    instance: str | None = None,
    placement: Mapping[str, Any] | None = None,
    group: str = "",
    started_by: str | None = None,
    capacity_provider: str | None = None,
    platform_version: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    execute_command: bool = False,
    connect: Connect | None = None,
    client_token: str | None = None,
    client_request: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Task:
    """A new task of that definition, PROVISIONING (or PENDING, where it is placed on the container instance `instance`
    and has no interface of its own). `at` is the present AWS time. What it may be is checked before: this raises
    nothing. `group` is family:FAMILY where none is given."""
    overrides = dict(overrides or {})
    document = definition.document
    on_instance = instance is not None and document.get("networkMode") != "awsvpc"
    task = Task(
        account=cluster.account,
        region=cluster.region,
        id=entropy.hex(32),
        cluster=cluster.id,
        definition=definition.id,
        launch_type=launch_type,
        capacity_provider=capacity_provider,
        platform_version=(platform_version or PLATFORM_LATEST) if launch_type == "FARGATE" else None,
        network=network,
        instance=instance,
        placement=dict(placement or {}) if instance is None and launch_type == "EC2" else {},
        group=group or f"family:{definition.family}",
        started_by=started_by,
        overrides=overrides,
        execute_command=execute_command,
        cpu=overrides.get("cpu") or document.get("cpu") or _sum(definition, "cpu"),
        memory=overrides.get("memory") or document.get("memory") or _sum(definition, "memoryReservation", "memory"),
        containers=tuple(
            ContainerState(name=each["name"], id=entropy.uuid(), image=each["image"]) for each in definition.containers
        ),
        last_status="PENDING" if on_instance else "PROVISIONING",
        proxy=_proxy(entropy, connect),
        created_at=at,
        client_token=client_token,
        client_request=client_request,
        tags=dict(tags or {}),
    )
    tx.put(task)
    return task


def ask_to_stop(tx: Tx, task: Task, reason: str, code: str = USER_INITIATED) -> Task:
    """The task is to stop, for that reason; of one that stops already the first reason stays. `reason` is at most 1024
    characters (StopTask)."""
    task = tx.get(Task, task.account, task.region, task.id) or task
    if task.desired_status == "STOPPED":
        return task
    task = replace(
        task, desired_status="STOPPED", stop_code=code, stopped_reason=reason[:1024], version=task.version + 1
    )
    tx.put(task)
    return task


def _proxy(entropy: Entropy, connect: Connect | None) -> Proxy | None:
    if connect is None:
        return None
    return Proxy(id=entropy.uuid(), name=f"ecs-service-connect-{entropy.lower(5)}", offers=connect.offers)


def _sum(definition: TaskDefinition, *members: str) -> str:
    """What the containers of a definition reserve where the task itself states nothing: each the first of these."""
    return str(sum(next(filter(None, map(each.get, members)), 0) for each in definition.containers))
