"""Ends TCP at the edge locations of a world with distance, and carries it to the endpoints' regions.

A client's handshake goes no further than the edge location next to it ("How AWS Global Accelerator works": connections
are ended there, and another goes on to the endpoint). From there, connections to each region stand ready, so that
nobody waits for a far handshake; the region's end opens a connection to the endpoint, as the client where the endpoint
sees clients' addresses, else as the edge. What is under way between the two ends is not slowed by a slow start
(`backbone.WINDOW`). A connection keeps its endpoint; one that carries nothing for the idle timeout is ended.

Where there is no distance all this would show in nothing but time, so there the kernel translates (`ruleset.py`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections import defaultdict, deque
from collections.abc import Coroutine, Mapping, Sequence
from hashlib import blake2b
from ipaddress import IPv4Address
from typing import Any, NamedTuple, Protocol

from kunren.core.clock import Clock
from kunren.dataplane.anycast.ruleset import ENDED_PORT, SLOTS, slots, sticky_slot
from kunren.dataplane.anycast.table import AnycastListener, Destination
from kunren.world.addresses import EDGES, edge_address, region_router
from kunren.world.edges import TCP_IDLE_S
from kunren.world.interface import NoSuchNamespace, WorldEnded, edge_namespace
from kunren.world.spec import WorldSpec

log = logging.getLogger(__name__)
READY = 4
"""Connections that stand ready between an edge location and a region."""
CONNECTED_WITHIN_S = 10.0
ACCEPT_AGAIN_S = 0.2
"""Real seconds."""
NOTED_MAX = 65535
_AT_ONCE = 1 << 18
_ORIGINAL_DESTINATION = 80
_RESET = struct.pack("ii", 1, 0)
_FAILURES = (OSError, NoSuchNamespace, WorldEnded, TimeoutError)


class CarrierWorld(Protocol):
    """The part of the world that the carrier needs."""

    async def open_socket(
        self,
        namespace: str,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        *,
        bind: tuple[str, int] | None = None,
        listen: int | None = None,
        reuse_port: bool = False,
        transparent: bool = False,
    ) -> socket.socket: ...
    async def ensure_region(self, region: str) -> str: ...


class _Served(NamedTuple):
    """A listener of an owner at an edge location, with the destination of each slot."""

    owner: str
    listener: AnycastListener
    destinations: Sequence[Destination]

    def choice(self, client: tuple[str, int], asked: tuple[str, int]) -> Destination:
        """The destination of a client's connection; with affinity the one that the kernel gives its datagrams."""
        if self.listener.sticky:
            return self.destinations[sticky_slot(self.owner, client[0], asked[0])]
        drawn = blake2b(f"{client} {asked}".encode(), digest_size=4).digest()
        return self.destinations[int.from_bytes(drawn) % SLOTS]


