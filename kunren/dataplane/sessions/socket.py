"""One client's WebSocket, the server's end (RFC 6455), for whoever wants its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from kunren.core import websocket as ws
from kunren.core.fronts import FrontAnswer, FrontRequest

MESSAGE_MAX = 1 << 20
_PROTOCOL_ERROR, _TOO_BIG = 1002, 1009


class Listener(Protocol):
    """What a socket's user hears of it."""

    def opened(self, socket: WebSocket) -> None: ...
    def text(self, socket: WebSocket, told: bytes) -> None: ...
    def binary(self, socket: WebSocket, told: bytes) -> None: ...
    def lost(self, socket: WebSocket) -> None: ...
    def writable(self, socket: WebSocket) -> None: ...


def upgrade(request: FrontRequest, listener: Callable[[], Listener]) -> FrontAnswer:
    """The handshake's answer (section 4.2.2): 400 for what is no such request, 426 for another version."""
    headers = request.headers
    key = headers.get("sec-websocket-key", "")
    if headers.get("upgrade", "").lower() != "websocket" or not key or request.method != "GET":
        return FrontAnswer(400, [])
    if headers.get("sec-websocket-version") != "13":
        return FrontAnswer(426, [("Sec-WebSocket-Version", "13")])
    said = [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", ws.accept_of(key))]
    return FrontAnswer(101, said, b"", lambda: WebSocket(listener()))


class WebSocket(asyncio.Protocol):
    """`ready` says whether the peer reads as fast as it is sent to."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._received = b""
        self._kind, self._pieces = 0, b""
        self.ready = True
        self._hears = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._listener.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.lost(self)

    def pause_writing(self) -> None:
        self.ready = False

    def resume_writing(self) -> None:
        self.ready = True
        self._listener.writable(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while not self._transport.is_closing() and (found := ws.taken(self._received)) is not None:
            frame, end = found
            self._received = self._received[end:]
            self._heed(frame)
        if len(self._received) > MESSAGE_MAX:
            self.close(_TOO_BIG)

    def hear(self, on: bool) -> None:
        """Whether what the peer says is read; it has to wait otherwise."""
        if on != self._hears and not self._transport.is_closing():
            self._hears = on
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def send(self, told: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(ws.framed(ws.BINARY, told))

    def close(self, code: int = 1000) -> None:
        if not self._transport.is_closing():
            self._transport.write(ws.framed(ws.CLOSE, code.to_bytes(2, "big")))
            self._transport.close()

    def _heed(self, frame: ws.Frame) -> None:
        if frame.opcode == ws.PING:
            self._transport.write(ws.framed(ws.PONG, frame.payload))
        elif frame.opcode == ws.CLOSE:
            self.close()
        elif frame.opcode in (ws.TEXT, ws.BINARY, ws.CONTINUATION):
            if (frame.opcode == ws.CONTINUATION) != bool(self._kind):
                self.close(_PROTOCOL_ERROR)
                return
            self._kind = self._kind or frame.opcode
            self._pieces += frame.payload
            if len(self._pieces) > MESSAGE_MAX:
                self.close(_TOO_BIG)
            elif frame.final:
                kind, told = self._kind, self._pieces
                self._kind, self._pieces = 0, b""
                (self._listener.text if kind == ws.TEXT else self._listener.binary)(self, told)
