"""Worlds for tests: real ones, in state folders of their own."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from kunren.core.clock import SystemClock
from kunren.settings import Settings
from kunren.world.network import Firewall, FirewallRule, ResolverSettings, Route, SubnetNetwork, VpcNetwork, Workload
from kunren.world.spec import WorldSpec
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD

OPEN = FirewallRule("-1", -1, -1, ("0.0.0.0/0",))
WEB = Firewall((FirewallRule("tcp", 80, 80, ("0.0.0.0/0",)),), (OPEN,))
LOCAL, INTERNET = Route("10.0.0.0/16", "local"), Route("0.0.0.0/0", "internet")


class Net:
    """Talks inside a world as its programs would: small servers that say who called, and clients that ask."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tasks: list[asyncio.Task[None]] = []

    async def serve(self, namespace: str, port: int, says: str, address: str = "0.0.0.0") -> None:
        listener = await self.world.open_socket(namespace, _family(address), bind=(address, port), listen=16)
        loop = asyncio.get_running_loop()

        async def answer() -> None:
            with listener:
                while True:
                    connection, peer = await loop.sock_accept(listener)
                    with connection:
                        await loop.sock_sendall(connection, f"{says} {peer[0]}".encode())

        self.tasks.append(asyncio.create_task(answer()))

    async def ask(self, namespace: str, address: str, port: int = 80, within_s: float = 5.0) -> str:
        """What the server says; the name of the exception where none answers."""
        loop = asyncio.get_running_loop()
        with await self.world.open_socket(namespace, _family(address)) as client:
            try:
                async with asyncio.timeout(within_s):
                    await loop.sock_connect(client, (address, port))
                    return (await loop.sock_recv(client, 1000)).decode()
            except (OSError, TimeoutError) as error:
                return type(error).__name__

    async def silent(self, namespace: str, address: str, port: int = 80) -> bool:
        """Whether the address does not answer, not even by a refusal."""
        return await self.ask(namespace, address, port, within_s=0.3) == "TimeoutError"


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


WorldMaker = Callable[..., AbstractAsyncContextManager[Net]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def running(state: Path) -> WorldMaker:
    @asynccontextmanager
    async def make(spec: WorldSpec = DEFAULT_WORLD) -> AsyncIterator[Net]:
        world = World(Settings(state), spec, SystemClock())
        net = Net(world)
        await world.start()
        try:
            yield net
        finally:
            for task in net.tasks:
                task.cancel()
            await asyncio.gather(*net.tasks, return_exceptions=True)
            await world.stop()

    return make


@pytest.fixture
def example_vpc() -> Callable[..., VpcNetwork]:
    return _example_vpc


def _example_vpc(identity: str = "vpc-one", **changes: object) -> VpcNetwork:
    """A public subnet with two web workloads, a private one with one."""
    members: dict[str, object] = {
        "id": identity,
        "region": "us-east-1",
        "cidrs": ("10.0.0.0/16",),
        "subnets": (
            SubnetNetwork("subnet-public", "10.0.0.0/24", "us-east-1a", (LOCAL, INTERNET)),
            SubnetNetwork("subnet-private", "10.0.1.0/24", "us-east-1b", (LOCAL,)),
        ),
        "workloads": (
            Workload("eni-a", "subnet-public", "10.0.0.10", "0a:00:00:00:00:10", WEB),
            Workload("eni-b", "subnet-public", "10.0.0.11", "0a:00:00:00:00:11", WEB),
            Workload("eni-c", "subnet-private", "10.0.1.10", "0a:00:00:00:00:12", WEB),
        ),
        "internet_gateway": True,
        "resolver": ResolverSettings(("10.0.0.2",), ("ec2.internal",)),
        "public": {"198.19.0.20": "10.0.0.10", "198.19.0.21": "10.0.0.11", "198.19.0.22": "10.0.1.10"},
    }
    return VpcNetwork(**(members | changes))  # type: ignore[arg-type]


@pytest.fixture
def processes_with() -> Callable[[str], list[int]]:
    return _processes_with


def _processes_with(text: str) -> list[int]:
    """The processes of this machine whose command line holds the text, ourselves left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found
