"""The attributes of load balancers, listeners and target groups: keys, defaults, and which values AWS takes.

Each table maps a key to a `Rule`: the default (None: the key is known, but not for this kind of resource) and the check
of a new value. `merged` applies a Modify…Attributes call; `described` is what Describe…Attributes lists. A stored
resource holds only what was changed; `value` reads one attribute with its default.
Sources: LoadBalancerAttribute, ListenerAttribute and TargetGroupAttribute in the API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kunren.services.elbv2 import network_attributes
from kunren.services.elbv2.attribute_rules import BOOLEAN as _BOOLEAN
from kunren.services.elbv2.attribute_rules import Check, Rule, Table, described, merged, requested, value
from kunren.services.elbv2.attribute_rules import between as _between
from kunren.services.elbv2.attribute_rules import one_of as _one_of
from kunren.services.elbv2.attribute_rules import text as _text
from kunren.services.elbv2.attribute_rules import unchanged as _unchanged
from kunren.services.elbv2.errors import InvalidConfigurationRequest, validation_error

__all__ = ["described", "value"]


def _slow_start(key: str, value: str) -> None:
    if value != "0":
        _between(30, 900)(key, value)


def _stickiness_type(_: str, value: str) -> None:
    if value not in ("app_cookie", "lb_cookie", "source_ip"):
        raise validation_error("'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]")


def _cookie_name(key: str, value: str) -> None:
    if value.upper().startswith("AWSALB"):
        raise InvalidConfigurationRequest(
            f"'{key}' value '{value}' cannot begin with 'AWSALB', 'AWSALBAPP' or 'AWSALBTG'"
        )
    if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}", value):
        raise validation_error(f"'{key}' value '{value}' is not a valid cookie name")


def _header_name(key: str, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", value):
        raise validation_error(f"'{key}' value '{value}' is not a valid header name")


def _header_value(key: str, value: str) -> None:
    if len(value) > 1024 or not re.fullmatch(r"[\x20-\x7e]*", value):
        raise validation_error(f"'{key}' value '{value}' is not a valid header value")


def _header_word(*words: str) -> Check:
    return _one_of("", *words)


def _max_age(key: str, value: str) -> None:
    if value:
        _between(0, 86_400)(key, value)


IPV6_DENIED = "ipv6.deny_all_igw_traffic"
"""Whether internet gateways carry nothing of the nodes' IPv6 addresses (`ec2/public_access.py`)."""
LOAD_BALANCER: Table = {
    "access_logs.s3.enabled": Rule("false", _BOOLEAN),
    "access_logs.s3.bucket": Rule("", _text),
    "access_logs.s3.prefix": Rule("", _text),
    "client_keep_alive.seconds": Rule("3600", _between(60, 604_800)),
    "connection_logs.s3.enabled": Rule("false", _BOOLEAN),
    "connection_logs.s3.bucket": Rule("", _text),
    "connection_logs.s3.prefix": Rule("", _text),
    "deletion_protection.enabled": Rule("false", _BOOLEAN),
    "health_check_logs.s3.enabled": Rule("false", _BOOLEAN),
    "health_check_logs.s3.bucket": Rule("", _text),
    "health_check_logs.s3.prefix": Rule("", _text),
    "idle_timeout.timeout_seconds": Rule("60", _between(1, 4000)),
    IPV6_DENIED: Rule("false", _BOOLEAN),
    "load_balancing.cross_zone.enabled": Rule("true", _BOOLEAN),
    "routing.http.desync_mitigation_mode": Rule("defensive", _one_of("monitor", "defensive", "strictest")),
    "routing.http.drop_invalid_header_fields.enabled": Rule("false", _BOOLEAN),
    "routing.http.preserve_host_header.enabled": Rule("false", _BOOLEAN),
    "routing.http.x_amzn_tls_kx.enabled": Rule("false", _BOOLEAN),
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": Rule("false", _BOOLEAN),
    "routing.http.xff_client_port.enabled": Rule("false", _BOOLEAN),
    "routing.http.xff_header_processing.mode": Rule("append", _one_of("append", "preserve", "remove")),
    "routing.http2.enabled": Rule("true", _BOOLEAN),
    "waf.fail_open.enabled": Rule("false", _BOOLEAN),
    "zonal_shift.config.enabled": Rule("false", _BOOLEAN),
}
_LOAD_BALANCER_OTHERS = ("dns_record.client_routing_policy", "secondary_ips.auto_assigned.per_subnet")

