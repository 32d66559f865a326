"""One VPC's resources as the network that the world should make: pure translation, from a snapshot.

Security groups become firewalls with addresses for peers (a peer that is a group becomes the private addresses of the
interfaces in it), route tables become each subnet's routes (`routing.py`), interfaces become load balancer nodes,
workloads and NAT gateways.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from kunren.control.store import Snapshot
from kunren.core.clock import Clock
from kunren.services.ec2 import dhcp, nat_addresses, peerings, prefix_lists, private_link, public_access, store
from kunren.services.ec2.flow_logs.coverage import covered_by
from kunren.services.ec2.model import (
    AclEntry,
    Entrance,
    FlowLog,
    NetworkAcl,
    NetworkInterface,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
)
from kunren.services.ec2.routing import Hop, HopOf, hops
from kunren.services.faults.effects import broken_in_vpc, faults
from kunren.world import network as world
from kunren.world.network import (
    Acl,
    AclRule,
    Broken,
    EndpointLink,
    Firewall,
    FirewallRule,
    NatGateway,
    NodeAddress,
    Route,
    ServedEndpoint,
    SubnetNetwork,
    VpcNetwork,
    Workload,
)
from kunren.world.spec import WorldSpec

_EVERYTHING = FirewallRule(protocol="-1", from_port=-1, to_port=-1, cidrs=("0.0.0.0/0", "::/0"))
_NAT_IDLE_TIMEOUT_S = 350  # "NAT gateway basics"
_FLOWS_KEPT_S = 2 * 600  # two of the longest aggregation intervals: each flow is read after its last packet
_ALL_PASS = (AclRule(True, "-1", -1, -1, "0.0.0.0/0"), AclRule(True, "-1", -1, -1, "::/0"))
OPEN = Firewall(ingress=(_EVERYTHING,), egress=(_EVERYTHING,))


class Timers(NamedTuple):
    """What the kernel measures, in real seconds."""

    nat_idle_s: int = _NAT_IDLE_TIMEOUT_S
    flows_kept_s: int = _FLOWS_KEPT_S

    @classmethod
    def at(cls, clock: Clock) -> Timers:
        return cls(
            max(1, round(clock.wall_seconds(_NAT_IDLE_TIMEOUT_S))),
            round(clock.wall_seconds(_FLOWS_KEPT_S)) + 10,
        )


def vpc_network(snapshot: Snapshot, spec: WorldSpec, vpc: Vpc, timers: Timers = Timers()) -> VpcNetwork:
    """Everything of one VPC as the world should have it. Equal state gives an equal value."""
    subnets = store.subnets_of(snapshot, vpc)
    interfaces = [each for each in store.interfaces_of(snapshot, vpc) if each.attachment is not None]
    groups = {each.id: each for each in store.usable_groups(snapshot, vpc)}
    members = _members([*interfaces, *_of_peers(snapshot, vpc)])
    entrances = _entrances(snapshot, vpc) if store.gateway_of(snapshot, vpc) is not None else ()
    managed = {group for each in interfaces if each.attachment == "managed" for group in each.groups}
    entered = dict.fromkeys(managed, tuple(each.address for each in entrances))
    lists = prefix_lists.cidrs(snapshot, spec, vpc.account, vpc.region)
    gateway = store.gateway_of(snapshot, vpc)
    routes = _routes_by_subnet(store.route_tables_of(snapshot, vpc), subnets, hops(snapshot, vpc), lists)
    acls = _acls_by_subnet(store.acls_of(snapshot, vpc), six=bool(vpc.blocks_v6))
    leaving = nat_addresses.leaving(snapshot, vpc)
    firewalls: dict[tuple[str, ...], Firewall] = {}

    balancers = _balancers(interfaces, groups)

    def guard(interface: NetworkInterface) -> Firewall:
        way = "" if interface in balancers else "entered" if interface.attachment == "node" else "macs"
        if (way, *interface.groups) not in firewalls:
            made = firewall(interface, groups, members, lists, entered)
            firewalls[way, *interface.groups] = _with_handed_on(made, interface, groups, balancers, way)
        found = firewalls[way, *interface.groups]
        return replace(found, ingress=()) if interface.attachment == "function" else found

    return VpcNetwork(
        id=vpc.id,
        region=vpc.region,
        cidrs=store.vpc_cidrs(vpc),
        subnets=tuple(_subnet(each, routes, acls) for each in subnets),
        nodes=_nodes(interfaces, guard, balancers),
        workloads=tuple(
            _workload(each, guard(each))
            for each in interfaces
            if each.attachment in ("workload", "function", "hibernated")
        ),
        nat_gateways=tuple(
            NatGateway(
                each.id,
                each.subnet_id,
                each.private_ip,
                each.mac,
                timers.nat_idle_s,
                secondary=tuple(sorted(address.private_ip for address in each.secondary)),
                leaving=tuple(sorted({address.private_ip for address in each.secondary} & leaving)),
            )
            for each in interfaces
            if each.attachment == "nat"
        ),
        links=_links(snapshot, vpc, interfaces, guard, lists),
        served=tuple(
            ServedEndpoint(each.interface.id, each.node.private_ip)
            for each in sorted(private_link.of_provider(snapshot, vpc), key=lambda each: each.interface.id)
        ),
        peerings=tuple(each.id for each in peerings.of_vpc(snapshot, vpc) if peerings.connects(each, vpc)),
        internet_gateway=gateway is not None,
        resolver=dhcp.resolver_settings(snapshot, vpc),
        public={public: private for each in interfaces for public, private in store.public_addresses(each).items()}
        if gateway
        else {},
        entrances=entrances,
        blocked=public_access.blocked(snapshot, vpc, interfaces),
        observed=_observed(snapshot, vpc),
        flows_kept_s=timers.flows_kept_s,
        cidrs6=tuple(vpc.blocks_v6),
        egress_gateway=store.egress_gateway_of(snapshot, vpc) is not None,
        **public_access.blocked_v6(snapshot, vpc, interfaces)._asdict(),
        broken=_broken(snapshot, vpc, subnets),
    )


def _broken(snapshot: Snapshot, vpc: Vpc, subnets: Iterable[Subnet]) -> tuple[Broken, ...]:
    found = faults(snapshot)
    if not found:
        return ()
    zones = {each.id: each.availability_zone for each in subnets}
    peers = {peering.id: side.region for peering, side in peerings.others(snapshot, vpc)}
    return broken_in_vpc(found, vpc.id, vpc.region, zones, peers)


def _entrances(snapshot: Snapshot, vpc: Vpc) -> tuple[world.Entrance, ...]:
    found = []
    for each in snapshot.list(Entrance, vpc.account, vpc.region):
        interface = snapshot.get(NetworkInterface, vpc.account, vpc.region, each.interface_id)
        if each.vpc_id == vpc.id and interface is not None:
            found.append(world.Entrance(each.id, each.private_ip, interface.id, interface.private_ip))
    return tuple(sorted(found, key=lambda each: each.address))


def _subnet(subnet: Subnet, routes: Mapping[str, tuple[Route, ...]], acls: Mapping[str, Acl | None]) -> SubnetNetwork:
    six = subnet.cidr_v6 or ""
    return SubnetNetwork(
        subnet.id, subnet.cidr, subnet.availability_zone, routes.get(subnet.id, ()), acls.get(subnet.id), six
    )


def _workload(interface: NetworkInterface, firewall: Firewall) -> Workload:
    return Workload(
        interface.id,
        interface.subnet_id,
        interface.private_ip,
        interface.mac,
        firewall,
        secondary=tuple(sorted(address.private_ip for address in interface.secondary)),
        source_dest_check=interface.source_dest_check,
        ipv6=interface.ipv6,
        bridged=interface.bridged,
        silent=interface.attachment == "hibernated",
    )


def _links(
    snapshot: Snapshot,
    vpc: Vpc,
    interfaces: Iterable[NetworkInterface],
    guard: Callable[[NetworkInterface], Firewall],
    lists: Mapping[str, tuple[str, ...]],
) -> tuple[EndpointLink, ...]:
    """Endpoints to customers' own services. The balancer's groups know the consumer's addresses, not its groups."""
    links = private_link.of_consumer(snapshot, vpc)

    def balancer_guard(link: private_link.Link) -> Firewall | None:
        balancer = link.balancer
        found = (
            snapshot.get(SecurityGroup, balancer.account, balancer.region, each) for each in balancer.security_groups
        )
        groups = {each.id: each for each in found if each is not None}
        if not groups or not balancer.guards_private_link:
            return None
        node = snapshot.get(NetworkInterface, balancer.account, balancer.region, link.node.interface_id)
        return firewall(node, groups, {}, lists) if node is not None else None

    return tuple(
        EndpointLink(
            each.id,
            each.subnet_id,
            each.private_ip,
            each.mac,
            guard(each),
            guard=balancer_guard(links[each.id]) if each.id in links else None,
            joined=each.id in links,
        )
        for each in interfaces
        if each.attachment == "link"
    )


