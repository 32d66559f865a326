"""WebSocket traffic: messages on connections that stay open, each ok when it has come back."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from kunren.core import websocket as frames
from kunren.drills.history import Reason
from kunren.drills.load.connections import Connection, PooledStream
from kunren.drills.load.http import WRITE_MARK
from kunren.drills.load.loop import Loop, Recorder
from kunren.drills.load.names import Names
from kunren.drills.load.stream import Operation

CONNECTIONS = 10


class WebSocketConnection(Connection):
    """One connection: the handshake, then messages."""

    greets = True
    stream: WebSocketStream

    def __init__(self, stream: WebSocketStream, address: str) -> None:
        super().__init__(stream, address)
        self._key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._received = b""
        self._message = b""
        self._open = False

    def opening(self) -> bytes:
        lines = [
            f"GET {self.stream.target} HTTP/1.1", f"Host: {self.stream.authority}", "Upgrade: websocket",
            "Connection: Upgrade", f"Sec-WebSocket-Key: {self._key}", "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in self.stream.headers.items()),
        ]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode()

    def request(self, operation: Operation) -> bytes:
        return frames.framed(frames.TEXT, self.stream.said(operation), secrets.token_bytes(4))

    def heard(self, data: bytes) -> None:
        if not data:
            self.fail(Reason.CUT if self._open else Reason.REFUSED)
            return
        self._received += data
        if not self._open and not self._shook():
            return
        for message in self._messages():
            if self.operation is not None:
                wanted = self.stream.said(self.operation)
                self.answered(Reason.NONE if wanted in message else Reason.UNEXPECTED)

    def heard_idle(self, data: bytes) -> None:
        if not data:
            self.fail(Reason.CUT)
            return
        self._received += data
        for _ in self._messages():
            pass  # nobody asked

    def _shook(self) -> bool:
        """Whether the handshake is over."""
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        status = int(head[9:12]) if head[9:12].isdigit() else 0
        if status != 101:
            self.fail(Reason.STATUS, status)
            return False
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        if fields.get(b"sec-websocket-accept", b"").strip() != frames.accept_of(self._key).lower().encode():
            self.fail(Reason.UNEXPECTED)
            return False
        self._open, self._received = True, rest
        self.greeted()
        return True

    def _messages(self) -> Iterator[bytes]:
        """Those that are whole; pings are answered."""
        while (found := frames.taken(self._received)) is not None:
            frame, end = found
            self._received = self._received[end:]
            if frame.opcode == frames.PING:
                self.say(frames.framed(frames.PONG, frame.payload, secrets.token_bytes(4)))
            elif frame.opcode == frames.CLOSE:
                self.fail(Reason.CUT)
                return
            elif frame.opcode in (frames.CONTINUATION, frames.TEXT, frames.BINARY):
                self._message += frame.payload
                if frame.final:
                    message, self._message = self._message, b""
                    yield message


class WebSocketStream(PooledStream):
    """`wanted`: url, send, headers, keep_alive (true), connections: so many stay open, and take messages in turn."""

    spoken = WebSocketConnection
    spreads = True

    def __init__(self, loop: Loop, names: Names, recorder: Recorder, client: int, wanted: dict[str, Any]) -> None:
        parts = urlsplit(wanted["url"])
        encrypted = parts.scheme == "wss"
        told = {"keep_alive": True, "connections": CONNECTIONS, **wanted}
        port = parts.port or (443 if encrypted else 80)
        super().__init__(loop, names, recorder, client, told, parts.hostname or "", port, encrypted)
        self.authority = parts.netloc
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.headers: dict[str, str] = wanted.get("headers", {})
        self._text: str = wanted.get("send", WRITE_MARK)

    def said(self, operation: Operation) -> bytes:
        return self._text.replace(WRITE_MARK, f"{self.client}-{operation.number}").encode()
