"""Envoy at the edge locations: it ends TLS, QUIC and HTTP, and hands every request to the edge service. Pure.

One pair of addresses serves all distributions, as any of CloudFront's edges serves any (but those that have a list of
addresses); the client's SNI chooses the certificate and the versions of HTTP, its Host header the distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kunren.control.store import Snapshot
from kunren.core.ca import IssuedCertificate
from kunren.dataplane.edge.server import CLIENT, EDGE, PROTOCOL, REACHED, SCHEME, TLS
from kunren.dataplane.envoy.resources import (
    HTTP_OPTIONS,
    TYPE,
    EnvoyResources,
    Fragment,
    certificate_secret,
    downstream_tls,
    http_options,
    pipe_cluster,
    quic_tls,
    socket_address,
)
from kunren.services.acm.material import CertificateMaterial
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.model import Distribution

CLUSTER = "cloudfront/edge"
DEFAULT_SECRET = "cloudfront/default"
_HCM = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = TYPE + "envoy.extensions.filters.http.router.v3.Router"
_TLS_INSPECTOR = TYPE + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
_OF_TLS = (
    "%DOWNSTREAM_TLS_VERSION%", "%DOWNSTREAM_TLS_CIPHER%", "%TLS_JA3_FINGERPRINT%", "%TLS_JA4_FINGERPRINT%",
    "%CONNECTION_ID%",
)  # fmt: skip
_MINIMUM = {
    "SSLv3": "TLSv1_0", "TLSv1": "TLSv1_0", "TLSv1_2016": "TLSv1_0", "TLSv1.1_2016": "TLSv1_1",
    "TLSv1.2_2018": "TLSv1_2", "TLSv1.2_2019": "TLSv1_2", "TLSv1.2_2021": "TLSv1_2", "TLSv1.2_2025": "TLSv1_2",
    "TLSv1.3_2025": "TLSv1_3",
}  # fmt: skip


def resources(
    snapshot: Snapshot,
    edges: Mapping[str, str],
    addresses: Sequence[str],
    own: IssuedCertificate,
    certificate: Callable[[Snapshot, str], CertificateMaterial | None],
    socket_path: str,
) -> EnvoyResources:
    """`edges` maps the places whose edge locations serve somebody to their namespaces' files. They listen also where
    every distribution is disabled, for that is what the edge answers (403)."""
    standing = [each for each in snapshot.every(Distribution) if not each.config["Staging"]]
    if not standing or not edges:
        return EnvoyResources()
    distributions = sorted((each for each in standing if each.config["Enabled"]), key=lambda each: each.id)
    secrets = {
        DEFAULT_SECRET: certificate_secret(DEFAULT_SECRET, own.certificate_pem + own.chain_pem, own.private_key_pem)
    }
    ends = [End((), DEFAULT_SECRET, "http2", _MINIMUM["TLSv1"])]  # every client that nobody else takes
    for each in distributions:
        version = each.config["HttpVersion"]
        if version != "http2":
            ends.append(End((each.domain_name,), DEFAULT_SECRET, version, _MINIMUM["TLSv1"]))
        names = tuple(name.lower() for name in items(each.config["Aliases"]))
        arn = each.config["ViewerCertificate"].get("ACMCertificateArn")
        material = certificate(snapshot, arn) if arn else None
        if not names or material is None:
            continue
        secret = f"cloudfront/{each.id}"
        chain = material.certificate_pem.rstrip() + "\n" + (material.chain_pem or "")
        secrets[secret] = certificate_secret(secret, chain, material.private_key_pem)
        minimum = _MINIMUM[each.config["ViewerCertificate"]["MinimumProtocolVersion"]]
        ends.append(End(names, secret, version, minimum))
    listeners = {}
    for place, namespace in sorted(edges.items()):
        for address in addresses:  # which names the listener: one that keeps its name can't go to another's address
            made = _listeners(place, f"cloudfront/{place}/{address}", address, namespace, ends)
            listeners.update({each["name"]: each for each in made})
    return EnvoyResources(listeners=listeners, clusters={CLUSTER: _cluster(socket_path)}, secrets=secrets)


class End(NamedTuple):
    """Where TLS ends for the clients that name one of `names`: with which certificate and versions."""

    names: tuple[str, ...]
    secret: str
    http_version: str  # http1.1 | http2 | http3 | http2and3
    minimum: str

    @property
    def quic(self) -> bool:
        return self.http_version in ("http3", "http2and3")


def _listeners(place: str, name: str, address: str, namespace: str, ends: Sequence[End]) -> list[Fragment]:
    """Those of one address of an edge location: HTTP, HTTPS, and HTTP/3 where a distribution has it."""
    plain = _listener(f"{name}/80", socket_address(address, 80, namespace), [_plain(place)])
    secure = {
        **_listener(f"{name}/443", socket_address(address, 443, namespace), [_secure(place, each) for each in ends]),
        "listener_filters": [
            {
                "name": "envoy.filters.listener.tls_inspector",
                "typed_config": {
                    "@type": _TLS_INSPECTOR,
                    "enable_ja3_fingerprinting": True,
                    "enable_ja4_fingerprinting": True,
                },
            }
        ],
    }
    over_quic = [_quic(place, each) for each in ends if each.quic]
    if not over_quic:
        return [plain, secure]
    at = socket_address(address, 443, namespace)
    at["socket_address"]["protocol"] = "UDP"
    udp = {
        **_listener(f"{name}/443/quic", at, over_quic),
        "udp_listener_config": {"quic_options": {}},
    }
    return [plain, secure, udp]


AS_SENT: Fragment = {
    "stateful_formatter": {
        "name": "envoy.http.stateful_header_formatters.preserve_case",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
        },
    }
}
"""Header names keep their case, as CloudFront passes them on."""


def _cluster(socket_path: str) -> Fragment:
    made = pipe_cluster(CLUSTER, socket_path)
    options = http_options(http2=False)
    options["explicit_http_config"]["http_protocol_options"] = {"header_key_format": AS_SENT}
    return {**made, "typed_extension_protocol_options": {HTTP_OPTIONS: options}}


def _listener(name: str, address: Fragment, chains: list[Fragment]) -> Fragment:
    return {
        "name": name,
        "stat_prefix": "cloudfront",
        "address": address,
        "filter_chains": chains,
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def _plain(place: str) -> Fragment:
    return {"name": "plain", "filters": [_connection_manager(place, "http", "HTTP1")]}


def _secure(place: str, end: End) -> Fragment:
    alpn = ["h2", "http/1.1"] if end.http_version in ("http2", "http2and3") else ["http/1.1"]
    tls = downstream_tls([end.secret], alpn=alpn, minimum=end.minimum, maximum="TLSv1_3")
    return _chain(end, _connection_manager(place, "https", "AUTO"), tls)


def _quic(place: str, end: End) -> Fragment:
    """RFC 9001: it is TLS 1.3, whatever the distribution's minimum."""
    tls = quic_tls([end.secret])
    return _chain(end, _connection_manager(place, "https", "HTTP3"), tls)


