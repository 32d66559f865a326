"""Links between sites that take time: which they are, how long they are, and the program that carries them.

Where the world has distance, the links of places, edge locations, regions and health checkers to the internet are pairs
of TUN devices instead of veth pairs, joined by `relay.py`. How far two sites are from each other is
`geography.between_ms`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Protocol

from kunren.world import addresses, addresses6
from kunren.world.agent.filesystem import NETNS_DIR
from kunren.world.broken_links import BrokenLink
from kunren.world.facts import Fact, Tunnel, Veth
from kunren.world.geography import between_ms, nearest_place
from kunren.world.interface import INTERNET, Process, ProcessSpec, WorldUnavailable
from kunren.world.spec import Distance, Place, Region, WorldSpec

log = logging.getLogger(__name__)
ANYCAST = "*"
TUN = "/dev/net/tun"
JOINED_WITHIN_S = 5.0
_PROGRAM = str(Path(__file__).with_name("relay.py"))


class Spawner(Protocol):
    async def spawn(self, spec: ProcessSpec) -> Process: ...


def check_tunnels() -> None:
    """Raises WorldUnavailable where this machine lets no program carry packets."""
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise WorldUnavailable(
            f"Distance needs {TUN}, which this machine lacks or keeps for root: `sudo modprobe tun`, or "
            f"`sudo chmod 666 {TUN}`; without --distance Kunren does without it."
        )


def stretched(made: Iterable[Fact]) -> list[Fact]:
    """The same facts, with links to the internet as pairs of devices that a program carries. Pure."""
    found: list[Fact] = []
    for fact in made:
        if isinstance(fact, Veth) and fact.namespace == INTERNET:
            found += [Tunnel(INTERNET, fact.name, fact.mtu), Tunnel(fact.peer_namespace, fact.peer, fact.mtu)]
        else:
            found.append(fact)
    return found


def lengthened(
    one_way_ms: Mapping[str, Mapping[str, float]], broken: Iterable[BrokenLink]
) -> dict[str, dict[str, float]]:
    """The same ways, longer where something is wrong with them. Pure."""
    found = {site: dict(row) for site, row in one_way_ms.items()}
    for each in broken:
        for site, row in found.items():
            for other in row:
                ends = {site, other}
                if ends == {each.site, each.other} or (each.kind != "link" and each.site in ends):
                    row[other] += each.delay_ms
    return found


def one_way(spec: WorldSpec) -> dict[str, dict[str, float]]:
    """How far sites are from each other, in milliseconds. An anycast address is as far as the edge location next to its
    sender. Pure."""
    sites: list[Place | Region] = [*spec.places, *spec.regions]
    found = {each.name: {other.name: between_ms(spec, each, other) / 2 for other in sites} for each in sites}
    for each in sites:
        found[each.name][ANYCAST] = found[each.name][nearest_place(spec, each).name]
    return found


def plan(spec: WorldSpec, distance: Distance, broken: Iterable[BrokenLink] = ()) -> dict[str, Any]:
    """The relay's first order (`relay.py`). Pure."""
    blocks: list[tuple[IPv4Network | IPv6Network, str]] = []
    for plan in (addresses, addresses6):
        blocks.append((plan.ANYCAST, ANYCAST))
        for index, place in enumerate(spec.places):
            blocks += [(plan.place_network(index), place.name), (plan.edge_network(index), place.name)]
        blocks += [(plan.region_network(index), region.name) for index, region in enumerate(spec.regions)]
        blocks += [(plan.checker_network(region), region) for region in addresses.CHECKER_REGIONS]
    blocks += [(addresses.entrance_network(index), region.name) for index, region in enumerate(spec.regions)]
    return {
        "blocks": [_block(network, site) for network, site in blocks],
        "one_way_ms": lengthened(one_way(spec), broken),
        "jitter": distance.jitter,
        "loss": distance.loss,
        "rate_mbit": distance.rate_mbit,
    }


def _block(network: IPv4Network | IPv6Network, site: str) -> tuple[int, int, int, str]:
    return network.max_prefixlen // 8, int(network.network_address), int(network.netmask), site


class DistanceRelay:
    """The program, from `start` on. A link is joined once; where the program ends, it is started again with all."""

    def __init__(self, spec: WorldSpec, distance: Distance, world: Spawner, logged: Path) -> None:
        self._spec = spec
        self._distance = distance
        self._world = world
        self._log = logged
        self._orders = -1
        self._broken: tuple[BrokenLink, ...] = ()
        self._joined: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._watching: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._joining = asyncio.Lock()

    async def join(self, site: str, made: Iterable[Fact]) -> None:
        """Carry the links among these facts (of a part of the world that is `site`). Raises TimeoutError, OSError."""
        for fact in made:
            if isinstance(fact, Veth) and fact.namespace == INTERNET:
                order = {
                    "join": fact.name,
                    "site": site,
                    "inner": [f"{NETNS_DIR}/{fact.peer_namespace}", fact.peer],
                    "outer": [f"{NETNS_DIR}/{INTERNET}", fact.name],
                }
                async with self._joining:  # several may ask for one link at once, and a device is held once
                    if fact.name not in self._joined:
                        await self._start()
                        await self._order(order)
                        self._joined[fact.name] = order

    async def lengthen(self, broken: Iterable[BrokenLink]) -> None:
        """Have packets take longer where these links are broken, and nowhere else. Raises TimeoutError, OSError."""
        before, self._broken = self._broken, tuple(each for each in broken if each.delay_ms)
        if before != self._broken and self._orders >= 0:
            await self._order({"join": "lengthen", "one_way_ms": lengthened(one_way(self._spec), self._broken)})

    async def _order(self, order: dict[str, Any]) -> None:
        done = self._waiting[order["join"]] = asyncio.get_running_loop().create_future()
        os.write(self._orders, json.dumps(order).encode() + b"\n")
        try:
            async with asyncio.timeout(JOINED_WITHIN_S):
                await done
        finally:
            self._waiting.pop(order["join"], None)

    async def _start(self) -> None:
        async with self._starting:
            if self._orders >= 0:
                return
            reading, self._orders = os.pipe()
            answers, writing = os.pipe()
            argv = [sys.executable, "-I", "-S", _PROGRAM]
            try:
                process = await self._world.spawn(
                    ProcessSpec("distance", argv, INTERNET, stdin=reading, stdout=writing, log=self._log)
                )
            finally:
                os.close(reading)
                os.close(writing)
            os.write(self._orders, json.dumps(plan(self._spec, self._distance, self._broken)).encode() + b"\n")
            self._watching = asyncio.get_running_loop().create_task(self._watch(process, answers), name="distance")

    async def _watch(self, process: Process, answers: int) -> None:
        """Hear the program's answers; when it ends unasked, start it again."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        with os.fdopen(answers, "rb", 0) as file:
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
            while line := await reader.readline():
                waiting = self._waiting.get(line.decode().strip())
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)
        os.close(self._orders)
        self._orders = -1
        log.error("the program that carries distant links ended with %s; it is started again", await process.wait())
        orders, self._joined = list(self._joined.values()), {}
        await self._start()
        for order in orders:
            await self._order(order)
            self._joined[order["join"]] = order

    def stop(self) -> None:
        """The world ends, and the program with it."""
        if self._watching is not None:
            self._watching.cancel()
        if self._orders >= 0:
            os.close(self._orders)
            self._orders = -1
