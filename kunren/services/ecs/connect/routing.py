"""A task's Service Connect proxy as listeners and clusters of Envoy and rules of the kernel: pure translation.

Every name of the namespace has an address of 127.255.0.0/16 in the task's /etc/hosts; the kernel hands what is sent
there to a listener of the proxy, one for each name and port, which spreads it over the tasks that serve it. What comes
from outside for a port that the task offers is handed to the proxy, too, which gives it to the container at 127.0.0.1.
Either way the application may have the port for itself.

Envoy is one process for all tasks: its sockets are in the tasks' own network namespaces, so that a proxy speaks under
its task's address and security groups.

"Amazon ECS Service Connect components": round robin, outlier detection, retries and timeouts.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass

from kunren.dataplane.envoy.resources import (
    ADS,
    TYPE,
    Endpoint,
    EnvoyResources,
    Fragment,
    duration,
    eds_cluster,
    socket_address,
)
from kunren.services.ecs.connect.model import GRPC, HTTP2, TCP, Offer
from kunren.services.ecs.connect.shares import Serving
from kunren.world import nft

TABLE = "connect"
CONNECT_TIMEOUT_S = 5.0
"""Envoy's own, in real time, as packets are."""
RETRIES = 2
FAILURES, WATCHED_S, AWAY_S, AWAY_MAX_S, AWAY_PERCENT = 5, 30.0, 30.0, 300.0, 50
"""So many failures in a row take a task out of the rotation, for longer each time; never more than that share."""
UNREACHED = "x-service-connect-unreached"
"""By this the server's proxy tells the client's that no container was reached: another task may be asked."""
_FIRST_INGRESS, _FIRST_EGRESS = 15_000, 15_100
_HCM = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = TYPE + "envoy.extensions.filters.http.router.v3.Router"
_TCP = TYPE + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_PREVIOUS = TYPE + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_RETRY_ON = "connect-failure,refused-stream,reset-before-request,retriable-headers"


@dataclass(frozen=True, slots=True)
class Way:
    """An offer, and where the task meets it: a listener of its proxy at `listener`. Out of the task, programs find it
    at `address`; into it, there is none."""

    offer: Offer
    listener: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """The proxy of a task, or of one of its containers where each has an address of its own: its name, its address, its
    network namespace (the file). `direct` is whether what comes in is sent to its listeners as such."""

    name: str
    address: str
    namespace: str | None
    inward: tuple[Way, ...] = ()
    outward: tuple[Way, ...] = ()
    direct: bool = False

    @property
    def owner(self) -> str:
        return f"connect/{self.name}"

    def cluster(self, way: Way) -> str:
        """Also the name of the way's listener, routes and endpoints."""
        if not way.address:
            return f"{self.owner}/in/{way.listener}"
        return f"{self.owner}/{way.offer.dns_name}:{way.offer.port}"


def inward_ports(taken: Container[int]) -> Iterator[int]:
    """Where proxies listen for what comes in; `taken` are ports at which containers do."""
    return (each for each in range(_FIRST_INGRESS, _FIRST_EGRESS) if each not in taken)


def placed(
    name: str, address: str, namespace: str | None, offers: Iterable[Offer], known: Iterable[Offer],
    taken: Container[int], *, direct: bool = False,
) -> Placed:  # fmt: skip
    """`taken` are ports that the proxy must not listen at, since containers do."""
    addresses: dict[str, str] = {}
    for each in known:
        number = len(addresses) + 1
        addresses.setdefault(each.dns_name, f"127.255.{number >> 8}.{number & 255}")
    ins = inward_ports(taken)
    outs = (each for each in range(_FIRST_EGRESS, 1 << 15) if each not in taken)
    return Placed(
        name, address, namespace,
        tuple(Way(each, next(ins)) for each in offers),
        tuple(Way(each, next(outs), addresses[each.dns_name]) for each in known), direct,
    )  # fmt: skip


def hosts(proxy: Placed) -> str:
    """The lines of the task's /etc/hosts."""
    names = {way.offer.dns_name: way.address for way in proxy.outward}
    return "".join(f"{address} {name}\n" for name, address in names.items())


def ruleset(proxy: Placed) -> str:
    """The table of the task's namespace; no text for one that needs none. What comes in keeps its address and port on
    the way to the proxy, so that security groups are asked about the port that clients meant."""
    inward = [
        f'iifname != "lo" fib daddr type local tcp dport {way.offer.ingress_port} tproxy to :{way.listener}'
        for way in (() if proxy.direct else proxy.inward)
    ]
    outward = [
        f"ip daddr {way.address} tcp dport {way.offer.port} dnat to 127.0.0.1:{way.listener}" for way in proxy.outward
    ]
    parts = [
        nft.chain("prerouting", "filter", "prerouting", "mangle", "accept", inward) if inward else "",
        nft.chain("output", "nat", "output", "-100", "accept", outward) if outward else "",
    ]
    return f"table ip {TABLE} {{\n{''.join(parts)}}}\n" if any(parts) else ""


def endpoints(proxy: Placed, served: Serving) -> dict[str, tuple[Endpoint, ...]]:
    """By cluster."""
    found = {proxy.cluster(way): served.production.get(way.offer.registry, ()) for way in proxy.outward}
    for way in filter(_is_tested, proxy.outward):
        found[_test(proxy, way)] = served.test.get(way.offer.registry, ())
    return found


