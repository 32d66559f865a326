"""A Network Load Balancer as flows for the kernel and listeners for Envoy: pure translation.

The kernel balances what nobody needs to look into: TCP and UDP. Envoy takes what must be opened, listeners with TLS,
and what must be written into, for targets that want the PROXY protocol; and all that comes over IPv6, or goes to
targets of IPv6, since flows may go from one version to the other. Who gets flows is decided here for both:
targets of the node's zone or of all, healthy ones unless there are too few (fail-open), in the weights of their groups.

"Network Load Balancers", "Target groups for your Network Load Balancers". See docs/decisions/0004.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

from kunren.control.store import Snapshot
from kunren.dataplane.envoy.resources import (
    TYPE,
    Endpoint,
    EnvoyResources,
    Fragment,
    duration,
    eds_cluster,
    socket_address,
    upstream_tls,
)
from kunren.dataplane.flows.table import FlowListener, FlowNode, FlowTable, FlowTarget
from kunren.services.ec2.model import Entrance, Subnet
from kunren.services.elbv2 import words
from kunren.services.elbv2.associations import listeners_of
from kunren.services.elbv2.attribute_rules import value
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.dataplane.balancer import Environment, Translation, listener_secrets, node_place, short_name
from kunren.services.elbv2.dataplane.listening import Place
from kunren.services.elbv2.dataplane.security import cipher_filters, tls
from kunren.services.elbv2.dataplane.standing import given_out, zone_without_traffic
from kunren.services.elbv2.model import AvailabilityZone, Listener, LoadBalancer, TargetGroup
from kunren.services.elbv2.network_attributes import (
    DATAGRAMS,
    IDLE_DATAGRAMS_S,
    LOAD_BALANCER,
    NEAR_SHARE,
    QUIC,
    crosses_zones,
    listener_table,
    of_group,
)
from kunren.services.elbv2.network_listeners import ALPN
from kunren.world.layout import flow_mark

_PROXY = TYPE + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_SENDS_HEADER = TYPE + "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
_PLAIN = TYPE + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
_ORIGINAL = TYPE + "envoy.extensions.filters.listener.original_src.v3.OriginalSrc"
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Share:
    """A target group behind a listener, with its weight."""

    group: TargetGroup
    weight: int

    def is_on(self, attribute: str) -> bool:
        return of_group(self.group, attribute) == "true"


def shares(snapshot: Snapshot, listener: Listener) -> list[Share]:
    found = (
        (snapshot.get(TargetGroup, listener.account, listener.region, arn), weight)
        for action in listener.default_actions
        for arn, weight in words.shares(action)
    )
    return [Share(group, weight) for group, weight in found if group is not None and weight > 0]


def by_proxy(listener: Listener, behind: Iterable[Share]) -> bool:
    """Whether Envoy must carry the listener's connections over IPv4. (Over IPv6 it carries them all.)"""
    return listener.protocol == "TLS" or any(
        share.is_on("proxy_protocol_v2.enabled") or share.group.ip_address_type == "ipv6" for share in behind
    )


def flow_table(snapshot: Snapshot, balancer: LoadBalancer, wall_seconds: Callable[[float], float]) -> FlowTable:
    """What the kernel does, for the nodes that `balancer.zones` has."""
    subnets = {
        each.id: each.cidr
        for each in snapshot.list(Subnet, balancer.account, balancer.region)
        if each.vpc_id == balancer.vpc_id
    }
    listening = [(each, shares(snapshot, each)) for each in listeners_of(snapshot, balancer)]
    entrances = [
        each
        for each in snapshot.list(Entrance, balancer.account, balancer.region)
        if each.vpc_id == balancer.vpc_id and each.private_ip
    ]
    nodes = []
    for node in balancer.zones:
        if node.subnet_id not in subnets:
            continue
        carried = [
            flow
            for listener, behind in listening
            if not by_proxy(listener, behind)
            for flow in flows(snapshot, balancer, node, listener, behind, wall_seconds)
        ]
        nodes.append(
            FlowNode(
                interface_id=node.interface_id,
                address=node.private_ip,
                public=node.public_ip,
                subnet_cidr=subnets[node.subnet_id],
                listeners=tuple(carried),
                elsewhere=tuple(("tcp", listener.port) for listener, behind in listening if by_proxy(listener, behind)),
                returns=any(by_proxy(listener, behind) and _preserves(behind) for listener, behind in listening),
                secondary=node.secondary,
                entrances=tuple(sorted(each.id for each in entrances if each.private_ip == node.private_ip)),
            )
        )
    return FlowTable(balancer.vpc_id, tuple(nodes), tuple(sorted(subnets.values())))


