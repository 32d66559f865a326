"""Target groups as clusters and endpoints: who gets requests, by AWS's rules.

A cluster belongs to one node (it connects from that node's address); the endpoints of a group are one EDS resource
that the clusters of all nodes share, or one per zone where the group keeps traffic within zones. Fail-open is decided
here: when fewer targets are healthy than the group wants, all that are registered get requests.

"Target group attributes" and "Health checks for your target groups" in the Application Load Balancer guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from ipaddress import ip_address, ip_network

from kunren.control.store import Snapshot
from kunren.core.memo import by_identity
from kunren.dataplane.envoy.resources import Endpoint, Fragment, eds_cluster
from kunren.services.ec2.model import NetworkInterface, Subnet
from kunren.services.elbv2.attributes import TARGET_GROUP, value
from kunren.services.elbv2.dataplane.listening import Place
from kunren.services.elbv2.dataplane.standing import zone_without_traffic
from kunren.services.elbv2.dataplane.weights import weighs, weight
from kunren.services.elbv2.model import LoadBalancer, Target, TargetGroup, TargetHealth, target_health_id

CONNECT_TIMEOUT_S = 10.0
"""ALB's own, in real time, as packets are."""
_POLICIES = {
    "round_robin": "ROUND_ROBIN",
    "least_outstanding_requests": "LEAST_REQUEST",
    # Envoy's RANDOM knows no weights; its hashing without anything to hash is a random choice by weight
    "weighted_random": "MAGLEV",
}
_SERVING = ("healthy", "unavailable")


def attribute(group: TargetGroup, key: str) -> str:
    return value(TARGET_GROUP, group.attributes, key)


def resource_name(arn: str) -> str:
    """A name that is unique in the world and can be read: `NAME/ID` of `…:targetgroup/NAME/ID`."""
    return arn.partition(":targetgroup/")[2] or arn


def keeps_zones(group: TargetGroup) -> bool:
    """Whether each node sends only to targets of its own zone (cross-zone load balancing off)."""
    return attribute(group, "load_balancing.cross_zone.enabled") == "false"


def endpoints_name(group: TargetGroup, zone: str) -> str:
    """The EDS resource that a node in that zone uses."""
    name = resource_name(group.id)
    return f"{name}@{zone}" if keeps_zones(group) else name


def is_http2(group: TargetGroup) -> bool:
    return group.protocol_version in ("HTTP2", "GRPC")


def cluster(name: str, group: TargetGroup, zone: str, place: Place) -> Fragment:
    """The group as one node reaches it."""
    algorithm = attribute(group, "load_balancing.algorithm.type")
    return eds_cluster(
        name,
        service_name=endpoints_name(group, zone),
        source=source_of(group, place),
        namespace=place.namespace,
        connect_timeout_s=CONNECT_TIMEOUT_S,
        http2=is_http2(group),
        tls=group.protocol == "HTTPS",
        policy=_POLICIES[algorithm],
        options={"common_http_protocol_options": {"max_response_headers_kb": 32, "max_headers_count": 1000}},
    )


def source_of(group: TargetGroup, place: Place) -> str:
    """The address from which a node speaks to the group's targets."""
    return place.ipv6 or place.address if group.ip_address_type == "ipv6" else place.address


def endpoints(
    snapshot: Snapshot, group: TargetGroup, zone: str | None = None, now: float = 0.0
) -> tuple[Endpoint, ...]:
    """The group's endpoints as Envoy should treat them at AWS time `now`; `zone` keeps those of one zone only.

    Draining targets are DRAINING. The others are healthy when they are, or when too few are (fail-open).
    """
    weighed = weighs(group)
    found: list[tuple[Target, str, int]] = []
    for target in group.targets:
        address, port = address_of(snapshot, group, target)
        if address is not None and (zone is None or zone_of(snapshot, group, target) in (zone, "all", None)):
            found.append((target, address, port))
    well = serving(snapshot, group)
    away = _zone_without_traffic(snapshot, group, [target for target, _, _ in found])
    shifted = [target for target, _, _ in found if away is not None and zone_of(snapshot, group, target) == away]
    active = [target for target, _, _ in found if target.draining_since is None and target not in shifted]
    opens = sum((each.id, each.port) in well for each in active) < wanted_healthy(group, len(active))
    made: dict[tuple[str, int], Endpoint] = {}
    for target, address, port in found:
        if target.draining_since is not None:
            health = "DRAINING"
        elif target in shifted:
            health = "UNHEALTHY"
        else:
            health = "HEALTHY" if opens or (target.id, target.port) in well else "UNHEALTHY"
        # One address twice (once draining, once registered under another id) is one endpoint, and may serve.
        known = made.get((address, port))
        if known is None or known.health == "DRAINING":
            share = weight(snapshot, group, target, now) if weighed else 1
            made[address, port] = Endpoint(address, port, health, share)
    return tuple(made[key] for key in sorted(made))


