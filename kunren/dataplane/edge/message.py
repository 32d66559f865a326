"""Requests and answers as the edge passes them on. Header names keep their case; they are found without it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from kunren.dataplane.edge.site import Site

Headers = list[tuple[str, str]]
Notes = list[tuple[Any, ...]]
"""What was decided on a request's way, in order: a word, and what belongs to it."""


class Streamed(Protocol):
    """A body that is on its way; who does not read it to its end closes it."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def close(self) -> None: ...


Body = bytes | Streamed


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
    """Who asks, and how. `edge` is the place whose edge location was reached, `reached` at which address; `reused`
    tells of a connection that has had a request before."""

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
    reached: str = ""


class Asked(NamedTuple):
    """A request as the viewer sent it, before functions changed it. `at` is monotonic."""

    at: float
    uri: str
    query: str
    headers: Headers
    body_size: int


class Upstream(NamedTuple):
    """What a request to an origin took, in real milliseconds: looking its name up, connecting (both are 0 on a kept
    connection), and until the answer began."""

    dns_ms: float
    connect_ms: float
    first_byte_ms: float


@dataclass(slots=True)
class Request:
    """`uri` is the path as sent, `query` what follows the first question mark. `site` is known once looked up,
    `upstream` once an origin was asked; `notes` are kept where somebody follows the request (`Pipeline.followed`)."""

    method: str
    uri: str
    query: str
    headers: Headers
    viewer: Viewer
    id: str
    body: Body = b""
    asked: Asked | None = None
    site: Site | None = None
    pattern: str = ""  # of the behaviour
    session: str = ""  # a cookie that the viewer gets
    upstream: Upstream | None = None
    origin_asked: str = ""  # the last origin's domain name
    failed_over: str = ""  # for which status of an origin another one was asked
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
    """`outcome` is what X-Cache says; `detail` which error it is, in the words of x-edge-detailed-result-type."""

    status: int
    headers: Headers = field(default_factory=list)
    body: Body = b""
    outcome: str = "Miss"
    reason: str = ""
    detail: str = ""
    upstream: Upstream | None = None

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


def drop(body: Body) -> None:
    """Nobody will read it."""
    if not isinstance(body, bytes):
        body.close()


async def whole(body: Body, most: int) -> bytes | None:
    """The body in one piece; None where it is longer than `most`, and then it is dropped."""
    if isinstance(body, bytes):
        return body if len(body) <= most else None
    pieces, total = [], 0
    async for piece in body:
        total += len(piece)
        if total > most:
            body.close()
            return None
        pieces.append(piece)
    return b"".join(pieces)
