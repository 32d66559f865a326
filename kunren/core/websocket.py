"""WebSocket's opening handshake and frames (RFC 6455), as bytes. Pure."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Frame(NamedTuple):
    """One frame; `final` where its message ends."""

    opcode: int
    payload: bytes
    final: bool = True


def accept_of(key: str) -> str:
    """What the server answers to that Sec-WebSocket-Key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def framed(opcode: int, payload: bytes, mask: bytes = b"") -> bytes:
    """A whole message in one frame; clients mask theirs with four bytes of chance."""
    length, masked = len(payload), 0x80 if mask else 0
    if length < 126:
        head = struct.pack(">BB", 0x80 | opcode, masked | length)
    elif length < 65536:
        head = struct.pack(">BBH", 0x80 | opcode, masked | 126, length)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, masked | 127, length)
    return head + mask + (unmasked(payload, mask) if mask else payload)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """Masking and unmasking are the same."""
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")


def taken(raw: bytes) -> tuple[Frame, int] | None:
    """The first frame of these bytes and where it ends; None while it is not whole."""
    if len(raw) < 2:
        return None
    length, at = raw[1] & 0x7F, 2
    if length >= 126:
        size = 2 if length == 126 else 8
        if len(raw) < at + size:
            return None
        length, at = int.from_bytes(raw[at : at + size], "big"), at + size
    mask = raw[at : at + 4] if raw[1] & 0x80 else b""
    at += 4 if raw[1] & 0x80 else 0
    if len(raw) < at + length:
        return None
    payload = raw[at : at + length]
    return Frame(raw[0] & 0x0F, unmasked(payload, mask) if mask else payload, bool(raw[0] & 0x80)), at + length
