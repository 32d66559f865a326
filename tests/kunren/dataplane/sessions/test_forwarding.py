"""Connections of a forwarded port: what clients do that is out of the ordinary, and who reads slowly."""

from __future__ import annotations

import asyncio
import socket

import pytest

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.sessions import forwarding
from kunren.dataplane.sessions import message as m
from kunren.dataplane.sessions.session import UNREAD_MAX
from kunren.dataplane.sessions.streams import FIN, PUSH, SYN, Frame, packed


class Opened:
    """A session whose connections lead to `there`, and whose client is told `said`."""

    def __init__(self, monkeypatch) -> None:
        self.there: list[socket.socket] = []
        self.said: list[bytes] = []
        self.hears = True

        async def connect() -> socket.socket:
            ours, theirs = socket.socketpair()
            for each in (ours, theirs):
                each.setblocking(False)
            self.there.append(theirs)
            return ours

        async def start(terminal: int):
            raise AssertionError("port forwarding has no program")

        self.session = forwarding.Forwarding(
            SystemClock(), Entropy(), "id", "i-1", "Port", start, recorded=False, connect=connect, properties={}
        )
        monkeypatch.setattr(self.session, "_send", lambda what, payload: self.said.append(payload))
        self.session._socket = self

    ready = False

    def hear(self, on: bool) -> None:
        self.hears = on

    def client(self, *frames: Frame) -> None:
        raw = b"".join(map(packed, frames))
        self.session._heed(m.Message(m.INPUT, 0, "", 0, m.DATA, raw))

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
def opened(monkeypatch):
    return Opened(monkeypatch)


def test_a_connection_that_the_client_closes_is_closed_and_takes_nothing_more(opened):
    async def main() -> None:
        opened.client(Frame(SYN, 3), Frame(PUSH, 3, b"a"))
        await opened.until(lambda: opened.there)
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(opened.there[0], 10) == b"a"
        opened.client(Frame(FIN, 3), Frame(PUSH, 3, b"late"), Frame(FIN, 3))
        assert await loop.sock_recv(opened.there[0], 10) == b""
        await opened.until(lambda: packed(Frame(FIN, 3)) in opened.said)
        with pytest.raises(OSError):  # it is no half of one that still takes an answer
            opened.there[0].send(b"answer")

    asyncio.run(main())


def test_one_connection_too_many_is_closed_at_once(opened, monkeypatch):
    monkeypatch.setattr(forwarding, "STREAMS_MAX", 0)
    opened.client(Frame(SYN, 5))
    assert opened.said == [packed(Frame(FIN, 5))]


def test_the_client_waits_while_a_connection_reads_slowly_and_one_that_never_reads_is_given_up(opened, monkeypatch):
    async def main() -> None:
        opened.client(Frame(SYN, 3))
        await opened.until(lambda: opened.there)
        data = bytes(60_000)
        while opened.session._has_room():
            opened.client(Frame(PUSH, 3, data))
            await asyncio.sleep(0)
        assert opened.session._streams[3].unread > UNREAD_MAX
        opened.session._pace()
        assert not opened.hears
        monkeypatch.setattr(type(opened.session._channel), "full", True)  # acknowledgements are awaited
        opened.session._pace()
        assert opened.hears
        loop, got = asyncio.get_running_loop(), 0
        while not opened.session._has_room():
            got += len(await loop.sock_recv(opened.there[0], 1 << 20))
        assert got
        while opened.session._has_room():
            opened.client(Frame(PUSH, 3, data))
            await asyncio.sleep(0)
        monkeypatch.setattr(forwarding, "GIVEN_UP_AFTER_S", 0.0)
        opened.session._has_room()
        await opened.until(lambda: not opened.session._streams)
        assert opened.session._has_room()

    asyncio.run(main())
