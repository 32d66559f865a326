"""A target group's health check settings: AWS's defaults, ranges and refusals.

"Health checks for your target groups". `settings` builds them for a new group or changes those of an old one. The
probes themselves and what they observe are elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kunren.core.errors import AwsError
from kunren.services.elbv2.errors import validation_error
from kunren.services.elbv2.model import HealthCheck, Matcher

_PROTOCOLS = ("HTTP", "HTTPS")
_INTERVAL = (5, 300)
_TIMEOUT = (2, 120)
_THRESHOLD = (2, 10)
_HTTP_CODES = (200, 499)
_NETWORK_CODES = (200, 599)
_GRPC_CODES = (0, 99)


def network_defaults(target_type: str, protocol: str | None) -> HealthCheck:
    """The same for a Network Load Balancer's group that is checked by this protocol ("TCP" for None)."""
    protocol = protocol or ("HTTP" if target_type == "alb" else "TCP")
    tcp = protocol == "TCP"
    return HealthCheck(
        enabled=True,
        protocol=protocol,
        port="traffic-port",
        path=None if tcp else "/",
        interval=30,
        timeout=6 if protocol == "HTTP" else 10,
        healthy_threshold=5,
        unhealthy_threshold=2,
        matcher=Matcher() if tcp else Matcher(http_code="200-399"),
    )


def defaults(target_type: str, protocol_version: str | None) -> HealthCheck:
    """What a group has whose creator says nothing. Lambda groups are not checked until somebody asks for it."""
    grpc = protocol_version == "GRPC"
    function = target_type == "lambda"
    return HealthCheck(
        enabled=not function,
        protocol="HTTP",
        port="traffic-port",
        path="/AWS.ALB/healthcheck" if grpc else "/",
        interval=35 if function else 30,
        timeout=30 if function else 5,
        healthy_threshold=5,
        unhealthy_threshold=2,
        matcher=Matcher(grpc_code="12") if grpc else Matcher(http_code="200"),
    )


def network_settings(before: HealthCheck, params: Mapping[str, Any], target_type: str) -> HealthCheck:
    """`before` with what the call names, for a Network Load Balancer's group. Raises ValidationError."""
    protocol = _given(params, "HealthCheckProtocol", before.protocol)
    allowed = ("HTTP", "HTTPS") if target_type == "alb" else ("HTTP", "HTTPS", "TCP")
    if protocol not in allowed:
        raise validation_error(f"Health check protocol '{protocol}' must be one of '{', '.join(allowed)}'")
    if protocol == "TCP":
        for member in ("HealthCheckPath", "Matcher"):
            if params.get(member):
                raise validation_error(f"'{member}' cannot be specified for health checks with the protocol 'TCP'")
    if (protocol == "TCP") != (before.protocol == "TCP"):
        fresh = network_defaults(target_type, protocol)
        before = msgspec.structs.replace(before, path=fresh.path, matcher=fresh.matcher)
    return _checked(before, params, target_type, None, allowed, _NETWORK_CODES)


def settings(
    before: HealthCheck, params: Mapping[str, Any], target_type: str, protocol_version: str | None
) -> HealthCheck:
    """`before` with what the call names. Raises ValidationError."""
    return _checked(before, params, target_type, protocol_version, _PROTOCOLS, _HTTP_CODES)


