"""The host-side proxy, in front of servers on loopback and in front of a real world."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from kunren.world.proxy import HostProxy


class Loopback:
    """The part of the world that the proxy needs, on the host's loopback."""

    async def ensure_place(self, place: str) -> str:
        return place

    async def open_socket(self, namespace: str) -> socket.socket:
        opened = socket.socket()
        opened.setblocking(False)
        return opened


async def resolve(name: str) -> list[str]:
    if name == "breaks.test":
        raise TimeoutError("no answer from the world's DNS")
    return {"echo.test": ["127.0.0.1"], "second.test": ["127.0.0.9", "127.0.0.1"]}.get(name, [])


Story = Callable[[HostProxy, int], Awaitable[None]]


def with_proxy(story: Story) -> None:
    """Run story(proxy, port of an upstream that answers with what it got once its client has ended)."""

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"got:" + await reader.read())
        writer.close()

    async def around() -> None:
        server = await asyncio.start_server(upstream, "127.0.0.1", 0)
        proxy = HostProxy(Loopback(), resolve, "virginia", 0)
        await proxy.start()
        try:
            await asyncio.wait_for(story(proxy, server.sockets[0].getsockname()[1]), 20)
        finally:
            await proxy.stop()
            server.close()

    asyncio.run(around())


async def converse(proxy: HostProxy, *sent: bytes) -> bytes:
    """Send, end our direction, and read until the other end has."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    for part in sent:
        writer.write(part)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_connect_carries_both_ways_with_each_end_closed_on_its_own():
    async def story(proxy: HostProxy, port: int) -> None:
        answer = await converse(proxy, f"CONNECT echo.test:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), b"hello")
        assert answer == b"HTTP/1.1 200 Connection established\r\n\r\ngot:hello"

    with_proxy(story)


def test_an_absolute_form_request_is_sent_on_in_origin_form_without_the_proxys_headers():
    async def story(proxy: HostProxy, port: int) -> None:
        request = (
            f"POST http://echo.test:{port}/a/b?c=d HTTP/1.1\r\nHost: echo.test\r\nProxy-Connection: keep-alive\r\n"
            "Content-Length: 4\r\n\r\nbody"
        )
        answer = await converse(proxy, request.encode())
        assert answer == (
            b"got:POST /a/b?c=d HTTP/1.1\r\nHost: echo.test\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
        )

    with_proxy(story)


@pytest.mark.parametrize("target", [b"\x03\x09echo.test", b"\x01\x7f\x00\x00\x01"])
def test_socks5_takes_names_and_ipv4_addresses(target):
    async def story(proxy: HostProxy, port: int) -> None:
        answer = await converse(proxy, b"\x05\x02\x00\x02", b"\x05\x01\x00" + target + port.to_bytes(2), b"hello")
        assert answer == b"\x05\x00" + b"\x05\x00\x00\x01" + bytes(6) + b"got:hello"

    with_proxy(story)


def test_the_next_address_is_tried_where_the_first_refuses():
    async def story(proxy: HostProxy, port: int) -> None:
        answer = await converse(proxy, f"CONNECT second.test:{port} HTTP/1.1\r\n\r\n".encode())
        assert answer.endswith(b"got:")

    with_proxy(story)


@pytest.mark.parametrize(
    ("request_line", "status", "says"),
    [
        ("CONNECT nobody.test:80 HTTP/1.1", 502, "no address for nobody.test"),
        ("CONNECT 127.0.0.1:1 HTTP/1.1", 502, "127.0.0.1:1"),
        ("CONNECT breaks.test:80 HTTP/1.1", 502, "breaks.test"),
        ("CONNECT echo.test HTTP/1.1", 400, "not host:port"),
        ("CONNECT echo.test:99999 HTTP/1.1", 400, ""),
        ("GET / HTTP/1.1", 400, "not an absolute http:// URL"),
        ("GET https://echo.test/ HTTP/1.1", 400, "not an absolute http:// URL"),
        ("GET http://[::bad/ HTTP/1.1", 400, ""),
        ("nonsense", 400, "This port is a proxy"),
    ],
)
def test_what_fails_is_answered_in_one_plain_sentence(request_line, status, says):
    async def story(proxy: HostProxy, _port: int) -> None:
        answer = (await converse(proxy, f"{request_line}\r\n\r\n".encode())).decode()
        assert answer.startswith(f"HTTP/1.1 {status} ")
        assert says in answer
        assert "Traceback" not in answer

    with_proxy(story)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00\xff" * 100,
        b"\x05",
        b"\x05\x01",
        b"\x05\x01\x00\x05\x01\x00\x03\xff",
        b"G" * 200_000,
        b"\x16\x03\x01",
    ],
)
def test_garbage_ends_its_own_connection_and_nothing_else(garbage):
    async def story(proxy: HostProxy, port: int) -> None:
        try:
            await converse(proxy, garbage)
        except ConnectionResetError:
            pass  # unread input makes the kernel answer a close with a reset
        assert (await converse(proxy, f"CONNECT echo.test:{port} HTTP/1.1\r\n\r\n".encode(), b"on")).endswith(b"got:on")

    with_proxy(story)


@pytest.mark.parametrize(
    ("request_bytes", "reply"),
    [
        (b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", 7),  # BIND
        (b"\x05\x01\x00\x04" + bytes(18), 8),  # IPv6
        (b"\x05\x01\x00\x03\x0bnobody.test\x00\x50", 4),
    ],
)
def test_socks5_says_what_it_cannot_do_in_rfc_1928s_codes(request_bytes, reply):
    async def story(proxy: HostProxy, _port: int) -> None:
        answer = await converse(proxy, b"\x05\x01\x00", request_bytes)
        assert answer[:2] == b"\x05\x00"
        assert answer[2:4] == bytes([5, reply])

    with_proxy(story)


def test_socks5_with_a_password_only_is_refused():
    async def story(proxy: HostProxy, _port: int) -> None:
        assert await converse(proxy, b"\x05\x01\x02") == b"\x05\xff"

    with_proxy(story)


def test_a_reader_that_does_not_read_holds_its_sender_back():
    async def story(proxy: HostProxy, port: int) -> None:
        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(3600)

        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        deaf = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"CONNECT echo.test:{deaf} HTTP/1.1\r\n\r\n".encode())
        sent = 0
        try:
            async with asyncio.timeout(1):
                while sent < 200_000_000:
                    writer.write(bytes(1_000_000))
                    await writer.drain()
                    sent += 1_000_000
        except TimeoutError:
            pass
        assert sent < 100_000_000
        writer.transport.abort()
        server.close()

    with_proxy(story)


def test_in_a_world_the_connection_comes_from_the_client_place(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            await net.world.apply_vpc(example_vpc())
            await net.serve("eni-a", 80, "workload sees")
            proxy = HostProxy(net.world, resolve, "tokyo", 0)
            await proxy.start()
            answer = await converse(proxy, b"CONNECT 198.19.0.20:80 HTTP/1.1\r\n\r\n")
            await proxy.stop()
            assert answer.endswith(b"workload sees 198.18.65.10")

    asyncio.run(story())
