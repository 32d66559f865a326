"""Messages of a session's data channel, as bytes (AWS's session-manager-plugin and amazon-ssm-agent speak so). Pure.

A message is a header of fixed places, big endian, and a payload. The header's own length does not count the four bytes
that say how long the payload is. A UUID stands with its halves exchanged. JSON is what most payloads are.
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any, NamedTuple
from uuid import UUID

INPUT, OUTPUT, ACKNOWLEDGE, CLOSED = "input_stream_data", "output_stream_data", "acknowledge", "channel_closed"
# What a stream's payload is.
DATA, ERROR, SIZE, PARAMETER, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE = 1, 2, 3, 4, 5, 6, 7
FLAG = 10
# What a payload of kind FLAG says, a number of four bytes.
DISCONNECT_TO_PORT, TERMINATE_SESSION, CONNECT_TO_PORT_ERROR = 1, 2, 3
SYN, FIN = 1, 2
_HEAD = struct.Struct(">I32sIQqQ16s32sI")
_LENGTH = struct.Struct(">I")
PAYLOAD_MAX = 1 << 20


class NotAMessage(Exception):
    """Bytes that are no message, or one whose payload is not the one that its digest is of."""


class Message(NamedTuple):
    """`kind` is the message's type, `what` its payload's, `created_ms` since 1970."""

    kind: str
    sequence: int
    id: str
    created_ms: int
    what: int
    payload: bytes
    flags: int = 0

    def fields(self) -> dict[str, Any]:
        """The payload where it is a JSON object. Raises NotAMessage."""
        try:
            found = json.loads(self.payload)
        except ValueError as error:
            raise NotAMessage("a payload is no JSON") from error
        if not isinstance(found, dict):
            raise NotAMessage("a payload is no object")
        return found


def packed(message: Message) -> bytes:
    raw = UUID(message.id).bytes
    head = _HEAD.pack(
        _HEAD.size, message.kind.encode().ljust(32), 1, message.created_ms, message.sequence, message.flags,
        raw[8:] + raw[:8], hashlib.sha256(message.payload).digest(), message.what,
    )  # fmt: skip
    return head + _LENGTH.pack(len(message.payload)) + message.payload


def unpacked(raw: bytes) -> Message:
    """Raises NotAMessage."""
    if len(raw) < _HEAD.size + _LENGTH.size:
        raise NotAMessage("a message is too short")
    size, kind, _, created_ms, sequence, flags, id, digest, what = _HEAD.unpack_from(raw)
    if not _HEAD.size - 4 <= size <= len(raw) - _LENGTH.size:  # one without a payload's type has four bytes less
        raise NotAMessage("a message's header has another length")
    (length,) = _LENGTH.unpack_from(raw, size)
    payload = raw[size + _LENGTH.size :]
    if length != len(payload) or (payload and hashlib.sha256(payload).digest() != digest):
        raise NotAMessage("a message's payload is damaged")
    try:
        name = kind.strip(b" \0").decode("ascii")
    except UnicodeDecodeError as error:
        raise NotAMessage("a message's type is no text") from error
    return Message(name, sequence, str(UUID(bytes=id[8:] + id[:8])), created_ms, what, payload, flags)
