"""The edge's own HTTP server: Envoy sends every viewer's request here over a unix socket.

HTTP/1.1 on httptools. What Envoy knows of the viewer it says in headers of its own, `x-kunren-...`, which no viewer can
send (Envoy overwrites them). An answer that needs no waiting is written at once, without a task.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import httptools

from kunren.core.clock import Clock
from kunren.dataplane.edge.counts import Counts
from kunren.dataplane.edge.fetch import REQUEST_BODY_BYTES_MAX, Pending
from kunren.dataplane.edge.js_event import phrase
from kunren.dataplane.edge.message import (
    Answer,
    Asked,
    Headers,
    Request,
    Viewer,
    Whereabouts,
    drop,
    first,
    without,
)
from kunren.dataplane.edge.pipeline import Pipeline
from kunren.dataplane.edge.record import Record
from kunren.dataplane.edge.site import Site
from kunren.dataplane.edge.told import MADE
from kunren.dataplane.edge.viewer import error

log = logging.getLogger(__name__)
EDGE, CLIENT, REACHED, SCHEME, PROTOCOL, TLS = (
    "x-kunren-edge", "x-kunren-client", "x-kunren-reached", "x-kunren-scheme", "x-kunren-protocol", "x-kunren-tls",
)  # fmt: skip
_OURS = frozenset(
    {EDGE, CLIENT, REACHED, SCHEME, PROTOCOL, TLS, "x-forwarded-proto", "x-request-id", "x-envoy-external-address"}
)
_HIDDEN = _OURS | MADE.keys()
_NOWHERE = Whereabouts()
_CONNECTIONS_REMEMBERED = 10_000
_NO_BODY = frozenset({204, 304})
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_VERSIONS = {"HTTP/1.0": "1.0", "HTTP/1.1": "1.1", "HTTP/2": "2.0", "HTTP/3": "3.0"}


class EdgeServer:
    """Serves on `socket_path` from `start` to `stop`. `places` tells where each place lies; `observe` is told what
    was answered for distributions that have logs."""

    def __init__(
        self,
        socket_path: Path,
        pipeline: Pipeline,
        places: Mapping[str, Whereabouts],
        clock: Clock,
        observe: Callable[[Record], None],
    ) -> None:
        self.socket_path = socket_path
        self.pipeline = pipeline
        self.places = places
        self.clock = clock
        self.observe = observe
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._counts: dict[tuple[str, str], Counts] = {}
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.socket_path.parent.mkdir(parents=True, exist_ok=True)
        self.socket_path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), str(self.socket_path), backlog=1024)

    def reused(self, connection: str) -> bool:
        """Whether a viewer's connection (Envoy's number of it) has had a request before."""
        if connection in self._seen:
            self._seen.move_to_end(connection)
            return True
        self._seen[connection] = None
        if len(self._seen) > _CONNECTIONS_REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def counts_of(self, site: Site) -> Counts:
        counts = self._counts.get((site.account, site.id))
        if counts is None:
            counts = self._counts[site.account, site.id] = Counts()
        return counts

    def take_counts(self) -> dict[tuple[str, str], Counts]:
        """What was counted since the last call, by account and distribution."""
        taken, self._counts = self._counts, {}
        return taken

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()
        self.socket_path.unlink(missing_ok=True)


class _Connection(asyncio.Protocol):
    """One connection from Envoy. Requests on it are answered in turn."""

    def __init__(self, server: EdgeServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._body_bytes = 0

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            log.debug("the edge was sent what is no HTTP: %r", error)
            self.abort()

    # --- httptools

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")))

    def on_body(self, piece: bytes) -> None:
        self._body_bytes += len(piece)
        if self._body_bytes <= REQUEST_BODY_BYTES_MAX:
            self._body.append(piece)

    def on_message_complete(self) -> None:
        request = self._request()
        too_large = self._body_bytes > REQUEST_BODY_BYTES_MAX
        self._reset()
        if too_large:
            self._write(error(413, "The request's body is too large.", request), request)
        elif self._task is not None:
            self._waiting.append(request)
        else:
            self._answer(request)

    def _request(self) -> Request:
        told = {name: value for name, value in self._headers if name in _OURS}
        address, _, port = told.get(CLIENT, "").rpartition(":")
        edge = told.get(EDGE, "")
        viewer = Viewer(
            address=address.strip("[]"),
            port=int(port or 0),
            edge=edge,
            where=self._server.places.get(edge, _NOWHERE),
            secure=told.get(SCHEME) == "https",
            http_version=_VERSIONS.get(told.get(PROTOCOL, ""), "1.1"),
            reached=told.get(REACHED, ""),
        )
        if viewer.secure:
            version, cipher, ja3, ja4, connection = told[TLS].split(" ")
            viewer.tls, viewer.cipher = version, cipher
            viewer.ja3, viewer.ja4 = ja3.strip("-"), ja4.strip("-")
            viewer.reused = self._server.reused(connection)
        uri, _, query = self._url.decode("utf-8", "surrogateescape").partition("?")
        headers = [(name, value) for name, value in self._headers if name.lower() not in _HIDDEN]
        method = self._parser.get_method().decode("latin-1")
        asked = Asked(self._server.clock.monotonic(), uri, query, headers, self._body_bytes)
        new_id = self._server.pipeline.new_id()
        return Request(method, uri, query, headers, viewer, new_id, b"".join(self._body), asked)

    # --- answers

    def _answer(self, request: Request) -> None:
        """At once where that can be; otherwise a task goes on, and the requests behind it wait."""
        try:
            made = self._server.pipeline.begin(request)
        except Exception:
            log.exception("a request for %s could not be answered", request.host)
            made = error(500, "An internal error occurred.", request)
        if isinstance(made, Answer) and isinstance(made.body, bytes):
            self._write(made, request)
        else:
            self._task = asyncio.get_running_loop().create_task(self._work(request, made))

    async def _work(self, request: Request, made: Answer | Pending) -> None:
        answer = None
        try:
            if isinstance(made, Pending):
                made = await self._server.pipeline.finish(made)
            answer = made
        except asyncio.CancelledError:
            self._served(request, Answer(0, outcome="Error"), broken="ClientCommError")
            raise
        except Exception:
            log.exception("a request for %s could not be answered", request.host)
            answer = error(500, "An internal error occurred.", request)
        try:
            if isinstance(answer.body, bytes):
                self._write(answer, request)
            else:
                await self._stream(answer, request)
        except Exception:
            log.exception("an answer to a request for %s could not be sent", request.host)
            self.abort()
        self._task = None
        while self._waiting and self._task is None and self._transport is not None:
            self._answer(self._waiting.popleft())

    async def _stream(self, answer: Answer, request: Request) -> None:
        assert not isinstance(answer.body, bytes)
        known = first(answer.headers, "content-length") is not None
        empty = request.method == "HEAD" or answer.status in _NO_BODY
        headers = without(answer.headers, {"transfer-encoding"})
        if not known and not empty:
            headers.append(("Transfer-Encoding", "chunked"))
        head = _head(answer, headers)
        sent, first_at, broken = len(head), self._server.clock.monotonic(), "ClientCommError"
        self._send(head)
        try:
            async for piece in answer.body:
                if piece and not empty:
                    self._send(piece if known else b"%x\r\n%s\r\n" % (len(piece), piece))
                    sent += len(piece)
                    await self._writable.wait()
                if self._transport is None:
                    return
            broken = ""
            if not known and not empty:
                self._send(b"0\r\n\r\n")
        except OSError as error:
            log.info("%s: the origin broke off: %r", request.host, error)
            broken = "AbortedOrigin"
            self.abort()  # so that the viewer sees that it is not whole
        finally:
            drop(answer.body)
            self._served(request, answer, sent, first_at, broken)

    def _write(self, answer: Answer, request: Request) -> None:
        assert isinstance(answer.body, bytes)
        empty = request.method == "HEAD" or answer.status in _NO_BODY
        headers = answer.headers
        if not empty or (request.method == "HEAD" and first(headers, "content-length") is None):
            headers = [*without(headers, _FRAMING), ("Content-Length", str(len(answer.body)))]
        data = _head(answer, headers) + (b"" if empty else answer.body)
        self._send(data)
        self._served(request, answer, len(data))

    def _served(
        self, request: Request, answer: Answer, sent: int = 0, first_at: float | None = None, broken: str = ""
    ) -> None:
        """Count it, and tell whoever writes logs of it."""
        site, asked = request.site, request.asked
        if site is None or asked is None:
            return
        now = self._server.clock.monotonic()
        self._server.counts_of(site).add(request, answer, sent, (first_at or now) - asked.at)
        if not site.logged:
            return
        self._server.observe(
            Record(
                site=site,
                request=request,
                answer=answer,
                at=self._server.clock.now(),
                sent=sent,
                first_byte_s=(first_at or now) - asked.at,
                taken_s=now - asked.at,
                broken=broken,
            )
        )

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _head(answer: Answer, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {answer.reason or phrase(answer.status)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")