def flows(
    snapshot: Snapshot,
    balancer: LoadBalancer,
    node: AvailabilityZone,
    listener: Listener,
    behind: Sequence[Share],
    wall_seconds: Callable[[float], float],
) -> list[FlowListener]:
    """What the kernel does with flows to one listener at one node."""
    chosen = {share.group.id: serving(snapshot, balancer, share.group, node.zone_name) for share in behind}
    ids = {place: id for share in behind for place, id in _server_ids(share.group)}
    each_has = lcm(*(len(places) for places in chosen.values() if places))
    found = [
        FlowTarget(
            address,
            port,
            share.weight * each_has // len(chosen[share.group.id]),
            _keeps_address(share),
            ids.get((address, port), ""),
        )
        for share in behind
        for address, port in chosen[share.group.id]
    ]
    sticky = any(share.is_on("stickiness.enabled") for share in behind)
    return [
        FlowListener(
            each,
            listener.port,
            tuple(sorted(found)),
            wall_seconds(_idle_s(listener, each)),
            sticky,
            quic=each == "udp" and listener.protocol in QUIC,
        )
        for each in transports(listener.protocol)
    ]


def transports(protocol: str) -> tuple[str, ...]:
    """What the kernel knows a listener's protocol as."""
    return (*(() if protocol in ("UDP", "QUIC") else ("tcp",)), *(("udp",) if protocol in DATAGRAMS else ()))


def _server_ids(group: TargetGroup) -> list[tuple[tuple[str, int], str]]:
    """Where the targets of a QUIC group are (addresses, always), and their server ids."""
    return [
        ((each.id, each.port or group.port or 0), each.quic_server_id) for each in group.targets if each.quic_server_id
    ]


def _idle_s(listener: Listener, protocol: str) -> float:
    if protocol == "udp":
        return float(IDLE_DATAGRAMS_S)
    return float(value(listener_table(listener.protocol), listener.attributes, "tcp.idle_timeout.seconds"))


def _keeps_address(share: Share) -> bool:
    return share.is_on("preserve_client_ip.enabled")


def _preserves(behind: Iterable[Share]) -> bool:
    return all(_keeps_address(share) for share in behind)


def places(
    snapshot: Snapshot, balancer: LoadBalancer, group: TargetGroup, zone: str
) -> list[tuple[str, int, bool, bool]]:
    """Where a node in that zone finds the group's targets: address, port, whether it serves, whether it drains."""
    crosses = crosses_zones(balancer, group)
    reached = {node.zone_name for node in balancer.zones} if crosses else {zone}
    away = None
    if crosses:
        homes = [each[2] for target in group.targets for each in targets.addresses_of(snapshot, group, target)]
        away = zone_without_traffic(snapshot, group, homes)
    found = []
    for target in group.targets:
        healthy = targets.is_serving(snapshot, group, target)
        for address, port, home in targets.addresses_of(snapshot, group, target):
            if home in ("all", None) or (home in reached and home != away):
                found.append((address, port, healthy, target.draining_since is not None))
    return found