def _observed(snapshot: Snapshot, vpc: Vpc) -> frozenset[str]:
    """The interfaces that a flow log covers."""
    logs = [each for each in snapshot.list(FlowLog, vpc.account, vpc.region) if each.vpc_id == vpc.id]
    return frozenset(interface.id for each in logs for interface in covered_by(snapshot, each))


def is_used(snapshot: Snapshot, vpc: Vpc) -> bool:
    """Does anything answer in this VPC: only then does the world need its network."""
    return any(each.attachment is not None for each in store.interfaces_of(snapshot, vpc))


def firewall(
    interface: NetworkInterface,
    groups: Mapping[str, SecurityGroup],
    members: Mapping[str, tuple[str, ...]],
    lists: Mapping[str, tuple[str, ...]],
    entered: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Firewall:
    """The union of the interface's groups. `members` maps group ids to private addresses, `lists` prefix lists' ids to
    their blocks, `entered` the groups of accelerators to the entrances by which their flows come."""
    if not interface.groups:
        return OPEN
    rules = [rule for each in interface.groups if each in groups for rule in groups[each].rules]
    return Firewall(
        ingress=(
            *_merged((each for each in rules if not each.egress), members, lists),
            *(
                FirewallRule(each.protocol, each.from_port, each.to_port, entered[each.group_id or ""], entered=True)
                for each in rules
                if not each.egress and each.group_id in entered
            ),
        ),
        egress=_merged((each for each in rules if each.egress), members, lists),
    )


def _nodes(
    interfaces: Iterable[NetworkInterface],
    guard: Callable[[NetworkInterface], Firewall],
    balancers: Sequence[NetworkInterface],
) -> tuple[NodeAddress, ...]:
    return tuple(
        NodeAddress(
            each.id,
            each.subnet_id,
            each.private_ip,
            guard(each),
            mac=each.mac if each in balancers else "",
            secondary=tuple(sorted(address.private_ip for address in each.secondary)),
            address6=next(iter(each.ipv6), ""),
        )
        for each in interfaces
        if each.attachment == "node"
    )


def _balancers(interfaces: Iterable[NetworkInterface], groups: Mapping[str, SecurityGroup]) -> list[NetworkInterface]:
    """The nodes of Network Load Balancers whose groups some group names as a peer."""
    named = {rule.group_id for each in groups.values() for rule in each.rules if not rule.egress}
    nodes = (each for each in interfaces if each.interface_type == "network_load_balancer")
    return [each for each in nodes if named.intersection(each.groups)]


def _with_handed_on(
    found: Firewall,
    interface: NetworkInterface,
    groups: Mapping[str, SecurityGroup],
    balancers: Iterable[NetworkInterface],
    way: str,
) -> Firewall:
    """The firewall, with what Network Load Balancers hand on to an interface whose groups name the load balancer's, and
    that sees the client's address. `way` says how it is known: by "macs" on a subnet, by the address that was "entered"
    in the VPC's own namespace, or not at all ("")."""
    rules = [rule for each in interface.groups if each in groups for rule in groups[each].rules if not rule.egress]
    more = []
    for rule in rules:
        nodes = [each for each in balancers if rule.group_id in each.groups]
        if not nodes or not way:
            continue
        addresses = sorted({each for node in nodes for each in (node.private_ip, node.public_ip) if each})
        macs = tuple(sorted(each.mac for each in nodes))
        by = (tuple(addresses), True, ()) if way == "entered" else ((), False, macs)
        more.append(FirewallRule(rule.protocol, rule.from_port, rule.to_port, *by))
    return replace(found, ingress=(*found.ingress, *more))


def _merged(
    rules: Iterable[SecurityGroupRule], members: Mapping[str, tuple[str, ...]], lists: Mapping[str, tuple[str, ...]]
) -> tuple[FirewallRule, ...]:
    """Rules of equal protocol and ports become one, with all their peers; a rule without any peer lets nothing pass."""
    peers: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    for rule in rules:
        peers[rule.protocol, rule.from_port, rule.to_port].update(_peers(rule, members, lists))
    return tuple(
        FirewallRule(protocol, from_port, to_port, tuple(sorted(cidrs)))
        for (protocol, from_port, to_port), cidrs in sorted(peers.items())
        if cidrs
    )


def _peers(
    rule: SecurityGroupRule, members: Mapping[str, tuple[str, ...]], lists: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    if rule.cidr_v4 is not None:
        return (rule.cidr_v4,)
    if rule.cidr_v6 is not None:
        return (rule.cidr_v6,)
    if rule.group_id is not None:
        return members.get(rule.group_id, ())
    return lists.get(rule.prefix_list_id or "", ())


def _members(interfaces: Iterable[NetworkInterface]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in interfaces:
        for group_id in each.groups:
            found[group_id] += (f"{address}/32" for address in store.private_ips(each))
            found[group_id] += (f"{address}/128" for address in each.ipv6)
    return {group_id: tuple(each) for group_id, each in found.items()}


def _of_peers(snapshot: Snapshot, vpc: Vpc) -> list[NetworkInterface]:
    """The interfaces of VPCs that are linked by peering, whose groups rules may name: those of the same region."""
    linked = [peerings.vpc_of(snapshot, side) for _, side in peerings.others(snapshot, vpc)]
    near = [each for each in linked if each is not None and each.region == vpc.region]
    return [each for peer in near for each in store.interfaces_of(snapshot, peer) if each.attachment is not None]


def _acls_by_subnet(acls: Iterable[NetworkAcl], *, six: bool) -> dict[str, Acl | None]:
    return {subnet_id: acl for each in acls for acl in [_acl(each, six)] for subnet_id in each.associations.values()}


def _acl(acl: NetworkAcl, six: bool) -> Acl | None:
    """None where the first rule of each direction and IP version that the VPC has lets everything pass, as the default
    ACL's do: no packet then has to be looked at."""
    ingress, egress = (_acl_rules(acl.entries, direction) for direction in (False, True))
    for rules in (ingress, egress):
        for all_pass in _ALL_PASS if six else _ALL_PASS[:1]:
            of_family = (each for each in rules if (":" in each.cidr) == (":" in all_pass.cidr))
            if next(of_family, None) != all_pass:
                return Acl(acl.id, ingress, egress)
    return None


def _acl_rules(entries: Iterable[AclEntry], egress: bool) -> tuple[AclRule, ...]:
    rules = []
    for each in entries:
        if each.egress == egress:
            first = each.icmp_type if each.from_port is None else each.from_port
            last = each.icmp_code if each.to_port is None else each.to_port
            bounds = (-1 if first is None else first, -1 if last is None else last)
            rules.append(AclRule(each.allow, each.protocol, *bounds, each.cidr_v4 or each.cidr_v6 or ""))
    return tuple(rules)


def _routes_by_subnet(
    tables: Iterable[RouteTable], subnets: Iterable[Subnet], hop_of: HopOf, lists: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[Route, ...]]:
    chosen: dict[str, RouteTable] = {}
    main: RouteTable | None = None
    for table in tables:
        main = table if table.main else main
        chosen.update(dict.fromkeys(table.associations.values(), table))
    result = {}
    for subnet in subnets:
        table_of = chosen.get(subnet.id, main)
        if table_of is not None:
            result[subnet.id] = _routes(table_of, hop_of, lists)
    return result


def _routes(table: RouteTable, hop_of: HopOf, lists: Mapping[str, tuple[str, ...]]) -> tuple[Route, ...]:
    """A prefix list is a route for each of its blocks, behind what is written out for the same block ("Route priority
    and prefix lists"). What leads to an interface leads to its address of the destination's version."""
    routes: dict[str, Route] = {}
    for each in sorted(table.routes, key=lambda each: prefix_lists.is_list_id(each.destination)):
        hop = hop_of(each.target)
        if hop is None or hop.kind == "dropped":
            hop = Hop("blackhole")
        for block in lists.get(each.destination, (each.destination,)):
            if prefix_lists.is_list_id(block):
                continue
            to, kind = hop.to, hop.kind
            if ":" in block and kind == "interface":
                to, kind = (hop.to_v6, kind) if hop.to_v6 else ("", "blackhole")
            routes.setdefault(block, Route(block, kind, to))
    return tuple(routes.values())
