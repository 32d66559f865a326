"""Several streams over one: the frames of port forwarding, as smux's version 1 has them. Pure.

A frame is version, command, length and the stream's number, little endian, and so many bytes. The client opens streams
(SYN), both sides send (PUSH) and close them (FIN); NOP keeps the line open.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from kunren.dataplane.sessions.message import NotAMessage

SYN, FIN, PUSH, NOP = 0, 1, 2, 3
_VERSION = 1
_HEAD = struct.Struct("<BBHI")
HEAD_BYTES = _HEAD.size


class Frame(NamedTuple):
    command: int
    stream: int
    data: bytes = b""


def packed(frame: Frame) -> bytes:
    return _HEAD.pack(_VERSION, frame.command, len(frame.data), frame.stream) + frame.data


def taken(waiting: bytearray) -> list[Frame]:
    """The whole frames at the beginning of what has come, which are taken away there. Raises NotAMessage."""
    found = []
    while len(waiting) >= HEAD_BYTES:
        version, command, length, stream = _HEAD.unpack_from(waiting)
        if version != _VERSION or command > NOP:
            raise NotAMessage(f"a frame of version {version} with command {command}")
        if len(waiting) < HEAD_BYTES + length:
            break
        found.append(Frame(command, stream, bytes(waiting[HEAD_BYTES : HEAD_BYTES + length])))
        del waiting[: HEAD_BYTES + length]
    return found
