"""What the front and the kinds of API say to each other: a request, an answer, and who takes it.

The front knows hosts, certificates and mappings; a kind (`ApiKind`) knows its stages, routes and answers, errors too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from kunren.core.fronts import FrontRequest, Signed


class ApiIdentity(NamedTuple):
    """An API: ids are unique among all kinds of one region."""

    account: str
    region: str
    id: str


class ClientCertificate(NamedTuple):
    """The certificate that a client showed to a domain with mutual TLS, and was let in for. Times as OpenSSL prints."""

    pem: str
    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str


class ApiRequest(msgspec.Struct, frozen=True):
    """A request to one API.

    `raw_path` is the path as the client sent it, percent-encoded; `path` is what remains of it behind the stage (of the
    default endpoint) or the mapping's key (of a custom domain), encoded too and never empty. `stage` is empty where the
    path names none that there is. `domain` is the custom domain's name (for a wildcard the name in full), empty on the
    default endpoint; `base_path` the mapping's key. Header names are lower case, repeated ones joined by ", ";
    `repeated` has the values of those alone that came more than once. `time` is AWS time. `claimed` says whose
    signature it carries, unverified; `asked` is the request as the front had it, for whoever verifies.
    """

    api: ApiIdentity
    stage: str
    method: str
    host: str
    raw_path: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str
    id: str
    time: float
    domain: str = ""
    base_path: str = ""
    repeated: Mapping[str, tuple[str, ...]] = {}
    claimed: Signed | None = None
    certificate: ClientCertificate | None = None
    secure: bool = True
    asked: FrontRequest | None = None

    def values(self, name: str) -> tuple[str, ...]:
        """Each value of a header (named in lower case) as it came."""
        found = self.repeated.get(name)
        if found is not None:
            return found
        return (self.headers[name],) if name in self.headers else ()


class ApiResponse(msgspec.Struct, frozen=True):
    """An answer; a body in pieces is sent as it comes. The front adds Date and the connection's own headers."""

    status: int
    headers: list[tuple[str, str]] = []
    body: bytes | AsyncIterator[bytes] = b""


class ApiKind(Protocol):
    """HTTP APIs, REST APIs: what a service gives to the front (`ApiFront.kinds`)."""

    def find(self, region: str, api_id: str) -> ApiIdentity | None:
        """The API of that id, if it is of this kind. Asked for every request, so it must be quick."""
        ...

    def stage_of(self, api: ApiIdentity, path: str) -> tuple[str, str]:
        """Of a path on the default endpoint: the stage, "" for none, and what remains ("/" at least)."""
        ...

    def has_stage(self, api: ApiIdentity, stage: str) -> bool:
        """Whether a custom domain's mapping may lead there."""
        ...

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """The answer, in the kind's own words where there is no such stage, no such route, or no leave. Exceptions are
        answered with 500 by the front."""
        ...
