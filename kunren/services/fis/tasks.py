"""aws:ecs:stop-task: tasks are asked to stop, as StopTask does; what a service makes of that is the service's.

Done once: an action is over when it was begun. "AWS FIS Actions reference", "Amazon ECS actions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Store
from kunren.services.ecs.model import Task
from kunren.services.ecs.tasks.ask import ask_to_stop
from kunren.services.fis.network import ActionFailed, Doing

REASON = "Task stopped by AWS FIS"


class StopTasks:
    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, doing: Doing) -> dict[str, Any]:
        with self._store.write() as tx:
            for found in doing.resources:
                task = tx.get(Task, found.account, found.region, found.id)
                if task is None:
                    raise ActionFailed(f"{found.arn} is gone.")
                ask_to_stop(tx, task, REASON)
        return {}

    def end(self, undo: Mapping[str, Any]) -> None:
        """A task that was stopped does not start again."""
