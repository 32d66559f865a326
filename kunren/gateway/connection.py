"""One client's connection: bytes → requests → answers, in order, with limits on everything that is buffered.

An asyncio.Protocol on httptools. Requests of one connection are answered in the order in which they came
(pipelining); reading pauses while too many wait, sending pauses while the peer does not read. The handler may answer
at once, return a `Promise` of an answer, or an awaitable; only then is a task made.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import httptools

from kunren.core.fronts import Tls
from kunren.core.uploads import Upload
from kunren.gateway.chain import Promise
from kunren.gateway.http import HttpRequest, HttpResponse, response_head

if TYPE_CHECKING:
    from kunren.gateway.server import HttpServer

log = logging.getLogger(__name__)
Outcome = HttpResponse | Awaitable[HttpResponse]
Handler = Callable[[HttpRequest], Outcome]


NAMES_MAX = 1024
_NAMES: dict[bytes, str] = {}


def _header_name(name: bytes) -> str:
    """A header's name in lower case; the few that everybody sends are kept."""
    key = name.decode("latin-1").lower()
    if len(_NAMES) < NAMES_MAX and len(name) < 64:
        _NAMES[name] = key
    return key


class Limits(NamedTuple):
    """What one connection may make the server hold. Bytes and counts; ticks are the server's (five seconds)."""

    head_bytes: int = 64 * 1024
    body_bytes: int = 256 * 1024 * 1024
    buffered_bytes: int = 1024 * 1024 * 1024
    pipelined: int = 16
    idle_ticks: int = 13
    head_ticks: int = 6