_RESPONSE_HEADERS: Table = {
    "routing.http.response.access_control_allow_credentials.header_value": Rule("", _header_word("true")),
    "routing.http.response.access_control_allow_headers.header_value": Rule("", _header_value),
    "routing.http.response.access_control_allow_methods.header_value": Rule("", _header_value),
    "routing.http.response.access_control_allow_origin.header_value": Rule("", _header_value),
    "routing.http.response.access_control_expose_headers.header_value": Rule("", _header_value),
    "routing.http.response.access_control_max_age.header_value": Rule("", _max_age),
    "routing.http.response.content_security_policy.header_value": Rule("", _header_value),
    "routing.http.response.server.enabled": Rule("true", _BOOLEAN),
    "routing.http.response.strict_transport_security.header_value": Rule("", _header_value),
    "routing.http.response.x_content_type_options.header_value": Rule("", _header_word("nosniff")),
    "routing.http.response.x_frame_options.header_value": Rule("", _header_word("DENY", "SAMEORIGIN")),
}
_REQUEST_HEADERS: Table = {
    f"routing.http.request.{key}.header_name": Rule(default, _header_name)
    for key, default in {
        "x_amzn_mtls_clientcert": "X-Amzn-Mtls-Clientcert",
        "x_amzn_mtls_clientcert_issuer": "X-Amzn-Mtls-Clientcert-Issuer",
        "x_amzn_mtls_clientcert_leaf": "X-Amzn-Mtls-Clientcert-Leaf",
        "x_amzn_mtls_clientcert_serial_number": "X-Amzn-Mtls-Clientcert-Serial-Number",
        "x_amzn_mtls_clientcert_subject": "X-Amzn-Mtls-Clientcert-Subject",
        "x_amzn_mtls_clientcert_validity": "X-Amzn-Mtls-Clientcert-Validity",
        "x_amzn_tls_cipher_suite": "X-Amzn-Tls-Cipher-Suite",
        "x_amzn_tls_version": "X-Amzn-Tls-Version",
    }.items()
}
_LISTENER_OTHERS = ("tcp.idle_timeout.seconds", "send_tcp_reset.on_idle_timeout.enabled")