def _checked(
    before: HealthCheck,
    params: Mapping[str, Any],
    target_type: str,
    protocol_version: str | None,
    protocols: Sequence[str],
    limits: tuple[int, int],
) -> HealthCheck:
    check = HealthCheck(
        enabled=_given(params, "HealthCheckEnabled", before.enabled),
        protocol=_given(params, "HealthCheckProtocol", before.protocol),
        port=_given(params, "HealthCheckPort", before.port),
        path=_given(params, "HealthCheckPath", before.path),
        interval=_given(params, "HealthCheckIntervalSeconds", before.interval),
        timeout=_given(params, "HealthCheckTimeoutSeconds", before.timeout),
        healthy_threshold=_given(params, "HealthyThresholdCount", before.healthy_threshold),
        unhealthy_threshold=_given(params, "UnhealthyThresholdCount", before.unhealthy_threshold),
        matcher=_matcher(before.matcher, params.get("Matcher") or {}, protocol_version, limits),
    )
    if target_type == "lambda":
        for member in ("HealthCheckProtocol", "HealthCheckPort"):
            if params.get(member) is not None:
                raise validation_error(f"{member} cannot be specified for target groups with target type 'lambda'")
    elif not check.enabled:
        raise validation_error(f"Health checks cannot be disabled for target groups with target type '{target_type}'")
    _check_where(check, protocols)
    _check_range("interval", check.interval, _INTERVAL)
    _check_range("timeout", check.timeout, _TIMEOUT)
    _check_range("healthy threshold count", check.healthy_threshold, _THRESHOLD)
    _check_range("unhealthy threshold count", check.unhealthy_threshold, _THRESHOLD)
    if check.timeout >= check.interval:
        raise validation_error(
            f"Health check timeout '{check.timeout}' must be smaller than the interval '{check.interval}'"
        )
    return check


def _given(params: Mapping[str, Any], member: str, before: Any) -> Any:
    value = params.get(member)
    return before if value is None else value


def _check_where(check: HealthCheck, protocols: Sequence[str]) -> None:
    if check.protocol not in protocols:
        raise validation_error(f"Health check protocol '{check.protocol}' must be one of '{', '.join(protocols)}'")
    numeric = re.fullmatch(r"[0-9]{1,5}", check.port) and 1 <= int(check.port) <= 65535
    if check.port != "traffic-port" and not numeric:
        raise validation_error(
            f"Health check port '{check.port}' must be either 'traffic-port' or between '1-65535' inclusive"
        )
    if check.path is not None and not check.path.startswith("/"):
        raise validation_error(f"Health check path '{check.path}' must begin with a '/' character")
    if check.path is not None and (len(check.path) > 1024 or re.search(r"[\x00-\x20\x7f]", check.path)):
        raise validation_error(f"Health check path '{check.path}' is not valid")


def _check_range(what: str, value: int, limits: tuple[int, int]) -> None:
    low, high = limits
    if not low <= value <= high:
        raise validation_error(f"Health check {what} '{value}' must be between '{low}-{high}' inclusive")


def _matcher(
    before: Matcher, given: Mapping[str, Any], protocol_version: str | None, limits: tuple[int, int]
) -> Matcher:
    http, grpc = given.get("HttpCode"), given.get("GrpcCode")
    if http is None and grpc is None:
        return before
    if http is not None and grpc is not None:
        raise validation_error("You cannot specify both an HTTP code and a gRPC code for the health check matcher")
    if (grpc is not None) != (protocol_version == "GRPC"):
        kind = "gRPC" if grpc is not None else "HTTP"
        raise validation_error(
            f"Health check matcher {kind} code is not supported for protocol version '{protocol_version or 'HTTP1'}'"
        )
    if grpc is not None:
        codes(grpc, _GRPC_CODES, "gRPC")
        return Matcher(grpc_code=grpc)
    codes(http or "", limits, "HTTP")
    return Matcher(http_code=http)


def codes(text: str, limits: tuple[int, int], kind: str) -> tuple[tuple[int, int], ...]:
    """`200`, `200,202`, `200-299` or a mixture, as ranges with both ends. Raises ValidationError."""
    ranges: list[tuple[int, int]] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", part.strip())
        if match is None:
            raise _bad_code(text, limits, kind)
        first, last = int(match[1]), int(match[2] or match[1])
        if not limits[0] <= first <= last <= limits[1]:
            raise _bad_code(text, limits, kind)
        ranges.append((first, last))
    return tuple(ranges)


def _bad_code(text: str, limits: tuple[int, int], kind: str) -> AwsError:
    return validation_error(
        f"Health check matcher {kind} code '{text}' must be within '{limits[0]}-{limits[1]}' inclusive"
    )
