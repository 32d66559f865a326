"""The interface between the life of a task (`runner.py`) and what runs its containers.

`namespaced.py` is the engine of tasks with a network interface and namespaces of their own (FARGATE); an engine of
container instances hands the same to the agent in the instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kunren.control.store import Tx
from kunren.services.ecs.model import Task
from kunren.services.ecs.tasks.plan import ContainerPlan
from kunren.world.interface import Process

STOP_TIMEOUT_S = 30.0


class CannotStart(Exception):
    """Why a task, or a container of it, does not start, as AWS says it in `stoppedReason` or a container's `reason`."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of the containers that are made from it. `root` is its file system, which they share and do
    not change; `builtin` is the machine's own."""

    root: Path
    builtin: bool = False
    digest: str | None = None
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    user: str = ""
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


class RunningContainer(Protocol):
    """A container's process 1 (`pid`, in the world) and all that it started."""

    @property
    def pid(self) -> int: ...
    @property
    def namespace(self) -> str:
        """The network namespace that it is on."""
        ...

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment that it was started with."""
        ...

    async def wait(self) -> int:
        """The exit code, or minus the signal that ended it."""
        ...

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process of it for the memory that they held; known after its end."""
        ...

    def load(self) -> tuple[float, int] | None:
        """The seconds of processor time that it has had and the bytes of memory that it holds; None where nobody
        counts."""
        ...

    async def signal(self, number: int) -> None:
        """Nothing happens where it has ended."""
        ...

    async def open_terminal(self, argv: Sequence[str], terminal: int) -> Process:
        """Run a program in it that has that descriptor as its terminal. Raises OSError."""
        ...

    async def execute(self, argv: tuple[str, ...], timeout_s: float) -> int | None:
        """Run a program in it; the exit code, None where it took longer than so many real seconds or could not run."""
        ...


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