_PERCENTAGE = _between(1, 100, "off")
_HEALTH_THRESHOLDS: Table = {
    "target_group_health.dns_failover.minimum_healthy_targets.count": Rule("1", _between(1, 1000, "off")),
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": Rule("off", _PERCENTAGE),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": Rule("1", _between(1, 1000)),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": Rule("off", _PERCENTAGE),
}
TARGET_GROUP: Table = {
    "deregistration_delay.timeout_seconds": Rule("300", _between(0, 3600)),
    "load_balancing.algorithm.anomaly_mitigation": Rule("off", _one_of("on", "off")),
    "load_balancing.algorithm.type": Rule(
        "round_robin", _one_of("round_robin", "least_outstanding_requests", "weighted_random")
    ),
    "load_balancing.cross_zone.enabled": Rule(
        "use_load_balancer_configuration", _one_of("true", "false", "use_load_balancer_configuration")
    ),
    "slow_start.duration_seconds": Rule("0", _slow_start),
    "stickiness.app_cookie.cookie_name": Rule("", _cookie_name),
    "stickiness.app_cookie.duration_seconds": Rule("86400", _between(1, 604_800)),
    "stickiness.enabled": Rule("false", _BOOLEAN),
    "stickiness.lb_cookie.duration_seconds": Rule("86400", _between(1, 604_800)),
    "stickiness.type": Rule("lb_cookie", _stickiness_type),
    **_HEALTH_THRESHOLDS,
}
_HTTP2_TARGET_GROUP: Table = {
    # nothing inspects requests here, so they are inspected at no time in either case
    "waf.http2.traffic_inspection_behavior": Rule(
        "inspect_immediately", _one_of("inspect_immediately", "inspect_after_sufficient_data")
    ),
}
_STREAMS_TARGET_GROUP: Table = {
    "routing.http2.rst_stream_error_forwarding.enabled": Rule("false", _unchanged("false", _BOOLEAN)),
}
_VERSIONED_TARGET_GROUP = (*_HTTP2_TARGET_GROUP, *_STREAMS_TARGET_GROUP)
LAMBDA_TARGET_GROUP: Table = {"lambda.multi_value_headers.enabled": Rule("false", _BOOLEAN)}
_TARGET_GROUP_OTHERS = (
    "deregistration_delay.connection_termination.enabled",
    "preserve_client_ip.enabled",
    "proxy_protocol_v2.enabled",
    "target_health_state.unhealthy.connection_termination.enabled",
    "target_health_state.unhealthy.draining_interval_seconds",
    "target_failover.on_deregistration",
    "target_failover.on_unhealthy",
    "send_tcp_reset.on_unhealthy.enabled",
    "send_tcp_reset.on_deregistration.enabled",
)


def load_balancer_table(kind: str, scheme: str = "internet-facing") -> Table:
    """The attributes of a load balancer; internal ones deny IPv6 through internet gateways unless told otherwise."""
    table = network_attributes.LOAD_BALANCER if kind == "network" else LOAD_BALANCER
    return {**table, IPV6_DENIED: Rule("true", _BOOLEAN)} if scheme == "internal" else table


def listener_table(protocol: str) -> Table:
    """The attributes of a listener: those that name request headers exist on HTTPS listeners only."""
    if protocol in network_attributes.PROTOCOLS:
        return network_attributes.listener_table(protocol)
    return {**_REQUEST_HEADERS, **_RESPONSE_HEADERS} if protocol == "HTTPS" else _RESPONSE_HEADERS


def target_group_table(target_type: str, protocol: str | None = None, version: str | None = None) -> Table:
    """The attributes of a target group of that target type, protocol and protocol version."""
    if protocol in network_attributes.PROTOCOLS:
        return network_attributes.target_group_table(target_type, protocol)
    if target_type == "lambda":
        return LAMBDA_TARGET_GROUP
    if version in ("HTTP2", "GRPC"):
        own = _HTTP2_TARGET_GROUP if version == "HTTP2" else {}
        return {**TARGET_GROUP, **_STREAMS_TARGET_GROUP, **own}
    return TARGET_GROUP


def merge_load_balancer(
    stored: Mapping[str, str],
    attributes: Iterable[Mapping[str, Any]],
    kind: str = "application",
    scheme: str = "internet-facing",
) -> dict[str, str]:
    """The attributes after ModifyLoadBalancerAttributes. Raises ValidationError, InvalidConfigurationRequest."""
    wanted = requested(attributes)
    others = {*_LOAD_BALANCER_OTHERS, *LOAD_BALANCER, *network_attributes.LOAD_BALANCER}
    on = f"load balancers with type '{kind}'"
    together = merged(load_balancer_table(kind, scheme), stored, wanted, "Load balancer", others, on)
    if kind == "application" and wanted.get("load_balancing.cross_zone.enabled") == "false":
        raise InvalidConfigurationRequest(
            "Load balancer attribute key 'load_balancing.cross_zone.enabled' cannot be 'false' on load balancers with"
            " type 'application'"
        )
    return together


