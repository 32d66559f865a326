"""Tasks that wait, PROVISIONING, until their capacity provider has room: who waits, and who finds a place."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.entropy import Entropy
from kunren.services.ecs.agents.placing import placed
from kunren.services.ecs.capacity.model import CapacityProvider
from kunren.services.ecs.errors import InvalidParameterException
from kunren.services.ecs.model import Cluster, Task, TaskDefinition
from kunren.services.ecs.tasks.ask import FAILED_TO_START, ask_to_stop

WAITS_S = 1800.0
"""How long (AWS time) a task waits for room: 10 to 30 minutes by "Deep dive on Amazon ECS cluster auto scaling"."""
NO_ROOM = "The capacity provider had no room for the task in time."


def may_wait(reader: Snapshot | Tx, account: str, region: str, provider: str | None) -> bool:
    """Whether tasks without room wait for the provider to grow."""
    found = reader.get(CapacityProvider, account, region, provider) if provider else None
    return found is not None and found.scales


def waiting(reader: Snapshot | Tx, account: str, region: str, provider: str) -> list[Task]:
    """The tasks that wait for it, the first come first."""
    found = [
        each
        for each in reader.list(Task, account, region)
        if each.capacity_provider == provider and is_unplaced(each) and each.desired_status == "RUNNING"
    ]
    return sorted(found, key=lambda each: (each.created_at, each.id))


def give_up(tx: Tx, provider: CapacityProvider, now: float) -> None:
    """Those that have waited long enough stop."""
    for task in waiting(tx, provider.account, provider.region, provider.id):
        if now >= task.created_at + WAITS_S:
            ask_to_stop(tx, task, NO_ROOM, FAILED_TO_START)


def is_unplaced(task: Task) -> bool:
    return task.launch_type == "EC2" and task.instance is None and task.last_status == "PROVISIONING"


def find_places(tx: Tx, entropy: Entropy, provider: CapacityProvider) -> None:
    """Those for whom there is room now go there. Where one finds none, none that asks for the same does."""
    without: set[str] = set()
    for task in waiting(tx, provider.account, provider.region, provider.id):
        cluster = tx.get(Cluster, task.account, task.region, task.cluster)
        definition = tx.get(TaskDefinition, task.account, task.region, task.definition)
        asked = {**task.placement, "group": task.group}
        kind = f"{task.cluster} {task.definition} {asked}"
        if cluster is None or definition is None or kind in without:
            continue
        try:
            chosen, _ = placed(tx, entropy, cluster, definition, asked, 1, provider.id)
        except InvalidParameterException:  # the others don't wait for one whose definition nobody can read
            continue
        if not chosen:
            without.add(kind)
            continue
        status = task.last_status if definition.document.get("networkMode") == "awsvpc" else "PENDING"
        tx.put(replace(task, instance=chosen[0], last_status=status, version=task.version + 1))
