"""Who still needs a task definition that is to be deleted. Pure."""

from __future__ import annotations

from kunren.control.store import Tx
from kunren.services.ecs.model import Service, Task, TaskDefinition


def in_use(tx: Tx, definition: TaskDefinition) -> bool:
    """Whether a task of it runs, or a service would start some."""
    tasks = (each for each in tx.list(Task, definition.account, definition.region) if each.last_status != "STOPPED")
    services = (each for each in tx.list(Service, definition.account, definition.region) if each.status != "INACTIVE")
    return any(each.definition == definition.id for each in tasks) or any(
        definition.id in {one.definition for one in each.deployments} for each in services
    )
