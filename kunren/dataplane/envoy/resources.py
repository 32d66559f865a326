"""What Envoy is told, as plain values: fragments in the shape of Envoy's own configuration, by name.

How it works. A service translates its resources into one `EnvoyResources` per owner. Listeners, routes, clusters and
secrets are dicts exactly as in an Envoy configuration file (proto3 JSON names in snake_case), so that they can be
read, compared and checked by `envoy --mode validate`; endpoints are tuples, since there may be tens of thousands.
The builders below are the pieces that every service needs.

What it refuses to know: AWS, sockets, and protobuf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Fragment = dict[str, Any]
TYPE = "type.googleapis.com/"
_TLS = TYPE + "envoy.extensions.transport_sockets.tls.v3."
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ADS: Fragment = {"ads": {}, "resource_api_version": "V3"}
UNLIMITED = 1_000_000_000
_LEAST_REQUEST: Fragment = {
    "name": "envoy.load_balancing_policies.least_request",
    "typed_config": {
        "@type": TYPE + "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
        "selection_method": "FULL_SCAN",
    },
}


class Endpoint(NamedTuple):
    """One address behind a cluster. `health` is HEALTHY, UNHEALTHY or DRAINING (no new requests, running ones end)."""

    address: str
    port: int
    health: str = "HEALTHY"
    weight: int = 1


@dataclass(frozen=True, slots=True)
class EnvoyResources:
    """Everything of one owner. The keys are Envoy's resource names, unique among all owners."""

    listeners: Mapping[str, Fragment] = field(default_factory=dict)
    routes: Mapping[str, Fragment] = field(default_factory=dict)
    clusters: Mapping[str, Fragment] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    secrets: Mapping[str, Fragment] = field(default_factory=dict)


class Rejected(Exception):
    """Envoy (or its validator) refused a resource; what ran before still runs."""

    def __init__(self, resource: str, message: str) -> None:
        super().__init__(f"{resource}: {message}")
        self.resource = resource
        self.message = message


def duration(seconds: float) -> str:
    """A length of time as Envoy writes it, to the millisecond: 0.05 → "0.050s"."""
    return f"{seconds:.3f}s"


def socket_address(address: str, port: int, namespace: str | None = None) -> Fragment:
    """An address, in a network namespace where one is named (the namespace's file)."""
    inner: Fragment = {"address": address, "port_value": port}
    if namespace is not None:
        inner["network_namespace_filepath"] = namespace
    return {"socket_address": inner}


def eds_cluster(
    name: str,
    *,
    service_name: str,
    source: str | None,
    namespace: str | None,
    connect_timeout_s: float,
    http2: bool = False,
    tls: bool = False,
    policy: str = "ROUND_ROBIN",
    options: Mapping[str, Any] | None = None,
) -> Fragment:
    """A cluster whose endpoints come over EDS; it connects from `source` in `namespace`.

    Health is decided outside: Envoy never panics into unhealthy endpoints, and merges no updates (each one counts).
    """
    cluster: Fragment = {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": ADS, "service_name": service_name},
        "connect_timeout": duration(connect_timeout_s),
        "lb_policy": policy,
        "common_lb_config": {"update_merge_window": "0s", "healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": unlimited_breakers(),
        "typed_extension_protocol_options": {HTTP_OPTIONS: http_options(http2=http2, extra=options)},
    }
    if source is not None:
        cluster["upstream_bind_config"] = {"source_address": socket_address(source, 0, namespace)["socket_address"]}
    if tls:
        cluster["transport_socket"] = upstream_tls(http2=http2)
    if policy == "LEAST_REQUEST":  # of all endpoints, where Envoy's default compares two chosen at random
        del cluster["lb_policy"]
        cluster["load_balancing_policy"] = {"policies": [{"typed_extension_config": _LEAST_REQUEST}]}
    return cluster


def pipe_cluster(name: str, path: str, *, connect_timeout_s: float = 1.0) -> Fragment:
    """A cluster of one endpoint: an HTTP/1.1 server of Kunren's own on a unix socket."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": duration(connect_timeout_s),
        "common_lb_config": {"update_merge_window": "0s", "healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": unlimited_breakers(),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {HTTP_OPTIONS: http_options(http2=False)},
    }


def http_options(*, http2: bool, extra: Mapping[str, Any] | None = None) -> Fragment:
    """How a cluster speaks to its endpoints."""
    protocol: Fragment = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    return {"@type": TYPE + HTTP_OPTIONS, "explicit_http_config": protocol, **(extra or {})}


def unlimited_breakers() -> Fragment:
    """Envoy's default of 1,024 connections and requests a cluster would answer 503 where AWS has no such limit."""
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)
    return {"thresholds": [{"priority": "DEFAULT", **limits}]}


def upstream_tls(*, http2: bool) -> Fragment:
    """TLS to a target whose certificate nobody checks, as ELB does."""
    context: Fragment = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_0", "tls_maximum_protocol_version": "TLSv1_3"}
    }
    if http2:
        context["alpn_protocols"] = ["h2"]
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": _TLS + "UpstreamTlsContext", "common_tls_context": context},
    }


def downstream_tls(
    secrets: Sequence[str],
    *,
    alpn: Sequence[str],
    minimum: str,
    maximum: str,
    ciphers: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Fragment:
    """TLS of a listener: certificates by secret name, the default first; chosen by the client's SNI.

    `ciphers` are those below TLS 1.3, `groups` those of key exchange, most preferred first (none: the library's own).
    """
    parameters: Fragment = {"tls_minimum_protocol_version": minimum, "tls_maximum_protocol_version": maximum}
    if ciphers:
        parameters["cipher_suites"] = list(ciphers)
    if groups:
        parameters["ecdh_curves"] = list(groups)
    context: Fragment = {
        "alpn_protocols": list(alpn),
        "tls_params": parameters,
        "tls_certificate_sds_secret_configs": [{"name": name, "sds_config": ADS} for name in secrets],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": _TLS + "DownstreamTlsContext", "common_tls_context": context},
    }


def quic_tls(secrets: Sequence[str]) -> Fragment:
    """TLS 1.3 of a QUIC listener for HTTP/3 (RFC 9001)."""
    context = downstream_tls(secrets, alpn=["h3"], minimum="TLSv1_3", maximum="TLSv1_3")["typed_config"]
    return {
        "name": "envoy.transport_sockets.quic",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport",
            "downstream_tls_context": {key: value for key, value in context.items() if key != "@type"},
        },
    }


def certificate_secret(name: str, chain_pem: str, private_key_pem: str) -> Fragment:
    """A server certificate with the chain behind it, and its key."""
    return {
        "name": name,
        "tls_certificate": {
            "certificate_chain": {"inline_string": chain_pem},
            "private_key": {"inline_string": private_key_pem},
        },
    }
