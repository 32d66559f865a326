"""The parts of the world with both families: what `layout` makes, and the addresses, routes and rules of IPv6. Pure.

The same namespaces and links carry it; a kernel without IPv6 gets none of this (`facts.is_ipv6`). A device has IPv6
from its first address on, so a VPC without an IPv6 block has none anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType

from kunren.world import addresses6, layout
from kunren.world.acl import Border
from kunren.world.addresses6 import EVERYWHERE
from kunren.world.facts import LOOPBACK, Address, Fact, RouteFact, RuleFact, Ruleset, Veth
from kunren.world.firewall import EGRESS, LOCAL_FLOW_MARK, RESOLVER6, UPLINK, vpc_rules6, workload_rules
from kunren.world.interface import INTERNET, TRANSIT, checkers_namespace, place_namespace, region_namespace
from kunren.world.layout import (
    FIRST_REGION_LINK,
    FIRST_VPC_LINK,
    FLOW_RULE,
    LOCAL_FLOW_RULE,
    LOCAL_FLOW_TABLE,
    NO_ROUTE_RULE,
    SUBNET_RULE,
    VPC_RULE,
    checkers_device,
    device_name,
    flow_mark,
    place_device,
    region_device,
    subnet_table,
)
from kunren.world.network import Route, SubnetNetwork, VpcNetwork, Workload, vpc_namespace, workload_namespace
from kunren.world.nft import V6

_EGRESS_LINKS = 1 << 20
"""From here on links are those of egress-only internet gateways."""


def core() -> list[Fact]:
    return [
        *layout.core(),
        Address(INTERNET, LOOPBACK, f"{addresses6.INTERNET_ROUTER}/128"),
        Address(INTERNET, LOOPBACK, f"{addresses6.PUBLIC_RESOLVER}/128"),
        RouteFact(INTERNET, str(addresses6.NAME_SERVERS), action="local", device=LOOPBACK, table=255),
        RouteFact(INTERNET, str(addresses6.PUBLIC), action="unreachable"),
        *_uplink(TRANSIT, "transit", 0),
    ]


def place(name: str, index: int) -> list[Fact]:
    network = addresses6.place_network(index)
    own = leaf(place_namespace(name), place_device(index), network, addresses6.client_address(index))
    return [*layout.place(name, index), *own]


def checkers(region: str) -> list[Fact]:
    namespace, network = checkers_namespace(region), addresses6.checker_network(region)
    first, *others = addresses6.checker_addresses(region)
    return [
        *layout.checkers(region),
        *leaf(namespace, checkers_device(region), network, first),
        *(Address(namespace, "eth0", f"{each}/{network.prefixlen}") for each in others),
    ]


def region(name: str, index: int) -> list[Fact]:
    namespace, network, number = region_namespace(name), addresses6.region_network(index), FIRST_REGION_LINK + index
    return [
        *layout.region(name, index),
        *_uplink(namespace, region_device(index), number),
        RouteFact(INTERNET, str(network), via=addresses6.link(number)[1], device=region_device(index)),
        Address(namespace, LOOPBACK, f"{addresses6.region_router(index)}/128"),
        RouteFact(namespace, str(network), action="blackhole"),
    ]


def leaf(namespace: str, device: str, network: IPv6Network, address: str) -> list[Fact]:
    """The IPv6 side of `layout.leaf`."""
    router = str(network[1])
    return [
        Address(INTERNET, device, f"{router}/{network.prefixlen}"),
        Address(namespace, "eth0", f"{address}/{network.prefixlen}"),
        RouteFact(namespace, EVERYWHERE, via=router, device="eth0"),
    ]


def _uplink(namespace: str, device: str, number: int) -> list[Fact]:
    """Both ends of a router's link to the internet."""
    near, far = addresses6.link(number)
    return [
        Address(INTERNET, device, f"{near}/127"),
        Address(namespace, UPLINK, f"{far}/127"),
        RouteFact(namespace, EVERYWHERE, via=near, device=UPLINK),
    ]


