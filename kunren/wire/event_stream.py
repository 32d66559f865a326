"""Events of a streamed answer in AWS's framing, `application/vnd.amazon.eventstream` (Smithy, "Amazon Event Stream").

A message is its length, the headers' length, a CRC of both; headers; payload; and a CRC of it all.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from kunren.wire.catalog import Service, Shape

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
Event = tuple[str, Mapping[str, Any]]
"""The member of the stream's union, and the event's own members."""


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; all headers are strings."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    head = prelude + struct.pack("!I", zlib.crc32(prelude))
    whole = head + packed + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


async def encoded(
    service: Service, stream: Shape, events: AsyncIterator[Event], encode: Callable[[Mapping[str, Any]], bytes]
) -> AsyncIterator[bytes]:
    """The messages of a stream of events. A member marked as payload goes out as it is, all others as JSON."""
    async for name, members in events:
        shape = service.target(stream.members[name])
        raw = next((each for each, member in shape.members.items() if member.eventpayload), None)
        kind = "application/json" if raw is None else "application/octet-stream"
        told = {key: value for key, value in members.items() if value is not None}
        payload = encode(told) if raw is None else bytes(told[raw])
        yield message({":message-type": "event", ":event-type": name, ":content-type": kind}, payload)