def merge_listener(protocol: str, stored: Mapping[str, str], attributes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The attributes after ModifyListenerAttributes. Raises ValidationError, InvalidConfigurationRequest."""
    others = (*_LISTENER_OTHERS, *_REQUEST_HEADERS, *_RESPONSE_HEADERS)
    on = f"listeners with protocol '{protocol}'"
    return merged(listener_table(protocol), stored, requested(attributes), "Listener", others, on)


def merge_target_group(
    target_type: str,
    protocol: str | None,
    stored: Mapping[str, str],
    attributes: Iterable[Mapping[str, Any]],
    version: str | None = None,
) -> dict[str, str]:
    """The attributes after ModifyTargetGroupAttributes. Raises ValidationError, InvalidConfigurationRequest."""
    wanted = requested(attributes)
    table = target_group_table(target_type, protocol, version)
    for key in wanted:
        if target_type == "lambda" and key not in table and key in TARGET_GROUP:
            raise InvalidConfigurationRequest(
                f"A target group with target type 'lambda' does not support the attribute {key}"
            )
    on = f"target groups with target type '{target_type}'"
    if protocol in network_attributes.PROTOCOLS:
        on = f"target groups with protocol '{protocol}'"
    elif not wanted.keys().isdisjoint(_VERSIONED_TARGET_GROUP):
        on = f"target groups with protocol version '{version}'"
    others = (*_TARGET_GROUP_OTHERS, *LAMBDA_TARGET_GROUP, *TARGET_GROUP, *_VERSIONED_TARGET_GROUP)
    together = merged(table, stored, wanted, "Target group", others, on)
    if protocol in network_attributes.PROTOCOLS:
        network_attributes.check_together(together, target_type, protocol)
    elif target_type != "lambda":
        _check_together(together, protocol)
    return together


def _check_together(together: Mapping[str, str], protocol: str | None) -> None:
    """Rules between attributes of one target group."""

    def now(key: str) -> str:
        return value(TARGET_GROUP, together, key)

    algorithm = now("load_balancing.algorithm.type")
    sticky = now("stickiness.enabled") == "true"
    if now("load_balancing.algorithm.anomaly_mitigation") == "on" and algorithm != "weighted_random":
        raise InvalidConfigurationRequest(
            f"You cannot enable anomaly mitigation on target groups with the load balancing algorithm '{algorithm}'"
        )
    _check_thresholds(together)
    if now("stickiness.type") == "source_ip":
        raise InvalidConfigurationRequest(
            f"Stickiness type 'source_ip' is not supported for target groups with the {protocol} protocol"
        )
    if sticky and now("stickiness.type") == "app_cookie" and not now("stickiness.app_cookie.cookie_name"):
        raise InvalidConfigurationRequest(
            "You must set an application cookie name to enable stickiness of type 'app_cookie'"
        )
    if now("slow_start.duration_seconds") != "0" and algorithm != "round_robin":
        raise InvalidConfigurationRequest(
            f"You cannot enable slow start mode on target groups with the load balancing algorithm '{algorithm}'"
        )
    if sticky and now("load_balancing.cross_zone.enabled") == "false":
        raise InvalidConfigurationRequest(
            "You cannot enable stickiness on target groups with cross-zone load balancing turned off"
        )


def _check_thresholds(merged: Mapping[str, str]) -> None:
    """DNS failover must come with routing failover or before it, where both are set."""
    for unit in ("count", "percentage"):
        keys = [
            f"target_group_health.{action}.minimum_healthy_targets.{unit}"
            for action in ("dns_failover", "unhealthy_state_routing")
        ]
        dns, routing = (merged.get(key, "off") for key in keys)
        if "off" not in (dns, routing) and int(dns) < int(routing):
            raise InvalidConfigurationRequest(f"'{keys[0]}' must be greater than or equal to '{keys[1]}'")