class Carrier:
    """One handle for all owners (accelerators). `stop` ends all connections."""

    def __init__(self, world: CarrierWorld, clock: Clock, spec: WorldSpec) -> None:
        self._world = world
        self._clock = clock
        self._spec = spec
        self._idle_s = clock.wall_seconds(TCP_IDLE_S)
        self._served: dict[str, dict[tuple[str, str], list[_Served]]] = {}  # owner → (place, address)
        self._listening: set[str] = set()
        self._led: dict[tuple[str, int, str, int], Destination] = {}  # the latest connections, for flow logs
        self._ready: dict[tuple[str, str], deque[socket.socket]] = defaultdict(deque)
        self._opening: dict[tuple[str, str], int] = defaultdict(int)
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, owner: str, own: Sequence[str], edges: Mapping[str, Sequence[AnycastListener]]) -> None:
        """Replace what the owner has at each edge location (place → listeners), at its addresses `own`."""
        found: dict[tuple[str, str], list[_Served]] = {}
        for place, listeners in edges.items():
            ended = [_Served(owner, each, slots(each.destinations)) for each in listeners if each.ended]
            found |= {(place, address): ended for address in own if ended}
        self._served[owner] = found
        for (place, _), served in found.items():
            await self._listen(edge_namespace(place), "0.0.0.0", self._from_client, place)
            for region in {to.region for each in served for to in each.listener.destinations}:
                namespace = await self._world.ensure_region(region)
                await self._listen(namespace, region_router(self._region(region)), self._from_edge, namespace)
                self._fill(place, region)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for waiting in self._ready.values():
            for each in waiting:
                each.close()

    # --- listening

    async def _listen(self, namespace: str, address: str, serve: Any, where: str) -> None:
        if namespace in self._listening:
            return
        self._listening.add(namespace)
        try:
            listener = await self._world.open_socket(namespace, bind=(address, ENDED_PORT), listen=1024)
        except BaseException:
            self._listening.discard(namespace)
            raise
        self._start(self._accept(namespace, listener, serve, where))

    async def _accept(self, namespace: str, listener: socket.socket, serve: Any, where: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(listener)
                except OSError as error:  # there are no more descriptors, or the client is gone
                    log.warning("no connection could be taken at %s: %r", where, error)
                    await self._clock.wall_sleep(ACCEPT_AGAIN_S)
                    continue
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(serve(where, connection, peer))
        finally:
            listener.close()
            self._listening.discard(namespace)

    def _start(self, running: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- at the edge

    async def _from_client(self, place: str, client: socket.socket, peer: tuple[str, int]) -> None:
        try:
            asked = _original_destination(client)
            to = self._destination(place, peer, asked)
            if to is None:
                _abort(client)
                return
            self._note(peer, asked, to)
            onward = await self._onward(place, to.region)
        except _FAILURES:
            _abort(client)
            return
        edge = edge_address([each.name for each in self._spec.places].index(place))
        port = dict(to.ports).get(asked[1], asked[1])
        order = {"source": peer[0] if to.preserve else edge, "address": to.address, "port": port}
        await self._carry(client, onward, json.dumps(order).encode() + b"\n")

    def _destination(self, place: str, client: tuple[str, int], asked: tuple[str, int]) -> Destination | None:
        for owned in self._served.values():
            for each in owned.get((place, asked[0]), ()):
                if any(first <= asked[1] <= last for first, last in each.listener.ranges) and each.destinations:
                    return each.choice(client, asked)
        return None

    def led(self, client: str, port: int, asked: str, asked_port: int) -> Destination | None:
        """Where a client's connection was led, of the latest `NOTED_MAX`."""
        return self._led.get((client, port, asked, asked_port))

    def _note(self, client: tuple[str, int], asked: tuple[str, int], to: Destination) -> None:
        self._led.pop((*client, *asked), None)
        self._led[(*client, *asked)] = to
        if len(self._led) > NOTED_MAX:
            del self._led[next(iter(self._led))]

    async def _onward(self, place: str, region: str) -> socket.socket:
        """A connection to the region: one that stands ready, else a new one."""
        waiting = self._ready[place, region]
        while waiting:
            found = waiting.popleft()
            if _is_open(found):
                self._fill(place, region)
                return found
            found.close()
        self._fill(place, region)
        return await self._opened(place, region)

    def _fill(self, place: str, region: str) -> None:
        for _ in range(READY - len(self._ready[place, region]) - self._opening[place, region]):
            self._opening[place, region] += 1
            self._start(self._open_ready(place, region))

    async def _open_ready(self, place: str, region: str) -> None:
        try:
            self._ready[place, region].append(await self._opened(place, region))
        except _FAILURES as error:
            log.warning("the edge location in %s does not reach %s: %r", place, region, error)
        finally:
            self._opening[place, region] -= 1

    async def _opened(self, place: str, region: str) -> socket.socket:
        made = await self._world.open_socket(edge_namespace(place))
        return await _connected(made, region_router(self._region(region)), ENDED_PORT)

    # --- in the region

    async def _from_edge(self, namespace: str, edge: socket.socket, peer: tuple[str, int]) -> None:
        if IPv4Address(peer[0]) not in EDGES:
            _abort(edge)
            return
        loop = asyncio.get_running_loop()
        try:
            head = b""
            while b"\n" not in head:
                more = await loop.sock_recv(edge, _AT_ONCE)
                if not more:
                    edge.close()
                    return
                head += more
            line, _, rest = head.partition(b"\n")
            order = json.loads(line)
            made = await self._world.open_socket(namespace, bind=(order["source"], 0), transparent=True)
            endpoint = await _connected(made, order["address"], order["port"])
        except _FAILURES:
            _abort(edge)
            return
        await self._carry(edge, endpoint, rest)

    # --- both

    async def _carry(self, one: socket.socket, other: socket.socket, first: bytes) -> None:
        """Carry bytes both ways until both have ended, after sending `first` to the other. A reset goes on as one."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._idle_s) as limit, asyncio.TaskGroup() as pumps:

                async def pump(source: socket.socket, sink: socket.socket, begun: bytes) -> None:
                    if begun:
                        await loop.sock_sendall(sink, begun)
                    while data := await loop.sock_recv(source, _AT_ONCE):
                        limit.reschedule(loop.time() + self._idle_s)
                        await loop.sock_sendall(sink, data)
                    sink.shutdown(socket.SHUT_WR)

                pumps.create_task(pump(one, other, first))
                pumps.create_task(pump(other, one, b""))
        except* (OSError, TimeoutError):
            _abort(one)
            _abort(other)
        finally:
            one.close()
            other.close()

    def _region(self, name: str) -> int:
        return [each.name for each in self._spec.regions].index(name)


async def _connected(made: socket.socket, address: str, port: int) -> socket.socket:
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


def _original_destination(connection: socket.socket) -> tuple[str, int]:
    """Where the client sent it, before the kernel redirected it here. Raises OSError where it did not."""
    found = connection.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16)
    port, address = struct.unpack_from("!2xH4s", found)
    return socket.inet_ntoa(address), port


def _is_open(connection: socket.socket) -> bool:
    """Whether a connection that nothing was said on is still there."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _abort(connection: socket.socket) -> None:
    """Close with a reset."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        pass  # it was closed
    connection.close()