def serving(snapshot: Snapshot, balancer: LoadBalancer, group: TargetGroup, zone: str) -> list[tuple[str, int]]:
    """Where a node in that zone sends new flows: to healthy targets, or to all that are registered where fewer are
    healthy than the group wants."""
    found = [each for each in places(snapshot, balancer, group, zone) if not each[3]]
    healthy = [each for each in found if each[2]]
    opens = len(healthy) < wanted_healthy(group, len(found), "unhealthy_state_routing")
    return sorted({(address, port) for address, port, _, _ in (found if opens else healthy)})


def wanted_healthy(group: TargetGroup, registered: int, purpose: str) -> int:
    """How many targets must be healthy for a purpose, "unhealthy_state_routing" or "dns_failover"; the stricter of
    count and percentage."""
    prefix = f"target_group_health.{purpose}.minimum_healthy_targets."
    count, percentage = of_group(group, prefix + "count"), of_group(group, prefix + "percentage")
    wanted = 0 if count == "off" else int(count)
    if percentage != "off":
        wanted = max(wanted, -(-registered * int(percentage) // 100))
    return wanted


def answering(snapshot: Snapshot, balancer: LoadBalancer, zones: Sequence[AvailabilityZone]) -> list[AvailabilityZone]:
    """The zones whose addresses DNS gives: those whose node has, in every target group, as many healthy targets as the
    group wants; all where none has ("Target group health")."""
    groups = [share.group for each in listeners_of(snapshot, balancer) for share in shares(snapshot, each)]

    def healthy(zone: AvailabilityZone) -> bool:
        for group in groups:
            found = [each for each in places(snapshot, balancer, group, zone.zone_name) if not each[3]]
            if sum(each[2] for each in found) < wanted_healthy(group, len(found), "dns_failover"):
                return False
        return True

    standing = given_out(snapshot, balancer, zones)
    return [zone for zone in standing if healthy(zone)] or list(standing)


def near(snapshot: Snapshot, balancer: LoadBalancer, zones: Sequence[AvailabilityZone]) -> dict[str, Any]:
    """How the name prefers the client's own zone, as fields of `NameRecords`; `zones` are those that DNS gives."""
    policy = value(LOAD_BALANCER, balancer.attributes, "dns_record.client_routing_policy")
    if policy not in NEAR_SHARE:
        return {}
    subnets = {node: snapshot.get(Subnet, balancer.account, balancer.region, node.subnet_id) for node in zones}
    public = balancer.scheme == "internet-facing"
    found = tuple(
        (subnet.availability_zone_id, (address,))
        for node, subnet in subnets.items()
        if subnet is not None and (address := node.public_ip if public else node.private_ip)
    )
    return {"near": found, "near_share": NEAR_SHARE[policy]}


# -- what Envoy carries ------------------------------------------------------------------------------------------------


def resources(snapshot: Snapshot, balancer: LoadBalancer, env: Environment) -> Translation:
    """Everything that Envoy needs for this load balancer."""
    short = short_name(balancer)
    made: dict[str, dict[str, Fragment]] = {"listeners": {}, "clusters": {}, "secrets": {}}
    endpoints: dict[str, tuple[Endpoint, ...]] = {}
    problems: list[str] = []
    for listener in listeners_of(snapshot, balancer):
        behind = shares(snapshot, listener)
        over_v4 = by_proxy(listener, behind)
        nodes = [node for node in balancer.zones if over_v4 or node.ipv6]
        if not nodes:
            continue
        secrets = listener_secrets(snapshot, listener, short, env)
        if listener.protocol == "TLS" and not secrets:
            problems.append(f"listener {listener.port}: its default certificate has no material")
            continue
        made["secrets"].update(secrets)
        for node in nodes:
            place, clusters = node_place(balancer, node, env), {}
            name = f"{short}/{node.zone_name}/{listener.port}"
            for share in behind:
                cluster = f"{name}/{targets.resource_name(share.group.id)}"
                clusters[cluster] = share.weight
                made["clusters"][cluster] = _cluster(cluster, share, place)
                endpoints[cluster] = _endpoints(snapshot, balancer, share.group, node.zone_name)
            mark = flow_mark(subnet_cidr(snapshot, balancer, node)) if _preserves(behind) else 0
            if over_v4:
                made["listeners"][name] = _listener(
                    name, balancer, listener, behind, place, clusters, list(secrets), mark, env
                )
            if node.ipv6 is not None:
                six = Place(node.ipv6, place.namespace)
                made["listeners"][f"{name}/ipv6"] = _listener(
                    f"{name}/ipv6", balancer, listener, behind, six, clusters, list(secrets), 0, env
                )
    return Translation(
        EnvoyResources(made["listeners"], {}, made["clusters"], endpoints, made["secrets"]), tuple(problems)
    )


def subnet_cidr(snapshot: Snapshot, balancer: LoadBalancer, node: AvailabilityZone) -> str:
    subnet = snapshot.get(Subnet, balancer.account, balancer.region, node.subnet_id)
    assert subnet is not None
    return subnet.cidr


def _endpoints(snapshot: Snapshot, balancer: LoadBalancer, group: TargetGroup, zone: str) -> tuple[Endpoint, ...]:
    chosen = set(serving(snapshot, balancer, group, zone))
    draining = {(address, port) for address, port, _, drains in places(snapshot, balancer, group, zone) if drains}
    states = {**dict.fromkeys(draining, "DRAINING"), **dict.fromkeys(chosen, "HEALTHY")}
    return tuple(Endpoint(address, port, states[address, port]) for address, port in sorted(states))


def _cluster(name: str, share: Share, place: Place) -> Fragment:
    group = share.group
    cluster = eds_cluster(
        name,
        service_name=name,
        source=targets.source_of(group, place),
        namespace=place.namespace,
        connect_timeout_s=CONNECT_TIMEOUT_S,
        policy="MAGLEV" if share.is_on("stickiness.enabled") else "RANDOM",
    )
    inner = upstream_tls(http2=False) if group.protocol == "TLS" else _named("raw_buffer", {"@type": _PLAIN})
    if share.is_on("proxy_protocol_v2.enabled"):
        config = {"@type": _SENDS_HEADER, "config": {"version": "V2"}, "transport_socket": inner}
        cluster["transport_socket"] = _named("upstream_proxy_protocol", config)
    elif group.protocol == "TLS":
        cluster["transport_socket"] = inner
    return cluster


def _named(kind: str, config: Fragment) -> Fragment:
    return {"name": f"envoy.transport_sockets.{kind}", "typed_config": config}


def _listener(
    name: str,
    balancer: LoadBalancer,
    listener: Listener,
    behind: Sequence[Share],
    place: Place,
    clusters: dict[str, int],
    secrets: Sequence[str],
    mark: int,
    env: Environment,
) -> Fragment:
    """`mark` is set where targets see the client's own address: that of the node's routes."""
    proxy: Fragment = {
        "@type": _PROXY,
        "stat_prefix": "nlb",
        "idle_timeout": duration(env.wall_seconds(_idle_s(listener, "tcp"))),
        "weighted_clusters": {"clusters": [{"name": each, "weight": clusters[each]} for each in sorted(clusters)]},
    }
    if any(share.is_on("stickiness.enabled") for share in behind):
        proxy["hash_policy"] = [{"source_ip": {}}]
    chain: Fragment = {
        "filters": [*cipher_filters(listener), {"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    }
    if listener.protocol == "TLS":
        chain["transport_socket"] = tls(balancer, listener, secrets, ALPN[listener.alpn_policy or "None"])
    fragment: Fragment = {
        "name": name,
        "stat_prefix": "nlb",
        "address": socket_address(place.address, listener.port, place.namespace),
        "filter_chains": [chain],
        "per_connection_buffer_limit_bytes": 1 << 20,
    }
    if mark:
        original = {"@type": _ORIGINAL, "mark": mark}
        fragment["listener_filters"] = [{"name": "envoy.filters.listener.original_src", "typed_config": original}]
    return fragment
