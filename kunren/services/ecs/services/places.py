"""The container instances of a cluster as placement sees them: what is left of each, and who is there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kunren.control.store import Snapshot
from kunren.services.ecs.agents.rows import host_ports
from kunren.services.ecs.model import ContainerInstance, Task, TaskDefinition
from kunren.services.ecs.services.placement import Place


def places(
    snapshot: Snapshot, account: str, region: str, cluster: str, group: str, provider: str | None = None
) -> list[Place]:
    """Those that take new tasks; of one capacity provider where it is named. `group` is whose tasks are spread."""
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
    return [_place(snapshot, each, by_instance[each.id], group) for each in found]


def _place(snapshot: Snapshot, instance: ContainerInstance, tasks: Iterable[Task], group: str) -> Place:
    cpu, memory = int(instance.resources.get("CPU") or 0), int(instance.resources.get("MEMORY") or 0)
    ports = {int(each) for each in instance.resources.get("PORTS") or ()}
    groups: Counter[str] = Counter()
    for task in tasks:
        cpu, memory = cpu - int(task.cpu or 0), memory - int(task.memory or 0)
        groups[task.group] += 1
        definition = snapshot.get(TaskDefinition, task.account, task.region, task.definition)
        if definition is not None:
            ports |= host_ports(definition)["tcp"]
        ports |= {bound.host_port for each in task.containers for bound in each.bindings}
    return Place(instance.id, instance.attributes, cpu, memory, frozenset(ports), groups[group], dict(groups),
                 instance.instance_id)  # fmt: skip
