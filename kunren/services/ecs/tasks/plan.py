"""What a task's containers are to be, from its definition and what RunTask overrode. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kunren.dataplane.guests.capabilities import CAPABILITIES, RLIMITS
from kunren.services.ecs.definitions.checks import units
from kunren.services.ecs.model import Task, TaskDefinition

START_TIMEOUT_S = 180.0
RESTART_PERIOD_S = 300.0
EPHEMERAL_GIB = 20
"""The ephemeral storage of a task on Fargate that asks for none."""


def ephemeral_gib(task: Task, definition: TaskDefinition | None) -> int:
    """What a task on Fargate has of it."""
    documents = (task.overrides, definition.document if definition is not None else {})
    sizes = [(each.get("ephemeralStorage") or {}).get("sizeInGiB") for each in documents]
    return next(filter(None, sizes), EPHEMERAL_GIB)


@dataclass(frozen=True, slots=True)
class Mount:
    """`volume` is the task's volume, or what container `of` has; `path` is where it is seen."""

    volume: str
    path: str
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Seconds are AWS's. `argv` runs in the container; 0 is healthy."""

    argv: tuple[str, ...]
    interval_s: float
    timeout_s: float
    retries: int
    start_period_s: float


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """`entry_point` and `command` are None, and `user` is empty, where the image's own count. `limits` are (number of
    the resource, soft, hard), -1 being none. Without a stop timeout its engine's counts."""

    name: str
    image: str
    essential: bool
    entry_point: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    environment_files: tuple[str, ...]
    secrets: Mapping[str, str]
    working_directory: str | None
    user: str
    memory_bytes: int
    cpu: int
    mounts: tuple[Mount, ...] = ()
    limits: tuple[tuple[int, int, int], ...] = ()
    waits_for: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = START_TIMEOUT_S
    stop_timeout_s: float | None = None
    health: HealthCheck | None = None
    restarts: bool = False
    restart_period_s: float = RESTART_PERIOD_S
    ignored_codes: tuple[int, ...] = ()
    readonly_root: bool = False
    init: bool = False
    dropped: tuple[int, ...] = ()
    logs: Mapping[str, str] | None = None
    """The options of the log driver awslogs; None where what it prints goes nowhere."""


def plans(task: Task, definition: TaskDefinition) -> dict[str, ContainerPlan]:
    """By container name, in the definition's order."""
    overrides = {each["name"]: each for each in task.overrides.get("containerOverrides") or ()}
    mib = units(task.overrides.get("memory") or definition.document.get("memory"), 1024)
    whole = mib << 20 if mib else None
    cpu, mounts = units(task.cpu, 1024) or 0, _mounts(definition)
    return {
        each["name"]: _plan(each, overrides.get(each["name"], {}), whole, cpu, mounts[each["name"]])
        for each in definition.containers
    }


def _plan(
    given: Mapping[str, Any], override: Mapping[str, Any], whole: int | None, cpu: int, mounts: tuple[Mount, ...]
) -> ContainerPlan:
    """`whole` and `cpu` are the task's memory in bytes and its units of CPU, for a container that states none."""
    environment = {each["name"]: each.get("value", "") for each in given.get("environment") or ()}
    environment |= {each["name"]: each.get("value", "") for each in override.get("environment") or ()}
    files = [*(given.get("environmentFiles") or ()), *(override.get("environmentFiles") or ())]
    memory = override.get("memory") or given.get("memory")
    restart = given.get("restartPolicy") or {}
    linux = given.get("linuxParameters") or {}
    command = override["command"] if override.get("command") else given.get("command")
    return ContainerPlan(
        name=given["name"],
        image=given["image"],
        essential=given.get("essential", True),
        entry_point=tuple(given["entryPoint"]) if given.get("entryPoint") else None,
        command=tuple(command) if command else None,
        environment=environment,
        environment_files=tuple(each["value"] for each in files),
        secrets={each["name"]: each["valueFrom"] for each in given.get("secrets") or ()},
        working_directory=given.get("workingDirectory"),
        user=given.get("user") or "",
        memory_bytes=min(each for each in (memory << 20 if memory else None, whole, 1 << 40) if each),
        cpu=override.get("cpu") or given.get("cpu") or cpu,
        mounts=mounts,
        limits=tuple(
            (RLIMITS[each["name"]], each["softLimit"], each["hardLimit"])
            for each in given.get("ulimits") or ()
            if each["name"] in RLIMITS
        ),
        waits_for={each["containerName"]: each["condition"] for each in given.get("dependsOn") or ()},
        start_timeout_s=float(given.get("startTimeout") or START_TIMEOUT_S),
        stop_timeout_s=given.get("stopTimeout"),
        health=_health(given.get("healthCheck")),
        restarts=bool(restart.get("enabled")),
        restart_period_s=float(restart.get("restartAttemptPeriod") or RESTART_PERIOD_S),
        ignored_codes=tuple(restart.get("ignoredExitCodes") or ()),
        readonly_root=bool(given.get("readonlyRootFilesystem")),
        init=bool(linux.get("initProcessEnabled")),
        dropped=_dropped((linux.get("capabilities") or {}).get("drop") or ()),
        logs=dict(given["logConfiguration"].get("options") or {}) if given.get("logConfiguration") else None,
    )


def _dropped(names: Sequence[str]) -> tuple[int, ...]:
    if "ALL" in names:
        return tuple(range(len(CAPABILITIES)))
    return tuple(CAPABILITIES.index(each) for each in names if each in CAPABILITIES)


def _health(given: Mapping[str, Any] | None) -> HealthCheck | None:
    if given is None or given["command"][0] == "NONE":
        return None
    kind, *command = given["command"]
    argv = ("/bin/sh", "-c", " ".join(command)) if kind == "CMD-SHELL" else tuple(command)
    return HealthCheck(
        argv,
        float(given.get("interval") or 30),
        float(given.get("timeout") or 5),
        int(given.get("retries") or 3),
        float(given.get("startPeriod") or 0),
    )


def _mounts(definition: TaskDefinition) -> dict[str, tuple[Mount, ...]]:
    """What each container mounts: its own, and what containers have from which it takes volumes."""
    own = {
        each["name"]: tuple(
            Mount(mount["sourceVolume"], mount["containerPath"], bool(mount.get("readOnly")))
            for mount in each.get("mountPoints") or ()
            if mount.get("containerPath")
        )
        for each in definition.containers
    }
    found = {}
    for each in definition.containers:
        taken = [
            Mount(mount.volume, mount.path, mount.readonly or bool(other.get("readOnly")))
            for other in each.get("volumesFrom") or ()
            for mount in own[other["sourceContainer"]]
        ]
        found[each["name"]] = (*own[each["name"]], *taken)
    return found
