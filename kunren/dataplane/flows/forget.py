"""Ends balanced flows of the namespace it runs in: of some nodes, all of them or those to one target. Or finds one.

A program of its own (`python -I -S forget.py NODE_MARK:FLOW_MARK... [PROTOCOL ADDRESS PORT]`), since only a process
inside a namespace reaches its connection tracking. It lists the kernel's entries over netlink (ctnetlink), deletes
those that match, and then sends both ends of each TCP connection one segment of no sequence they know: they answer
with what they expect (RFC 9293, 3.10.7.4), that answer belongs to no flow any more, and is reset. Prints how many.

`forget.py find PROTOCOL ADDRESS PORT ADDRESS PORT` ends nothing: it prints "ADDRESS PORT ADDRESS PORT", who answers the
flow from there to there, and for whom it takes its client.

It imports nothing of Kunren, so that it starts in 20 ms.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import NamedTuple

_NETFILTER = 12
_CT_GET, _CT_DELETE = 0x101, 0x102
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_TUPLE_ORIG, _TUPLE_REPLY, _MARK = 1, 2, 8
_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


class Ends(NamedTuple):
    """One direction of a flow."""

    protocol: int
    source: str
    source_port: int
    destination: str
    destination_port: int


class Flow(NamedTuple):
    mark: int
    sent: Ends
    answered: Ends
    identity: bytes  # the kernel's own form of `sent`


def forget(marks: dict[int, int], protocol: str = "", address: str = "", port: int = 0) -> int:
    """End the flows with one of the marks (and to the target, where one is given); how many there were.

    `marks` maps nodes' marks to the mark of the routes that their packets take. Raises OSError.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
        kernel.bind((0, 0))
        found = [each for each in _flows(kernel) if each.mark in marks]
        if address:
            wanted = (_PROTOCOLS[protocol], address, port)
            found = [each for each in found if each.answered[:3] == wanted]
        for each in found:
            _send(kernel, _CT_DELETE, _REQUEST | _ACK, each.identity)
            code = -struct.unpack_from("=i", kernel.recv(1 << 16), _HEADER.size)[0]
            if code not in (0, errno.ENOENT):
                raise OSError(code, "the kernel did not forget a flow")
    for each in found:
        if each.sent.protocol == socket.IPPROTO_TCP:
            _nudge(each.answered, marks[each.mark], each.sent)
    return len(found)


def find(protocol: str, address: str, port: int, to_address: str, to_port: int) -> str:
    """Who answers the flow from that socket to that one, and to whom, as "ADDRESS PORT ADDRESS PORT"; "" where there
    is none. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
        kernel.bind((0, 0))
        for each in _flows(kernel):
            if each.mark and each.sent == (_PROTOCOLS[protocol], address, port, to_address, to_port):
                return " ".join(map(str, each.answered[1:]))
    return ""


def _nudge(answered: Ends, mark: int, sent: Ends) -> None:
    """Make both ends speak: the client hears from the load balancer, the target from whom it took for its client."""
    to_client = Ends(sent.protocol, sent.destination, sent.destination_port, sent.source, sent.source_port)
    to_target = Ends(
        sent.protocol, answered.destination, answered.destination_port, answered.source, answered.source_port
    )
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        for ends in (to_client, to_target):
            try:
                raw.sendto(segment(ends), (ends.destination, 0))
            except OSError:
                pass  # no way there any more: nobody waits at that end


def segment(ends: Ends) -> bytes:
    """A TCP segment that only acknowledges, in its IP packet (whose own checksum the kernel fills in)."""
    source, destination = socket.inet_aton(ends.source), socket.inet_aton(ends.destination)
    head = struct.pack("!HHIIBBHHH", ends.source_port, ends.destination_port, 0, 0, 5 << 4, 0x10, 0, 0, 0)
    pseudo = source + destination + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(head))
    head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    total = 20 + len(head)
    return struct.pack("!BBHHHBBH", 0x45, 0, total, 0, 0, 64, socket.IPPROTO_TCP, 0) + source + destination + head


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def _flows(kernel: socket.socket) -> list[Flow]:
    _send(kernel, _CT_GET, _REQUEST | _DUMP, b"")
    found: list[Flow] = []
    while True:
        data = kernel.recv(1 << 18)
        while data:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return found
            if kind == _ERROR:
                raise OSError(-struct.unpack_from("=i", data, _HEADER.size)[0], "the kernel did not list flows")
            attributes = _attributes(data[_HEADER.size + 4 : length])
            sent, answered = _ends(attributes.get(_TUPLE_ORIG)), _ends(attributes.get(_TUPLE_REPLY))
            if sent is not None and answered is not None:
                (mark,) = struct.unpack("!I", attributes.get(_MARK, bytes(4)))
                found.append(Flow(mark, sent, answered, attributes[_TUPLE_ORIG]))
            data = data[(length + 3) & ~3 :]


def _ends(data: bytes | None) -> Ends | None:
    """A CTA_TUPLE of TCP or UDP over IPv4; None for any other."""
    whole = _attributes(data or b"")
    addresses, transport = _attributes(whole.get(1, b"")), _attributes(whole.get(2, b""))
    if not {1, 2} <= addresses.keys() or not {1, 2, 3} <= transport.keys():
        return None
    source, destination = socket.inet_ntoa(addresses[1]), socket.inet_ntoa(addresses[2])
    (source_port,), (destination_port,) = (struct.unpack("!H", transport[each]) for each in (2, 3))
    return Ends(transport[1][0], source, source_port, destination, destination_port)


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _send(kernel: socket.socket, kind: int, flags: int, identity: bytes) -> None:
    """`identity` is the content of a CTA_TUPLE_ORIG, or nothing."""
    attribute = struct.pack("=HH", 4 + len(identity), _TUPLE_ORIG | 0x8000) + identity if identity else b""
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attribute
    kernel.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)


def main(*arguments: str) -> None:
    if arguments[:1] == ("find",):
        print(find(arguments[1], arguments[2], int(arguments[3]), arguments[4], int(arguments[5])))
        return
    pairs = [each.split(":") for each in arguments if ":" in each]
    rest = [each for each in arguments if ":" not in each]
    target = (rest[0], rest[1], int(rest[2])) if rest else ("", "", 0)
    print(forget({int(node): int(flow) for node, flow in pairs}, *target))


if __name__ == "__main__":
    main(*sys.argv[1:])
