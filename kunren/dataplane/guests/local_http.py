"""What AWS answers to guests at a link-local address (instance metadata, task credentials): HTTP/1.1 by httptools.

Who asks is told by the address of the connection's other end, which a guest can't choose (it leaves its interface under
its own address alone). An answer may have a limit of hops, as the kernel counts them.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httptools

from kunren.core.clock import Clock, http_date

_BODY_MAX = 4096
_HEAD_MAX = 16 * 1024
_WAITING_MAX = 64
"""How many requests may wait on one connection for their answers."""
_UNREAD_MAX = 1 << 20
_CONNECTIONS_MAX = 256
"""How many connections one address may hold."""
_HOPS = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Header names are lower case; `path` is without its query."""

    source: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: str | bytes = ""
    kind: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)
    hops: int = _HOPS


Answer = Callable[[Asked], Awaitable[Answered]]


class LocalHttp:
    """Serves on sockets that others open."""

    def __init__(self, clock: Clock, answer: Answer) -> None:
        self._clock, self._answer = clock, answer
        self._servers: dict[str, asyncio.Server] = {}
        self._held: Counter[str] = Counter()

    def serves(self, name: str) -> bool:
        return name in self._servers

    async def serve(self, name: str, listener: socket.socket) -> None:
        """Answer on that socket until `leave`."""
        loop = asyncio.get_running_loop()
        made = await loop.create_server(lambda: _Connection(self._clock, self._answer, self._held), sock=listener)
        if (before := self._servers.get(name)) is not None:
            before.close()
        self._servers[name] = made

    def leave(self, name: str) -> None:
        if (server := self._servers.pop(name, None)) is not None:
            server.close()

    def stop(self) -> None:
        for name in list(self._servers):
            self.leave(name)


class _Connection(asyncio.Protocol):
    """`held` counts the connections of each address. What a guest does without an end is ended."""

    def __init__(self, clock: Clock, answer: Answer, held: Counter[str]) -> None:
        self._clock, self._answer, self._held = clock, answer, held
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._source = ""
        self._url, self._head, self._body = b"", 0, b""
        self._headers: dict[str, str] = {}
        self._waiting: list[Asked] = []
        self._task: asyncio.Task[None] | None = None
        self._close = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._source = transport.get_extra_info("peername")[0]
        self._parser = httptools.HttpRequestParser(self)
        self._held[self._source] += 1
        if self._held[self._source] > _CONNECTIONS_MAX:
            self._abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._held[self._source] -= 1
        if not self._held[self._source]:
            del self._held[self._source]
        if self._task is not None:
            self._task.cancel()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._url, self._head, self._body, self._headers = b"", 0, b"", {}

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        """Bound what a guest can have us keep of a request that it never ends."""
        self._head += size
        if self._head > _HEAD_MAX:
            self._abort()

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > _BODY_MAX and self._transport is not None:
            self._transport.close()

    def on_message_complete(self) -> None:
        path = self._url.partition(b"?")[0].decode("latin-1")
        self._close = self._close or not self._parser.should_keep_alive()
        self._waiting.append(Asked(self._source, self._parser.get_method().decode(), path, self._headers, self._body))
        if len(self._waiting) > _WAITING_MAX:
            self._abort()
        elif self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._waiting and self._transport is not None:
            asked = self._waiting.pop(0)
            self._send(asked, await self._answer(asked))
        self._task = None
        if self._close and self._transport is not None:
            self._transport.close()

    def _send(self, asked: Asked, answered: Answered) -> None:
        if self._transport is None:
            return
        kernel = self._transport.get_extra_info("socket")
        if kernel is not None:
            kernel.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, answered.hops)
        body = answered.body if isinstance(answered.body, bytes) else answered.body.encode()
        head = [
            f"HTTP/1.1 {answered.status} {HTTPStatus(answered.status).phrase}",
            f"Content-Type: {answered.kind}",
            f"Content-Length: {len(body)}",
            f"Date: {http_date(int(self._clock.wall()))}",
            *(f"{name}: {value}" for name, value in answered.headers.items()),
            "Server: EC2ws",
            f"Connection: {'close' if self._close else 'keep-alive'}",
        ]
        sent = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n"
        self._transport.write(sent + (b"" if asked.method == "HEAD" else body))
        if self._transport.get_write_buffer_size() > _UNREAD_MAX:
            self._abort()
