"""The Runtime API (`/2018-06-01/runtime/...`) that workers speak: HTTP/1.1 by httptools, one connection, one parser.

Which worker speaks is told by the local address of its connection, so no worker can be mistaken for another, nor a
dead one's late request for its successor's (addresses are not used again while the daemon runs). It refuses to know
what an invocation means; `environment.py` does.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections.abc import Mapping
from typing import Any, Protocol, cast

import httptools

from kunren.dataplane.runtime.faults import RESPONSE_TOO_LARGE
from kunren.dataplane.runtime.streams import ResponseStream

log = logging.getLogger(__name__)
VERSION = "/2018-06-01/runtime/"
RESPONSE_BYTES_MAX = 6_291_556
"""What a function may answer: 6 MB and 100 bytes."""
_KEPT_BYTES_MAX = RESPONSE_BYTES_MAX + 1


class Caller(Protocol):
    """One worker, as its connections see it. Each method answers a status and a body."""

    def next_asked(self, connection: Connection) -> None: ...
    def responded(self, request_id: str, body: bytes) -> tuple[int, bytes]: ...
    def streaming(self, request_id: str, content_type: str) -> ResponseStream | None: ...
    def streamed(self, request_id: str, kind: str, error: bytes) -> tuple[int, bytes]: ...
    def failed(self, request_id: str, body: bytes, kind: str) -> tuple[int, bytes]: ...
    def init_failed(self, body: bytes, kind: str) -> tuple[int, bytes]: ...
    def connection_ended(self, connection: Connection, *, reset: bool) -> None: ...


class RuntimeApi:
    """All listening sockets and who may call on which address."""

    def __init__(self) -> None:
        self._callers: dict[tuple[str, str], Caller] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._ports: dict[str, int] = {}
        self._connections: set[Connection] = set()

    async def serve(self, network: str, listener: socket.socket) -> None:
        """Answer on that network's socket from now on."""
        loop = asyncio.get_running_loop()
        self._ports[network] = listener.getsockname()[1]
        self._servers[network] = await loop.create_server(lambda: Connection(self, network), sock=listener)

    def leave(self, network: str) -> None:
        """Answer there no more: nobody is left."""
        if (server := self._servers.pop(network, None)) is not None:
            server.close()

    def port(self, network: str) -> int:
        return self._ports[network]

    def attach(self, network: str, address: str, caller: Caller) -> None:
        self._callers[(network, address)] = caller

    def detach(self, network: str, address: str) -> None:
        """Forget that worker and close what connections it has left."""
        self._callers.pop((network, address), None)
        for connection in [each for each in self._connections if each.address == address and each.network == network]:
            connection.abort()

    def caller(self, network: str, address: str) -> Caller | None:
        return self._callers.get((network, address))

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    async def stop(self) -> None:
        for server in self._servers.values():
            server.close()
        for connection in list(self._connections):
            connection.abort()
        self._servers.clear()


class Connection(asyncio.Protocol):
    """One HTTP connection of a worker."""

    def __init__(self, api: RuntimeApi, network: str) -> None:
        self.network = network
        self.address = ""
        self._api = api
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._stream: ResponseStream | None = None
        self._stream_id = ""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of asyncio's
        self.address = transport.get_extra_info("sockname")[0]
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpRequestParser(self)
        self._api.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.send(400, b"", close=True)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._api.closed(self)
        if (caller := self._api.caller(self.network, self.address)) is not None:
            caller.connection_ended(self, reset=isinstance(error, ConnectionResetError))

    # httptools

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._headers.get(b"lambda-runtime-function-response-mode", b"").lower() == b"streaming":
            self._begin_stream()

    def _begin_stream(self) -> None:
        """An answer that comes in pieces goes on at once where its reader wants that, else it is kept until whole."""
        caller = self._api.caller(self.network, self.address)
        parts = self._url.decode("latin-1").removeprefix(VERSION).split("/")
        if caller is not None and len(parts) == 3 and (parts[0], parts[2]) == ("invocation", "response"):
            kind = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
            self._stream, self._stream_id = caller.streaming(parts[1], kind), parts[1]

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def on_body(self, body: bytes) -> None:
        if self._stream is not None:
            if not self._stream.feed(body, self._pause, self._resume):
                self._stream = None
                if (caller := self._api.caller(self.network, self.address)) is not None:
                    caller.streamed(self._stream_id, RESPONSE_TOO_LARGE, b"")
            return
        if self._body_bytes < _KEPT_BYTES_MAX:  # beyond, only that it is too much matters
            self._body.append(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        path = self._url.decode("latin-1")
        method = self._parser.get_method().decode("latin-1")
        body, headers = b"".join(self._body), self._headers
        stream, stream_id = self._stream, self._stream_id
        self._reset()
        if stream is not None and (caller := self._api.caller(self.network, self.address)) is not None:
            kind = headers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")
            self.send(*caller.streamed(stream_id, kind, headers.get(b"lambda-runtime-function-error-body", b"")))
            return
        self._route(method, path, headers, body)

    # routing

    def _route(self, method: str, path: str, headers: Mapping[bytes, bytes], body: bytes) -> None:
        caller = self._api.caller(self.network, self.address)
        if caller is None:
            self.send(403, problem("Forbidden", "No worker has this address."), close=True)
            return
        if not path.startswith(VERSION):
            self.send(404, problem("InvalidPath", f"No such path: {path}"))
            return
        kind = headers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")
        match (method, *path[len(VERSION) :].split("?", 1)[0].split("/")):
            case ("GET", "invocation", "next"):
                caller.next_asked(self)
            case ("POST", "invocation", request_id, "response"):
                # A runtime that fails while streaming says so in trailers, which stand among the headers here.
                self.send(*(caller.failed(request_id, body, kind) if kind else caller.responded(request_id, body)))
            case ("POST", "invocation", request_id, "error"):
                self.send(*caller.failed(request_id, body, kind))
            case ("POST", "init", "error"):
                self.send(*caller.init_failed(body, kind))
            case _:
                self.send(404, problem("InvalidPath", f"No such operation: {method} {path}"))

    # answers

    def send(self, status: int, body: bytes, headers: bytes = b"", *, close: bool = False) -> None:
        if self._transport is None:
            return
        self._transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"
            % (status, _REASONS.get(status, b"Error"), len(body), headers, body)
        )
        if close:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def alive(self) -> bool:
        """Whether the worker's end is still open: asked of the kernel, since a killed worker's buffered request for the
        next event would swallow it."""
        if self._transport is None or self._transport.is_closing():
            return False
        sock = self._transport.get_extra_info("socket")
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLRDHUP)
        return not poll.poll(0)


_REASONS = {
    200: b"OK",
    202: b"Accepted",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    413: b"Payload Too Large",
    500: b"Internal Server Error",
}


def problem(kind: str, message: str) -> bytes:
    """The Runtime API's own error document."""
    quoted = message.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{"errorMessage":"{quoted}","errorType":"{kind}"}}'.encode()
