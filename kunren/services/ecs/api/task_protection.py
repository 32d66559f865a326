"""Protection of services' tasks from scale-in and from deployments."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster, own_name
from kunren.services.ecs.model import Cluster, Task
from kunren.services.ecs.names import arn, last_part

MINUTES_MAX, MINUTES = 2880, 120
CHANGED_MAX = 10


class TaskProtectionOperations(Operations):
    def update_task_protection(self, ctx: RequestContext, params: Params) -> Result:
        minutes = params["expiresInMinutes"] if params.get("expiresInMinutes") is not None else MINUTES
        if not 1 <= minutes <= MINUTES_MAX:
            raise errors.InvalidParameterException(f"expiresInMinutes must be between 1 and {MINUTES_MAX}.")
        if not 1 <= len(params["tasks"]) <= CHANGED_MAX:
            raise errors.InvalidParameterException(f"Between 1 and {CHANGED_MAX} tasks can be changed at once.")
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params["cluster"])
            found, failures = _tasks(tx, ctx, cluster, params["tasks"])
            until = self._clock.now() + 60.0 * minutes if params["protectionEnabled"] else None
            changed = [replace(each, protected_until=until) for each in found]
            for each in changed:
                tx.put(each)
        return {"protectedTasks": [self._shown(each) for each in changed], "failures": failures}

    def get_task_protection(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params["cluster"])
        found, failures = _tasks(snapshot, ctx, cluster, params.get("tasks") or ())
        return {"protectedTasks": [self._shown(each) for each in found], "failures": failures}

    def _shown(self, task: Task) -> dict[str, Any]:
        until = task.protected_until
        shown: dict[str, Any] = {"taskArn": arn(task, "task", task.cluster, task.id), "protectionEnabled": False}
        if until is not None and until > self._clock.now():
            shown |= {"protectionEnabled": True, "expirationDate": until}
        return shown


def _tasks(
    reader: Snapshot | Tx, ctx: RequestContext, cluster: Cluster, named: Any
) -> tuple[list[Task], list[dict[str, str]]]:
    """Those that are a service's and run; failures for the others."""
    found, failures = [], []
    for each in named:
        task = reader.get(Task, ctx.account, ctx.region, last_part(own_name(ctx, each, "task")))
        where = each if each.startswith("arn:") else arn(cluster, "task", cluster.id, each)
        if task is None or task.cluster != cluster.id:
            failures.append({"arn": where, "reason": "MISSING"})
        elif not task.group.startswith("service:") or task.desired_status == "STOPPED":
            failures.append({
                "arn": where, "reason": "TASK_NOT_VALID",
                "detail": "The task is not a running task of an Amazon ECS service.",
            })  # fmt: skip
        else:
            found.append(task)
    return found, failures
