"""HTTP endpoints of services beside AWS's API, on the gateway's sockets (function URLs, packages to download)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol


class Signed(NamedTuple):
    """Who a request says that it comes from, and what its signature is for."""

    access_key: str
    account: str
    region: str
    service: str


class FrontRequest(NamedTuple):
    """A request. Header names are lower case; `host` is without port; `signed` is None where it has no signature."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str
    signed: Signed | None
    secure: bool = False


class FrontAnswer(NamedTuple):
    """An answer; a body in pieces is sent as it comes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | AsyncIterator[bytes] = b""


Forward = Callable[[str | None], Awaitable[FrontAnswer]]
"""`forward(account)` has the request answered: as it came (None), or as one that this account signed."""
Guard = Callable[[str, Mapping[str, str], FrontRequest, Forward], Awaitable[FrontAnswer]]
"""`guard(operation, labels of the path, request, forward)` answers in front of a service that is not ours."""


class Front(Protocol):
    """`claims` is asked for every request that reaches the gateway, so it must be quick."""

    def claims(self, host: str, path: str) -> bool: ...
    async def answer(self, request: FrontRequest) -> FrontAnswer: ...
