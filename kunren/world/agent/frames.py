"""Messages over a unix stream socket: four bytes of length, JSON, and file descriptors beside them.

A message's descriptors travel with its first bytes and are counted in its `fds` member, so that the receiver can
take them from the queue in order. Used at both ends; the agent's end blocks, the daemon's does not.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

BYTES_MAX = 64 * 1024 * 1024
_HEADER = struct.Struct("=I")
_FDS_MAX = 16


def encode(message: dict[str, Any], fds: Sequence[int] = ()) -> bytes:
    body = json.dumps(message | {"fds": len(fds)} if fds else message, separators=(",", ":")).encode()
    return _HEADER.pack(len(body)) + body


def ancillary(fds: Sequence[int]) -> list[tuple[int, int, bytes]]:
    """What `socket.sendmsg` takes beside the first bytes of a message with descriptors."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds).tobytes())] if fds else []


class Reader:
    """Bytes and descriptors as they come, handed out as whole messages."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._fds: deque[int] = deque()

    def receive(self) -> bool:
        """Take what is there; False at the end of the stream. Raises BlockingIOError on a non-blocking socket."""
        room = socket.CMSG_SPACE(_FDS_MAX * 4)
        data, control, _, _ = self._connection.recvmsg(262144, room, socket.MSG_CMSG_CLOEXEC)
        for level, kind, payload in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(payload[: len(payload) - len(payload) % received.itemsize])
                self._fds.extend(received)
        self._buffer += data
        return bool(data)

    def messages(self) -> list[tuple[dict[str, Any], list[int]]]:
        """The messages that are complete."""
        complete = []
        while len(self._buffer) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self._buffer)
            if size > BYTES_MAX:
                raise ValueError(f"a message of {size} bytes")
            end = _HEADER.size + size
            if len(self._buffer) < end:
                break
            message = json.loads(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            # Fewer where the kernel dropped some, for want of room in our table of open files.
            count = min(message.get("fds", 0), len(self._fds))
            complete.append((message, [self._fds.popleft() for _ in range(count)]))
        return complete

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.popleft())


def send(connection: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send all of a message on a blocking socket."""
    data = memoryview(encode(message, fds))
    sent = connection.sendmsg([data], ancillary(fds))
    while sent < len(data):
        sent += connection.send(data[sent:])
