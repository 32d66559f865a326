"""Operations of DNS, TCP and UDP: a question answered, a connection made (and a line echoed), a datagram answered."""

from __future__ import annotations

import errno
import select
import socket
from typing import Any

import dns.message
import dns.rcode

from kunren.drills.history import Reason
from kunren.drills.load.connections import reason_of
from kunren.drills.load.loop import Loop, Recorder
from kunren.drills.load.names import PORT, Names, is_address
from kunren.drills.load.stream import Operation, Stream


class SocketStream(Stream):
    """One socket for each operation. Subclasses say what is sent and what answer is right."""

    kind = socket.SOCK_STREAM

    def __init__(self, loop: Loop, names: Names, recorder: Recorder, client: int, wanted: dict[str, Any]) -> None:
        super().__init__(recorder, client, wanted)
        self.loop, self.names = loop, names
        self.host, self.port = self.server(wanted)
        self.text: str = wanted.get("send", "")

    def server(self, wanted: dict[str, Any]) -> tuple[str, int]:
        return wanted["host"], wanted["port"]

    def said(self, operation: Operation) -> bytes:
        """What is sent; nothing: a connection is all that is wanted."""
        return self.text.replace("{write}", f"{self.client}-{operation.number}").encode()

    def judged(self, operation: Operation, answer: bytes) -> tuple[int, str] | None:
        """The reason (0: ok) and an address to note in place of the server's; None while the answer is not whole."""
        return (Reason.NONE, "") if answer else (Reason.CUT, "")

    def begin(self, operation: Operation) -> None:
        self.names.lookup(self.host, lambda found: self._open(operation, found))

    def give_up(self, operation: Operation) -> None:
        if isinstance(operation.using, _Exchange):
            operation.using.end(Reason.NO_ANSWER if operation.sent else Reason.NO_CONNECTION)
        else:
            self.finish(operation, Reason.NO_NAME)

    def _open(self, operation: Operation, found: list[str]) -> None:
        if operation.done or not found:
            self.finish(operation, Reason.NO_NAME)
        else:
            operation.using = _Exchange(self, operation, found[0])


class _Exchange:
    """One operation's socket."""

    def __init__(self, stream: SocketStream, operation: Operation, address: str) -> None:
        self._stream, self._operation = stream, operation
        self._address = stream.address(address)
        self._answer = b""
        self._connected = False
        self._socket = socket.socket(socket.AF_INET, stream.kind | socket.SOCK_NONBLOCK)
        stream.loop.watch(self._socket.fileno(), select.EPOLLIN | select.EPOLLOUT, self._ready)
        code = self._socket.connect_ex((address, stream.port))
        if code not in (0, errno.EINPROGRESS):
            self.end(reason_of(OSError(code, "")))

    def end(self, reason: int, noted: str = "") -> None:
        self._stream.loop.forget(self._socket.fileno())
        self._socket.close()
        self._operation.using = None
        self._stream.finish(self._operation, reason, 0, self._stream.address(noted) if noted else self._address)

    def _ready(self, events: int) -> None:
        try:
            if not self._connected:
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, "")
                self._connected = True
                said = self._stream.said(self._operation)
                if not said:
                    self.end(Reason.NONE)
                    return
                self._socket.send(said)
                self._operation.sent = True
                self._stream.loop.rewatch(self._socket.fileno(), select.EPOLLIN)
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                data = self._socket.recv(65535)
                self._answer += data
                judged = self._stream.judged(self._operation, self._answer)
                if judged is not None:
                    self.end(*judged)
                elif not data:
                    self.end(Reason.CUT)
        except BlockingIOError:
            return
        except OSError as error:
            self.end(reason_of(error, self._operation.sent and self._stream.kind == socket.SOCK_STREAM))


class TcpStream(SocketStream):
    """`wanted`: host, port, send; ok when connected, or when what was sent has come back."""

    def judged(self, operation: Operation, answer: bytes) -> tuple[int, str] | None:
        return (Reason.NONE, "") if self.said(operation) in answer else None


class UdpStream(SocketStream):
    """`wanted`: host, port, send; ok when a datagram that holds what was sent has come back."""

    kind = socket.SOCK_DGRAM

    def said(self, operation: Operation) -> bytes:
        return super().said(operation) or f"{self.client}-{operation.number}".encode()

    def judged(self, operation: Operation, answer: bytes) -> tuple[int, str] | None:
        return (Reason.NONE, "") if self.said(operation) in answer else (Reason.UNEXPECTED, "")


class DnsStream(SocketStream):
    """`wanted`: name, type, server; ok when the answer has a record. The first record is noted as the address."""

    kind = socket.SOCK_DGRAM

    def __init__(self, loop: Loop, names: Names, recorder: Recorder, client: int, wanted: dict[str, Any]) -> None:
        self._resolver = names.server
        super().__init__(loop, names, recorder, client, wanted)
        self._name, self._type = wanted["name"], wanted.get("type", "A")
        self._expected = wanted.get("contains", "")

    def server(self, wanted: dict[str, Any]) -> tuple[str, int]:
        server = wanted.get("server") or self._resolver
        return (server if is_address(server) else self._resolver), PORT

    def said(self, operation: Operation) -> bytes:
        return dns.message.make_query(self._name, self._type, id=operation.number & 0xFFFF).to_wire()

    def judged(self, operation: Operation, answer: bytes) -> tuple[int, str] | None:
        try:
            reply = dns.message.from_wire(answer)
        except Exception:  # not DNS
            return Reason.UNEXPECTED, ""
        if reply.rcode() != dns.rcode.NOERROR or not reply.answer:
            return Reason.NO_NAME, ""
        texts = [str(each) for rrset in reply.answer for each in rrset]
        if self._expected and not any(self._expected in text for text in texts):
            return Reason.UNEXPECTED, texts[-1]
        return Reason.NONE, texts[-1]
