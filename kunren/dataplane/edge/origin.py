"""Asks origins: HTTP/1.1 over sockets of the edge location's own namespace, with kept connections and TLS that is
verified against the world's authorities.

What it refuses to know: caches, behaviours, and which headers an origin should see.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import httptools

from kunren.core.clock import Clock
from kunren.core.sigv4 import Credential
from kunren.dataplane.edge.message import Answer, Headers, Upstream
from kunren.dataplane.edge.origin_signing import signed
from kunren.dataplane.edge.site import Origin, Way
from kunren.world.interface import NoSuchNamespace, edge_namespace

Resolve = Callable[[str, str], Awaitable[list[str]]]
"""`resolve(name, place)`: the addresses of a name as the edge location of that place is told them."""
_BUFFERED_MAX = 256 * 1024
_NO_BODY = frozenset({204, 304})
_KEPT_MAX = 64
_BREAKS = re.compile(r"[\r\n\0]")
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110, 9.2.2."""


class Unreachable(Exception):
    """No answer from the origin; `status` is what the viewer gets: 502, or 504 where it was time that ran out; `detail`
    is what logs say, a value of x-edge-detailed-result-type."""

    def __init__(self, status: int, detail: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.detail = detail


class Sockets(Protocol):
    async def open_socket(self, namespace: str, family: int = ..., type: int = ...) -> socket.socket: ...


class _Line(NamedTuple):
    """Where a kept connection leads."""

    edge: str
    host: str
    port: int
    server_name: str | None
    way: Way | None = None

    @property
    def name(self) -> str:
        """What is looked up."""
        return self.host if self.way is None else self.way.name


class Origins:
    """Connections to origins, by edge location."""

    def __init__(
        self, sockets: Sockets, resolve: Resolve, clock: Clock, trust: Path, credential: Credential | None = None
    ) -> None:
        """`credential` is what requests are signed with, where an origin wants them signed."""
        self._sockets = sockets
        self._resolve = resolve
        self._clock = clock
        self._trust = trust
        self._credential = credential
        self._context: ssl.SSLContext | None = None
        self._kept: dict[_Line, deque[_Exchange]] = {}

    async def ask(
        self, edge: str, origin: Origin, secure: bool, method: str, target: str, headers: Headers, body: bytes
    ) -> Answer:
        """One request. The answer's body is still on its way. Raises Unreachable."""
        if origin.access is not None and self._credential is not None:
            headers = signed(self._credential, origin.access, method, target, headers, self._clock.wall())
        port = origin.https_port if secure else origin.http_port
        host = next((value for name, value in headers if name.lower() == "host"), origin.domain)
        server_name = origin.server_name or host.partition(":")[0]
        line = _Line(edge, origin.domain, port, server_name if secure else None, origin.way)
        wall = self._clock.wall_seconds
        request, began = _encode(method, target, headers, body), self._clock.monotonic()
        # a kept connection may be closed while we ask: what must not happen twice is asked over a new one
        while method in _REPEATABLE and (kept := self._take(line)) is not None:
            try:
                return self._timed(await kept.ask(method, request, wall(origin.read_timeout_s)), began)
            except ConnectionError:
                continue  # it had been closed at the other end before
        looked_up = self._clock.monotonic()
        addresses = await self._resolve(line.name, line.edge)
        found = self._clock.monotonic()
        fresh = await self._connect(line, origin, addresses)
        connected = self._clock.monotonic()
        fresh.gives_back = lambda: self._give_back(line, fresh, wall(origin.keepalive_s))
        try:
            answer = await fresh.ask(method, request, wall(origin.read_timeout_s))
        except ConnectionError as error:
            raise Unreachable(502, "OriginCommError", f"the origin closed the connection: {error}") from error
        return self._timed(answer, began, found - looked_up, connected - found)

    def _timed(self, answer: Answer, began: float, dns_s: float = 0.0, connect_s: float = 0.0) -> Answer:
        answer.upstream = Upstream(dns_s * 1000, connect_s * 1000, (self._clock.monotonic() - began) * 1000)
        return answer

    def close(self) -> None:
        for kept in self._kept.values():
            for each in kept:
                each.end()
        self._kept.clear()

    def _take(self, line: _Line) -> _Exchange | None:
        kept = self._kept.get(line)
        while kept:
            found = kept.pop()
            if found.usable:
                found.taken()
                return found
        return None

    def _give_back(self, line: _Line, exchange: _Exchange, keepalive_s: float) -> None:
        kept = self._kept[line] = deque(each for each in self._kept.get(line, ()) if each.usable)
        if len(kept) >= _KEPT_MAX:
            exchange.end()
            return
        kept.append(exchange)
        exchange.closes_after(keepalive_s)

    async def _connect(self, line: _Line, origin: Origin, addresses: list[str]) -> _Exchange:
        """Each attempt is for the next of the name's addresses."""
        namespaces = (edge_namespace(line.edge),) if line.way is None else line.way.namespaces
        if not addresses:
            raise Unreachable(502, "OriginDnsError", f"the name {line.name} has no address")
        if not namespaces:
            raise Unreachable(502, "OriginConnectError", f"there is no way into the VPC of {line.name} yet")
        failure: Unreachable | None = None
        for attempt in range(origin.attempts):
            address = addresses[attempt % len(addresses)]
            namespace = namespaces[attempt % len(namespaces)]
            where = f"{line.host}:{line.port} at {address}"
            try:
                async with asyncio.timeout(self._clock.wall_seconds(origin.connect_timeout_s)):
                    return await self._connect_once(line, namespace, address)
            except TimeoutError:
                failure = Unreachable(504, "OriginConnectError", f"no connection to {where} in time")
            except ssl.SSLError as error:
                raise Unreachable(502, "OriginConnectError", f"TLS with {where}: {error.reason or error}") from error
            except (OSError, NoSuchNamespace) as error:
                failure = Unreachable(502, "OriginConnectError", f"no connection to {where}: {error}")
        assert failure is not None
        raise failure

    async def _connect_once(self, line: _Line, namespace: str, address: str) -> _Exchange:
        sock = await self._sockets.open_socket(namespace)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (address, line.port))
            context = self._tls() if line.server_name is not None else None
            _, exchange = await loop.create_connection(
                _Exchange, sock=sock, ssl=context, server_hostname=line.server_name
            )
        except BaseException:
            sock.close()
            raise
        return exchange

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context(cafile=str(self._trust))
        return self._context


