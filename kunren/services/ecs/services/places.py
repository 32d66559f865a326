"""The container instances of a cluster as placement sees them: what is left of each, and who is there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from kunren.control.store import Snapshot, Tx
from kunren.services.ecs.agents.rows import PORT_SETS, host_ports, remaining
from kunren.services.ecs.model import ContainerInstance, Task, TaskDefinition
from kunren.services.ecs.services.placement import Place, Port


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
    by_instance = by_instance_of(found, snapshot.by_id(Task, account, region).values())
    return [place_of(snapshot, each, by_instance[each.id], group) for each in found]


def by_instance_of(instances: Iterable[ContainerInstance], tasks: Iterable[Task]) -> Mapping[str, list[Task]]:
    """The tasks that are not STOPPED, by the id of their instance."""
    found: dict[str, list[Task]] = {each.id: [] for each in instances}
    for task in tasks:
        if task.instance in found and task.last_status != "STOPPED":
            found[task.instance].append(task)
    return found


def place_of(reader: Snapshot | Tx, instance: ContainerInstance, tasks: Sequence[Task], group: str) -> Place:
    """The instance with its tasks. Their ports are those that they state and, in bridge mode, those that were chosen
    for them."""
    left = remaining(reader, instance, tasks)
    groups = Counter(each.group for each in tasks)
    stated = {(protocol, int(port)) for protocol, name in PORT_SETS.items() for port in left.get(name) or ()}
    bound = {(each.protocol, each.host_port) for task in tasks for one in task.containers for each in one.bindings}
    return Place(
        instance.id, instance.attributes, int(left.get("CPU") or 0), int(left.get("MEMORY") or 0),
        frozenset(stated | bound), groups[group], dict(groups), instance.instance_id,
    )  # fmt: skip


def ports_of(definition: TaskDefinition) -> frozenset[Port]:
    """The ports of its instance that a task of the definition must have."""
    return frozenset((protocol, port) for protocol, ports in host_ports(definition).items() for port in ports)
