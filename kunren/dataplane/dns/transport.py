"""Thin shells over sockets: UDP that answers from the address it was asked on, and TCP with pipelining and limits.

A `Responder` maps (packet, the local address it came to, the peer, the largest answer) to an answer, now or later, or
to silence; it never sees a socket. Whatever a packet holds, the worst it gets is silence or an error code, never an
exception.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from kunren.core.clock import Clock

log = logging.getLogger(__name__)
Reply = bytes | asyncio.Future[bytes] | None
Responder = Callable[[bytes, str, str, bool], Reply]  # packet, asked address, peer address, over TCP

PACKET_BYTES_MAX = 4096
PACKETS_PER_WAKE = 64
RECEIVE_BUFFER_BYTES = 1 << 20
TCP_CONNECTIONS_MAX = 512
TCP_IDLE_S = 10.0
TCP_BACKLOG = 128
_PKTINFO, _PKTINFO6 = getattr(socket, "IP_PKTINFO", 8), 50
_INFO, _INFO6 = struct.Struct("=I4s4s"), struct.Struct("=16sI")


class UdpListener:
    """One UDP socket in the world. With a wildcard socket, answers leave from the address that was asked."""

    def __init__(self, sock: socket.socket, respond: Responder) -> None:
        self._sock = sock
        self._respond = respond
        self._bound = sock.getsockname()[0]
        self.answered = 0
        self.unsent = 0
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.SOL_IP, _PKTINFO, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        sock, respond = self._sock, self._respond
        for _ in range(PACKETS_PER_WAKE):
            try:
                packet, ancillary, _, peer = sock.recvmsg(PACKET_BYTES_MAX, 64)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error of an earlier answer; the socket itself lives on
                continue
            asked = self._bound
            for level, kind, data in ancillary:
                if level == socket.SOL_IP and kind == _PKTINFO:
                    asked = socket.inet_ntoa(data[8:12])
                elif level == socket.IPPROTO_IPV6 and kind == _PKTINFO6:
                    asked = socket.inet_ntop(socket.AF_INET6, data[:16])
            reply = respond(packet, asked, peer[0], False)
            if isinstance(reply, asyncio.Future):
                reply.add_done_callback(partial(self._held, asked, peer))
            elif reply is not None:
                self._send(reply, asked, peer)

    def _held(self, asked: str, peer: Any, reply: asyncio.Future[bytes]) -> None:
        self._send(reply.result(), asked, peer)

    def _send(self, reply: bytes, asked: str, peer: Any) -> None:
        try:
            self._sock.sendmsg([reply], _source(asked), 0, peer)
            self.answered += 1
        except OSError:  # no room or no route: the client asks again
            self.unsent += 1

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()


def _source(address: str) -> list[tuple[int, int, bytes]]:
    """What makes an answer leave from that address."""
    if ":" in address:
        return [(socket.IPPROTO_IPV6, _PKTINFO6, _INFO6.pack(socket.inet_pton(socket.AF_INET6, address), 0))]
    return [(socket.SOL_IP, _PKTINFO, _INFO.pack(0, socket.inet_aton(address), bytes(4)))]


class _TcpConnection(asyncio.Protocol):
    """Length-prefixed messages (RFC 7766): any number per connection. A late answer holds no other one up."""

    def __init__(self, owner: TcpListener) -> None:
        self._owner = owner
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._asked = self._peer = ""
        self._last_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # not every loop's transport is a subclass of asyncio's (uvloop's is none)
        self._transport = transport = cast(asyncio.Transport, transport)
        if len(self._owner.connections) >= TCP_CONNECTIONS_MAX:
            transport.abort()
            return
        self._owner.connections.add(self)
        local, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        self._asked, self._peer = (local or ("",))[0], (peer or ("",))[0]
        self._last_s = self._owner.now()

    def data_received(self, data: bytes) -> None:
        self._last_s = self._owner.now()
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        buffer, transport = self._buffer, self._transport
        if transport is None:
            return
        position = 0
        while len(buffer) - position >= 2 and not transport.is_closing():
            length = int.from_bytes(buffer[position : position + 2], "big")
            if len(buffer) - position < 2 + length:
                break
            packet = bytes(buffer[position + 2 : position + 2 + length])
            position += 2 + length
            reply = self._owner.respond(packet, self._asked, self._peer, True)
            if reply is None:
                transport.abort()
                return
            if isinstance(reply, asyncio.Future):
                reply.add_done_callback(lambda held: self._send(held.result()))
            else:
                self._send(reply)
        del buffer[:position]

    def _send(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(len(reply).to_bytes(2, "big") + reply)

    def pause_writing(self) -> None:
        if self._transport is not None:  # a client that does not read its answers is not read either
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.connections.discard(self)
        self._transport = None

    def close_if_idle(self, now_s: float) -> None:
        if now_s - self._last_s >= TCP_IDLE_S:
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class TcpListener:
    """One listening TCP socket in the world."""

    def __init__(self, respond: Responder, clock: Clock) -> None:
        self.respond = respond
        self.connections: set[_TcpConnection] = set()
        self.now = clock.monotonic
        self._server: asyncio.Server | None = None
        self._sweep: Any = None

    async def start(self, sock: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: _TcpConnection(self), sock=sock)
        self._plan_sweep()

    def _plan_sweep(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(TCP_IDLE_S / 2, self._sweep_idle)

    def _sweep_idle(self) -> None:
        now_s = self.now()
        for connection in list(self.connections):
            connection.close_if_idle(now_s)
        self._plan_sweep()

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self.connections):
            connection.abort()
        if self._server is not None:
            self._server.close()
