"""The carrier's listeners, on loopback. What it carries is seen end to end."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque

from kunren.core.clock import SystemClock
from kunren.dataplane.anycast.carrier import Carrier, _Served
from kunren.dataplane.anycast.ruleset import slots, sticky_destination
from kunren.dataplane.anycast.table import AnycastListener, Destination
from kunren.world.spec import Place, Region, WorldSpec

SPEC = WorldSpec((Place("tokyo", 35, 139, "JP", "AS"),), (Region("us-east-1", "ab", 39, -77),))
ENDED = AnycastListener("tcp", ((80, 80),), (), ended=True)


class Failing(socket.socket):
    """Fails as a process does that has no descriptors left, as often as `failures` says."""

    failures: deque[int]

    def accept(self):
        if self.failures:
            raise OSError(self.failures.popleft(), "no more")
        return super().accept()


class World:
    def __init__(self, *failures: int) -> None:
        self.failures = deque(failures)
        self.opened: list[socket.socket] = []

    async def open_socket(self, namespace, *arguments, bind=None, listen=None, **more):
        made = Failing()
        made.failures = self.failures
        made.setblocking(False)
        made.bind(("127.0.0.1", 0))
        made.listen(listen)
        self.opened.append(made)
        return made


async def is_taken(address) -> bool:
    """Whether somebody takes a connection, and ends it: nobody redirected it here."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True
    finally:
        writer.close()


def test_a_listener_that_can_not_take_a_connection_goes_on():
    async def main():
        world = World(errno.EMFILE, errno.ECONNABORTED)
        carrier = Carrier(world, SystemClock(), SPEC)
        await carrier.publish("a", ("198.18.192.1",), {"tokyo": [ENDED]})
        async with asyncio.timeout(60):
            assert await is_taken(world.opened[0].getsockname())
        assert not world.failures
        carrier.stop()

    asyncio.run(main())


def test_a_listener_that_has_ended_is_opened_again():
    async def main():
        world = World()
        carrier = Carrier(world, SystemClock(), SPEC)
        await carrier.publish("a", ("198.18.192.1",), {"tokyo": [ENDED]})
        await carrier.publish("b", ("198.18.192.2",), {"tokyo": [ENDED]})
        assert len(world.opened) == 1
        await asyncio.sleep(0)  # it begins
        carrier.stop()
        async with asyncio.timeout(60):
            while world.opened[0].fileno() >= 0:
                await asyncio.sleep(0.01)
        await carrier.publish("a", ("198.18.192.1",), {"tokyo": [ENDED]})
        assert len(world.opened) == 2
        carrier.stop()

    asyncio.run(main())


def test_a_sticky_client_is_led_where_the_kernel_leads_its_datagrams():
    to = tuple(Destination(f"198.18.32.{number}", 1.0) for number in range(1, 8))
    sticky = AnycastListener("tcp", ((80, 80),), to, sticky=True, ended=True)
    served = _Served("a", sticky, slots(to))
    found = [
        (served.choice((client, port), ("198.18.192.1", 80)), sticky_destination("a", sticky, client, "198.18.192.1"))
        for client in ("198.18.0.5", "198.18.1.6", "198.18.2.7")
        for port in (1025, 40000)
    ]
    assert all(one == other for one, other in found) and len(set(found)) > 1
