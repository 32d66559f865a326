"""From a distribution's configuration to what the edge serves. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Snapshot
from kunren.dataplane.edge.site import (
    Behaviour,
    CacheRules,
    CorsRules,
    ErrorResponse,
    HeaderRule,
    LambdaReference,
    Origin,
    OriginAccess,
    OriginGroup,
    Parameters,
    ResponseHeaders,
    Script,
    Selection,
    Site,
    Way,
)
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.continuous import primary_of, split
from kunren.services.cloudfront.logs.model import VendedDelivery
from kunren.services.cloudfront.model import Distribution, Function, Invalidation, KeyGroup, PublicKey
from kunren.services.cloudfront.origin_access.rules import access_of
from kunren.services.cloudfront.policies import cache_policy, origin_request_policy, response_headers_policy
from kunren.services.cloudfront.vpc_origins.model import VpcOrigin, VpcOriginNetwork
from kunren.services.cloudfront.vpc_origins.rules import balancer_of
from kunren.services.cloudfront.vpc_origins.rules import find as find_vpc_origin
from kunren.world.network import workload_namespace

INVALIDATIONS_MAX = 1000
YEAR_S = 31536000.0
_ALL_HEADERS = Selection("all")


def site(snapshot: Snapshot, distribution: Distribution) -> Site:
    """Raises NoSuch...Policy where a policy is gone (the API lets none go that is attached)."""
    config = distribution.config
    primary = primary_of(snapshot, distribution) if config["Staging"] else None
    behaviours = [*items(config["CacheBehaviors"]), {**config["DefaultCacheBehavior"], "PathPattern": "*"}]
    return Site(
        id=distribution.id,
        account=distribution.account,
        domain_name=distribution.domain_name,
        names=(distribution.domain_name, *(each.lower() for each in items(config["Aliases"]))),
        behaviours=tuple(_behaviour(snapshot, distribution.account, each) for each in behaviours),
        origins={
            each["Id"]: _origin(snapshot, distribution.account, each, access_of(snapshot, distribution, each))
            for each in items(config["Origins"])
        },
        groups={each["Id"]: _group(each) for each in items(config["OriginGroups"])},
        errors={each["ErrorCode"]: _error(each) for each in items(config["CustomErrorResponses"])},
        default_root=config["DefaultRootObject"],
        http3=config["HttpVersion"] in ("http3", "http2and3"),
        legacy_log=config["Logging"]["Enabled"],
        deliveries=tuple(
            each.id
            for each in snapshot.list(VendedDelivery, distribution.account, "")
            if each.distribution_id == distribution.id
        ),
        logs_cookies=config["Logging"]["IncludeCookies"],
        realtime_logs={
            each["PathPattern"]: each["RealtimeLogConfigArn"].rpartition("/")[2]
            for each in behaviours
            if each.get("RealtimeLogConfigArn")
        },
        split=split(snapshot, distribution),
        primary=(primary.id, primary.domain_name) if primary is not None else None,
        anycast_list=distribution.config.get("AnycastIpListId") or "",
        geo_allows=_geography(config["Restrictions"]["GeoRestriction"]),
        invalidated=_invalidated(snapshot, distribution),
    )


def _invalidated(snapshot: Snapshot, distribution: Distribution) -> tuple[tuple[str, float], ...]:
    """Newest first. What is older than any object can be is of no use."""
    own = [
        each
        for each in snapshot.list(Invalidation, distribution.account, "")
        if each.id.startswith(distribution.id + "|")
    ]
    newest = sorted(own, key=lambda each: each.created_time, reverse=True)[:INVALIDATIONS_MAX]
    return tuple((path, each.created_time) for each in newest for path in each.paths)


def _geography(given: Mapping[str, Any]) -> Selection:
    how = {"none": "all", "whitelist": "whitelist", "blacklist": "allExcept"}[given["RestrictionType"]]
    return Selection(how, frozenset(items(given)))


def _origin(snapshot: Snapshot, account: str, given: Mapping[str, Any], access: OriginAccess | None) -> Origin:
    custom = given.get("CustomOriginConfig") or {}
    way = None
    if within := given.get("VpcOriginConfig"):
        found = find_vpc_origin(snapshot, account, within["VpcOriginId"])
        custom, way = {**found.config, **within}, _way(snapshot, found)
    s3 = given.get("S3OriginConfig")
    return Origin(
        id=given["Id"],
        domain=given["DomainName"],
        path=given["OriginPath"],
        headers=tuple((each["HeaderName"], each["HeaderValue"]) for each in items(given["CustomHeaders"])),
        protocol=custom.get("OriginProtocolPolicy", "match-viewer"),
        http_port=custom.get("HTTPPort", 80),
        https_port=custom.get("HTTPSPort", 443),
        connect_timeout_s=float(given["ConnectionTimeout"]),
        attempts=given["ConnectionAttempts"],
        read_timeout_s=float(custom.get("OriginReadTimeout", 30)),
        keepalive_s=float(custom.get("OriginKeepaliveTimeout", 5)),
        is_s3=s3 is not None,
        access=access,
        way=way,
    )


def _way(snapshot: Snapshot, origin: VpcOrigin) -> Way:
    """The load balancer by its own name, from the interfaces that there are so far."""
    balancer = balancer_of(snapshot, origin.config["Arn"])
    network = snapshot.get(VpcOriginNetwork, origin.account, "", origin.id)
    interfaces = sorted(network.interfaces.values()) if network is not None else []
    name = balancer.dns_name if balancer is not None else ""
    return Way(name, tuple(workload_namespace(each) for each in interfaces))


def _group(given: Mapping[str, Any]) -> OriginGroup:
    return OriginGroup(
        id=given["Id"],
        members=tuple(each["OriginId"] for each in items(given["Members"])),
        statuses=frozenset(items(given["FailoverCriteria"]["StatusCodes"])),
    )


def _error(given: Mapping[str, Any]) -> ErrorResponse:
    minimum = given.get("ErrorCachingMinTTL")
    return ErrorResponse(
        code=given["ErrorCode"],
        page=given.get("ResponsePagePath") or "",
        status=int(given.get("ResponseCode") or 0),
        min_ttl=10.0 if minimum is None else float(minimum),
    )


def _behaviour(snapshot: Snapshot, account: str, given: Mapping[str, Any]) -> Behaviour:
    allowed = given["AllowedMethods"]
    forward = given.get("OriginRequestPolicyId")
    headers = given.get("ResponseHeadersPolicyId")
    return Behaviour(
        pattern=given["PathPattern"],
        origin=given["TargetOriginId"],
        viewer_protocol=given["ViewerProtocolPolicy"],
        methods=frozenset(items(allowed)),
        cached_methods=frozenset(items(allowed["CachedMethods"])),
        cache=_cache_rules(snapshot, account, given),
        forward=parameters(origin_request_policy(snapshot, account, forward)) if forward else None,
        response_headers=response_headers(response_headers_policy(snapshot, account, headers)) if headers else None,
        compress=given["Compress"],
        told=_told(snapshot, account, given),
        signed_by=signers(snapshot, account, given),
        scripts=_scripts(snapshot, account, given),
        lambdas={
            each["EventType"]: LambdaReference(each["LambdaFunctionARN"], bool(each.get("IncludeBody")))
            for each in items(given["LambdaFunctionAssociations"])
        },
    )


def _told(snapshot: Snapshot, account: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    named = []
    if (policy := given.get("CachePolicyId")) is not None:
        chosen = cache_policy(snapshot, account, policy).get("ParametersInCacheKeyAndForwardedToOrigin")
        named += items(chosen["HeadersConfig"].get("Headers")) if chosen else []
    else:
        named += items(given["ForwardedValues"].get("Headers"))
    if forward := given.get("OriginRequestPolicyId"):
        named += items(origin_request_policy(snapshot, account, forward)["HeadersConfig"].get("Headers"))
    return tuple(dict.fromkeys(each.lower() for each in named if each.lower().startswith("cloudfront-")))


def signers(snapshot: Snapshot, account: str, given: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The public keys (PEM, by id) that may sign for a behaviour; None where nothing has to be signed."""
    if not given["TrustedKeyGroups"].get("Enabled"):
        return None
    groups = (snapshot.get(KeyGroup, account, "", each) for each in items(given["TrustedKeyGroups"]))
    named = (key for each in groups if each is not None for key in each.config["Items"])
    found = (snapshot.get(PublicKey, account, "", each) for each in named)
    return {each.id: each.config["EncodedKey"] for each in found if each is not None}