def resources(proxy: Placed, served: Serving, wall_seconds: Callable[[float], float]) -> EnvoyResources:
    """Everything that Envoy needs for the proxy of one task."""
    ways = (*proxy.inward, *proxy.outward)
    clusters = {proxy.cluster(way): _cluster(proxy, way, proxy.cluster(way), wall_seconds) for way in ways}
    for way in filter(_is_tested, proxy.outward):
        clusters[_test(proxy, way)] = _cluster(proxy, way, _test(proxy, way), wall_seconds)
    return EnvoyResources(
        listeners={proxy.cluster(way): _listener(proxy, way, wall_seconds) for way in ways},
        routes={proxy.cluster(way): _routes(proxy, way, wall_seconds) for way in ways if way.offer.protocol != TCP},
        clusters=clusters,
        endpoints=endpoints(proxy, served),
    )


def _is_tested(way: Way) -> bool:
    return bool(way.offer.test_header) and way.offer.protocol != TCP


def _test(proxy: Placed, way: Way) -> str:
    """The cluster of its test traffic."""
    return f"{proxy.cluster(way)}/test"


def _listener(proxy: Placed, way: Way, wall_seconds: Callable[[float], float]) -> Fragment:
    name = proxy.cluster(way)
    idle = duration(wall_seconds(way.offer.idle_s))
    config = (
        _by_tcp(name, idle, inward=not way.address)
        if way.offer.protocol == TCP
        else _by_http(name, idle, inward=not way.address)
    )
    kind = "tcp_proxy" if way.offer.protocol == TCP else "http_connection_manager"
    return {
        "name": name,
        "stat_prefix": "connect",
        "address": socket_address("127.0.0.1" if way.address else proxy.address, way.listener, proxy.namespace),
        "transparent": not way.address,
        "filter_chains": [{"filters": [{"name": f"envoy.filters.network.{kind}", "typed_config": config}]}],
    }


def _by_tcp(name: str, idle: str, *, inward: bool) -> Fragment:
    return {
        "@type": _TCP,
        "stat_prefix": name if inward else "connect",
        "weighted_clusters": {"clusters": [{"name": name, "weight": 1}]},
        "idle_timeout": idle,
        "max_connect_attempts": 1 + RETRIES,
    }


def _by_http(name: str, idle: str, *, inward: bool) -> Fragment:
    config: Fragment = {
        "@type": _HCM,
        "stat_prefix": name if inward else "connect",
        "codec_type": "AUTO",
        "rds": {"config_source": ADS, "route_config_name": name},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
        "common_http_protocol_options": {"idle_timeout": idle},
        "stream_idle_timeout": idle,
        "drain_timeout": "0.050s",
        "delayed_close_timeout": "0.050s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    if inward:
        mark = {"header": {"key": UNREACHED, "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        unreached = {"response_flag_filter": {"flags": ["UF", "UH"]}}
        config["local_reply_config"] = {"mappers": [{"filter": unreached, "headers_to_add": [mark]}]}
    return config


def _routes(proxy: Placed, way: Way, wall_seconds: Callable[[float], float]) -> Fragment:
    name = proxy.cluster(way)
    action: Fragment = {"timeout": duration(wall_seconds(way.offer.request_s))}
    host: Fragment = {"name": "all", "domains": ["*"], "routes": []}
    if way.address:
        action["retry_policy"] = {
            "retry_on": _RETRY_ON,
            "num_retries": RETRIES,
            "retriable_headers": [{"name": UNREACHED, "present_match": True}],
            "retry_host_predicate": [
                {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": _PREVIOUS}}
            ],
            "host_selection_retry_max_attempts": 3,
        }
        host["response_headers_to_remove"] = [UNREACHED]
        if _is_tested(way):
            value = way.offer.test_value
            told = {"present_match": True} if value is None else {"string_match": {"exact": value}}
            match = {"prefix": "/", "headers": [{"name": way.offer.test_header, **told}]}
            host["routes"].append({"match": match, "route": {"cluster": _test(proxy, way), **action}})
    host["routes"].append({"match": {"prefix": "/"}, "route": {"cluster": name, **action}})
    return {"name": name, "virtual_hosts": [host]}


def _cluster(proxy: Placed, way: Way, name: str, wall_seconds: Callable[[float], float]) -> Fragment:
    made = eds_cluster(
        name, service_name=name, source=proxy.address if way.address else "127.0.0.1",
        namespace=proxy.namespace, connect_timeout_s=CONNECT_TIMEOUT_S, http2=way.offer.protocol in (HTTP2, GRPC),
    )  # fmt: skip
    if way.address:
        made["outlier_detection"] = {
            "consecutive_5xx": FAILURES,
            "interval": duration(wall_seconds(WATCHED_S)),
            "base_ejection_time": duration(wall_seconds(AWAY_S)),
            "max_ejection_time": duration(wall_seconds(AWAY_MAX_S)),
            "max_ejection_percent": AWAY_PERCENT,
            "enforcing_success_rate": 0,
        }
        return made
    del made["eds_cluster_config"]
    container = {"endpoint": {"address": socket_address("127.0.0.1", way.offer.container_port)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [container]}]}
    return {**made, "type": "STATIC", "load_assignment": assignment}