def _encode(method: str, target: str, headers: Headers, body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers if name.lower() != "content-length"]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    lines = [_BREAKS.sub("", each) for each in lines]  # nothing that was mapped into a line ends it
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body


class Stream:
    """An answer's body on its way. Who does not read it to its end closes it, so that its connection ends."""

    def __init__(self, pieces: AsyncGenerator[bytes], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self.close = close

    def __aiter__(self) -> AsyncGenerator[bytes]:
        return self._pieces


class _Exchange(asyncio.Protocol):
    """A connection to an origin: one request at a time. What comes without having been asked for ends it."""

    def __init__(self) -> None:
        self.gives_back: Callable[[], None] = self.end
        self._asking = False
        self._transport: asyncio.Transport | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._begin("")

    def _begin(self, method: str) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._method = method
        self._head: asyncio.Future[None] | None = None
        self._reason = b""
        self._headers: Headers = []
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._more = asyncio.Event()
        self._complete = False
        self._surplus = False
        self._keeps_alive = False
        self._failure: Exception | None = None
        self._paused = False

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def taken(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()

    def closes_after(self, seconds: float) -> None:
        self._expiry = asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, method: str, request: bytes, read_timeout_s: float) -> Answer:
        """Raises ConnectionError where nothing came back, Unreachable where it took too long or was no HTTP."""
        self._begin(method)
        self._asking = True
        if not self.usable:
            raise ConnectionResetError("closed before")
        assert self._transport is not None
        self._head = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(read_timeout_s):
                await self._head
        except TimeoutError:
            self.end()
            raise Unreachable(504, "OriginReadError", "the origin did not answer in time") from None
        except httptools.HttpParserError as error:
            self.end()
            raise Unreachable(502, "OriginInvalidResponseError", f"the answer is no HTTP: {error}") from error
        except asyncio.CancelledError:
            self.end()
            raise
        status = int(self._parser.get_status_code())
        answer = Answer(status, self._headers, b"", reason=self._reason.decode("latin-1"))
        if self._complete and not self._pieces:
            self._done()
        elif self._complete:
            answer.body = b"".join(self._pieces)
            self._done()
        else:
            answer.body = Stream(self._stream(read_timeout_s), self._unread)
        return answer

    def _unread(self) -> None:
        """Nobody wants the rest."""
        if self._asking:
            self.end()

    async def _stream(self, read_timeout_s: float) -> AsyncGenerator[bytes]:
        try:
            while True:
                while self._pieces:
                    piece = self._pieces.popleft()
                    self._buffered -= len(piece)
                    yield piece
                if self._paused and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                if self._complete:
                    self._done()
                    return
                if self._failure is not None:
                    raise ConnectionResetError(f"the origin broke off: {self._failure}") from self._failure
                self._more.clear()
                async with asyncio.timeout(read_timeout_s):
                    await self._more.wait()
        except TimeoutError:
            raise ConnectionResetError("the origin stopped sending") from None
        finally:
            if not self._complete:
                self.end()

    def _done(self) -> None:
        self._asking = False
        if self._keeps_alive and self.usable and not self._surplus:
            self.gives_back()
        else:
            self.end()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._asking:
            self.end()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(ConnectionResetError("the origin speaks another protocol from here on"))
            self.end()
        except httptools.HttpParserError as error:
            if self._complete:
                self._surplus = True
            else:
                self._fail(error)

    def eof_received(self) -> None:
        if self._head is not None and self._head.done() and not self._complete and not self._has_length():
            self._complete = True  # the end of the connection is the end of the body
            self._more.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.eof_received()
        self._transport = None
        self._fail(error or ConnectionResetError("the origin closed the connection"))

    def _has_length(self) -> bool:
        return any(name.lower() in ("content-length", "transfer-encoding") for name, _ in self._headers)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        if self._head is not None and not self._head.done():
            self._head.set_exception(error if isinstance(error, ConnectionError | httptools.HttpParserError)
                                     else ConnectionResetError(str(error)))  # fmt: skip
        self._more.set()

    # --- httptools

    def on_message_begin(self) -> None:
        self._surplus = self._complete  # behind an answer begins what nobody asked for

    def on_status(self, reason: bytes) -> None:
        if not self._surplus:
            self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._surplus:
            return
        self._headers.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape").strip()))

    def on_headers_complete(self) -> None:
        if self._surplus:
            return
        status = int(self._parser.get_status_code())
        if 100 <= status < 200:
            self._headers, self._reason = [], b""
            return
        self._keeps_alive = self._parser.should_keep_alive()  # the parser forgets it with the message's end
        if self._method == "HEAD" or status in _NO_BODY:
            self._complete = True
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, piece: bytes) -> None:
        if self._surplus:
            return
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > _BUFFERED_MAX and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._more.set()

    def on_message_complete(self) -> None:
        with suppress(httptools.HttpParserError):
            if int(self._parser.get_status_code()) >= 200:
                self._complete = True
                self._more.set()
