"""The container instances of a cluster as placement sees them: what is left of each, and who is there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from kunren.control.store import Snapshot
from kunren.services.ecs.model import ContainerInstance, Task, TaskDefinition
from kunren.services.ecs.services.placement import Needs, Place


def places(snapshot: Snapshot, account: str, region: str, cluster: str, provider: str | None = None) -> list[Place]:
    """Those that take new tasks; of one capacity provider where it is named."""
    found = [
        each
        for each in snapshot.by_id(ContainerInstance, account, region).values()
        if each.cluster == cluster and each.status == "ACTIVE" and each.agent_connected
        and provider in (None, each.capacity_provider)
    ]  # fmt: skip
    by_instance: dict[str, list[Task]] = {each.id: [] for each in found}
    for task in snapshot.by_id(Task, account, region).values():
        if task.instance in by_instance and task.last_status != "STOPPED":
            by_instance[task.instance].append(task)
    return [_place(snapshot, each, by_instance[each.id]) for each in found]


def needs_of(definition: TaskDefinition, group: str) -> Needs:
    """What a task of that definition takes of its instance."""
    document = definition.document
    in_vpc = document.get("networkMode") == "awsvpc"
    ports = [] if in_vpc else list(_host_ports(definition))
    return Needs(
        int(document.get("cpu") or _sum(definition, "cpu")), int(document.get("memory") or _memory(definition)),
        frozenset(ports), group,
    )  # fmt: skip


def _place(snapshot: Snapshot, instance: ContainerInstance, tasks: Iterable[Task]) -> Place:
    cpu, memory = _amount(instance.resources.get("CPU")), _amount(instance.resources.get("MEMORY"))
    ports = {int(each) for each in _listed(instance.resources.get("PORTS"))}
    groups: Counter[str] = Counter()
    for task in tasks:
        cpu, memory = cpu - int(task.cpu or 0), memory - int(task.memory or 0)
        groups[task.group] += 1
        definition = snapshot.get(TaskDefinition, task.account, task.region, task.definition)
        if definition is not None and task.network is None:
            ports |= set(_host_ports(definition))
        ports |= {bound.host_port for each in task.containers for bound in each.bindings}
    return Place(
        instance.id, instance.attributes, cpu, memory, frozenset(ports), sum(groups.values()), dict(groups)
    )  # fmt: skip


def _amount(told: Any) -> int:
    if isinstance(told, dict):
        return int(told.get("integerValue") or 0)
    return int(told or 0)


def _listed(told: Any) -> list[Any]:
    return list((told.get("stringSetValue") if isinstance(told, dict) else told) or ())


def _host_ports(definition: TaskDefinition) -> Iterable[int]:
    for container in definition.containers:
        for each in container.get("portMappings") or ():
            port = each.get("hostPort") or (
                each.get("containerPort") if definition.document.get("networkMode") == "host" else 0
            )
            if port:
                yield int(port)


def _sum(definition: TaskDefinition, member: str) -> int:
    return sum(int(each.get(member) or 0) for each in definition.containers)


def _memory(definition: TaskDefinition) -> int:
    return sum(int(each.get("memoryReservation") or each.get("memory") or 0) for each in definition.containers)
