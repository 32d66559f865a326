"""The interface between the life of a task (`runner.py`) and what runs its containers.

`namespaced.py` is the engine of tasks with a network interface and namespaces of their own (FARGATE); an engine of
container instances hands the same to the agent in the instance. What runs a container, on a network that is there, is
`kunren.dataplane.containers`'s to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kunren.control.store import Tx
from kunren.dataplane.containers.interface import RunningContainer
from kunren.services.ecs.model import Task
from kunren.services.ecs.tasks.plan import ContainerPlan

STOP_TIMEOUT_S = 30.0


class CannotStart(Exception):
    """Why a task, or a container of it, does not start, as AWS says it in `stoppedReason` or a container's `reason`."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of the containers that are made from it. `root` is its file system, which they share and do
    not change; `builtin` is the machine's own. `volumes` are the folders that it names as such."""

    root: Path
    builtin: bool = False
    digest: str | None = None
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    user: str = ""
    volumes: tuple[str, ...] = ()
    stop_signal: int = 15


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a container: everything decided. `output` is the descriptor that it prints to, None for nowhere."""

    plan: ContainerPlan
    image: Image
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: str
    user: str = ""
    output: int | None = None


class Engine(Protocol):
    """All may raise CannotStart, but `deprovision`."""

    def attach(self, tx: Tx, task: Task) -> Task:
        """Give the task what it is to have of the network, written within the transaction."""
        ...

    async def ready(self, task: Task) -> None:
        """Return when that is there."""
        ...

    async def pull(self, task: Task, plan: ContainerPlan) -> Image: ...
    async def start(self, task: Task, launch: Launch) -> RunningContainer: ...
    async def deprovision(self, task: Task) -> None:
        """Take everything of the task away, also what a daemon before left; idempotent."""
        ...

    def runtime_id(self, task: Task, name: str) -> str: ...
    def stop_timeout_s(self, task: Task) -> float:
        """How long a container that states nothing of it may take to end."""
        ...

    def environment(self, task: Task, name: str) -> Mapping[str, str]:
        """What ECS itself puts into a container's environment."""
        ...
