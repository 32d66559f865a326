"""Links that take time: which they are and how long, and the packets on them."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import replace

import pytest

from kunren.core.clock import SystemClock
from kunren.settings import Settings
from kunren.world import addresses, addresses6, layout
from kunren.world.broken_links import BrokenLink
from kunren.world.distance import lengthened, one_way, plan, stretched
from kunren.world.facts import Tunnel, Veth, difference
from kunren.world.interface import INTERNET
from kunren.world.spec import Distance
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD, WorldFileError, parse_world


def test_only_links_to_the_internet_are_stretched():
    made = stretched(layout.region("us-east-1", 0))
    assert [each for each in made if isinstance(each, Tunnel)] == [
        Tunnel(INTERNET, "region0"), Tunnel("region-us-east-1", "uplink")
    ]  # fmt: skip
    assert [each.name for each in made if isinstance(each, Veth)] == ["functions"]
    assert len(difference({}, made).make) == len(made)


def test_sites_are_half_their_round_trip_away_and_anycast_is_next_door():
    made = plan(DEFAULT_WORLD, Distance())
    one_way = made["one_way_ms"]
    assert 70 < one_way["tokyo"]["us-east-1"] < 85
    assert one_way["tokyo"]["us-east-1"] == one_way["us-east-1"]["tokyo"]
    assert one_way["tokyo"]["*"] == one_way["tokyo"]["tokyo"] == 0.5
    stated = replace(DEFAULT_WORLD, latencies_ms={"tokyo": {"us-east-1": 200.0}})
    assert plan(stated, Distance())["one_way_ms"]["us-east-1"]["tokyo"] == 100


def test_ways_get_longer_where_a_link_is_broken_and_nowhere_else():
    far = one_way(DEFAULT_WORLD)
    slow = lengthened(far, [BrokenLink("link", "tokyo", "us-east-1", loss=0.0, delay_ms=100.0)])
    assert slow["tokyo"]["us-east-1"] == far["tokyo"]["us-east-1"] + 100
    assert slow["us-east-1"]["tokyo"] == far["us-east-1"]["tokyo"] + 100
    assert slow["tokyo"]["london"] == far["tokyo"]["london"]
    slow = lengthened(far, [BrokenLink("place", "tokyo", loss=0.0, delay_ms=50.0)])
    assert all(abs(slow["tokyo"][each] - far["tokyo"][each] - 50) < 1e-6 for each in far["tokyo"])
    assert abs(slow["london"]["tokyo"] - far["london"]["tokyo"] - 50) < 1e-6
    assert slow["london"]["us-east-1"] == far["london"]["us-east-1"]


def test_a_world_file_says_how_links_behave():
    assert parse_world("distance: true").distance == Distance()
    assert parse_world("distance: {loss: 0.01, rate_mbit: 10}").distance == Distance(loss=0.01, rate_mbit=10)
    assert parse_world("distance: false").distance is None
    for wrong in ("distance: {loss: 2}", "distance: {lost: 1}", "distance: 3", "distance: {rate_mbit: -1}"):
        with pytest.raises(WorldFileError):
            parse_world(wrong)


@pytest.mark.skipif(not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="/dev/net/tun is missing, or root's alone")
def test_packets_take_as_long_as_the_way_and_the_link_comes_back_when_its_program_is_killed(state):
    """Two places that are 0.2 s apart: a connection takes a round trip, its answer another."""
    spec = replace(
        DEFAULT_WORLD,
        latencies_ms={"tokyo": {"london": 200.0}, "paris": {"london": 10.0}},
        distance=Distance(jitter=0.0),
    )

    async def took(world, place, address):
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with await world.open_socket(f"place-{place}", family) as client:
            began = time.monotonic()
            await asyncio.wait_for(loop.sock_connect(client, (address, 80)), 5)
            return time.monotonic() - began

    async def story():
        world = World(Settings(state), spec, SystemClock())
        await world.start()
        try:
            for place in ("london", "tokyo", "paris"):
                await world.ensure_place(place)
            index = [each.name for each in spec.places].index("london")
            london, london6 = addresses.client_address(index), addresses6.client_address(index)
            listener = await world.open_socket("place-london", bind=("0.0.0.0", 80), listen=16)
            with await world.open_socket("place-london", socket.AF_INET6, bind=("::", 80), listen=16):
                assert await took(world, "tokyo", london6) > 0.2
            with listener:
                far, near = await took(world, "tokyo", london), await took(world, "paris", london)
                assert far > 0.2
                assert near > 0.01
                assert near < far
                (pid,) = [pid for name, pid in world.status()["processes"].items() if name == "distance"]
                process = world._processes[pid]
                await process.signal(9)
                await process.wait()

                async def again():
                    while True:
                        try:
                            return await asyncio.wait_for(took(world, "tokyo", london), 1)
                        except (OSError, TimeoutError):
                            continue

                assert await asyncio.wait_for(again(), 20) > 0.2
        finally:
            await world.stop()

    asyncio.run(story())
