"""Which loggers the listeners of a load balancer have: none, until its attributes ask for logs."""

from __future__ import annotations

from collections.abc import Mapping

from kunren.dataplane.envoy.access_log import connection_logger, request_logger
from kunren.dataplane.envoy.authorization import REASON_TAG
from kunren.dataplane.envoy.resources import Fragment
from kunren.services.elbv2.attributes import LOAD_BALANCER, value
from kunren.services.elbv2.dataplane.functions import REASON_TAG as FUNCTION_TAG
from kunren.services.elbv2.dataplane.rewriting import METADATA
from kunren.services.elbv2.dataplane.routing import GROUP_HEADER
from kunren.services.elbv2.model import Listener

ACCESS, CONNECTION = "access", "connection"
HEALTH_CHECK = "health_check"
KINDS = (ACCESS, CONNECTION)
"""The logs of what Envoy reports; those of health checks come from the probes."""
PREFIX = "elbv2/"
REQUEST_HEADERS = ("x-amzn-trace-id", GROUP_HEADER, "upgrade", "content-type")
RESPONSE_HEADERS = ("location",)
CONNECTION_TAGS = {
    "connection": "%CONNECTION_ID%",
    "protocol": "%DOWNSTREAM_TLS_VERSION%",
    "cipher": "%DOWNSTREAM_TLS_CIPHER%",
    "group": "%DOWNSTREAM_TLS_GROUP%",
    "handshake_ms": "%DOWNSTREAM_HANDSHAKE_DURATION%",
    "subject": "%DOWNSTREAM_PEER_SUBJECT%",
    "serial": "%DOWNSTREAM_PEER_SERIAL%",
    "not_before": "%DOWNSTREAM_PEER_CERT_V_START(%Y-%m-%dT%H:%M:%SZ)%",
    "not_after": "%DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%dT%H:%M:%SZ)%",
}
REQUEST_TAGS = {
    "connection": "%CONNECTION_ID%",
    "protocol": "%DOWNSTREAM_TLS_VERSION%",
    "cipher": "%DOWNSTREAM_TLS_CIPHER%",
    "names": "%DOWNSTREAM_LOCAL_DNS_SAN%",
    "subject": "%DOWNSTREAM_LOCAL_SUBJECT%",
    "reason": REASON_TAG,
    "function": FUNCTION_TAG,
    **{f"transform_{key}": f"%DYNAMIC_METADATA({METADATA}:{key})%" for key in ("host", "uri", "status", "path")},
}


def wanted(attributes: Mapping[str, str], kind: str) -> bool:
    """Whether a load balancer with these attributes keeps logs of that kind."""
    return value(LOAD_BALANCER, attributes, f"{kind}_logs.s3.enabled") == "true"


def logger_name(kind: str, listener: Listener) -> str:
    return f"{PREFIX}{kind}/{listener.id}"


def parse_logger_name(name: str) -> tuple[str, str]:
    """(kind, the listener's ARN)."""
    kind, _, arn = name.removeprefix(PREFIX).partition("/")
    return kind, arn


def request_loggers(attributes: Mapping[str, str], listener: Listener) -> list[Fragment]:
    """The `access_log` of the listener's HTTP connection manager."""
    if not wanted(attributes, ACCESS):
        return []
    return [
        request_logger(
            logger_name(ACCESS, listener),
            request_headers=REQUEST_HEADERS,
            response_headers=RESPONSE_HEADERS,
            tags=REQUEST_TAGS,
        )
    ]


def connection_loggers(attributes: Mapping[str, str], listener: Listener) -> list[Fragment]:
    """The `access_log` of the listener itself."""
    if not wanted(attributes, CONNECTION):
        return []
    return [connection_logger(logger_name(CONNECTION, listener), tags=CONNECTION_TAGS)]
