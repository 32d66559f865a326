"""What the edge serves, as plain values. Times are AWS seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Selection:
    """Which headers, cookies or query parameters: `how` is none, whitelist, allExcept or all."""

    how: str = "none"
    names: frozenset[str] = frozenset()  # lower case for headers

    def takes(self, name: str) -> bool:
        if self.how == "whitelist":
            return name in self.names
        if self.how == "allExcept":
            return name not in self.names
        return self.how == "all"


@dataclass(frozen=True, slots=True)
class Parameters:
    """A cache policy's key, or what an origin request policy adds."""

    headers: Selection = Selection()
    cookies: Selection = Selection()
    query: Selection = Selection()


@dataclass(frozen=True, slots=True)
class CacheRules:
    """A cache policy. `encodings` are the content codings that are part of the key, the preferred first."""

    min_ttl: float
    default_ttl: float
    max_ttl: float
    key: Parameters = Parameters()
    encodings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """A header that answers get; without `override` only where the origin gave none."""

    name: str
    value: str
    override: bool


@dataclass(frozen=True, slots=True)
class CorsRules:
    origins: tuple[str, ...]
    headers: tuple[str, ...]
    methods: tuple[str, ...]
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age_s: int | None = None
    override: bool = True


@dataclass(frozen=True, slots=True)
class ResponseHeaders:
    """A response headers policy."""

    rules: tuple[HeaderRule, ...] = ()
    removed: frozenset[str] = frozenset()
    cors: CorsRules | None = None
    server_timing: float | None = None  # percentage of answers; None where the policy has it not


@dataclass(frozen=True, slots=True)
class Script:
    """A CloudFront Function: `revision` tells one text from another, `stores` are the key value stores it may read."""

    name: str
    runtime: str
    code: str
    revision: str
    stores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LambdaReference:
    arn: str
    include_body: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A cache behaviour. `origin` is an origin's or an origin group's id; `scripts` and `lambdas` are by event type
    (viewer-request, ...); `signed_by` are the public keys (PEM, by id) that must have signed a request, if any."""

    pattern: str
    origin: str
    viewer_protocol: str  # allow-all | https-only | redirect-to-https
    methods: frozenset[str]
    cached_methods: frozenset[str]
    cache: CacheRules
    forward: Parameters | None = None
    response_headers: ResponseHeaders | None = None
    compress: bool = False
    told: tuple[str, ...] = ()  # headers CloudFront-... that its policies name, in lower case
    signed_by: Mapping[str, str] | None = None
    scripts: Mapping[str, Script] = field(default_factory=dict)
    lambdas: Mapping[str, LambdaReference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OriginAccess:
    """How requests to an origin are signed: for a service in a region, in the name of `source_arn`. `gives_way`: the
    viewer's own Authorization goes before."""

    service: str  # s3 | lambda
    region: str
    source_arn: str
    source_account: str
    gives_way: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """Into a VPC: the name whose addresses are asked, and the namespaces of the interfaces that lead there."""

    name: str
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    id: str
    domain: str
    path: str
    headers: tuple[tuple[str, str], ...]
    protocol: str  # http-only | https-only | match-viewer
    http_port: int
    https_port: int
    connect_timeout_s: float
    attempts: int
    read_timeout_s: float
    keepalive_s: float
    is_s3: bool = False
    access: OriginAccess | None = None
    way: Way | None = None
    server_name: str = ""  # of its certificate, where it is not what the Host header says


@dataclass(frozen=True, slots=True)
class OriginGroup:
    id: str
    members: tuple[str, ...]
    statuses: frozenset[int]


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A custom error response."""

    code: int
    page: str
    status: int
    min_ttl: float


@dataclass(frozen=True, slots=True)
class Split:
    """How some requests go to a staging distribution: those with a header, or a share of all; then in sessions, where
    `idle_s` and `maximum_s` are given. Sessions that began before `since` (AWS time) are over."""

    staging: str  # its domain name
    header: tuple[str, str] | None = None
    weight: float = 0.0
    idle_s: float | None = None
    maximum_s: float | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Site:
    """A distribution. `behaviours` in the order they are tried, the default one (pattern "*") last."""

    id: str
    account: str
    domain_name: str
    names: tuple[str, ...]
    behaviours: tuple[Behaviour, ...]
    origins: Mapping[str, Origin]
    groups: Mapping[str, OriginGroup] = field(default_factory=dict)
    errors: Mapping[int, ErrorResponse] = field(default_factory=dict)
    default_root: str = ""
    http3: bool = False
    legacy_log: bool = False
    logs_cookies: bool = False
    deliveries: tuple[str, ...] = ()  # ids of what else is told of its requests
    realtime_logs: Mapping[str, str] = field(default_factory=dict)  # names of configurations, by a behaviour's pattern
    split: Split | None = None
    primary: tuple[str, str] | None = None  # id and domain name of a staging distribution's primary
    anycast_list: str = ""  # id of the list on whose addresses alone it answers
    geo_allows: Selection = Selection("all")
    invalidated: tuple[tuple[str, float], ...] = ()  # path pattern, since when (AWS time)

    @property
    def logged(self) -> bool:
        return self.legacy_log or bool(self.deliveries) or bool(self.realtime_logs)
