"""HealthCheckConfig as requests give it: read, completed with AWS's defaults, checked by type. Pure.

The texts that users have met are AWS's; the others are formed alike (the README names them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from kunren.dataplane.dns import names
from kunren.dataplane.health.endpoint import is_public
from kunren.services.route53.errors import InvalidInput
from kunren.services.route53.model import AlarmIdentifier, HealthCheckConfig

CHILDREN_MAX = 255
_HTTP = frozenset(("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH"))
_SEARCHING = frozenset(("HTTP_STR_MATCH", "HTTPS_STR_MATCH"))
_SECURE = frozenset(("HTTPS", "HTTPS_STR_MATCH"))
_FAMILY = {"CALCULATED": "Calculated", "CLOUDWATCH_METRIC": "CloudWatch metric", "RECOVERY_CONTROL": "Recovery control"}
_MEMBERS = {
    "ip_address": "IPAddress",
    "port": "Port",
    "resource_path": "ResourcePath",
    "domain_name": "FullyQualifiedDomainName",
    "search_string": "SearchString",
    "request_interval_s": "RequestInterval",
    "failure_threshold": "FailureThreshold",
    "measure_latency": "MeasureLatency",
    "health_threshold": "HealthThreshold",
    "enable_sni": "EnableSNI",
    "insufficient_data_status": "InsufficientDataHealthStatus",
    "source_id": "HealthCheckSourceId",
    "routing_control": "RoutingControlArn",
}
# attribute → what AWS calls it in its texts, and the families that must not have it
_ENDPOINT_ONLY = {
    "ip_address": "an IP address",
    "port": "a port",
    "resource_path": "a resource path",
    "domain_name": "a fully qualified domain name",
    "search_string": "a search string",
    "request_interval_s": "a request interval",
    "failure_threshold": "a failure threshold",
    "measure_latency": "a latency measurement",
    "regions": "regions",
    "source_id": "a health check source",
}


def created(given: Mapping[str, Any]) -> HealthCheckConfig:
    """The configuration of a new health check. Raises InvalidInput, and NotImplemented for what isn't here."""
    kind = given["Type"]
    if (given.get("EndpointType") == "PRIVATE") != bool(given.get("HealthCheckSourceId")):
        raise _refuse("Private health checks, and they alone, must have a health check source specified.")
    config = HealthCheckConfig(
        type=kind,
        inverted=bool(given.get("Inverted")),
        disabled=bool(given.get("Disabled")),
        regions=tuple(dict.fromkeys(given.get("Regions") or ())),
        children=_children(given),
        alarm=_alarm(given),
        **{attribute: _text(given.get(member)) for attribute, member in _MEMBERS.items()},
    )
    _check(config)
    return _completed(config)


def updated(config: HealthCheckConfig, given: Mapping[str, Any]) -> HealthCheckConfig:
    """The configuration after UpdateHealthCheck. Raises InvalidInput."""
    if given.get("HealthCheckSourceId") and config.source_id is None:
        raise InvalidInput("Invalid parameter : A health check source can't be added to a public health check.")
    if given.get("IPAddress") and config.ip_address is None:
        raise InvalidInput("Invalid parameter : An IP address can't be added to an existing health check.")
    changes: dict[str, Any] = {
        attribute: _text(given[member])
        for attribute, member in _MEMBERS.items()
        if attribute not in ("request_interval_s", "measure_latency") and _text(given.get(member)) is not None
    }
    for attribute, member in (("inverted", "Inverted"), ("disabled", "Disabled")):
        if given.get(member) is not None:
            changes[attribute] = bool(given[member])
    if given.get("Regions"):
        changes["regions"] = tuple(dict.fromkeys(given["Regions"]))
    if given.get("ChildHealthChecks") is not None:
        changes["children"] = _children(given)
    if given.get("AlarmIdentifier"):
        changes["alarm"] = _alarm(given)
    for reset in given.get("ResetElements") or ():
        attribute, member, empty = _RESETS[reset]
        if given.get(member):
            raise InvalidInput(f"Invalid parameter : {member} can't be both specified and reset.")
        changes[attribute] = empty
    changed = msgspec.structs.replace(config, **changes)
    _check(changed)
    return _completed(changed)


_RESETS: dict[str, tuple[str, str, Any]] = {
    "FullyQualifiedDomainName": ("domain_name", "FullyQualifiedDomainName", None),
    "Regions": ("regions", "Regions", ()),
    "ResourcePath": ("resource_path", "ResourcePath", None),
    "ChildHealthChecks": ("children", "ChildHealthChecks", ()),
}


def _text(value: Any) -> Any:
    return None if value == "" else value


