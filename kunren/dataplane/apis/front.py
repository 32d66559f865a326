"""The front of all APIs: from a request's host and path to the API, its stage and what remains of the path.

A front (`kunren.core.fronts`) on the gateway's sockets by Host header, and one for each region's own address
(`for_region`), which knows only the APIs and custom domains of that region.
"""

from __future__ import annotations

import json
import logging
import re
from typing import NamedTuple, Protocol

from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.dataplane.apis.client_certificate import read_certificate
from kunren.dataplane.apis.interface import ApiIdentity, ApiKind, ApiRequest, ClientCertificate

log = logging.getLogger(__name__)
PAYLOAD_BYTES_MAX = 10 * 1024 * 1024
HEAD_BYTES_MAX = 10_240
"""Quotas of API Gateway: a request's payload, and its request line and headers."""
_DEFAULT = re.compile(r"([a-z0-9]+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com")
_JSON = ("Content-Type", "application/json")


class Mapping(NamedTuple):
    """Where a custom domain leads below a path: `key` is "" or like "orders/v1"."""

    key: str
    api_id: str
    stage: str


class Domain(NamedTuple):
    """A custom domain as the front sees it: mappings with longer keys first. `mutual` where clients must show a
    certificate, which only the domain's own TLS context has verified. `name` may be a wildcard's."""

    region: str
    mappings: tuple[Mapping, ...]
    mutual: bool = False
    name: str = ""


class Domains(Protocol):
    """The custom domains. Asked for every request, so they must be quick."""

    def find(self, host: str, region: str | None) -> Domain | None:
        """The domain of a host, or the wildcard that covers it, in that region (None: in any)."""
        ...

    def is_own_context(self, request: FrontRequest, domain: Domain) -> bool:
        """Whether the request came by the TLS context that the domain's trust store belongs to."""
        ...


class _Target(NamedTuple):
    kind: ApiKind
    api: ApiIdentity
    stage: str
    path: str
    domain: str = ""
    base_path: str = ""
    certificate: ClientCertificate | None = None


class ApiFront:
    """`kinds` are asked in turn whose an API is; `domains` is set before anything is served."""

    domains: Domains

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self.kinds: list[ApiKind] = []
        self.requests = 0
        self._clock = clock
        self._entropy = entropy

    # --- a front of the gateway

    def claims(self, host: str, path: str) -> bool:
        name = host.partition(":")[0].lower()
        return ".execute-api." in name or self.domains.find(name, None) is not None

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        return await self.answer_in(None, request)

    def for_region(self, region: str) -> RegionFront:
        return RegionFront(self, region)

    async def answer_in(self, region: str | None, request: FrontRequest) -> FrontAnswer:
        """The answer to a request that reached a region's address, or (None) the gateway."""
        self.requests += 1
        try:
            target = self._target(region, request)
            if target is None:
                return message(403, "Forbidden")
            if len(request.body) > PAYLOAD_BYTES_MAX:
                return message(413, "Request Entity Too Large")
            answer = await target.kind.handle(self._request(target, request))
        except Exception:
            log.exception("a request for %s could not be answered", request.host)
            return message(500, "Internal Server Error")
        return FrontAnswer(answer.status, answer.headers, answer.body)

    # --- from host and path to an API

    def _target(self, region: str | None, request: FrontRequest) -> _Target | None:
        domain = self.domains.find(request.host, region)
        if domain is not None:
            return self._of_domain(domain, request)
        found = _DEFAULT.fullmatch(request.host)
        if found is None:
            return None
        if region is not None and found[2] != region:
            return None
        for kind in self.kinds:
            if (api := kind.find(found[2], found[1])) is not None:
                stage, path = kind.stage_of(api, request.path or "/")
                return _Target(kind, api, stage, path or "/")
        return None

    def _of_domain(self, domain: Domain, request: FrontRequest) -> _Target | None:
        certificate = None
        if domain.mutual:
            if request.tls is None or not request.tls.certificate or not self.domains.is_own_context(request, domain):
                return None
            certificate = read_certificate(request.tls.certificate)
        path = request.path or "/"
        for mapping in domain.mappings:
            rest = below(path, mapping.key)
            if rest is None:
                continue
            for kind in self.kinds:
                api = kind.find(domain.region, mapping.api_id)
                if api is not None:
                    stage = mapping.stage if kind.has_stage(api, mapping.stage) else ""
                    return _Target(kind, api, stage, rest, request.host, mapping.key, certificate)
        return None

    def _request(self, target: _Target, request: FrontRequest) -> ApiRequest:
        return ApiRequest(
            api=target.api,
            stage=target.stage,
            method=request.method,
            host=request.host,
            raw_path=text(request.path or "/"),
            path=text(target.path),
            query=text(request.query),
            headers={name: text(value) for name, value in request.headers.items()},
            body=request.body,
            source_ip=request.source_ip,
            id=self._entropy.uuid(),
            time=self._clock.now(),
            domain=target.domain,
            base_path=target.base_path,
            repeated={name: tuple(text(each) for each in values) for name, values in request.repeated.items()},
            claimed=request.signed,
            certificate=target.certificate,
            secure=request.secure,
            asked=request,
        )


class RegionFront:
    """A front of the gateway's kind for the address of one region."""

    def __init__(self, front: ApiFront, region: str) -> None:
        self._front = front
        self._region = region

    def claims(self, host: str, path: str) -> bool:
        return True

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        return await self._front.answer_in(self._region, request)


def text(value: str) -> str:
    """What a client sent, as text that can be passed on: bytes that are no UTF-8 are Latin-1's (RFC 9110, 5.5)."""
    if value.isascii():
        return value
    sent = value.encode("utf-8", "surrogateescape")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return sent.decode("latin-1")


def below(path: str, key: str) -> str | None:
    """What remains of a path behind a mapping's key ("/" at least); None where the key does not fit. Whole segments."""
    if not key:
        return path
    if not path.startswith(f"/{key}"):
        return None
    rest = path[len(key) + 1 :]
    return rest or "/" if rest[:1] in ("", "/") else None


def message(status: int, text: str) -> FrontAnswer:
    """`{"message":"Forbidden"}`, as API Gateway says what it refuses."""
    return FrontAnswer(status, [_JSON], json.dumps({"message": text}, separators=(",", ":")).encode())
