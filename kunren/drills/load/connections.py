"""Operations on connections of TCP or TLS: each carries one at a time, and is made for it or kept for others."""

from __future__ import annotations

import errno
import select
import socket
import ssl
from collections import deque
from typing import Any, ClassVar

from kunren.drills.history import Reason
from kunren.drills.load.loop import Loop, Recorder
from kunren.drills.load.names import Names
from kunren.drills.load.stream import Operation, Stream

READ, WRITE = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


class PooledStream(Stream):
    """`wanted`: keep_alive, connections (the most at a time). Subclasses say where to, and what is spoken there."""

    spoken: type[Connection]
    spreads: ClassVar[bool] = False
    """Whether all connections are opened before one is used again, in turn."""

    def __init__(
        self, loop: Loop, names: Names, recorder: Recorder, client: int, wanted: dict[str, Any],
        host: str, port: int, encrypted: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(recorder, client, wanted)
        self.loop, self.names = loop, names
        self.host, self.port = host, port
        self.tls = ssl.create_default_context() if encrypted else None
        self.keep_alive = bool(wanted.get("keep_alive"))
        self._most = int(wanted.get("connections", 1000))
        self._open = 0
        self._free: deque[Connection] = deque()
        self._waiting: deque[Operation] = deque()

    def begin(self, operation: Operation) -> None:
        if self._free and not (self.spreads and self._open < self._most):
            (self._free.popleft() if self.spreads else self._free.pop()).carry(operation)
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
        self.spoken(self, address).carry(operation)

    def give_up(self, operation: Operation) -> None:
        if isinstance(operation.using, Connection):
            reason = Reason.NO_ANSWER if operation.using.connected else Reason.NO_CONNECTION
            operation.using.fail(reason)
        else:
            self.finish(operation, Reason.NO_FREE_CONNECTION if operation in self._waiting else Reason.NO_NAME)

    def free(self, connection: Connection) -> None:
        """That connection may carry another operation."""
        while self._waiting:
            operation = self._waiting.popleft()
            if not operation.done:
                connection.carry(operation)
                return
        self._free.append(connection)

    def closed(self, connection: Connection | None = None) -> None:
        """A connection has ended, or was not opened: its place is free."""
        self._open -= 1
        if connection is not None and connection in self._free:
            self._free.remove(connection)
        while self._waiting:
            operation = self._waiting.popleft()
            if not operation.done:
                self.begin(operation)
                return


class Connection:
    """One connection. Subclasses speak: `opening` and `greet` until operations may come, `request`, `heard`."""

    greets: ClassVar[bool] = False
    """Whether something is said before the first operation, and answered."""

    def __init__(self, stream: Any, address: str) -> None:
        self.stream = stream
        self.address = stream.address(address)
        self.connected = False
        self.operation: Operation | None = None
        self._greeted = not self.greets
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

    # -- what is spoken -----------------------------------------------------------------------------------------------

    def opening(self) -> bytes:
        """What is said first, where it `greets`; the answer comes to `heard`, which calls `greeted` in the end."""
        raise NotImplementedError

    def request(self, operation: Operation) -> bytes:
        raise NotImplementedError

    def heard(self, data: bytes) -> None:
        """Something came while an operation is under way or the greeting is; nothing: the other side has ended."""
        raise NotImplementedError

    def heard_idle(self, data: bytes) -> None:
        """The same while nobody uses it."""
        self.fail(Reason.CUT)

    def answered(self, reason: int, status: int = 0, kept: bool = True) -> None:
        """The operation under way is over; whether the connection may carry another."""
        operation, self.operation = self.operation, None
        if operation is not None:
            operation.using = None
            self.stream.finish(operation, reason, status, self.address)
        if kept and self.stream.keep_alive:
            self.stream.free(self)
        else:
            self.fail(Reason.NONE)

    def greeted(self) -> None:
        """Operations may come."""
        self._greeted = True
        if self.operation is not None:
            self.say(self.request(self.operation))

    # -- the socket ---------------------------------------------------------------------------------------------------

    def carry(self, operation: Operation) -> None:
        operation.using = self
        self.operation = operation
        if self._refused not in (0, errno.EINPROGRESS):
            self.fail(reason_of(OSError(self._refused, "")))
            return
        self._unsent = self.request(operation) if self._greeted else self.opening()
        if self.connected and self._shaken:
            self._send()

    def say(self, data: bytes) -> None:
        self._unsent += data
        self._send()

    def fail(self, reason: int, status: int = 0) -> None:
        """The connection is of no use any more."""
        if self._closed:
            return
        self._closed = True
        self.stream.loop.forget(self._socket.fileno())
        self._socket.close()
        operation, self.operation = self.operation, None
        if operation is not None:
            operation.using = None
            self.stream.finish(operation, reason, status, self.address)
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
            self.fail(reason_of(error, self._under_way))

    @property
    def _under_way(self) -> bool:
        return self.operation is not None and self.operation.sent

    def _watch(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self.stream.loop.rewatch(self._socket.fileno(), mask)

    def _send(self) -> None:
        if self._closed:
            return
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        except OSError as error:
            self.fail(reason_of(error, self._under_way))
            return
        if sent and self.operation is not None and self._greeted:
            self.operation.sent = True
        self._unsent = self._unsent[sent:]
        self._watch(WRITE if self._unsent else READ)

    def _receive(self) -> None:
        if self._closed:
            return
        try:
            data = self._socket.recv(262144)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        if self.operation is None:
            self.heard_idle(data)
        else:
            self.heard(data)


def reason_of(error: OSError, sent: bool = False) -> int:
    """Which of the history's reasons an error of a socket is."""
    if isinstance(error, ssl.SSLError):
        return Reason.TLS
    if error.errno in _UNREACHABLE:
        return Reason.UNREACHABLE
    if error.errno == errno.ETIMEDOUT:
        return Reason.NO_ANSWER if sent else Reason.NO_CONNECTION
    return Reason.CUT if sent else Reason.REFUSED