def _zone_without_traffic(snapshot: Snapshot, group: TargetGroup, found: Sequence[Target]) -> str | None:
    """The zone that traffic is shifted away from, where that is not left to DNS."""
    if keeps_zones(group) or group.target_type == "lambda":
        return None
    return zone_without_traffic(snapshot, group, (zone_of(snapshot, group, each) for each in found))


def is_serving(snapshot: Snapshot, group: TargetGroup, target: Target) -> bool:
    return (target.id, target.port) in serving(snapshot, group)


@by_identity(64)
def serving(snapshot: Snapshot, group: TargetGroup) -> Set[tuple[str, int | None]]:
    """Ids and ports of the group's targets that pass their health checks, or all where there are none."""
    if not group.health_check.enabled:
        return {(target.id, target.port) for target in group.targets}
    rows = snapshot.by_id(TargetHealth, group.account, group.region)
    seen = ((target, rows.get(target_health_id(group.id, target))) for target in group.targets)
    return {(target.id, target.port) for target, row in seen if row is not None and row.state in _SERVING}


def wanted_healthy(group: TargetGroup, registered: int) -> int:
    """How many targets must be healthy for the unhealthy ones to get nothing."""
    return min(minimum_healthy(group, "unhealthy_state_routing", registered), registered)


def minimum_healthy(group: TargetGroup, action: str, registered: int) -> int:
    """How many of so many targets must be healthy, or the action (`unhealthy_state_routing`, `dns_failover`) is taken:
    the stricter of count and percentage."""
    prefix = f"target_group_health.{action}.minimum_healthy_targets."
    count, percentage = attribute(group, prefix + "count"), attribute(group, prefix + "percentage")
    wanted = 0 if count == "off" else int(count)
    if percentage != "off":
        wanted = max(wanted, -(-registered * int(percentage) // 100))
    return wanted


def address_of(snapshot: Snapshot, group: TargetGroup, target: Target) -> tuple[str | None, int]:
    """Where a target is. An instance is found by its network interface; None while it has none."""
    port = target.port if target.port is not None else group.port or 0
    if group.target_type == "ip":
        return target.id, port
    if group.target_type == "instance":
        for interface in snapshot.list(NetworkInterface, group.account, group.region):
            if interface.instance_id == target.id:
                return interface.private_ip, port
    return None, port


def addresses_of(snapshot: Snapshot, group: TargetGroup, target: Target) -> list[tuple[str, int, str | None]]:
    """Where a target of a Network Load Balancer is, with the zone of each place: an Application Load Balancer has one
    address per zone, anything else one."""
    if group.target_type == "alb":
        behind = snapshot.get(LoadBalancer, group.account, group.region, target.id)
        zones = behind.zones if behind is not None else ()
        return [(node.private_ip, target.port or group.port or 0, node.zone_name) for node in zones]
    address, port = address_of(snapshot, group, target)
    return [] if address is None else [(address, port, zone_of(snapshot, group, target))]


def zone_of(snapshot: Snapshot, group: TargetGroup, target: Target) -> str | None:
    """The target's Availability Zone: as registered, else that of the subnet its address lies in."""
    if target.availability_zone is not None:
        return target.availability_zone
    address, _ = address_of(snapshot, group, target)
    if address is None:
        return None
    subnets = [each for each in snapshot.list(Subnet, group.account, group.region) if each.vpc_id == group.vpc_id]
    six = ":" in address
    blocks = {(each.cidr_v6 if six else each.cidr) or "": each.availability_zone for each in subnets}
    return zone_of_address(address, {block: zone for block, zone in blocks.items() if block})


def zone_of_address(address: str, zones: Mapping[str, str]) -> str | None:
    where = ip_address(address)
    return next((zone for cidr, zone in zones.items() if where in ip_network(cidr)), None)


def endpoint_resources(
    snapshot: Snapshot, group: TargetGroup, zones: Sequence[str], now: float = 0.0
) -> dict[str, tuple[Endpoint, ...]]:
    """All EDS resources of a group, for nodes in those zones."""
    if keeps_zones(group):
        return {endpoints_name(group, zone): endpoints(snapshot, group, zone, now) for zone in zones}
    return {resource_name(group.id): endpoints(snapshot, group, None, now)}
