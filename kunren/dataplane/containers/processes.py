"""Containers as guests of the world: processes in namespaces of their own, which need nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from kunren.dataplane.guests.guests import Guests, GuestSpec, RunningGuest
from kunren.world.file_systems import FileSystem, FileSystems
from kunren.world.interface import Process


class GuestContainer:
    """A guest as `RunningContainer`."""

    enter_with = ""

    def __init__(self, guests: Guests, guest: RunningGuest, spec: GuestSpec) -> None:
        self._guests, self._guest, self._spec = guests, guest, spec
        self.namespace = spec.namespace

    @property
    def pid(self) -> int:
        return self._guest.pid

    @property
    def variables(self) -> Mapping[str, str]:
        return self._spec.env

    @property
    def out_of_memory(self) -> bool:
        return self._guest.out_of_memory

    async def wait(self) -> int:
        return await self._guest.wait()

    def load(self) -> tuple[float, int] | None:
        cpu, memory = self._guest.cpu_seconds(), self._guest.memory_bytes()
        return (cpu, memory) if cpu is not None and memory is not None else None

    async def signal(self, number: int) -> None:
        if self._guest.running:
            try:
                await self._guest.signal(number)
            except ProcessLookupError:
                pass  # it has just ended

    async def open_terminal(self, argv: Sequence[str], terminal: int) -> Process:
        """Root's, whoever the container's user is (Amazon ECS developer guide, "ECS Exec", considerations)."""
        return await self._guests.enter(
            self._guest, self.namespace, argv, {**self._spec.env, "TERM": "xterm-256color"}, self._spec.cwd,
            terminal=terminal,
        )  # fmt: skip

    async def execute(self, argv: tuple[str, ...], timeout_s: float) -> int | None:
        try:
            process = await self._guests.enter(
                self._guest, self.namespace, argv, self._spec.env, self._spec.cwd, user=self._spec.user
            )
        except OSError:
            return None
        try:
            async with asyncio.timeout(timeout_s):
                return await process.wait()
        except TimeoutError:
            await process.stop(0.0)
            return None


class GuestContainers:
    """`Containers` by guests; they end with the world, so nothing is ever left."""

    def __init__(self, guests: Guests) -> None:
        self._guests, self._file_systems = guests, FileSystems()

    async def sweep(self) -> None:
        """Nothing to do."""

    def storage(self, image: Path, size: int) -> FileSystem | None:
        return self._file_systems.make(image, size)

    async def start(self, spec: GuestSpec) -> GuestContainer:
        return GuestContainer(self._guests, await self._guests.start(spec), spec)
