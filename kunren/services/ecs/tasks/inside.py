"""Into a running container, as `kunren ssh` goes there."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Snapshot
from kunren.core.errors import AwsError
from kunren.dataplane.guests.guests import environment
from kunren.services.ecs.model import Task
from kunren.services.ecs.tasks.controller import TaskController


class NotRunning(AwsError):
    code = "TargetNotConnectedException"


def inside(snapshot: Snapshot, tasks: TaskController, named: str) -> dict[str, Any] | None:
    """What `kunren.world.exec.enter_guest` needs beside the world, for TASK or TASK/CONTAINER (of several the first one
    that is essential), where TASK is a task's id or the beginning of it, at least eight characters; None where there is
    no such task. Raises NotRunning."""
    id, _, name = named.partition("/")
    found = [each for each in snapshot.every(Task) if len(id) >= 8 and each.id.startswith(id)]
    if len(found) != 1:
        return None
    runner = tasks.runner(found[0].id)
    running = runner.containers if runner is not None else {}
    chosen = name or next((each for each in running if runner is not None and runner.essential(each)), "")
    if chosen not in running:
        raise NotRunning(f"{name or 'Nothing'} of task {found[0].id} does not run.")
    if running[chosen].enter_with:
        raise NotRunning(
            f"A container engine runs {chosen}, whose command leads into it: {running[chosen].enter_with} sh"
        )
    return {
        "pid": running[chosen].pid,
        "namespace": running[chosen].namespace,
        "environment": environment(running[chosen].variables),
        "instance": found[0].id,
    }
