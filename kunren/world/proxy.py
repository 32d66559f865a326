"""The host-side proxy: one port on 127.0.0.1 by which any tool of the host is in the world.

It takes HTTP CONNECT, absolute-form requests (`GET http://name/path`) and SOCKS5 (no authentication, names or IPv4),
told apart by the first byte. Names are resolved by the world's DNS; the connection comes from the default client place.
Absolute-form requests are sent on in origin form with `Connection: close`, one a connection.

Refuses to know what is carried: after the greeting bytes flow both ways until both sides have ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import urlsplit

from kunren.world.interface import WorldEnded

log = logging.getLogger(__name__)
GREETING_WITHIN_S = 30.0
CONNECT_WITHIN_S = 15.0
HEAD_MAX = 65536
_SOCKS = 5
_HOP_BY_HOP = {"proxy-connection", "proxy-authorization", "connection", "keep-alive"}
Resolve = Callable[[str], Awaitable[list[str]]]


class Unreachable(Exception):
    """The target can't be connected to; the message says why."""


class ClientWorld(Protocol):
    """The part of `WorldControl` that the proxy needs."""

    async def ensure_place(self, place: str) -> str: ...
    async def open_socket(self, namespace: str) -> socket.socket: ...


class HostProxy:
    """`start` and `stop`; `port` is the port it listens on."""

    def __init__(self, world: ClientWorld, resolve: Resolve, place: str, port: int) -> None:
        self._world = world
        self._resolve = resolve
        self._place = place
        self.port = port
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises OSError where the port is taken."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=HEAD_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            async with asyncio.timeout(GREETING_WITHIN_S):
                first = await reader.readexactly(1)
                upstream = await (self._socks if first[0] == _SOCKS else self._http)(first, reader, writer)
            if upstream is not None:
                await relay(reader, writer, *upstream)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, WorldEnded) as error:
            log.debug("a proxy client was given up: %r", error)
        finally:
            self._serving.discard(task)
            writer.close()

    # -- HTTP --------------------------------------------------------------------------------------------------------

    async def _http(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *headers = head[:-4].split("\r\n")
        words = line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            await _refuse(
                writer, "400 Bad Request", "This port is a proxy: it takes HTTP/1.1 proxy requests and SOCKS5."
            )
            return None
        method, target, version = words
        try:
            if method == "CONNECT":
                upstream = await self._connect(*_authority(target, None))
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                return upstream
            parts = urlsplit(target)
            if parts.scheme != "http" or not parts.hostname:
                raise ValueError(f"{target!r} is not an absolute http:// URL")
            upstream = await self._connect(parts.hostname, parts.port or 80)
        except ValueError as error:
            await _refuse(writer, "400 Bad Request", f"{error}. Use this port as a proxy; the AWS API has its own.")
            return None
        except Unreachable as error:
            await _refuse(writer, "502 Bad Gateway", str(error))
            return None
        kept = [each for each in headers if each.partition(":")[0].strip().lower() not in _HOP_BY_HOP]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close"]) + "\r\n\r\n"
        upstream[1].write(sent.encode("latin-1"))
        return upstream

    # -- SOCKS5 (RFC 1928) -------------------------------------------------------------------------------------------

    async def _socks(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        if 0 not in methods:
            writer.write(b"\x05\xff")
            return None
        writer.write(b"\x05\x00")
        _, command, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = socket.inet_ntoa(await reader.readexactly(4))
        elif kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode("latin-1")
        else:
            writer.write(_socks_reply(8))  # address type not supported
            return None
        port = int.from_bytes(await reader.readexactly(2), "big")
        if command != 1:
            writer.write(_socks_reply(7))  # command not supported: CONNECT is
            return None
        try:
            upstream = await self._connect(host, port)
        except Unreachable as error:
            log.debug("socks: %s", error)
            writer.write(_socks_reply(4))  # host unreachable
            return None
        writer.write(_socks_reply(0))
        return upstream

    # -- the way in --------------------------------------------------------------------------------------------------

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection from the client place. Raises Unreachable."""
        addresses = await self._addresses(host)
        try:
            namespace = await self._world.ensure_place(self._place)
        except WorldEnded as error:
            raise Unreachable(f"{error}.") from error
        failure = f"The world's DNS has no address for {host}."
        for address in addresses:
            opened = await self._world.open_socket(namespace)
            try:
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    await asyncio.get_running_loop().sock_connect(opened, (address, port))
                return await asyncio.open_connection(sock=opened)
            except (OSError, TimeoutError) as error:
                opened.close()
                failure = f"{host}:{port} ({address}) can't be reached from {self._place}: {error or 'no answer'}."
        raise Unreachable(failure)

    async def _addresses(self, host: str) -> list[str]:
        try:
            return [str(ipaddress.IPv4Address(host))]
        except ValueError:
            pass
        try:
            return await self._resolve(host)
        except ValueError as error:
            raise Unreachable(f"{host!r} is not a name that DNS could have: {error}") from error
        except OSError as error:  # TimeoutError among them
            raise Unreachable(f"The world's DNS can't be asked for {host}: {error or 'no answer'}.") from error


async def relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until both directions have ended; one end's close is passed on as such."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()

    try:
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))
    finally:
        upstream_writer.close()


def _authority(text: str, default_port: int | None) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    port = parts.port or default_port
    if not parts.hostname or port is None:
        raise ValueError(f"{text!r} is not host:port")
    return parts.hostname, port


async def _refuse(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"Kunren's proxy: {text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def _socks_reply(code: int) -> bytes:
    return bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
