"""A stub resolver: asks a recursive one for a name's IPv4 addresses over one UDP socket, many questions at a time.

For probes, which look a name up before each request: no dnspython, no socket for each question.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from typing import NamedTuple

from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names
from kunren.dataplane.dns.message import owner_end
from kunren.dataplane.dns.zones import A

log = logging.getLogger(__name__)
TIMEOUT_S = 2.0
TRIES = 2
_IN, _UDP_SIZE = 1, 4096
_RESPONSE, _RECURSION = 0x8000, 0x0100
_header = struct.Struct("!HHHHHH")
_fixed = struct.Struct("!HHIH")
_OPT = b"\0" + _fixed.pack(41, _UDP_SIZE, 0, 0)  # RFC 6891: room for long answers


class Found(NamedTuple):
    """`rcode` is None where nobody answered in time."""

    rcode: int | None
    addresses: tuple[str, ...] = ()


class Stub:
    """`open_socket` opens a UDP socket where the questions are to come from; it is kept."""

    def __init__(self, open_socket: Callable[[], Awaitable[socket.socket]], server: tuple[str, int], entropy: Entropy):
        self._open_socket = open_socket
        self._server = server
        self._entropy = entropy
        self._waiting: dict[int, tuple[bytes, asyncio.Future[Found]]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()

    async def addresses(self, name: str) -> Found:
        """All IPv4 addresses of a name, CNAMEs followed by the resolver. Raises OSError and NoSuchNamespace where no
        socket can be had, and BadName."""
        question = names.to_wire(name) + struct.pack("!HH", A, _IN)
        transport = self._transport or await self._opened()
        for _ in range(TRIES):
            number = self._free_number()
            answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
            self._waiting[number] = question, answer
            try:
                transport.sendto(_header.pack(number, _RECURSION, 1, 0, 0, 1) + question + _OPT)
                async with asyncio.timeout(TIMEOUT_S):
                    return await answer
            except TimeoutError:
                continue
            finally:
                del self._waiting[number]
        return Found(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    async def _opened(self) -> asyncio.DatagramTransport:
        async with self._opening:
            if self._transport is None:
                sock = await self._open_socket()
                sock.connect(self._server)
                loop = asyncio.get_running_loop()
                self._transport, _ = await loop.create_datagram_endpoint(lambda: _Receiver(self._take), sock=sock)
            return self._transport

    def _free_number(self) -> int:
        while (number := self._entropy.integer(0, 0xFFFF)) in self._waiting:
            pass
        return number

    def _take(self, packet: bytes) -> None:
        if len(packet) < _header.size:
            return
        question, answer = self._waiting.get(int.from_bytes(packet[:2], "big"), (None, None))
        if question is None or answer is None or answer.done():
            return
        found = read_addresses(packet, question)
        if found is not None:
            answer.set_result(found)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._take(data)

    def error_received(self, exc: Exception) -> None:
        log.debug("a resolver can't be reached: %r", exc)


def read_addresses(packet: bytes, question: bytes) -> Found | None:
    """What the answer to that question says; None where the packet is no such answer."""
    _, flags, questions, answers, _, _ = _header.unpack_from(packet)
    position = _header.size + len(question)
    if not flags & _RESPONSE or questions != 1 or packet[_header.size : position].lower() != question.lower():
        return None
    found = []
    for _ in range(answers):
        end = owner_end(packet, position)
        if end is None or end + _fixed.size > len(packet):
            return None
        rtype, rclass, _, length = _fixed.unpack_from(packet, end)
        position = end + _fixed.size + length
        if position > len(packet):
            return None
        if rtype == A and rclass == _IN and length == 4:
            found.append(str(IPv4Address(packet[position - 4 : position])))
    return Found(flags & 0xF, tuple(found))
