"""HTTP/1.1 operations over raw sockets: one request each, on a connection of its own or on one that is kept.

Of HTTP it knows what it takes to find where an answer ends (RFC 9112, section 6.3); it follows no redirect.
"""

from __future__ import annotations

import errno
import re
import select
import socket
import ssl
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from kunren.drills.history import Reason
from kunren.drills.load.loop import Loop, Recorder
from kunren.drills.load.names import Names
from kunren.drills.load.stream import Operation, Stream

READ, WRITE = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:[^\r]*chunked")
_CLOSE = re.compile(rb"(?i)\r\nconnection:[^\r]*close")
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
WRITE_MARK = "{write}"


def answer_end(raw: bytes, head_only: bool = False) -> tuple[int, bool] | None:
    """Where the answer that begins these bytes ends, and whether the connection may be kept: None while it is not
    whole, -1 for one that ends with its connection."""
    head = raw.find(b"\r\n\r\n")
    if head < 0:
        return None
    status = raw[9:12]
    kept = _CLOSE.search(raw, 0, head) is None
    if status[:1] == b"1" and status != b"101":
        rest = answer_end(raw[head + 4 :], head_only)
        return rest if rest is None or rest[0] < 0 else (rest[0] + head + 4, rest[1])
    if head_only or status in (b"204", b"304"):
        return head + 4, kept
    found = _LENGTH.search(raw, 0, head)
    if found:
        end = head + 4 + int(found[1])
        return (end, kept) if len(raw) >= end else None
    if _CHUNKED.search(raw, 0, head):
        return (len(raw), kept) if raw.endswith(b"0\r\n\r\n") else None
    return -1, False


