"""A stand-in for the daemon: a world with two programs on port 80 of one subnet, asked from Tokyo. Waits to be ended.

Arguments: state folder, and a command that a shell leaves behind daemonised. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from kunren.core.clock import SystemClock
from kunren.settings import Settings
from kunren.world.interface import ProcessSpec
from kunren.world.network import Firewall, FirewallRule, Route, SubnetNetwork, VpcNetwork, Workload
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD

SERVER = (
    "import socket\n"
    "listener = socket.create_server(('0.0.0.0', 80))\n"
    "while True:\n"
    "    connection, peer = listener.accept()\n"
    "    connection.sendall(f'{NAME} sees {peer[0]}'.encode())\n"
    "    connection.close()\n"
)
ANY = ("0.0.0.0/0",)
WEB = Firewall((FirewallRule("tcp", 80, 80, ANY),), (FirewallRule("-1", -1, -1, ANY),))
NETWORK = VpcNetwork(
    id="vpc-one",
    region="us-east-1",
    cidrs=("10.0.0.0/16",),
    subnets=(SubnetNetwork("subnet-a", "10.0.0.0/24", "us-east-1a", (Route("0.0.0.0/0", "internet"),)),),
    workloads=(
        Workload("eni-a", "subnet-a", "10.0.0.10", "0a:00:00:00:00:10", WEB),
        Workload("eni-b", "subnet-a", "10.0.0.11", "0a:00:00:00:00:11", WEB),
    ),
    internet_gateway=True,
    public={"198.19.0.20": "10.0.0.10", "198.19.0.21": "10.0.0.11"},
)


async def ask(world: World, place: str, address: str) -> str:
    """Connect until the server is up."""
    for _ in range(200):
        with await world.open_socket(place) as client:
            try:
                await asyncio.get_running_loop().sock_connect(client, (address, 80))
                return (await asyncio.get_running_loop().sock_recv(client, 100)).decode()
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
    return "no answer"


async def main() -> None:
    state, left_behind = Path(sys.argv[1]), sys.argv[2]
    world = World(Settings(state), DEFAULT_WORLD, SystemClock())
    await world.start()
    place = await world.ensure_place("tokyo")
    await world.apply_vpc(NETWORK)
    for name in ("a", "b"):
        program = [sys.executable, "-c", f"NAME = {name!r}\n{SERVER}"]
        await world.spawn(ProcessSpec(name, program, f"eni-{name}", env=dict(os.environ), log=state / "servers.log"))
    await world.spawn(ProcessSpec("shell", ["/bin/sh", "-c", f"setsid {left_behind} & {left_behind}"], place))
    answers = {address: await ask(world, place, address) for address in sorted(NETWORK.public)}
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print(json.dumps({"uid": os.geteuid(), "answers": answers}), flush=True)
    await ended.wait()
    await world.stop()


asyncio.run(main())
