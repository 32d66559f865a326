"""Connections to origins: what comes back over them, and what becomes of them."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from kunren.core.clock import SystemClock
from kunren.dataplane.edge.message import drop, whole
from kunren.dataplane.edge.origin import Origins, Unreachable, _encode
from kunren.dataplane.edge.site import Origin

HOST = [("Host", "o.test")]


class Loopback:
    async def open_socket(self, namespace, family=socket.AF_INET, type=socket.SOCK_STREAM):
        made = socket.socket(family, type)
        made.setblocking(False)
        return made


class Server:
    """Sends what it is told, once for each request; counts connections and knows which have ended."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.connections = 0
        self.ended = asyncio.Event()

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.answers.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.ended.set()
        writer.close()


def told(story, *answers, addresses=("127.0.0.1",), attempts=3):
    """Run `story(ask, server)` against a server on a port of its own."""

    async def run():
        server = Server(*answers)
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            origin = Origin("o", "o.test", "", (), "http-only", port, 443, 10, attempts, 30, 5)

            async def resolve(name, edge):
                return list(addresses)

            origins = Origins(Loopback(), resolve, SystemClock(), Path("/nowhere"))
            async with asyncio.timeout(20):
                made = await story(lambda: origins.ask("tokyo", origin, False, "GET", "/", HOST, b""), server)
            origins.close()
            return made

    return asyncio.run(run())


def answer(body, more=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s" % (len(body), body, more)


def test_a_connection_serves_one_request_after_the_other():
    async def story(ask, server):
        return [await whole((await ask()).body, 99) for _ in range(3)], server.connections

    assert told(story, answer(b"one"), answer(b"two"), answer(b"three")) == ([b"one", b"two", b"three"], 1)


@pytest.mark.parametrize("surplus", [answer(b"forged"), b"noise", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_what_follows_an_answer_belongs_to_nobody(surplus):
    async def story(ask, server):
        return [await whole((await ask()).body, 99) for _ in range(2)], server.connections

    assert told(story, answer(b"one", surplus), answer(b"two")) == ([b"one", b"two"], 2)


def test_a_body_that_nobody_reads_ends_its_connection():
    async def story(ask, server):
        made = await ask()
        drop(made.body)
        await server.ended.wait()
        return True

    assert told(story, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin")


def test_a_whole_body_arrives_though_the_connection_ends_behind_it():
    body = b"x" * 700_000
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 700000\r\n\r\n"

    async def story(ask, server):
        made = await ask()
        return await whole(made.body, 1_000_000)

    assert told(story, head + body) == body


def test_each_attempt_is_for_the_next_address():
    async def story(ask, server):
        return await whole((await ask()).body, 99)

    assert told(story, answer(b"one"), addresses=("127.0.0.2", "127.0.0.1")) == b"one"
    with pytest.raises(Unreachable) as caught:
        told(story, answer(b"one"), addresses=("127.0.0.2", "127.0.0.1"), attempts=1)
    assert (caught.value.status, caught.value.detail) == (502, "OriginConnectError")
    with pytest.raises(Unreachable) as caught:
        told(story, addresses=())
    assert caught.value.detail == "OriginDnsError"


def test_nothing_in_a_line_of_a_request_ends_it():
    sent = _encode("GET", "/a\r\n\r\nGET /b", [("Host", "o.test"), ("X-A", "1\r\nX-B: 2")], b"")
    assert sent == b"GET /aGET /b HTTP/1.1\r\nHost: o.test\r\nX-A: 1X-B: 2\r\n\r\n"