class HttpStream(Stream):
    """`wanted`: url, method, headers, body, keep_alive, connections, status (low, high), contains."""

    def __init__(self, loop: Loop, names: Names, recorder: Recorder, client: int, wanted: dict[str, Any]) -> None:
        super().__init__(recorder, client, wanted)
        self.loop, self.names = loop, names
        parts = urlsplit(wanted["url"])
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.keep_alive = bool(wanted.get("keep_alive"))
        self.head_only = wanted.get("method", "GET") == "HEAD"
        self.low, self.high = wanted.get("status", (200, 399))
        self.contains = wanted.get("contains", "").encode()
        self._most = int(wanted.get("connections", 1000))
        self._open = 0
        self._free: list[Connection] = []
        self._waiting: deque[Operation] = deque()
        self._request = _request(wanted, parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        self._marked = WRITE_MARK.encode() in self._request[0] + self._request[1]

    def bytes_of(self, operation: Operation) -> bytes:
        head, body = self._request
        if not self._marked:
            return head + body
        mark, name = WRITE_MARK.encode(), f"{self.client}-{operation.number}".encode()
        body = body.replace(mark, name)
        return re.sub(rb"(?<=Content-Length: )\d+", str(len(body)).encode(), head.replace(mark, name)) + body

    def begin(self, operation: Operation) -> None:
        if self._free:
            self._free.pop().carry(operation)
        elif self._open < self._most:
            self._open += 1
            self.names.lookup(self.host, lambda found: self._connect(operation, found))
        else:
            self._waiting.append(operation)

    def _connect(self, operation: Operation, found: list[str]) -> None:
        if operation.done or not found:
            self.finish(operation, Reason.NO_NAME)
            self.closed()
            return
        address = found[operation.number % len(found)] if self.keep_alive else found[0]
        Connection(self, address).carry(operation)

    def give_up(self, operation: Operation) -> None:
        if isinstance(operation.using, Connection):
            reason = Reason.NO_ANSWER if operation.using.connected else Reason.NO_CONNECTION
            operation.using.fail(reason)
        else:
            self.finish(operation, Reason.NO_FREE_CONNECTION if operation in self._waiting else Reason.NO_NAME)

    def free(self, connection: Connection) -> None:
        """That connection may carry another request."""
        while self._waiting:
            operation = self._waiting.popleft()
            if not operation.done:
                connection.carry(operation)
                return
        self._free.append(connection)

    def closed(self, connection: Connection | None = None) -> None:
        """A connection has ended, or was not opened: its place is free."""
        self._open -= 1
        if connection in self._free:
            self._free.remove(connection)
        while self._waiting:
            operation = self._waiting.popleft()
            if not operation.done:
                self.begin(operation)
                return


class Connection:
    """One connection: carries one request at a time."""

    def __init__(self, stream: HttpStream, address: str) -> None:
        self.stream = stream
        self.address = stream.address(address)
        self.connected = False
        self._operation: Operation | None = None
        self._received = b""
        self._unsent = b""
        self._closed = False
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._refused = raw.connect_ex((address, stream.port))
        if stream.tls is not None:
            self._socket: socket.socket = stream.tls.wrap_socket(
                raw, server_hostname=stream.host, do_handshake_on_connect=False
            )
            self._shaken = False
        else:
            self._socket = raw
            self._shaken = True
        self._mask = WRITE
        stream.loop.watch(self._socket.fileno(), WRITE, self._ready)

    def carry(self, operation: Operation) -> None:
        operation.using = self
        self._operation = operation
        if self._refused not in (0, errno.EINPROGRESS):
            self.fail(reason_of(OSError(self._refused, "")))
            return
        self._unsent = self.stream.bytes_of(operation)
        if self.connected and self._shaken:
            self._send()

    def fail(self, reason: int) -> None:
        """The connection is of no use any more."""
        if self._closed:
            return
        self._closed = True
        self.stream.loop.forget(self._socket.fileno())
        self._socket.close()
        operation, self._operation = self._operation, None
        if operation is not None:
            operation.using = None
            self.stream.finish(operation, reason, 0, self.address)
        self.stream.closed(self)

    def _ready(self, events: int) -> None:
        try:
            if not self.connected:
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, "")
                if not events & select.EPOLLOUT:
                    return
                self.connected = True
            if not self._shaken:
                self._socket.do_handshake()  # type: ignore[attr-defined]
                self._shaken = True
            if self._unsent:
                self._send()
            elif self._mask == WRITE:
                self._watch(READ)
            if events & (select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                self._receive()
        except ssl.SSLWantReadError:
            self._watch(READ)
        except ssl.SSLWantWriteError:
            self._watch(WRITE)
        except OSError as error:
            self.fail(reason_of(error, self._operation is not None and self._operation.sent))

    def _watch(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self.stream.loop.rewatch(self._socket.fileno(), mask)

    def _send(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        except OSError as error:
            self.fail(reason_of(error, self._operation is not None and self._operation.sent))
            return
        if sent and self._operation is not None:
            self._operation.sent = True
        self._unsent = self._unsent[sent:]
        self._watch(WRITE if self._unsent else READ)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(262144)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        operation, stream = self._operation, self.stream
        if operation is None:
            self.fail(Reason.CUT)  # closed while nobody used it
            return
        if data:
            self._received = received = self._received + data if self._received else data
            found = answer_end(received, stream.head_only)
            if found is None or found[0] < 0:
                return
            end, kept = found
        elif self._received and (found := answer_end(self._received, stream.head_only)) and found[0] < 0:
            received, end, kept = self._received, len(self._received), False
        else:
            self.fail(Reason.CUT)
            return
        self._answered(operation, received[:end], kept and stream.keep_alive)

    def _answered(self, operation: Operation, answer: bytes, kept: bool) -> None:
        stream = self.stream
        self._received = b""
        self._operation = operation.using = None
        status = int(answer[9:12]) if answer[9:12].isdigit() else 0
        if not stream.low <= status <= stream.high:
            reason = Reason.STATUS
        elif stream.contains and stream.contains not in answer:
            reason = Reason.UNEXPECTED
        else:
            reason = Reason.NONE
        stream.finish(operation, reason, status, self.address)
        if kept:
            stream.free(self)
        else:
            self.fail(Reason.NONE)


def reason_of(error: OSError, sent: bool = False) -> int:
    """Which of the history's reasons an error of a socket is."""
    if isinstance(error, ssl.SSLError):
        return Reason.TLS
    if error.errno in _UNREACHABLE:
        return Reason.UNREACHABLE
    if error.errno == errno.ETIMEDOUT:
        return Reason.NO_ANSWER if sent else Reason.NO_CONNECTION
    return Reason.CUT if sent else Reason.REFUSED


def _request(wanted: dict[str, Any], host: str, target: str) -> tuple[bytes, bytes]:
    body = wanted.get("body", "").encode()
    headers = {"Host": host, "User-Agent": "kunren-drill", "Accept": "*/*", **wanted.get("headers", {})}
    if body:
        headers["Content-Length"] = str(len(body))
    if not wanted.get("keep_alive"):
        headers["Connection"] = "close"
    lines = [f"{wanted.get('method', 'GET')} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode(), body