def vpc(network: VpcNetwork, link: int, peering_links: Mapping[str, int] = MappingProxyType({})) -> list[Fact]:
    """The IPv6 side of a VPC alone, nothing for one without a block. What the numbers are `layout.vpc` says."""
    if not network.cidrs6:
        return []
    namespace, router, device = (
        vpc_namespace(network.id),
        region_namespace(network.region),
        device_name("v", network.id),
    )
    outer, inner = addresses6.link(FIRST_VPC_LINK + link)
    nodes = [replace(each, address=each.address6, secondary=()) for each in network.nodes if each.address6]
    facts: list[Fact] = [
        Ruleset(
            namespace,
            vpc_rules6(
                nodes,
                network.cidrs6,
                _borders(network),
                internet_gateway=network.internet_gateway,
                blocked=network.blocked6,
                shut=network.shut6,
            ),
            family=V6.name,
        ),
        Address(router, device, f"{outer}/127"),
        Address(namespace, UPLINK, f"{inner}/127"),
        Address(namespace, LOOPBACK, f"{RESOLVER6}/128"),
        RuleFact(namespace, LOCAL_FLOW_RULE, mark=LOCAL_FLOW_MARK, table=LOCAL_FLOW_TABLE, ipv6=True),
        RouteFact(namespace, EVERYWHERE, action="local", device=LOOPBACK, table=LOCAL_FLOW_TABLE),
        RuleFact(namespace, VPC_RULE, ipv6=True),
        RuleFact(namespace, NO_ROUTE_RULE, action="blackhole", ipv6=True),
        *(RouteFact(namespace, each, action="blackhole") for each in network.cidrs6),
    ]
    if network.internet_gateway or network.egress_gateway:
        facts += [RouteFact(router, each, via=inner, device=device) for each in network.cidrs6]
    ways = {"internet": (outer, UPLINK)} if network.internet_gateway else {}
    if network.egress_gateway:
        far, near = addresses6.link(_EGRESS_LINKS + link)
        facts += [
            Veth(router, device_name("e", network.id), namespace, EGRESS),
            Address(router, device_name("e", network.id), f"{far}/127"),
            Address(namespace, EGRESS, f"{near}/127"),
        ]
        ways["egress"] = (far, EGRESS)
    for peering_id in network.peerings:
        ways[f"peering {peering_id}"], own = _peering_link(network, peering_id, peering_links[peering_id])
        facts += own
    for subnet in network.subnets:
        facts += _subnet(network, subnet, ways) if subnet.cidr6 else []
    facts += [Address(namespace, device_name("s", each.subnet_id), f"{each.address}/128") for each in nodes]
    facts += [fact for each in network.workloads if each.ipv6 for fact in _workload(network, each)]
    return facts


def _borders(network: VpcNetwork) -> list[Border]:
    """Every subnet with IPv6 as network ACLs see it, where any has one."""
    if not any(subnet.acl for subnet in network.subnets):
        return []
    return [
        Border(
            device=device_name("s", subnet.id),
            router=_router(subnet),
            nodes=tuple(
                sorted(each.address6 for each in network.nodes if each.subnet_id == subnet.id and each.address6)
            ),
            acl=subnet.acl,
        )
        for subnet in network.subnets
        if subnet.cidr6
    ]


def _subnet(network: VpcNetwork, subnet: SubnetNetwork, ways: Mapping[str, tuple[str, str]]) -> list[Fact]:
    """`ways` are the next hops, with their devices, of what leads out of the VPC."""
    namespace, table = vpc_namespace(network.id), subnet_table(IPv4Network(subnet.cidr))
    return [
        Address(namespace, device_name("s", subnet.id), f"{_router(subnet)}/{addresses6.SUBNET_PREFIX}"),
        RuleFact(namespace, SUBNET_RULE, source=subnet.cidr6, table=table, ipv6=True),
        RuleFact(namespace, FLOW_RULE, mark=flow_mark(subnet.cidr), table=table, ipv6=True),
        *(
            _route(network, namespace, each, table, ways)
            for each in subnet.routes
            if ":" in each.destination and each.target != "local"
        ),
    ]


def _route(
    network: VpcNetwork, namespace: str, route: Route, table: int, ways: Mapping[str, tuple[str, str]]
) -> RouteFact:
    destination = str(IPv6Network(route.destination, strict=False))
    if route.target == "interface":
        way: tuple[str, str] | None = (route.via, _bridge_of(network.subnets, route.via))
    else:
        way = ways.get(f"peering {route.via}" if route.target == "peering" else route.target)
    if way is None:
        return RouteFact(namespace, destination, action="blackhole", table=table)
    return RouteFact(namespace, destination, via=way[0], device=way[1], table=table)


def _bridge_of(subnets: Iterable[SubnetNetwork], address: str) -> str:
    own = (each for each in subnets if each.cidr6 and IPv6Address(address) in IPv6Network(each.cidr6))
    return device_name("s", next(own).id)


def _peering_link(network: VpcNetwork, peering_id: str, link: int) -> tuple[tuple[str, str], list[Fact]]:
    """The way to the connection, and this VPC's side of its link."""
    namespace = vpc_namespace(network.id)
    far, near = addresses6.link(FIRST_VPC_LINK + link)
    there, here = device_name("p", network.id), device_name("p", peering_id)
    return (far, here), [
        Address(peering_id, there, f"{far}/127"),
        Address(namespace, here, f"{near}/127"),
        *(RouteFact(peering_id, each, via=near, device=there) for each in network.cidrs6),
    ]


def _workload(network: VpcNetwork, workload: Workload) -> list[Fact]:
    subnet = next(each for each in network.subnets if each.id == workload.subnet_id)
    name = workload_namespace(workload.id)
    first, *others = workload.ipv6
    rules = workload_rules(
        workload.firewall,
        RESOLVER6,
        workload.ipv6,
        forwards=not workload.source_dest_check,
        silent=workload.silent,
        family=V6,
    )
    return [
        Ruleset(name, rules, family=V6.name),
        Address(name, "eth0", f"{first}/{addresses6.SUBNET_PREFIX}"),
        *(Address(name, "eth0", f"{each}/128") for each in others),
        RouteFact(name, EVERYWHERE, via=_router(subnet), device="eth0"),
    ]


def _router(subnet: SubnetNetwork) -> str:
    return str(IPv6Network(subnet.cidr6)[1])
