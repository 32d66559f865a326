"""A running program of the world, as the daemon sees it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from kunren.core.clock import Clock
from kunren.world.channel import Channel
from kunren.world.interface import ProcessSpec, WorldEnded

KILLED_WITH_WORLD = -signal.SIGKILL


class WorldProcess:
    """Implements `interface.Process`. The world tells `ended` when the agent reports it."""

    def __init__(self, name: str, pid: int, channel: Channel, clock: Clock) -> None:
        self.name = name
        self._pid = pid
        self._channel = channel
        self._clock = clock
        self._returncode: int | None = None
        self._over = asyncio.Event()

    def __repr__(self) -> str:
        return f"<WorldProcess {self.name} pid={self._pid} returncode={self._returncode}>"

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def returncode(self) -> int | None:
        return self._returncode

    def ended(self, code: int) -> None:
        if self._returncode is None:
            self._returncode = code
            self._over.set()

    async def wait(self) -> int:
        await self._over.wait()
        assert self._returncode is not None
        return self._returncode

    async def signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it has ended."""
        await self._send(number, group=False)

    async def stop(self, grace_s: float = 5.0) -> int:
        if self._returncode is None:
            await self._send(signal.SIGTERM, group=False)
            deadline = asyncio.ensure_future(self._clock.wall_sleep(grace_s))
            over = asyncio.ensure_future(self._over.wait())
            try:
                await asyncio.wait({deadline, over}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                deadline.cancel()
                over.cancel()
        if self._returncode is None:
            await self._send(signal.SIGKILL, group=True)
        return await self.wait()

    async def _send(self, number: int, *, group: bool) -> None:
        if self._returncode is not None:
            return
        try:
            await self._channel.ask("signal", pid=self._pid, number=int(number), group=group)
        except (ProcessLookupError, WorldEnded):
            pass


def standard_streams(spec: ProcessSpec, opened: list[int]) -> list[int]:
    """Descriptors for standard input, output and error; those opened here are noted for closing."""

    def open_noted(path: str | Path, flags: int) -> int:
        opened.append(os.open(path, flags | os.O_CLOEXEC, 0o644))
        return opened[-1]

    stdin = spec.stdin if spec.stdin is not None else open_noted(os.devnull, os.O_RDONLY)
    if spec.stdout is not None and spec.stderr is not None:
        return [stdin, spec.stdout, spec.stderr]
    if spec.log is not None:
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        output = open_noted(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    else:
        output = open_noted(os.devnull, os.O_WRONLY)
    return [
        stdin,
        spec.stdout if spec.stdout is not None else output,
        spec.stderr if spec.stderr is not None else output,
    ]
