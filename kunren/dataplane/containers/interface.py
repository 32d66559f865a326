"""The interface between who keeps containers and what runs them.

`processes.py` runs them as guests of the world, `engine.py` has a container engine of this machine run them. Both are
told the same, a `GuestSpec`: everything is decided by then, the network namespace is there, the image is unpacked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from kunren.dataplane.guests.guests import GuestSpec
from kunren.world.file_systems import FileSystem
from kunren.world.interface import Process


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

    @property
    def enter_with(self) -> str:
        """The command by which others get into it; empty for a guest of the world, into which Kunren leads."""
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


class Containers(Protocol):
    """What runs containers."""

    async def sweep(self) -> None:
        """End and forget all of this Kunren's that are left, also from a daemon before."""
        ...

    def storage(self, image: Path, size: int) -> FileSystem | None:
        """A file system of so many bytes, in that file, for containers that share it as their disk; None where there
        can be none. Blocks. Raises OSError."""
        ...

    async def start(self, spec: GuestSpec) -> RunningContainer:
        """Raises OSError as mounting or exec did (with errno 0 where only a text says why), WorldEnded."""
        ...
