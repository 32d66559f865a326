"""Requests and answers as the edge passes them on. Header names keep their case; they are found without it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Headers = list[tuple[str, str]]
Notes = list[tuple[Any, ...]]
"""What was decided on a request's way, in order: a word, and what belongs to it."""
Body = bytes | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a viewer is: codes of ISO 3166, a time zone of IANA's. What nobody knows is empty."""

    country: str = ""
    country_name: str = ""
    region: str = ""
    region_name: str = ""
    city: str = ""
    latitude: str = ""
    longitude: str = ""
    time_zone: str = ""


@dataclass(slots=True)
class Viewer:
    """Who asks, and how. `edge` is the place whose edge location was reached; `reused` tells of a connection that has
    had a request before."""

    address: str
    port: int
    edge: str
    where: Whereabouts
    secure: bool
    http_version: str = "1.1"
    tls: str = ""
    cipher: str = ""
    ja3: str = ""
    ja4: str = ""
    reused: bool = False


@dataclass(slots=True)
class Request:
    """`uri` is the path as sent, `query` what follows the first question mark. `notes` are kept where somebody follows
    the request (`Pipeline.followed`)."""

    method: str
    uri: str
    query: str
    headers: Headers
    viewer: Viewer
    id: str
    body: Body = b""
    notes: Notes | None = None

    def note(self, what: str, *details: Any) -> None:
        """Say what was decided, where somebody follows the request."""
        if self.notes is not None:
            self.notes.append((what, *details))

    def header(self, name: str) -> str | None:
        return first(self.headers, name)

    @property
    def host(self) -> str:
        return (self.header("host") or "").lower()


@dataclass(slots=True)
class Answer:
    """`outcome` is what X-Cache says."""

    status: int
    headers: Headers = field(default_factory=list)
    body: Body = b""
    outcome: str = "Miss"
    reason: str = ""

    def header(self, name: str) -> str | None:
        return first(self.headers, name)


def first(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    name = name.lower()
    return next((value for key, value in headers if key.lower() == name), None)


def joined(headers: Headers, name: str) -> str | None:
    """All of a header's values as one, or None."""
    name = name.lower()
    found = [value for key, value in headers if key.lower() == name]
    return ", ".join(found) if found else None


def without(headers: Sequence[tuple[str, str]], names: Iterable[str]) -> Headers:
    gone = set(names)
    return [(key, value) for key, value in headers if key.lower() not in gone]


async def whole(body: Body, most: int) -> bytes | None:
    """The body in one piece; None where it is longer than `most`."""
    if isinstance(body, bytes):
        return body if len(body) <= most else None
    pieces, total = [], 0
    async for piece in body:
        total += len(piece)
        if total > most:
            return None
        pieces.append(piece)
    return b"".join(pieces)