class Connection(asyncio.Protocol):
    """A connection of an `HttpServer`."""

    def __init__(self, server: HttpServer, source: tuple[str, int], secure: bool) -> None:
        self._server = server
        self._limits = server.limits
        self._source = source
        self._secure = secure
        self._tls: Tls | None = None
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._parser: Any = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[HttpRequest, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._promised = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._reading_paused = False
        self._upload_full = False
        self._in_message = False
        self._behind: bytes | None = None  # what came after a request for another protocol
        self.tick = server.tick
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._repeated: dict[str, tuple[str, ...]] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._head_done = False
        self._upload: Upload | None = None

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)
        if self._secure and (channel := transport.get_extra_info("ssl_object")) is not None:
            asks = channel.context.verify_mode != ssl.CERT_NONE
            self._tls = Tls(channel.context, (channel.getpeercert(True) or b"") if asks else b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._server.connections.discard(self)
        self._server.buffered -= self._body_bytes
        self._body_bytes = 0
        if self._upload is not None:
            self._upload.abandon()
        for request, _ in self._waiting:
            if request.upload is not None:
                request.upload.abandon()
        self._waiting.clear()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        self._advance()

    def data_received(self, data: bytes) -> None:
        self.tick = self._server.tick
        if self._ended:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._headers.get("upgrade", "").lower() != "websocket":
                self._refuse(400, "UpgradeNotSupported", "This endpoint does not upgrade connections")
                return
            self._behind = data[upgrade.args[0] :]
            self._transport.pause_reading()
            self._advance()
            return
        except httptools.HttpParserError:
            if not self._ended:
                self._refuse(400, "BadRequest", "The request is not well-formed HTTP")
            return
        if self._in_message and not self._head_done:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(431, "RequestHeaderSectionTooLarge", "The request's headers are too large")
                return
        self._advance()

    def eof_received(self) -> bool:
        return self.busy or bool(self._waiting)

    # --- httptools ------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._begin()
        self._in_message = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = _NAMES.get(name) or _header_name(name)
        try:
            text = value.decode().strip()
        except UnicodeDecodeError:
            text = value.decode("utf-8", "surrogateescape").strip()
        self._head_bytes += len(name) + len(value)
        headers = self._headers
        if key in headers:
            self._repeated[key] = (*self._repeated.get(key, (headers[key],)), text)
            headers[key] = f"{headers[key]}, {text}"
        else:
            headers[key] = text

    def on_headers_complete(self) -> None:
        self._head_done = True
        if self._head_bytes > self._limits.head_bytes:
            self._refuse(431, "RequestHeaderSectionTooLarge", "The request's headers are too large")
            return
        length = self._headers.get("content-length", "")
        if self._server.uploads is not None and (length not in ("", "0") or "transfer-encoding" in self._headers):
            method, target = self._parser.get_method().decode("latin-1"), self._url.decode("utf-8", "surrogateescape")
            self._upload = self._server.uploads.begin(method, target, self._headers)
        if self._upload is None and length.isdigit() and int(length) > self._limits.body_bytes:
            self._too_large()
        elif "expect" in self._headers and self._headers["expect"].lower() == "100-continue" and not self._ended:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        if self._ended:
            return
        if self._upload is not None:
            if self._upload.feed(piece, self._go_on_reading) and not self._reading_paused:
                self._reading_paused = self._upload_full = True
                self._transport.pause_reading()
            return
        self._body.append(piece)
        self._body_bytes += len(piece)
        self._server.buffered += len(piece)
        if self._body_bytes > self._limits.body_bytes:
            self._too_large()
        elif self._server.buffered > self._limits.buffered_bytes:
            self._refuse(503, "SlowDown", "Too many request bodies are being received")

    def _go_on_reading(self) -> None:
        """The upload has room again."""
        self._upload_full = False
        self.tick = self._server.tick
        self._resume()

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._ended:
            return
        if self._upload is not None:
            self._upload.end()
        keep_alive = bool(self._parser.should_keep_alive())
        self._waiting.append((self._request(), keep_alive))
        self._server.buffered -= self._body_bytes
        self._body_bytes = 0
        self._body = []
        self._upload = None
        if len(self._waiting) >= self._limits.pipelined and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _request(self) -> HttpRequest:
        target = self._url.decode("utf-8", "surrogateescape")
        if target[:1] != "/":
            target = _origin_form(target)
        path, _, query = target.partition("?")
        body = self._body
        return HttpRequest(
            self._parser.get_method().decode("latin-1"),
            path.partition("#")[0],
            query.partition("#")[0],
            self._headers,
            b"" if not body else body[0] if len(body) == 1 else b"".join(body),
            self._secure,
            self._source[0],
            self._source[1],
            self._upload,
            self._repeated,
            self._tls,
        )

    # --- answers --------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Answer what waits, in order, until a request needs time or the peer stops reading."""
        while self._waiting and not self.busy and not self._ended and self._writable.is_set():
            request, keep_alive = self._waiting.popleft()
            outcome = self._server.handler(request)
            if isinstance(outcome, HttpResponse) and isinstance(outcome.body, bytes):
                self._send(outcome, request.method, keep_alive)
            elif isinstance(outcome, Promise):
                self._promised = True
                outcome.then(partial(self._keep_promise, request.method, keep_alive))
            else:
                self._task = asyncio.get_running_loop().create_task(self._answer_later(outcome, request, keep_alive))
        self._resume()

    def _resume(self) -> None:
        room = len(self._waiting) < self._limits.pipelined and not self._upload_full and self._behind is None
        if self._reading_paused and room and not self._ended:
            self._reading_paused = False
            self._transport.resume_reading()

    def _keep_promise(self, method: str, keep_alive: bool, response: HttpResponse) -> None:
        self._promised = False
        self.tick = self._server.tick
        self._send(response, method, keep_alive)
        if self._waiting:
            self._advance()

    async def _answer_later(self, outcome: Outcome, request: HttpRequest, keep_alive: bool) -> None:
        try:
            response = outcome if isinstance(outcome, HttpResponse) else await outcome
            if isinstance(response.body, bytes):
                self._send(response, request.method, keep_alive)
            else:
                await self._stream(response, response.body, request, keep_alive)
        except Exception:
            log.exception("an answer failed while being sent")
            self._close()
        finally:
            self._task = None
            self.tick = self._server.tick
        self._advance()

    def _send(self, response: HttpResponse, method: str, keep_alive: bool) -> None:
        if self._ended:
            return
        if self._behind is not None and not self._waiting:
            if response.upgraded is not None:
                self._upgrade(response, response.upgraded())
                return
            keep_alive = False  # what follows is no HTTP
        head, _ = response_head(response, method, self._server.date(), keep_alive)
        body = cast(bytes, response.body)
        self._transport.write(head + body if body and method != "HEAD" else head)
        if not keep_alive:
            self._close()

    def _upgrade(self, response: HttpResponse, protocol: asyncio.Protocol) -> None:
        """Hand the connection to what speaks the protocol that was asked for; HTTP has ended on it."""
        head, _ = response_head(response, "GET", self._server.date(), True)
        self._transport.write(head)
        self._ended = True
        self._server.connections.discard(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._behind:
            protocol.data_received(self._behind)
        self._transport.resume_reading()

    async def _stream(
        self, response: HttpResponse, pieces: AsyncIterator[bytes], request: HttpRequest, keep_alive: bool
    ) -> None:
        """A body that comes in pieces. Where it breaks off, so does the connection: the peer must notice."""
        keep_alive = keep_alive and self._parser.get_http_version() != "1.0"
        head, chunked = response_head(response, request.method, self._server.date(), keep_alive)
        if self._ended:
            return
        self._transport.write(head)
        if request.method != "HEAD":
            async for piece in pieces:
                if self._ended:
                    return
                if piece:
                    self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                    await self._writable.wait()
            if chunked and not self._ended:
                self._transport.write(b"0\r\n\r\n")
        if not keep_alive:
            self._close()

    def _too_large(self) -> None:
        self._refuse(
            413,
            "RequestEntityTooLarge",
            f"The request body is larger than the {self._limits.body_bytes} bytes that are accepted",
        )

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer in AWS's shape without reading on, then close."""
        if self._ended:
            return
        target = self._url.decode("utf-8", "surrogateescape") or "/"
        path, _, query = (target if target[:1] == "/" else "/").partition("?")
        request = HttpRequest("POST", path, query, self._headers, b"", self._secure, *self._source)
        self._waiting.clear()
        response = self._server.refuse(request, status, code, message)
        if not self.busy:
            self._send(response, "POST", False)
        else:
            self._close()
        self._ended = True

    def _close(self) -> None:
        self._ended = True
        if self._transport is not None:
            self._transport.close()

    # --- the server's sweep ---------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self._promised or self._task is not None

    def expire(self, tick: int) -> None:
        """Close where nothing has come for too long (an unanswered request does not count as silence)."""
        quiet = tick - self.tick
        if not self.busy and (
            quiet > self._limits.idle_ticks
            or (self._in_message and not self._head_done and quiet > self._limits.head_ticks)
        ):
            self._close()

    def abort(self) -> None:
        """End at once (the server stops)."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    def close_when_idle(self) -> bool:
        """Close where no request is in progress; True where one is."""
        if self.busy or self._waiting:
            return True
        self._close()
        return False


def _origin_form(target: str) -> str:
    """`http://host/path` (a proxy's absolute form) as `/path`."""
    scheme, marks, rest = target.partition("://")
    if not marks or not scheme.isalpha():
        return "/"
    _, slash, path = rest.partition("/")
    return slash + path if slash else "/"
