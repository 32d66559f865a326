"""Answers at a link-local address, to guests that ask as they should and to those that never end."""

import asyncio
import socket

import pytest

from kunren.core.clock import SystemClock
from kunren.dataplane.guests.local_http import Answered, LocalHttp

GET = b"GET /latest/ HTTP/1.1\r\nHost: x\r\n\r\n"


async def _answer(asked):
    return Answered(200, f"{asked.source} {asked.method} {asked.path}")


def served(story):
    """Runs `story(connect)` against a server that says who asked for what."""

    async def main():
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = LocalHttp(SystemClock(), _answer)
        await server.serve("vpc-1", listener)
        try:
            async with asyncio.timeout(60):
                await story(lambda: asyncio.open_connection("127.0.0.1", port))
        finally:
            server.stop()

    asyncio.run(main())


def test_requests_of_one_connection_are_answered_in_order():
    async def story(connect):
        reader, writer = await connect()
        writer.write(GET + GET.replace(b"/latest/", b"/1.0/"))
        await reader.readuntil(b"127.0.0.1 GET /latest/")
        await reader.readuntil(b"127.0.0.1 GET /1.0/")
        writer.close()

    served(story)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET /", b"x" * 1000),
        (b"GET / HTTP/1.1\r\n", b"X-Header: " + b"x" * 1000 + b"\r\n"),
        (b"PUT / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n", b"x" * 1000),
        (b"", GET * 1000),
    ],
)
def test_a_request_without_an_end_is_ended(begin, more):
    async def story(connect):
        _, writer = await connect()
        writer.write(begin)
        with pytest.raises(ConnectionError):
            for _ in range(100_000):
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    served(story)


def test_an_address_holds_so_many_connections_and_may_have_others_later():
    async def story(connect):
        held = [await connect() for _ in range(256)]
        for _, writer in held:
            writer.write(GET)
        for reader, _ in held:
            await reader.readuntil(b"GET /latest/")
        reader, writer = await connect()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            writer.write(GET)
            await reader.readuntil(b"GET /latest/")
        for _, each in held:
            each.close()
        while True:  # until the server has seen that they are closed
            reader, writer = await connect()
            try:
                writer.write(GET)
                await reader.readuntil(b"GET /latest/")
            except (ConnectionError, asyncio.IncompleteReadError):
                continue
            break
        writer.close()

    served(story)
