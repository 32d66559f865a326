"""Where workers live: inside the world, or, for tests and benchmarks of the runtime alone, on the machine's loopback.

The runtime asks for two things only: a listening socket of the Runtime API, and a process. Every worker has a
loopback address of its own (127.x.y.z) in `AWS_LAMBDA_RUNTIME_API`; one socket on 0.0.0.0 hears them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import replace
from typing import Protocol

from kunren.world.cgroups import Cgroup, Cgroups
from kunren.world.interface import Process, ProcessSpec, WorldEnded
from kunren.world.network import workload_namespace

RUNTIME_API_PORT = 9001
PROCESSES_MAX = 1024
OPEN_FILES_MAX = 1024
VCPU_MB = 1769
"""Lambda developer guide, "Lambda quotas" and "Configure Lambda function memory": the memory that comes with one whole
processor."""


class FunctionHost(Protocol):
    """What the runtime needs of the place its workers live in."""

    @property
    def lays_files(self) -> bool:
        """Whether a spec's `binds` are carried out, so that code can be at /var/task and /tmp be the worker's own."""
        ...

    async def listen(self, network: str) -> socket.socket:
        """A listening socket on all loopback addresses that workers there can reach. A network is a region, for
        functions without a VPC, or a network interface."""
        ...

    async def spawn(self, network: str, spec: ProcessSpec) -> Process:
        """Start a worker there; the spec's namespace is filled in here. Raises OSError when it can't be executed."""
        ...

    def make_group(self, name: str, memory_mb: int, storage_mb: int) -> Cgroup | None:
        """A control group for a worker with so much memory and /tmp; None where this machine allows none."""
        ...

    def discard_group(self, group: Cgroup) -> None:
        """Remove it when nothing runs there any more."""
        ...

    async def drop_scratch(self, name: str) -> None:
        """Nobody has that /tmp any more."""
        ...


class FunctionsWorld(Protocol):
    """The part of the world that functions need (`kunren.world.world.World` has it)."""

    async def ensure_functions(self, region: str) -> str: ...
    async def open_socket(
        self, namespace: str, *, bind: tuple[str, int] | None = None, listen: int | None = None
    ) -> socket.socket: ...
    async def spawn(self, spec: ProcessSpec) -> Process: ...
    async def drop_scratch(self, name: str) -> None: ...


class WorldHost:
    """Workers in the namespace of the region's functions without a VPC, or in that of a network interface, which has
    to be there."""

    lays_files = True

    def __init__(self, world: FunctionsWorld, cgroups: Cgroups) -> None:
        self._world = world
        self._cgroups = cgroups
        self._probed = asyncio.Lock()

    async def _namespace(self, network: str) -> str:
        if network.startswith("eni-"):
            return workload_namespace(network)
        return await self._world.ensure_functions(network)

    async def listen(self, network: str) -> socket.socket:
        async with self._probed:
            if self._cgroups.tree is None:
                await asyncio.to_thread(self._cgroups.ensure)
        namespace = await self._namespace(network)
        return await self._world.open_socket(namespace, bind=("0.0.0.0", RUNTIME_API_PORT), listen=1024)

    async def spawn(self, network: str, spec: ProcessSpec) -> Process:
        namespace = await self._namespace(network)
        return await self._world.spawn(replace(spec, namespace=namespace))

    def make_group(self, name: str, memory_mb: int, storage_mb: int) -> Cgroup | None:
        # Files in /tmp are in memory and count there; beyond the function's own memory its owner ends it.
        bound = (memory_mb + storage_mb) << 20
        return self._cgroups.make(name, bound, PROCESSES_MAX, max(1, memory_mb * 100 // VCPU_MB))

    def discard_group(self, group: Cgroup) -> None:
        self._cgroups.discard(group)

    async def drop_scratch(self, name: str) -> None:
        with contextlib.suppress(WorldEnded):
            await self._world.drop_scratch(name)


class LocalHost:
    """Workers as plain child processes on the machine's own loopback: no isolation, so never for `kunren up`."""

    lays_files = False

    async def listen(self, network: str) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        listener.bind(("0.0.0.0", 0))
        listener.listen(1024)
        listener.setblocking(False)
        return listener

    async def spawn(self, network: str, spec: ProcessSpec) -> Process:
        process = await asyncio.create_subprocess_exec(
            *spec.argv,
            env=dict(spec.env),
            cwd=spec.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=spec.stdout,
            stderr=spec.stderr,
            start_new_session=True,
        )
        return _LocalProcess(process)

    def make_group(self, name: str, memory_mb: int, storage_mb: int) -> Cgroup | None:
        return None

    def discard_group(self, group: Cgroup) -> None:
        raise NotImplementedError

    async def drop_scratch(self, name: str) -> None:
        pass


class _LocalProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    async def signal(self, number: int) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self, grace_s: float = 5.0) -> int:
        await self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return await self._process.wait()