def _chain(end: End, manager: Fragment, transport_socket: Fragment) -> Fragment:
    """A distribution's own; the one without names takes every other client."""
    name = ",".join(end.names) or "default"
    made: Fragment = {"name": name, "filters": [manager], "transport_socket": transport_socket}
    if end.names:
        made["filter_chain_match"] = {"server_names": list(end.names)}
    return made


def _connection_manager(place: str, scheme: str, codec: str) -> Fragment:
    told = {
        EDGE: place,
        CLIENT: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
        REACHED: "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
        SCHEME: scheme,
        PROTOCOL: "%PROTOCOL%",
    }
    if scheme == "https":
        told[TLS] = " ".join(_OF_TLS)
    added = [
        {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for name, value in told.items()
    ]
    route = {"match": {"prefix": "/"}, "route": {"cluster": CLUSTER, "timeout": "0s"}}
    config: Fragment = {
        "@type": _HCM,
        "stat_prefix": "cloudfront",
        "codec_type": codec,
        "route_config": {
            "name": "edge",
            "validate_clusters": False,  # the cluster comes with the listeners
            "virtual_hosts": [{"name": "edge", "domains": ["*"], "request_headers_to_add": added, "routes": [route]}],
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True},
            }
        ],
        "use_remote_address": True,
        "skip_xff_append": True,
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "server_header_transformation": "PASS_THROUGH",
        "max_request_headers_kb": 96,
        "stream_idle_timeout": "0s",
        "common_http_protocol_options": {"idle_timeout": "600s", "max_headers_count": 1000},
        "normalize_path": False,
        "http_protocol_options": {
            "accept_http_10": True,
            "default_host_for_http_10": "none",
            "header_key_format": AS_SENT,
        },
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}
