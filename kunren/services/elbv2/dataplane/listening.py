"""One listener on one node: the HTTP connection manager with ALB's behaviours, and TLS.

Everything that a request does not need is left out: the trace id is the one Lua filter, switched off for routes that
the load balancer answers itself, and the filter for cookies exists only where something is sticky.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.dataplane.envoy.authorization import http_filter
from kunren.dataplane.envoy.resources import ADS, TYPE, Fragment, duration, socket_address
from kunren.services.elbv2.arns import dimension
from kunren.services.elbv2.attributes import LOAD_BALANCER, listener_table, value
from kunren.services.elbv2.dataplane import functions, guarding, key_exchange, rewriting, versions
from kunren.services.elbv2.dataplane.answers import header, local_replies
from kunren.services.elbv2.dataplane.client_certificates import (
    Trust,
    asks_for_certificates,
    header_filters,
    revocation_filters,
)
from kunren.services.elbv2.dataplane.matching import CLIENT_KEY
from kunren.services.elbv2.dataplane.routing import LUA
from kunren.services.elbv2.dataplane.security import cipher_filters, tls, tls_inspector
from kunren.services.elbv2.dataplane.stickiness import http_filter as cookie_filter
from kunren.services.elbv2.logs.loggers import KINDS as LOG_KINDS
from kunren.services.elbv2.logs.loggers import connection_loggers, request_loggers, wanted
from kunren.services.elbv2.model import Listener, LoadBalancer

_HCM = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
LAST_WRITE_WITHIN = "1s"
"""A connection that ends takes what is still to be written with it when nothing of it could be written for so long:
because the client reads slowly, or because Envoy itself had no processor meanwhile (its documentation wants a round
trip and 100 ms at least). What is closed for idleness, or before its request was whole, lingers as long."""
DECIDED_WITHIN_S = 15.0
"""How long Envoy waits for the decision about a request: two questions to a provider, and some more."""
REQUESTS_MAX = 10_000
"""After so many requests an HTTP/2 connection gets a GOAWAY. (Envoy counts those of HTTP/1.1 over TLS as well.)"""
_WELL_KNOWN_PORTS = (80, 443)
# The seed mixes the time with an address of the worker's own heap, so that two workers (and two starts) differ.
_TRACE = """\
math.randomseed(os.time() + tonumber(tostring({}):match('0x(%x+)') or '0', 16) % 1000000007)
local format, time, random = string.format, os.time, math.random
local second, stamp = 0, ''
local function root()
  local now = time()
  if now ~= second then second, stamp = now, format('Root=1-%08x-', now) end
  return stamp .. format('%06x%06x%06x%06x', random(0, 16777215), random(0, 16777215), random(0, 16777215),
    random(0, 16777215))
