"""What integrations and issuers ask: HTTP to URLs in the world, from the region or by the interfaces of a VPC link.

Connections are kept and TLS is verified against the world's authorities, as the edge's own are (`edge/origin.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from kunren.core.clock import Clock
from kunren.dataplane.edge.message import whole
from kunren.dataplane.edge.origin import Origins, Unreachable
from kunren.dataplane.edge.site import Origin, Way
from kunren.world.interface import NoSuchNamespace

CONNECT_WITHIN_S = 5.0
KEEPALIVE_S = 20.0
ANSWER_BYTES_MAX = 10 * 1024 * 1024
_ANY = "api-gateway"
Resolve = Callable[[str], Awaitable[list[str]]]
"""The IPv4 addresses that the public resolver has for a name."""


class Failed(Exception):
    """No answer; `timed_out` where it was time that ran out."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class UpstreamAnswer(NamedTuple):
    """A whole answer, its headers as they came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Link(NamedTuple):
    """A way into a VPC: the namespaces of its interfaces, and the addresses to ask there, any of which will do."""

    namespaces: tuple[str, ...]
    addresses: tuple[str, ...]


class UpstreamWorld(Protocol):
    """The part of the world that is needed here."""

    async def ensure_region(self, region: str) -> str: ...


class Upstream:
    """`ask` for one request and its whole answer."""

    def __init__(self, world: UpstreamWorld, resolve: Resolve, clock: Clock, trust: Path) -> None:
        self._world = world
        self._clock = clock
        self._turn = 0

        async def resolved(name: str, place: str) -> list[str]:
            literal = name.replace(".", "").replace(",", "").isdigit()
            return name.split(",") if literal else await resolve(name)

        self._origins = Origins(world, resolved, clock, trust)  # type: ignore[arg-type]

    async def ask(
        self, region: str, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout_s: float,
        link: Link | None = None, server_name: str = "",
    ) -> UpstreamAnswer:  # fmt: skip
        """Host is the URL's where `headers` has none; Content-Length is added. `timeout_s` are real seconds for
        everything. `server_name` is what the certificate must say where it is not Host. Raises Failed."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        try:
            async with asyncio.timeout(timeout_s):
                namespaces = link.namespaces if link is not None else (await self._world.ensure_region(region),)
                way = Way(self._turned(link.addresses) if link is not None else host, namespaces)
                origin = _origin(host, parts.port, way, timeout_s, self._clock.speed, server_name)
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                named = any(name.lower() == "host" for name, _ in headers)
                sent = list(headers) if named else [("Host", parts.netloc), *headers]
                answer = await self._origins.ask(_ANY, origin, secure, method, target, sent, body)
                read = await whole(answer.body, ANSWER_BYTES_MAX)
        except TimeoutError:
            raise Failed(f"{host} did not answer in time", timed_out=True) from None
        except Unreachable as error:
            raise Failed(str(error), timed_out=error.status == 504 and error.detail == "OriginReadError") from error
        except (OSError, ValueError, NoSuchNamespace) as error:
            raise Failed(f"{url}: {error!r}") from error
        if read is None:
            raise Failed(f"{host} answered more than {ANSWER_BYTES_MAX} bytes")
        return UpstreamAnswer(answer.status, answer.headers, read)

    def _turned(self, addresses: tuple[str, ...]) -> str:
        """Another one first each time; the others are tried where it does not answer."""
        self._turn += 1
        first = self._turn % len(addresses)
        return ",".join((*addresses[first:], *addresses[:first]))

    def close(self) -> None:
        self._origins.close()


def _origin(host: str, port: int | None, way: Way, timeout_s: float, speed: float, server_name: str) -> Origin:
    """Its times are AWS's, so that they are real ones here."""
    return Origin(
        id=host, domain=host, path="", headers=(), protocol="match-viewer", http_port=port or 80,
        https_port=port or 443, connect_timeout_s=min(CONNECT_WITHIN_S, timeout_s) * speed,
        attempts=way.name.count(",") + 1, read_timeout_s=timeout_s * speed, keepalive_s=KEEPALIVE_S * speed, way=way,
        server_name=server_name,
    )  # fmt: skip
