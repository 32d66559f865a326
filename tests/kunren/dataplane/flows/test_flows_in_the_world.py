"""Flows through a kernel that is real: a client on the internet, a node in a VPC, targets in namespaces of their own."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from kunren.core.clock import SystemClock
from kunren.dataplane.flows.control import FlowControl
from kunren.dataplane.flows.ruleset import sticky_target
from kunren.dataplane.flows.table import FlowListener, FlowNode, FlowTable, FlowTarget
from kunren.settings import Settings
from kunren.world.network import (
    Firewall,
    FirewallRule,
    NodeAddress,
    Route,
    SubnetNetwork,
    VpcNetwork,
    Workload,
    workload_namespace,
)
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD

OPEN = FirewallRule("-1", -1, -1, ("0.0.0.0/0",))
ALL = Firewall((OPEN,), (OPEN,))
NODE, PUBLIC = "10.0.0.50", "198.19.0.50"
PUBLIC_SUBNET, PRIVATE_SUBNET = "10.0.0.0/24", "10.0.1.0/24"
TARGETS = {"one": "10.0.1.11", "two": "10.0.1.12"}
CLIENT = "10.0.0.9"
LOCAL = Route("10.0.0.0/16", "local")
VPC = VpcNetwork(
    id="vpc-flows", region="us-east-1", cidrs=("10.0.0.0/16",),
    subnets=(
        SubnetNetwork("subnet-public", PUBLIC_SUBNET, "us-east-1a", (LOCAL, Route("0.0.0.0/0", "internet"))),
        SubnetNetwork("subnet-private", PRIVATE_SUBNET, "us-east-1b", (LOCAL,)),
    ),
    nodes=(NodeAddress("eni-node", "subnet-public", NODE, ALL),),
    workloads=(
        Workload("eni-one", "subnet-private", TARGETS["one"], "0a:00:00:00:00:11", ALL),
        Workload("eni-two", "subnet-private", TARGETS["two"], "0a:00:00:00:00:12", ALL),
        Workload("eni-client", "subnet-public", CLIENT, "0a:00:00:00:00:09", ALL),
    ),
    internet_gateway=True, public={PUBLIC: NODE},
)  # fmt: skip


class Site:
    def __init__(self, world):
        self.world, self.flows, self.tasks = world, FlowControl(world), []
        self.loop = asyncio.get_running_loop()

    async def serve(self, name):
        """TCP and UDP on port 80: says its name and who called, then repeats what it hears."""
        namespace = workload_namespace(f"eni-{name}")
        tcp = await self.world.open_socket(namespace, bind=("0.0.0.0", 80), listen=64)
        udp = await self.world.open_socket(namespace, type=socket.SOCK_DGRAM, bind=("0.0.0.0", 80))

        async def converse(connection, peer):
            with connection:
                await self.loop.sock_sendall(connection, f"{name} {peer[0]}\n".encode())
                try:
                    while heard := await self.loop.sock_recv(connection, 1000):
                        await self.loop.sock_sendall(connection, heard)
                except ConnectionResetError:
                    self.reset = name

        async def streams():
            while True:
                connection, peer = await self.loop.sock_accept(tcp)
                self.tasks.append(asyncio.create_task(converse(connection, peer)))

        async def datagrams():
            while True:
                _, peer = await self.loop.sock_recvfrom(udp, 1000)
                await self.loop.sock_sendto(udp, f"{name} {peer[0]}\n".encode(), peer)

        self.tasks += [asyncio.create_task(streams()), asyncio.create_task(datagrams())]

    async def connect(self, address=PUBLIC, port=80, place=None, within_s=3.0):
        """A connection and what the target said first."""
        client = await self.world.open_socket(place or self.client)
        try:
            async with asyncio.timeout(within_s):
                await self.loop.sock_connect(client, (address, port))
                return client, (await self.loop.sock_recv(client, 1000)).decode().split()
        except BaseException:
            client.close()
            raise

    async def ask(self, *where, **more):
        client, said = await self.connect(*where, **more)
        client.close()
        return said

    async def datagram(self, client, address=PUBLIC, port=80):
        await self.loop.sock_sendto(client, b"hello", (address, port))
        async with asyncio.timeout(3.0):
            return (await self.loop.sock_recv(client, 1000)).decode().split()

    async def repeats(self, client, within_s=3.0):
        """Whether the connection carries bytes both ways. Raises ConnectionResetError."""
        await self.loop.sock_sendall(client, b"again")
        async with asyncio.timeout(within_s):
            return await self.loop.sock_recv(client, 1000) == b"again"

    async def balance(self, *targets, preserve=False, sticky=False, idle_s=60.0, **changes):
        listed = tuple(FlowTarget(TARGETS[each], 80, preserve=preserve) for each in targets)
        listeners = tuple(FlowListener(each, 80, listed, idle_s, sticky) for each in ("tcp", "udp"))
        node = FlowNode("eni-node", NODE, PUBLIC, PUBLIC_SUBNET, listeners)
        self.table = FlowTable("vpc-flows", (replace(node, **changes),), (PUBLIC_SUBNET, PRIVATE_SUBNET))
        await self.flows.publish("nlb", self.table)


@pytest.fixture(scope="module")
def site():
    """`site(story)` runs the story on a site whose world the module shares."""
    folder = Path(tempfile.mkdtemp(prefix="kunren-flows-"))
    settings = Settings(state_dir=folder)
    with asyncio.Runner() as runner:

        async def begin():
            world = World(settings, DEFAULT_WORLD, SystemClock())
            await world.start()
            made = Site(world)
            await world.apply_vpc(VPC)
            made.client = await world.ensure_place("tokyo")
            made.inside = workload_namespace("eni-client")
            for name in TARGETS:
                await made.serve(name)
            return made

        made = runner.run(begin())

        def run(story):
            async def told():
                try:
                    async with asyncio.timeout(60):
                        await story(made)
                finally:
                    await made.world.apply_vpc(VPC)
                    await made.flows.withdraw("nlb")

            runner.run(told())

        yield run

        async def end():
            for task in made.tasks:
                task.cancel()
            await asyncio.gather(*made.tasks, return_exceptions=True)
            await made.world.stop()

        runner.run(end())
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(settings.run_dir, ignore_errors=True)


def test_new_connections_are_spread_over_private_targets_which_see_the_node(site):
    async def story(place):
        await place.balance("one", "two")
        said = [await place.ask() for _ in range(30)]
        assert Counter(name for name, _ in said).keys() == {"one", "two"}
        assert {peer for _, peer in said} == {NODE}
        assert {peer for _, peer in [await place.ask(NODE, place=place.inside) for _ in range(4)]} == {NODE}

    site(story)


def test_targets_see_the_clients_own_address_where_it_is_preserved(site):
    async def story(place):
        await place.balance("one", preserve=True)
        name, peer = await place.ask()
        assert name == "one" and peer.startswith("198.18.")
        assert await place.ask(NODE, place=place.inside) == ["one", CLIENT]
        with await place.world.open_socket(place.inside, type=socket.SOCK_DGRAM) as client:
            assert await place.datagram(client, NODE) == ["one", CLIENT]

    site(story)


def test_a_flow_of_datagrams_stays_with_its_target_and_others_are_spread(site):
    async def story(place):
        await place.balance("one", "two")
        chosen = Counter()
        for _ in range(24):
            with await place.world.open_socket(place.client, type=socket.SOCK_DGRAM) as client:
                said = {tuple(await place.datagram(client)) for _ in range(3)}
                assert len(said) == 1
                chosen[said.pop()[0]] += 1
        assert chosen.keys() == {"one", "two"}

    site(story)


def test_sticky_flows_of_one_client_go_to_one_target(site):
    async def story(place):
        for idle_s in (60.0, 70.0, 80.0):  # other tables, the same targets
            await place.balance("one", "two", sticky=True, preserve=True, idle_s=idle_s)
            ((name, client),) = {tuple(await place.ask()) for _ in range(6)}
            foretold = sticky_target("nlb", place.table.nodes[0].listeners[0], client)
            assert foretold.address == TARGETS[name]

    site(story)


def test_a_connection_outlives_its_targets_place_in_the_table(site):
    async def story(place):
        await place.balance("one")
        client, said = await place.connect()
        with client:
            await place.balance("two")
            assert said[0] == "one" and await place.repeats(client)
            assert (await place.ask())[0] == "two"

    site(story)


def test_ended_flows_are_reset_at_both_ends_at_once(site):
    async def story(place):
        await place.balance("one", "two", preserve=True)
        place.reset = None
        kept, ended = [], []
        while not (kept and ended):
            client, (name, _) = await place.connect()
            (ended if name == "one" else kept).append(client)
        await place.flows.end("nlb", TARGETS["one"], 80)
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(3.0):
                await place.loop.sock_recv(ended[0], 1000)
        assert await place.repeats(kept[0])
        async with asyncio.timeout(3.0):
            while place.reset != "one":
                await asyncio.sleep(0.01)
        for client in (*kept, *ended):
            client.close()

    site(story)


def test_a_connection_that_was_idle_for_too_long_is_reset_by_its_next_segment(site):
    async def story(place):
        await place.balance("one", idle_s=1.0)
        client, _ = await place.connect()
        with client:
            await asyncio.sleep(0.5)
            assert await place.repeats(client)
            await asyncio.sleep(2.5)
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await place.repeats(client)

    site(story)


def test_ports_without_a_listener_are_silent_and_listeners_without_targets_refuse(site):
    async def story(place):
        await place.balance("one")
        with pytest.raises(TimeoutError):
            await place.ask(PUBLIC, 81, within_s=0.4)
        await place.balance()
        with pytest.raises(ConnectionRefusedError):
            await place.ask()
        with pytest.raises(ConnectionRefusedError):
            await place.ask(NODE, place=place.inside)

    site(story)


def test_the_nodes_security_groups_decide_who_comes_in_and_where_flows_go(site):
    async def story(place):
        await place.balance("one", preserve=True)
        inside_only = Firewall((FirewallRule("tcp", 80, 80, (f"{CLIENT}/32",)),), (OPEN,))
        await place.world.apply_vpc(replace(VPC, nodes=(replace(VPC.nodes[0], firewall=inside_only),)))
        with pytest.raises(TimeoutError):
            await place.ask(within_s=0.4)
        assert (await place.ask(NODE, place=place.inside))[0] == "one"
        nowhere = Firewall((OPEN,), (FirewallRule("tcp", 80, 80, (f"{TARGETS['two']}/32",)),))
        await place.world.apply_vpc(replace(VPC, nodes=(replace(VPC.nodes[0], firewall=nowhere),)))
        with pytest.raises(TimeoutError):
            await place.ask(within_s=0.4)
        await place.balance("two", preserve=True)
        assert (await place.ask())[0] == "two"

    site(story)


def test_a_target_that_sees_clients_cannot_be_its_own_client(site):
    async def story(place):
        await place.balance("one", preserve=True)
        with pytest.raises(TimeoutError):
            await place.ask(NODE, place=workload_namespace("eni-one"), within_s=0.4)
        await place.balance("one")
        assert await place.ask(NODE, place=workload_namespace("eni-one")) == ["one", NODE]

    site(story)


def test_a_client_in_its_targets_subnet_is_seen_as_the_node(site):
    async def story(place):
        await place.balance("one", preserve=True)
        assert await place.ask(NODE, place=workload_namespace("eni-two")) == ["one", NODE]

    site(story)


def test_withdrawing_ends_what_runs(site):
    async def story(place):
        await place.balance("one")
        client, _ = await place.connect()
        with client:
            await place.flows.withdraw("nlb")
            with pytest.raises((ConnectionResetError, BrokenPipeError, TimeoutError)):
                await place.repeats(client, within_s=0.5)

    site(story)
