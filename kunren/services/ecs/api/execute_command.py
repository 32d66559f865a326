"""ECS Exec: a command in a container that runs, on a terminal that the caller's session reaches."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kunren.core.context import RequestContext
from kunren.dataplane.containers.interface import RunningContainer
from kunren.dataplane.sessions.session import Session
from kunren.dataplane.sessions.sessions import Sessions, TooMany
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster, find_task
from kunren.services.ecs.model import Task, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.services.ecs.tasks.exec_logs import ExecLogs, place_of
from kunren.services.ecs.tasks.plan import plans
from kunren.services.ecs.tasks.runner import TaskRunner
from kunren.world.interface import Process

_NOT_CONNECTED = "The execute command failed due to an internal error. Try again later."
_NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn\u2019t running. Wait and try again or run a new task with execute command enabled and try again."
)
_NO_ROLE = (
    "The {what} because a valid taskRoleArn is not being used. Specify a valid task role in your task definition and "
    "try again."
)


class ExecuteCommandOperations(Operations):
    """What is beside the store is set by `kunren.services.ecs.service`."""

    sessions: Sessions
    exec_logs: ExecLogs
    runner_of: Callable[[str], TaskRunner | None]

    def execute_command(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        if not params["interactive"]:
            raise errors.InvalidParameterException("Interactive is the only mode supported currently.")
        argv = _words(params["command"])
        task = find_task(snapshot, ctx, cluster, params["task"])
        if task is None:
            raise errors.InvalidParameterException("The referenced task was not found.")
        if task.last_status == "STOPPED":
            raise errors.InvalidParameterException("The execute command failed because the task is stopped.")
        if not task.execute_command or task.last_status in ("PROVISIONING", "PENDING"):
            raise errors.InvalidParameterException(_NOT_ENABLED)
        name = _container(task, params.get("container"))
        runner = self.runner_of(task.id)
        running = runner.containers.get(name) if runner is not None else None
        if running is None:
            raise errors.TargetNotConnectedException(_NOT_CONNECTED)
        state = task.container(name)
        try:
            session, token = self.sessions.open(
                "ecs-execute-command", f"ecs:{cluster.id}_{task.id}_{state.runtime_id}", "InteractiveCommands",
                _starting(running, argv), self._ended(task, name, cluster.document),
            )  # fmt: skip
        except TooMany as error:
            raise errors.TargetNotConnectedException(_NOT_CONNECTED) from error
        return {
            "clusterArn": arn(cluster, "cluster", cluster.id),
            "containerArn": arn(task, "container", task.cluster, task.id, state.id),
            "containerName": name,
            "interactive": True,
            "session": {
                "sessionId": session,
                "streamUrl": self.sessions.stream_url(ctx, session),
                "tokenValue": token,
            },
            "taskArn": arn(task, "task", task.cluster, task.id),
        }

    def _ended(self, task: Task, name: str, cluster: Mapping[str, Any]) -> Any:
        """What keeps the session's output once it has ended; None where nobody wants it."""
        definition = self._store.snapshot().get(TaskDefinition, task.account, task.region, task.definition)
        if definition is None:
            return None
        configuration = (cluster.get("configuration") or {}).get("executeCommandConfiguration") or {}
        place = place_of(configuration, plans(task, definition)[name], task.region)
        if place is None:
            return None

        async def ended(session: Session) -> None:
            at_ms = int(self._clock.now() * 1000)
            await self.exec_logs.keep(task, place, session.id, bytes(session.record), at_ms)

        return ended


def check_configuration(params: Params) -> None:
    """A cluster's configuration, of ECS Exec. Raises InvalidParameterException, NotYet."""
    told = (params.get("configuration") or {}).get("executeCommandConfiguration") or {}
    places = told.get("logConfiguration") or {}
    if told.get("logging") == "OVERRIDE" and not places:
        raise errors.InvalidParameterException("logConfiguration must be specified when logging is OVERRIDE.")
    if places and told.get("logging") != "OVERRIDE":
        raise errors.InvalidParameterException("logConfiguration can only be specified when logging is OVERRIDE.")
    if told.get("kmsKeyId"):
        raise errors.NotYet("encryption of ECS Exec sessions by a key of KMS")


def check_role(definition: TaskDefinition, overrides: Mapping[str, Any], params: Params, what: str) -> None:
    """The agent of ECS Exec asks with the task's role. Raises InvalidParameterException."""
    if not params.get("enableExecuteCommand"):
        return
    if not (overrides.get("taskRoleArn") or definition.document.get("taskRoleArn")):
        raise errors.InvalidParameterException(_NO_ROLE.format(what=what))


def _words(command: str) -> tuple[str, ...]:
    """As a shell splits them; no shell heeds the rest. Raises InvalidParameterException."""
    try:
        found = tuple(shlex.split(command))
    except ValueError as error:
        raise errors.InvalidParameterException("The command is not valid.") from error
    if not found:
        raise errors.InvalidParameterException("Command cannot be blank.")
    return found


def _container(task: Task, named: str | None) -> str:
    """Raises InvalidParameterException."""
    names = [each.name for each in task.containers]
    if named:
        if named not in names:
            raise errors.InvalidParameterException("The container name specified was not found in the task.")
        return named
    if len(names) > 1:
        raise errors.InvalidParameterException(
            "A container name is required when the task has more than one container."
        )
    return names[0]


def _starting(container: RunningContainer, argv: Sequence[str]) -> Callable[[int], Any]:
    async def start(terminal: int) -> Process:
        try:
            return await container.open_terminal(argv, terminal)
        except OSError as error:
            raise OSError(error.errno, _refusal(argv[0], error)) from error

    return start


def _refusal(program: str, error: OSError) -> str:
    """As Go's os/exec says it."""
    if isinstance(error, FileNotFoundError) and "/" not in program:
        return f'exec: "{program}": executable file not found in $PATH'
    return f"fork/exec {program}: {(error.strerror or str(error)).lower()}"
