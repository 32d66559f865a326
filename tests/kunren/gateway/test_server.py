"""Connections as clients make and break them: limits, framing, refusals and ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from kunren.core.clock import SimClock
from kunren.gateway.connection import Limits
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.gateway.server import TICK_S, HttpServer

LIMITS = Limits(head_bytes=2048, body_bytes=1000, buffered_bytes=100_000, pipelined=4, idle_ticks=2, head_ticks=1)


def refuse(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    return HttpResponse(status, [("Content-Type", "text/plain")], code.encode())


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, [("X-Seen", request.target)], request.body)


def serve(
    work: Callable[[Callable[..., Awaitable[bytes]], HttpServer, SimClock], Awaitable[None]],
    handler: Callable[[HttpRequest], Any] = echo,
) -> None:
    """Run `work(talk, server, clock)`; talk(data, until=None) sends and reads until the end (or until a text)."""

    async def main() -> None:
        clock = SimClock()
        server = HttpServer(clock, handler, refuse, None, LIMITS)
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        server.accept(listener)

        async def talk(data: bytes, until: bytes | None = None) -> bytes:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(data)
            try:
                return await asyncio.wait_for(reader.readuntil(until) if until else reader.read(), 30)
            finally:
                writer.close()

        try:
            await work(talk, server, clock)
        finally:
            stopping = asyncio.ensure_future(server.stop(grace_s=0))
            await stopping

    asyncio.run(main())


def test_a_request_is_seen_whole_and_answered_with_a_length() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        got = await talk(b"POST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxyz")
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"X-Seen: /a%20b?c=d\r\n" in got
        assert b"Content-Length: 3\r\n" in got
        assert b"Date: Sun, 15 Jun 2025 15:06:40 GMT\r\n" in got
        assert got.endswith(b"\r\n\r\nxyz")

    serve(work)


def test_a_chunked_body_is_put_together() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        got = await talk(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
        )
        assert got.endswith(b"\r\n\r\nabcde")

    serve(work)


def test_a_client_that_expects_100_continue_is_told_to_go_on() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        got = await talk(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", b"\r\n\r\n")
        assert got == b"HTTP/1.1 100 Continue\r\n\r\n"

    serve(work)


def test_a_body_above_the_limit_is_refused_before_it_is_read() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        got = await talk(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 413 ")
        assert got.endswith(b"RequestEntityTooLarge")
        assert b"100 Continue" not in got
        chunked = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n"
        assert (await talk(chunked)).startswith(b"HTTP/1.1 413 ")
        assert server.buffered == 0

    serve(work)


def test_a_head_above_the_limit_is_refused() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        assert (await talk(b"GET / HTTP/1.1\r\nX: " + b"x" * 3000)).startswith(b"HTTP/1.1 431 ")
        assert (await talk(b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\n")).startswith(b"HTTP/1.1 431 ")

    serve(work)


def test_what_is_no_http_is_refused_and_closed() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        for noise in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                      b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):  # fmt: skip
            assert (await talk(noise)).startswith(b"HTTP/1.1 400 "), noise

    serve(work)


def test_a_head_request_gets_the_length_without_the_body() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        got = await talk(b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"Content-Length: 4\r\n" in got
        assert got.endswith(b"\r\n\r\n")

    serve(work, lambda request: HttpResponse(200, [], b"body"))


def test_a_streamed_body_is_chunked_or_ends_with_the_connection() -> None:
    def handler(request: HttpRequest) -> HttpResponse:
        async def pieces() -> Any:
            yield b"one"
            yield b""
            yield b"two"

        return HttpResponse(200, [], pieces())

    async def work(talk: Any, server: Any, clock: Any) -> None:
        got = await talk(b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n")
        assert got.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        assert (await talk(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).endswith(b"\r\n\r\nonetwo")
        assert (await talk(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).endswith(b"\r\n\r\nonetwo")

    serve(work, handler)


def test_a_header_value_cannot_add_a_header() -> None:
    async def work(talk: Any, server: Any, clock: Any) -> None:
        got = await talk(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"X-A: bX-Evil: 1\r\n" in got
        assert b"\r\nX-Evil" not in got

    serve(work, lambda request: HttpResponse(200, [("X-A", "b\r\nX-Evil: 1")], b""))


def test_more_pipelined_requests_than_the_limit_are_all_answered() -> None:
    async def slow(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return HttpResponse(200, [], request.path.encode())

    async def work(talk: Any, server: Any, clock: Any) -> None:
        last = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
        got = await talk(b"".join(b"GET /%d. HTTP/1.1\r\n\r\n" % i for i in range(30)) + last)
        places = [got.find(b"\r\n\r\n/%d." % i) for i in range(30)]
        assert places == sorted(places) and places[0] > 0
        assert got.endswith(b"/last")

    serve(work, slow)


def test_a_silent_connection_is_closed_and_a_busy_one_is_not() -> None:
    released = asyncio.Event()

    async def wait(request: HttpRequest) -> HttpResponse:
        await released.wait()
        return HttpResponse(200, [], b"done")

    async def work(talk: Any, server: Any, clock: Any) -> None:
        silent = asyncio.ensure_future(talk(b""))
        half = asyncio.ensure_future(talk(b"GET / HTTP/1.1\r\nX: "))
        busy = asyncio.ensure_future(talk(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"))
        while len(server.connections) < 2 or not any(each.busy for each in server.connections):
            await asyncio.sleep(0.001)
        while not (silent.done() and half.done()):
            clock.advance(TICK_S)
            await asyncio.sleep(0.001)
        assert (silent.result(), half.result()) == (b"", b"")
        assert not busy.done()
        released.set()
        assert (await busy).endswith(b"done")

    serve(work, wait)


class Shout(asyncio.Protocol):
    """Another protocol: says everything in capitals."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())
        self.transport.close()


def test_a_connection_is_handed_to_the_protocol_that_was_asked_for() -> None:
    asked = b"GET /%s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nabc"

    async def answer(request: HttpRequest) -> HttpResponse:
        if request.path == "/up":
            return HttpResponse(101, [("Upgrade", "websocket")], b"", Shout)
        return echo(request)

    async def work(talk: Any, server: Any, clock: Any) -> None:
        head, _, behind = (await talk(asked % (b"up", b"websocket"))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n") and b"Connection: upgrade" in head
        assert behind == b"ABC"
        plain = await talk(asked % (b"other", b"websocket"))
        assert plain.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close" in plain and b"abc" not in plain
        assert b"UpgradeNotSupported" in await talk(asked % (b"up", b"h2c"))

    serve(work, answer)