def _scripts(snapshot: Snapshot, account: str, given: Mapping[str, Any]) -> dict[str, Script]:
    found = {}
    for each in items(given["FunctionAssociations"]):
        function = snapshot.get(Function, account, "", each["FunctionARN"].rpartition("/")[2])
        if function is not None and function.live is not None:
            live = function.live
            stores = _stores(live.config)
            found[each["EventType"]] = Script(function.id, live.config["Runtime"], live.code, live.etag, stores)
    return found


def _stores(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the key value stores that a function reads."""
    return tuple(each["KeyValueStoreARN"].rpartition("/")[2] for each in items(config.get("KeyValueStoreAssociations")))


def _cache_rules(snapshot: Snapshot, account: str, given: Mapping[str, Any]) -> CacheRules:
    if not given.get("CachePolicyId"):
        return _legacy(given)
    policy = cache_policy(snapshot, account, given["CachePolicyId"])
    chosen = policy.get("ParametersInCacheKeyAndForwardedToOrigin") or {}
    encodings = [
        coding
        for coding, member in (("br", "EnableAcceptEncodingBrotli"), ("gzip", "EnableAcceptEncodingGzip"))
        if chosen.get(member)
    ]
    least = float(policy["MinTTL"])
    most = policy.get("MaxTTL")
    default = policy.get("DefaultTTL")
    return CacheRules(
        min_ttl=least,
        default_ttl=max(86400.0, least) if default is None else float(default),
        max_ttl=max(YEAR_S, least) if most is None else float(most),
        key=parameters(chosen) if chosen else Parameters(),
        encodings=tuple(encodings),
    )


def parameters(given: Mapping[str, Any]) -> Parameters:
    """Of a cache policy or an origin request policy."""
    headers, cookies, query = given["HeadersConfig"], given["CookiesConfig"], given["QueryStringsConfig"]
    how = headers["HeaderBehavior"]
    names = frozenset(each.lower() for each in items(headers.get("Headers")))
    return Parameters(
        headers=_ALL_HEADERS if how.startswith("allViewer") else Selection(how, names),
        cookies=Selection(cookies["CookieBehavior"], frozenset(items(cookies.get("Cookies")))),
        query=Selection(query["QueryStringBehavior"], frozenset(items(query.get("QueryStrings")))),
    )


def _legacy(given: Mapping[str, Any]) -> CacheRules:
    """The rules of `ForwardedValues`: what is forwarded is the key. All headers forwarded: nothing is kept."""
    values = given["ForwardedValues"]
    headers = [each.lower() for each in items(values.get("Headers"))]
    cookies, keys = values["Cookies"], items(values.get("QueryStringCacheKeys"))
    forwarded = {"none": "none", "whitelist": "whitelist", "all": "all"}[cookies["Forward"]]
    every = "*" in headers
    return CacheRules(
        min_ttl=0.0 if every else float(given["MinTTL"]),
        default_ttl=0.0 if every else float(given["DefaultTTL"]),
        max_ttl=0.0 if every else float(given["MaxTTL"]),
        key=Parameters(
            headers=_ALL_HEADERS if every else Selection("whitelist", frozenset(headers)),
            cookies=Selection(forwarded, frozenset(items(cookies.get("WhitelistedNames")))),
            query=Selection("none")
            if not values["QueryString"]
            else Selection("whitelist", frozenset(keys))
            if keys
            else Selection("all"),
        ),
        encodings=("gzip",),
    )


def response_headers(policy: Mapping[str, Any]) -> ResponseHeaders:
    custom = [
        HeaderRule(each["Header"], each["Value"], bool(each["Override"]))
        for each in items(policy.get("CustomHeadersConfig"))
    ]
    timing = policy.get("ServerTimingHeadersConfig") or {}
    cors = policy.get("CorsConfig")
    return ResponseHeaders(
        rules=(*_security(policy.get("SecurityHeadersConfig") or {}), *custom),
        removed=frozenset(each["Header"].lower() for each in items(policy.get("RemoveHeadersConfig"))),
        cors=_cors(cors) if cors else None,
        server_timing=float(timing.get("SamplingRate") or 0) if timing.get("Enabled") else None,
    )


def _security(given: Mapping[str, Any]) -> list[HeaderRule]:
    found = []
    if xss := given.get("XSSProtection"):
        value = "0"
        if xss["Protection"]:
            value = "1; mode=block" if xss.get("ModeBlock") else "1"
            value += f"; report={xss['ReportUri']}" if xss.get("ReportUri") else ""
        found.append(HeaderRule("X-XSS-Protection", value, xss["Override"]))
    if frame := given.get("FrameOptions"):
        found.append(HeaderRule("X-Frame-Options", frame["FrameOption"], frame["Override"]))
    if referrer := given.get("ReferrerPolicy"):
        found.append(HeaderRule("Referrer-Policy", referrer["ReferrerPolicy"], referrer["Override"]))
    if content := given.get("ContentSecurityPolicy"):
        found.append(HeaderRule("Content-Security-Policy", content["ContentSecurityPolicy"], content["Override"]))
    if kind := given.get("ContentTypeOptions"):
        found.append(HeaderRule("X-Content-Type-Options", "nosniff", kind["Override"]))
    if strict := given.get("StrictTransportSecurity"):
        value = f"max-age={strict['AccessControlMaxAgeSec']}"
        value += "; includeSubDomains" if strict.get("IncludeSubdomains") else ""
        value += "; preload" if strict.get("Preload") else ""
        found.append(HeaderRule("Strict-Transport-Security", value, strict["Override"]))
    return found


def _cors(given: Mapping[str, Any]) -> CorsRules:
    return CorsRules(
        origins=tuple(items(given["AccessControlAllowOrigins"])),
        headers=tuple(items(given["AccessControlAllowHeaders"])),
        methods=tuple(items(given["AccessControlAllowMethods"])),
        expose=tuple(items(given.get("AccessControlExposeHeaders"))),
        credentials=bool(given["AccessControlAllowCredentials"]),
        max_age_s=given.get("AccessControlMaxAgeSec"),
        override=bool(given["OriginOverride"]),
    )
