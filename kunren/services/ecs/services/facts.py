"""What is so of a service's tasks, from the rows: which run, how their health is, where they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.services.ec2.model import Subnet
from kunren.services.ecs.model import ContainerInstance, Deployment, Load, Service, Task, TaskDefinition
from kunren.services.ecs.services.model import Member, Registered
from kunren.services.ecs.services.scheduling import (
    HEALTHY,
    HEALTHY_AFTER_S,
    RUNNING,
    STARTING,
    UNHEALTHY,
    WAITING,
    TaskView,
)
from kunren.services.elbv2.model import TargetGroup, TargetHealth

COMING = ("PROVISIONING", "PENDING", "ACTIVATING")


def group_of(service: Service) -> str:
    """What the tasks of a service have as their group."""
    return f"service:{service.name}"


def tasks_of(snapshot: Snapshot, service: Service) -> dict[str, Task]:
    group, found = group_of(service), snapshot.by_id(Task, service.account, service.region)
    return {id: each for id, each in found.items() if each.group == group and each.cluster == service.cluster}


def deployment_of(snapshot: Snapshot, task: Task) -> Deployment | None:
    """Of its service the deployment that the task is of."""
    member = snapshot.get(Member, task.account, task.region, task.id)
    service = snapshot.get(Service, task.account, task.region, member.service) if member is not None else None
    return service.deployment(member.deployment) if member is not None and service is not None else None


def counts(tasks: Mapping[str, Task], deployment: str | None = None) -> tuple[int, int]:
    """runningCount and pendingCount, of a deployment or of all."""
    chosen = [each for each in tasks.values() if deployment in (None, each.started_by)]
    running = sum(each.last_status == "RUNNING" for each in chosen)
    return running, sum(each.last_status in COMING and each.desired_status == "RUNNING" for each in chosen)


def views(
    snapshot: Snapshot, service: Service, tasks: Mapping[str, Task], members: Mapping[str, Member], now: float
) -> dict[str, list[TaskView]]:
    """By deployment: the tasks that are meant to run."""
    by_id = {each.id: each for each in service.deployments}
    grace_s = float(service.document.get("healthCheckGracePeriodSeconds") or 0)
    found: dict[str, list[TaskView]] = {}
    for task in tasks.values():
        if task.desired_status != "RUNNING" or task.last_status not in (*COMING, "RUNNING"):
            continue
        deployment = by_id.get(task.started_by or "")
        member = members.get(task.id)
        health, checked = health_of(snapshot, task, deployment, grace_s, now)
        view = TaskView(
            id=task.id,
            deployment=task.started_by or "",
            state=RUNNING if task.last_status == "RUNNING" else STARTING,
            health=health,
            zone=zone_of(snapshot, task),
            since=task.created_at,
            instance=task.instance,
            proven=member is not None and member.proven,
            protected=task.protected_until is not None and task.protected_until > now,
            checked=checked,
        )
        found.setdefault(view.deployment, []).append(view)
    return found


def health_of(
    snapshot: Snapshot, task: Task, deployment: Deployment | None, grace_s: float, now: float
) -> tuple[str, bool]:
    """HEALTHY, WAITING or UNHEALTHY, and whether anybody checks: its containers, or load balancers."""
    seen = [*_of_containers(snapshot, task), *_of_targets(snapshot, task, deployment)]
    started = task.started_at
    if task.last_status != "RUNNING" or started is None:
        return WAITING, bool(seen)
    if not seen:
        return (HEALTHY if now >= started + HEALTHY_AFTER_S else WAITING), False
    if UNHEALTHY in seen:
        return (UNHEALTHY if now >= started + grace_s else WAITING), True
    return (HEALTHY if all(each == HEALTHY for each in seen) else WAITING), True


def _of_containers(snapshot: Snapshot, task: Task) -> list[str]:
    definition = snapshot.get(TaskDefinition, task.account, task.region, task.definition)
    if definition is None:
        return []
    checked = [each["name"] for each in definition.containers if _is_checked(each)]
    words = {"HEALTHY": HEALTHY, "UNHEALTHY": UNHEALTHY}
    return [words.get(task.container(name).health, WAITING) for name in checked]


def containers_well(snapshot: Snapshot, task: Task) -> bool:
    """Whether all containers that are checked are found healthy."""
    return all(each == HEALTHY for each in _of_containers(snapshot, task))


def _is_checked(container: Mapping[str, Any]) -> bool:
    check = container.get("healthCheck")
    return bool(container.get("essential", True) and check and check["command"][0] != "NONE")


def _of_targets(snapshot: Snapshot, task: Task, deployment: Deployment | None) -> list[str]:
    found = []
    for load in deployment.loads if deployment is not None else ():
        target = target_of(snapshot, task, load)
        observed = None
        if target is not None:
            id = f"{target.group}|{target.id}|{target.port}"
            observed = snapshot.get(TargetHealth, task.account, task.region, id)
        state = observed.state if observed is not None else ""
        found.append({"healthy": HEALTHY, "unavailable": HEALTHY, "unhealthy": UNHEALTHY}.get(state, WAITING))
    return found


def target_of(reader: Snapshot | Tx, task: Task, load: Load) -> Registered | None:
    """What a target group has of a task: its address, or its instance and the port there; None where it has none."""
    group = reader.get(TargetGroup, task.account, task.region, load.group)
    if group is None or group.target_type == "ip":
        return Registered(group=load.group, id=task.private_ip, port=load.port) if task.private_ip else None
    instance = reader.get(ContainerInstance, task.account, task.region, task.instance or "")
    held = next((each for each in task.containers if each.name == load.container), None)
    if instance is None or held is None:
        return None
    bound = next((each.host_port for each in held.bindings if each.container_port == load.port), load.port)
    return Registered(group=load.group, id=instance.instance_id, port=bound)


def zone_of(reader: Snapshot | Tx, task: Task) -> str:
    """Where it is, or is going to be."""
    if task.availability_zone:
        return task.availability_zone
    if task.network is not None and len(task.network.subnets) == 1:
        subnet = reader.get(Subnet, task.account, task.region, task.network.subnets[0])
        return subnet.availability_zone if subnet is not None else ""
    return ""


def is_ready(view: TaskView) -> bool:
    """Whether it does what it is for: it runs, and whoever checks it finds it healthy."""
    return view.state == RUNNING and (view.health == HEALTHY or (not view.checked and view.health == WAITING))
