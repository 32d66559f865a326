"""One health probe over HTTP/2: a GET for its status, or a gRPC call for its grpc-status.

The connection is new and carries one request. A gRPC call sends one empty message; an answer without a grpc-status has
the code that gRPC's own clients give to its HTTP status (the gRPC project's "HTTP to gRPC Status Code Mapping").
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from kunren.dataplane.health.prober import Check, Outcome

_EMPTY_MESSAGE = bytes(5)
_UNKNOWN = 2
_GRPC_CODES = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_READ_BYTES = 65_536


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, check: Check) -> Outcome:
    """The exchange. Raises OSError, and ValueError where the answer is no HTTP/2."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.exceptions import ProtocolError

    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    grpc = check.version == "GRPC"
    connection.send_headers(1, headers(check), end_stream=not grpc)
    if grpc:
        connection.send_data(1, _EMPTY_MESSAGE, end_stream=True)
    writer.write(connection.data_to_send())
    seen: dict[str, str] = {}
    while True:
        data = await reader.read(_READ_BYTES)
        try:
            events = connection.receive_data(data) if data else None
        except ProtocolError as error:
            raise ValueError(str(error)) from error
        writer.write(connection.data_to_send())
        ended = events is None or _taken_in(events, seen, connection)
        if (not grpc and ":status" in seen) or "grpc-status" in seen or (ended and ":status" in seen):
            return outcome(seen, grpc=grpc)
        if ended:
            raise ValueError("the connection or the stream ended without an answer")


def _taken_in(events: Iterable[Any], seen: dict[str, str], connection: Any) -> bool:
    """Keep what headers and trailers say; whether the stream is over."""
    ended = False
    for event in events:
        match type(event).__name__:
            case "ResponseReceived" | "TrailersReceived":
                seen.update(event.headers)
            case "DataReceived":
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case "StreamEnded" | "StreamReset" | "ConnectionTerminated":
                ended = True
    return ended


def headers(check: Check) -> list[tuple[str, str]]:
    """The request's headers as a target sees them."""
    grpc = check.version == "GRPC"
    made = [
        (":method", "POST" if grpc else "GET"),
        (":scheme", "https" if check.secure else "http"),
        (":authority", f"{check.address}:{check.port}"),
        (":path", check.path),
        ("user-agent", check.user_agent),
    ]
    return [*made, ("content-type", "application/grpc"), ("te", "trailers")] if grpc else made


def outcome(seen: dict[str, str], *, grpc: bool) -> Outcome:
    """What headers and trailers together say. Raises ValueError for numbers that are none."""
    status = int(seen[":status"])
    if not grpc:
        return Outcome("status", status)
    if "grpc-status" in seen:
        if not seen["grpc-status"].strip():
            return Outcome("grpc-empty")
        return Outcome("grpc", int(seen["grpc-status"]))
    return Outcome("grpc", _GRPC_CODES.get(status, _UNKNOWN))
