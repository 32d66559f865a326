"""Ends TCP connections of the namespace it runs in to one remote address and port, from the given addresses or any.

A program of its own (`python -I -S cut.py PORT REMOTE [LOCAL...]`), since only a process inside a namespace reaches its
sockets: it lists them over the kernel's socket diagnosis (sock_diag(7)) and destroys those that match, as `ss -K` does
where iproute2 is installed. Envoy then sees a reset and answers what is still running with 502. Prints how many.

It imports nothing of Kunren, so that it starts in 20 ms.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys

_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_STATES = (1 << 1) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 8)  # established, SYN sent, FIN wait 1 and 2, close wait
_ID_BYTES = 48


def destroy(remote: str, port: int, sources: set[str]) -> int:
    """End the connections; how many there were. Raises OSError where the kernel refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as diag:
        diag.bind((0, 0))
        family = socket.AF_INET6 if ":" in remote else socket.AF_INET
        found = [each for each in _connections(diag, family) if _matches(each, family, remote, port, sources)]
        ended = 0
        for each in found:
            _send(diag, _DESTROY, _REQUEST | _ACK, each, family)
            code = _answer(diag)
            if code == 0:
                ended += 1
            elif code != errno.ENOENT:
                raise OSError(code, "the kernel did not end a connection")
        return ended


def _matches(identity: bytes, family: int, remote: str, port: int, sources: set[str]) -> bool:
    _, to = struct.unpack_from("!HH", identity)
    size = 16 if family == socket.AF_INET6 else 4
    local, peer = (socket.inet_ntop(family, identity[start : start + size]) for start in (4, 20))
    return to == port and peer == remote and (not sources or local in sources)


def _connections(diag: socket.socket, family: int) -> list[bytes]:
    _send(diag, _BY_FAMILY, _REQUEST | _DUMP, bytes(_ID_BYTES), family)
    found: list[bytes] = []
    while True:
        data = diag.recv(1 << 18)
        while data:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return found
            if kind == _ERROR:
                raise OSError(-struct.unpack_from("=i", data, _HEADER.size)[0], "the kernel did not list connections")
            # inet_diag_msg: family, state, timer, retrans, then the identity
            found.append(data[_HEADER.size + 4 : _HEADER.size + 4 + _ID_BYTES])
            data = data[(length + 3) & ~3 :]


def _send(diag: socket.socket, kind: int, flags: int, identity: bytes, family: int) -> None:
    body = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, _STATES) + identity
    diag.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)


def _answer(diag: socket.socket) -> int:
    data = diag.recv(1 << 16)
    return int(-struct.unpack_from("=i", data, _HEADER.size)[0])


if __name__ == "__main__":
    print(destroy(sys.argv[2], int(sys.argv[1]), set(sys.argv[3:])))