def _children(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    children = given.get("ChildHealthChecks")
    return tuple(dict.fromkeys(children)) if children is not None else None


def _alarm(given: Mapping[str, Any]) -> AlarmIdentifier | None:
    alarm = given.get("AlarmIdentifier")
    return AlarmIdentifier(region=alarm["Region"], name=alarm["Name"]) if alarm else None


def _completed(config: HealthCheckConfig) -> HealthCheckConfig:
    """With the defaults that AWS shows for what was not given."""
    if config.type in _FAMILY:
        children = () if config.type == "CALCULATED" and config.children is None else config.children
        insufficient = config.insufficient_data_status
        if config.type == "CLOUDWATCH_METRIC" and insufficient is None:
            insufficient = "LastKnownStatus"
        return msgspec.structs.replace(config, children=children, insufficient_data_status=insufficient)
    port = config.port
    if port is None:
        port = 443 if config.type in _SECURE else 80
    return msgspec.structs.replace(
        config,
        port=port,
        request_interval_s=config.request_interval_s or 30,
        failure_threshold=config.failure_threshold or 3,
        measure_latency=bool(config.measure_latency),
        enable_sni=config.type in _SECURE if config.enable_sni is None else config.enable_sni,
    )


def _check(config: HealthCheckConfig) -> None:
    _RULES.get(config.type, _check_endpoint)(config)


def _refuse(text: str) -> InvalidInput:
    return InvalidInput(f"Invalid parameter : {text}")


def _must_not_have(config: HealthCheckConfig, family: str, members: Mapping[str, str]) -> None:
    for attribute, words in members.items():
        if getattr(config, attribute) not in (None, ()):
            raise _refuse(f"{family} health checks must not have {words} specified.")


def _check_endpoint(config: HealthCheckConfig) -> None:
    if config.alarm is not None:
        raise _refuse("Basic health checks must not have an metric region specified.")
    others = {"children": "child health checks", "health_threshold": "a health threshold",
              "insufficient_data_status": "an insufficient data health status"}  # fmt: skip
    _must_not_have(config, "Basic", others)
    if config.ip_address is None and config.domain_name is None:
        raise _refuse("Basic health checks must have either an IP address or a fully qualified domain name specified.")
    if config.type == "TCP":
        _check_tcp(config)
    elif config.search_string is not None and config.type not in _SEARCHING:
        raise _refuse(f"{config.type} health checks must not have a search string specified.")
    elif config.search_string is None and config.type in _SEARCHING:
        raise _refuse(f"{config.type} health checks must have a search string specified.")
    if config.request_interval_s not in (None, 10, 30):
        raise _refuse("Request interval must be 10 or 30 seconds.")
    if config.source_id is not None and config.regions:
        raise _refuse("Private health checks must not have regions specified.")
    if config.ip_address is not None and config.source_id is not None and not ip_address(config.ip_address).is_private:
        raise _refuse(f"IP address {config.ip_address} is forbidden: it is not in a private range.")
    if config.ip_address is not None and config.source_id is None and not is_public(config.ip_address):
        raise _refuse(f"IP address {config.ip_address} is forbidden: it is in a reserved or private range.")
    _check_name(config.domain_name)
    _check_path(config.resource_path)


def _check_tcp(config: HealthCheckConfig) -> None:
    if config.ip_address is not None and config.domain_name is not None:
        raise InvalidInput(
            "TCP health checks that have IP address must not have a fully qualified domain name specified."
        )
    _must_not_have(config, "TCP", {"resource_path": "a resource path", "search_string": "a search string"})
    if config.port is None:
        raise _refuse("TCP health checks must have a port specified.")


def _check_name(name: str | None) -> None:
    if name is None:
        return
    try:
        names.to_wire(name)
    except names.BadName as error:
        raise _refuse(f"Fully qualified domain name is invalid: {error}") from None
    if any(ord(each) <= 32 or ord(each) > 126 for each in name):
        raise _refuse("Fully qualified domain name contains characters that are not allowed.")


def _check_path(path: str | None) -> None:
    """What would break the request line is refused."""
    if path is not None and any(ord(each) <= 32 or ord(each) > 126 for each in path):
        raise _refuse("Resource path contains characters that are not allowed.")


def _check_calculated(config: HealthCheckConfig) -> None:
    others = {"alarm": "a metric region", "insufficient_data_status": "an insufficient data health status"}
    _must_not_have(config, "Calculated", {**_ENDPOINT_ONLY, **others})
    if config.health_threshold is None:
        raise _refuse("Calculated health checks must have a health threshold specified.")
    if len(config.children or ()) > CHILDREN_MAX:
        raise _refuse(f"Calculated health checks must not have more than {CHILDREN_MAX} child health checks.")


def _check_alarm(config: HealthCheckConfig) -> None:
    others = {"children": "child health checks", "health_threshold": "a health threshold"}
    _must_not_have(config, "CloudWatch metric", {**_ENDPOINT_ONLY, **others})
    if config.alarm is None:
        raise _refuse("CloudWatch metric health checks must have an alarm identifier specified.")


def _check_switch(config: HealthCheckConfig) -> None:
    others = {
        "children": "child health checks", "health_threshold": "a health threshold", "alarm": "a metric region",
        "insufficient_data_status": "an insufficient data health status",
    }  # fmt: skip
    _must_not_have(config, "Recovery control", {**_ENDPOINT_ONLY, **others})
    if config.routing_control is None:
        raise _refuse("Recovery control health checks must have a routing control specified.")


_RULES: dict[str, Callable[[HealthCheckConfig], None]] = {
    "CALCULATED": _check_calculated,
    "CLOUDWATCH_METRIC": _check_alarm,
    "RECOVERY_CONTROL": _check_switch,
}