end
local function traced(before)
  if not before:find('Root=', 1, true) then return root() .. ';' .. before end
  local kept = {}
  for field in before:gmatch('[^;]+') do
    if not field:match('^%s*Self=') then kept[#kept + 1] = field end
  end
  return 'Self=' .. root():sub(6) .. ';' .. table.concat(kept, ';')
end
function envoy_on_request(handle)
  local headers = handle:headers()
  local before = headers:get('x-amzn-trace-id')
  if before == nil then headers:add('x-amzn-trace-id', root())
  else headers:replace('x-amzn-trace-id', traced(before)) end
"""
_HOST_PORT = """\
  local host = headers:get(':authority')
  if host and not host:find(':%d+$') then
    headers:replace(':authority', host .. handle:streamInfo():downstreamLocalAddress():match(':%d+$'))
  end
"""
"""The port is asked for, not written in, so that all listeners have the same script: Envoy has checked it before."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listener answers: the node's address, in the VPC's namespace (None: the process's own, in tests), and its
    IPv6 one if it has any."""

    address: str
    namespace: str | None
    ipv6: str | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What the routes of a listener need of its filters, and most do not."""

    stickiness: bool = False
    transforms: bool = False
    decisions: bool = False
    functions: bool = False
    versions: bool = False  # some target group is of another protocol version than HTTP1


def listener_fragment(
    name: str,
    balancer: LoadBalancer,
    listener: Listener,
    place: Place,
    *,
    routes: str,
    secrets: Sequence[str],
    needs: Needs,
    wall_seconds: Callable[[float], float],
    trust: Trust | None = None,
    server_names: Sequence[str] = (),
) -> Fragment:
    """Envoy's listener. `routes` names the route configuration, `secrets` the certificates (the default first), `trust`
    whose clients are let in where they are verified. Where there are `server_names`, every client that names another
    or none gets the default certificate."""
    secure = listener.protocol == "HTTPS"
    chain: Fragment = {
        "filters": [
            _client_address(),
            *cipher_filters(listener),
            *revocation_filters(trust),
            _connection_manager(balancer, listener, routes, needs, wall_seconds),
        ]
    }
    if secure:
        chain["transport_socket"] = asks_for_certificates(tls(balancer, listener, secrets), listener, trust)
    made: Fragment = {
        "name": name,
        "stat_prefix": "alb",
        "address": socket_address(place.address, listener.port, place.namespace),
        **also_over_ipv6(place, listener.port),
        "filter_chains": [chain],
        "per_connection_buffer_limit_bytes": 1 << 20,
    }
    if loggers := connection_loggers(balancer.attributes, listener):
        made["access_log"] = loggers
    if secure and any(wanted(balancer.attributes, kind) for kind in LOG_KINDS):
        made["listener_filters"] = [tls_inspector()]  # the logs tell the server name
    if server_names:
        alone = asks_for_certificates(tls(balancer, listener, secrets[:1]), listener, trust)
        named = {**chain, "filter_chain_match": {"server_names": list(server_names)}}
        made["filter_chains"] = [named, {**chain, "transport_socket": alone}]
        made["listener_filters"] = [tls_inspector()]
    return made


def also_over_ipv6(place: Place, port: int) -> Fragment:
    """What a listener of a node with an IPv6 address has more."""
    if place.ipv6 is None:
        return {}
    return {"additional_addresses": [{"address": socket_address(place.ipv6, port, place.namespace)}]}


def _client_address() -> Fragment:
    """Makes the connection's own peer address matchable in routes (source-ip conditions); once per connection."""
    text = {"text_format_source": {"inline_string": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}}
    value_of = {"object_key": CLIENT_KEY, "factory_key": "envoy.network.ip", "format_string": text}
    config = {
        "@type": TYPE + "envoy.extensions.filters.network.set_filter_state.v3.Config",
        "on_new_connection": [value_of],
    }
    return {"name": "envoy.filters.network.set_filter_state", "typed_config": config}


def _connection_manager(
    balancer: LoadBalancer, listener: Listener, routes: str, needs: Needs, wall_seconds: Callable[[float], float]
) -> Fragment:
    def attribute(key: str) -> str:
        return value(LOAD_BALANCER, balancer.attributes, key)

    idle = duration(wall_seconds(float(attribute("idle_timeout.timeout_seconds"))))
    secure = listener.protocol == "HTTPS"
    drops = attribute("routing.http.drop_invalid_header_fields.enabled") == "true"
    strictest = attribute("routing.http.desync_mitigation_mode") == "strictest"
    config: Fragment = {
        "@type": _HCM,
        "access_log": request_loggers(balancer.attributes, listener),
        "stat_prefix": dimension(balancer.id),
        "codec_type": "AUTO" if secure else "HTTP1",
        "rds": {"config_source": ADS, "route_config_name": routes},
        "http_filters": _http_filters(listener, attribute, needs),
        "use_remote_address": True,
        "skip_xff_append": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "forward_client_cert_details": "ALWAYS_FORWARD_ONLY",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "server_header_transformation": "PASS_THROUGH",
        "server_name": "awselb/2.0",
        "max_request_headers_kb": 64,
        "stream_idle_timeout": idle,
        "request_headers_timeout": idle,
        "drain_timeout": "0.050s",
        "delayed_close_timeout": LAST_WRITE_WITHIN,
        "http1_safe_max_connection_duration": True,
        "common_http_protocol_options": {
            "idle_timeout": idle,
            "max_headers_count": 1000,  # ALB limits their size only
            "headers_with_underscores_action": "DROP_HEADER" if drops else "ALLOW",
            "max_connection_duration": duration(wall_seconds(float(attribute("client_keep_alive.seconds")))),
        },
        "http_protocol_options": {
            "accept_http_10": True,
            "default_host_for_http_10": balancer.dns_name,
            "allow_chunked_length": not strictest,
        },
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": local_replies(anonymous=hides_server(listener)),
    }
    if secure:
        config["http2_protocol_options"] = {"max_concurrent_streams": 128}
        config["common_http_protocol_options"]["max_requests_per_connection"] = REQUESTS_MAX
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def _http_filters(listener: Listener, attribute: Callable[[str], str], needs: Needs) -> list[Fragment]:
    preserve = attribute("routing.http.preserve_host_header.enabled") == "true"
    desync_mode, xff_mode = "routing.http.desync_mitigation_mode", "routing.http.xff_header_processing.mode"
    script = guarding.REFUSE + _TRACE + guarding.SIZES
    if attribute("routing.http.drop_invalid_header_fields.enabled") == "true":
        script += guarding.DROP_INVALID
    match attribute(desync_mode):
        case "strictest":
            script += guarding.STRICTEST
        case "defensive":
            script += guarding.AMBIGUOUS
    if listener.protocol == "HTTPS":
        script = versions.UNFIT + script
        script += versions.BY_VERSION if needs.versions else versions.ONLY_GRPC_IS_WRONG
    tells_group = listener.protocol == "HTTPS" and attribute("routing.http.x_amzn_tls_kx.enabled") == "true"
    if tells_group:
        script += key_exchange.SCRIPT
    if not preserve and listener.port not in _WELL_KNOWN_PORTS:
        script += _HOST_PORT
    # what the script writes into headers is for the target: the rule was chosen by what the client sent
    lua = {"@type": TYPE + "envoy.extensions.filters.http.lua.v3.Lua", "clear_route_cache": False}
    router = {"@type": TYPE + "envoy.extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True}
    filters: list[dict[str, Any]] = [
        guarding.refusing_filter(attribute(desync_mode), attribute(xff_mode)),
        *([http_filter(DECIDED_WITHIN_S)] if needs.decisions else []),
        *([functions.http_filter()] if needs.functions else []),
        *([key_exchange.http_filter()] if tells_group else []),
        {"name": LUA, "typed_config": {**lua, "default_source_code": {"inline_string": script + "end\n"}}},
        *header_filters(listener),
    ]
    if needs.stickiness:
        filters.append(cookie_filter())
    if needs.transforms:
        filters += rewriting.filters()
    return [*filters, {"name": "envoy.filters.http.router", "typed_config": router}]


def hides_server(listener: Listener) -> bool:
    """Whether no answer of this listener may say who made it."""
    key = "routing.http.response.server.enabled"
    return value(listener_table(listener.protocol), listener.attributes, key) == "false"


def request_headers(balancer: LoadBalancer, listener: Listener) -> tuple[Fragment, ...]:
    """Headers that the load balancer tells targets besides X-Forwarded-*, by its attributes."""
    switch = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"
    if listener.protocol != "HTTPS" or value(LOAD_BALANCER, balancer.attributes, switch) != "true":
        return ()
    table = listener_table(listener.protocol)

    def name(key: str) -> str:
        return value(table, listener.attributes, f"routing.http.request.{key}.header_name").lower()

    return (
        header(name("x_amzn_tls_version"), "%DOWNSTREAM_TLS_VERSION%"),
        header(name("x_amzn_tls_cipher_suite"), "%DOWNSTREAM_TLS_CIPHER%"),
    )
