"""HTTP endpoints of services beside AWS's API, on the gateway's sockets (function URLs, packages to download)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple, Protocol

from kunren.core.authorization import Caller, Statements, Verdict
from kunren.core.policies import Acting
from kunren.core.uploads import Upload


class Signed(NamedTuple):
    """Who a request says that it comes from, and what its signature is for."""

    access_key: str
    account: str
    region: str
    service: str


class Tls(NamedTuple):
    """How a request came over TLS: the context that the name asked for has chosen, and the client's certificate (DER)
    where that context asks for one, verified by it."""

    context: ssl.SSLContext
    certificate: bytes


class FrontRequest(NamedTuple):
    """A request. Header names are lower case, repeated ones joined by ", "; `repeated` has the values of those that
    came more than once. `host` is without port; `signed` is None where it has no signature."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str
    signed: Signed | None
    secure: bool = False
    repeated: Mapping[str, tuple[str, ...]] = {}
    tls: Tls | None = None
    upload: Upload | None = None
    """A body that was taken in while it arrived, for fronts that are `streamed`; `body` is empty then."""


class FrontAnswer(NamedTuple):
    """An answer; a body in pieces is sent as it comes. Behind one of status 101 the connection is the protocol's that
    `upgraded` makes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | AsyncIterator[bytes] = b""
    upgraded: Callable[[], asyncio.Protocol] | None = None


ActingFor = Callable[[FrontRequest], Acting]
"""For whom a service of AWS asks, by a request that says that it is signed with the service's key. Raises AwsError."""


class FrontAccess(Protocol):
    """Strict mode, for endpoints of users that ask for signatures (function URLs, APIs with IAM authorization)."""

    async def caller(self, request: FrontRequest, service: str, region: str) -> Caller | None:
        """Who signed the request, as `service` of that region; None where nobody did. Raises AwsError in the words of
        JSON services: InvalidSignatureException, UnrecognizedClientException, ExpiredTokenException, ..."""
        ...

    def may(
        self, caller: Caller, action: str, resource: str, request: FrontRequest, region: str,
        policy: Statements | None = None, more: Mapping[str, str] | None = None,
    ) -> Verdict:  # fmt: skip
        """Whether policies let the caller do that. `resource` is an ARN, and its account the owner; `policy` are the
        statements of the resource's own, `more` further condition keys by lower-case name."""
        ...


class Front(Protocol):
    """`claims` is asked for every request that reaches the gateway, so it must be quick. One with an attribute
    `streamed` that is true is given bodies as uploads; one with an `endpoint` answers at interface endpoints for that
    host too ("dkr.ecr")."""

    def claims(self, host: str, path: str) -> bool: ...
    async def answer(self, request: FrontRequest) -> FrontAnswer: ...
