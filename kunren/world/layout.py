"""Which facts make up each part of the world: the core, a client place, a region, a VPC. Pure.

The internet is one router namespace. Places, edges and regions hang on it by one link each; a VPC hangs on its region
by its *uplink*. Every route is written down here; no link leads to the host. Namespaces that only hold listeners may
bind addresses that they do not have yet, so that the order in which Envoy and the network learn of an address does
not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType

from kunren.world import addresses, addresses6
from kunren.world.acl import Border
from kunren.world.broken import vpc_facts
from kunren.world.facts import (
    LOOPBACK,
    Address,
    Bridge,
    Fact,
    Namespace,
    Resolver,
    RouteFact,
    RuleFact,
    Ruleset,
    Veth,
)
from kunren.world.firewall import (
    ENTRANCE_MARK,
    FLOW_MARK,
    LINK_LOCAL_RESOLVER,
    LOCAL_FLOW_MARK,
    METADATA,
    TASK_METADATA,
    UPLINK,
    vpc_rules,
    workload_rules,
)
from kunren.world.flow_counts import observers, table_text
from kunren.world.handed_on import bridge_rules
from kunren.world.interface import (
    INTERNET,
    TRANSIT,
    checkers_namespace,
    place_namespace,
    region_namespace,
)
from kunren.world.nat import nat_rules, nat_sysctls
from kunren.world.network import (
    EndpointLink,
    NatGateway,
    ServedEndpoint,
    VpcNetwork,
    Workload,
    endpoint_side,
    service_side,
    vpc_namespace,
    workload_namespace,
)
from kunren.world.private_link import INWARD, NODES, OUTWARD, endpoint_rules, service_rules

EVERYWHERE = "0.0.0.0/0"
_LINK_LOCAL = "169.254.0.0/16"
_FIRST_SUBNET_TABLE = 1000
ENTRANCE_TABLE, _FROM_ENTRANCE_TABLE, ENTRANCE_RULE = 2050, 2051, 55
LOCAL_FLOW_TABLE, _ENTERED_TABLE = 900, 899
LOCAL_FLOW_RULE, _ENTERED_RULE, VPC_RULE, FLOW_RULE, SUBNET_RULE, NO_ROUTE_RULE = 90, 95, 100, 500, 1000, 30000

HOST_SYSCTLS = (
    # New links only, until they get an address: loopback keeps ::1, which programs expect.
    ("net/ipv6/conf/default/disable_ipv6", "1"),
    # Addresses are of the plan alone, and there at once.
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv4/ip_unprivileged_port_start", "0"),
    ("net/ipv4/ping_group_range", "0 0"),
)
ROUTER_SYSCTLS = (
    *HOST_SYSCTLS,
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/ip_nonlocal_bind", "1"),
    # A segment in the middle of a connection that nobody knows begins none.
    ("net/netfilter/nf_conntrack_tcp_loose", "0"),
    # What refuses a marked packet takes its route.
    ("net/ipv4/fwmark_reflect", "1"),
    ("net/ipv6/fwmark_reflect", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/ip_nonlocal_bind", "1"),
    ("net/ipv4/tcp_fwmark_accept", "1"),
    # Frames within a subnet are not the router's business, whatever the host has set for bridges.
    ("net/bridge/bridge-nf-call-iptables", "0"),
    ("net/bridge/bridge-nf-call-ip6tables", "0"),
)


def functions_namespace(region: str) -> str:
    """Where functions without a VPC run."""
    return f"functions-{region}"


def core() -> list[Fact]:
    """The internet and Envoy's transit."""
    near, far = _link(0)
    return [
        Namespace(INTERNET, ROUTER_SYSCTLS),
        Address(INTERNET, LOOPBACK, f"{addresses.INTERNET_ROUTER}/32"),
        Address(INTERNET, LOOPBACK, f"{addresses.PUBLIC_RESOLVER}/32"),
        # Every address of the block is the name servers' own.
        RouteFact(INTERNET, str(addresses.NAME_SERVERS), action="local", device=LOOPBACK, table=255),
        RouteFact(INTERNET, str(addresses.PUBLIC), action="unreachable"),
        Namespace(TRANSIT, ROUTER_SYSCTLS),
        Resolver(TRANSIT, resolv_conf(addresses.PUBLIC_RESOLVER)),
        Veth(INTERNET, "transit", TRANSIT, UPLINK),
        Address(INTERNET, "transit", f"{near}/31"),
        Address(TRANSIT, UPLINK, f"{far}/31"),
        RouteFact(TRANSIT, EVERYWHERE, via=near, device=UPLINK),
    ]


def place(name: str, index: int) -> list[Fact]:
    """A client place: one namespace with the client's address."""
    namespace, network = place_namespace(name), addresses.place_network(index)
    return [
        Namespace(namespace, HOST_SYSCTLS),
        Resolver(namespace, resolv_conf(addresses.PUBLIC_RESOLVER)),
        *leaf(namespace, place_device(index), network, addresses.client_address(index)),
    ]


def checkers(region: str) -> list[Fact]:
    """A region's Route 53 health checkers: one namespace with the address of each, on the internet, outside of every
    VPC."""
    namespace, network = checkers_namespace(region), addresses.checker_network(region)
    first, *others = addresses.checker_addresses(region)
    return [
        Namespace(namespace, HOST_SYSCTLS),
        Resolver(namespace, resolv_conf(addresses.PUBLIC_RESOLVER)),
        *leaf(namespace, checkers_device(region), network, first),
        *(Address(namespace, "eth0", f"{each}/{network.prefixlen}") for each in others),
    ]


def region(name: str, index: int) -> list[Fact]:
    """A region: its router, which has the service endpoints' address, and the namespace of functions without a VPC."""
    namespace, functions = region_namespace(name), functions_namespace(name)
    network, router = addresses.region_network(index), addresses.region_router(index)
    outer, inner = region_link(index)
    device = region_device(index)
    egress = addresses.function_egress(index)
    return [
        Namespace(namespace, ROUTER_SYSCTLS),
        Resolver(namespace, resolv_conf(addresses.PUBLIC_RESOLVER)),
        Veth(INTERNET, device, namespace, UPLINK),
        Address(INTERNET, device, f"{outer}/31"),
        Address(namespace, UPLINK, f"{inner}/31"),
        RouteFact(INTERNET, str(network), via=inner, device=device),
        Address(namespace, LOOPBACK, f"{router}/32"),
        *(Address(namespace, LOOPBACK, f"{address}/32") for address in addresses.endpoints(index)),
        # A public address that nobody has: silence, and no loop back to the internet.
        RouteFact(namespace, str(network), action="blackhole"),
        RouteFact(namespace, EVERYWHERE, via=outer, device=UPLINK),
        # What comes by an accelerator's entrance meets its edge location again; nobody in the region has a way to one.
        RouteFact(INTERNET, str(addresses.entrance_network(index)), via=inner, device=device, table=ENTRANCE_TABLE),
        RuleFact(namespace, ENTRANCE_RULE, interface=UPLINK, table=ENTRANCE_TABLE),
        RuleFact(namespace, ENTRANCE_RULE, source=str(addresses.ENTRANCES), table=_FROM_ENTRANCE_TABLE),
        RouteFact(namespace, EVERYWHERE, via=outer, device=UPLINK, table=_FROM_ENTRANCE_TABLE),
        Namespace(functions, HOST_SYSCTLS),
        Resolver(functions, resolv_conf(addresses.PUBLIC_RESOLVER)),
        Veth(namespace, "functions", functions, "eth0"),
        RouteFact(namespace, f"{egress}/32", device="functions"),
        Address(functions, "eth0", f"{egress}/32"),
        RouteFact(functions, f"{router}/32", device="eth0"),
        RouteFact(functions, EVERYWHERE, via=router, device="eth0"),
    ]


def peering(peering_id: str) -> list[Fact]:
    """A peering connection: a router between two VPCs that knows their blocks and nothing else. The VPCs bring their
    links to it and its routes to them, so either may come and go without the other."""
    nowhere = (RouteFact(peering_id, each, action="blackhole") for each in (EVERYWHERE, addresses6.EVERYWHERE))
    return [Namespace(peering_id, ROUTER_SYSCTLS), *nowhere]


def joint(interface_id: str) -> list[Fact]:
    """Where an endpoint's link meets the service's VPC: both bring their links to it, as to a peering connection."""
    return [Namespace(service_side(interface_id), ROUTER_SYSCTLS)]


def vpc(network: VpcNetwork, link: int, peering_links: Mapping[str, int] = MappingProxyType({})) -> list[Fact]:
    """A VPC with everything in it. `link` is the number of its uplink's address pair (`vpc_link_count` of them), and
    `peering_links` those of its links to peering connections and to joints, which exist already.

    Raises ValueError for addresses and CIDRs that are none.
    """
    namespace, router = vpc_namespace(network.id), region_namespace(network.region)
    resolver = vpc_resolver(network)
    device = device_name("v", network.id)
    outer, inner = _link(FIRST_VPC_LINK + link)
    public = {k: v for k, v in network.public.items() if network.internet_gateway}
    facts: list[Fact] = [
        Namespace(namespace, ROUTER_SYSCTLS),
        Resolver(namespace, resolv_conf(*network.resolver.name_servers, search=network.resolver.search)),
        Ruleset(
            namespace,
            vpc_rules(
                network.nodes,
                public,
                resolver,
                _borders(network),
                _service_routes(network),
                [device_name("j", each.id) for each in network.served],
                network.blocked,
                network.entrances,
                {each.id: flow_mark(each.cidr) for each in network.subnets},
            ),
        ),
        *bridge_rules(namespace, network.nodes),
        Veth(router, device, namespace, UPLINK),
        Address(router, device, f"{outer}/31"),
        Address(namespace, UPLINK, f"{inner}/31"),
        Address(namespace, LOOPBACK, f"{resolver}/32"),
        Address(namespace, LOOPBACK, f"{LINK_LOCAL_RESOLVER}/32"),
        Address(namespace, LOOPBACK, f"{METADATA}/32"),
        Address(namespace, LOOPBACK, f"{TASK_METADATA}/32"),
        RouteFact(namespace, _LINK_LOCAL, action="blackhole"),
        RuleFact(namespace, _ENTERED_RULE, mark=ENTRANCE_MARK, table=_ENTERED_TABLE),
        RouteFact(namespace, EVERYWHERE, via=outer, device=UPLINK, table=_ENTERED_TABLE),
        RuleFact(namespace, LOCAL_FLOW_RULE, mark=LOCAL_FLOW_MARK, table=LOCAL_FLOW_TABLE),
        RouteFact(namespace, EVERYWHERE, action="local", device=LOOPBACK, table=LOCAL_FLOW_TABLE),
        RuleFact(namespace, VPC_RULE),
        RuleFact(namespace, NO_ROUTE_RULE, action="blackhole"),
    ]
    facts += [RouteFact(namespace, cidr, action="blackhole") for cidr in network.cidrs]
    facts += [RouteFact(router, f"{address}/32", via=inner, device=device) for address in public]
    entered = sorted(each.address for each in network.entrances)
    facts += [RouteFact(router, f"{each}/32", via=inner, device=device, table=ENTRANCE_TABLE) for each in entered]
    facts += [Address(namespace, LOOPBACK, f"{address}/32") for address in _node_addresses(network)]
    cidrs = {subnet.id: IPv4Network(subnet.cidr) for subnet in network.subnets}
    for subnet in network.subnets:
        facts += _subnet(network, namespace, subnet.id, cidrs[subnet.id], outer, peering_links)
    for peering_id in network.peerings:
        facts += _peering_link(network, peering_id, peering_links[peering_id])
    for workload in network.workloads:
        facts += _workload(network, workload, cidrs[workload.subnet_id], resolver)
    for nat in network.nat_gateways:
        facts += _nat_gateway(network, nat, cidrs[nat.subnet_id])
    for endpoint in network.links:
        facts += _endpoint_link(network, endpoint, cidrs[endpoint.subnet_id], peering_links)
    for served in network.served:
        facts += _served(network, served, peering_links)
    facts += vpc_facts(network, {each: device_name("p", each) for each in network.peerings})
    for observer in observers(network):
        facts += [
            Ruleset(each.namespace, table_text(network, observer, each), observer.table, each.family.name)
            for each in observer.tables
        ]
    return facts


def vpc_resolver(network: VpcNetwork) -> str:
    """The VPC's resolver: base plus two of its primary CIDR (VPC User Guide, "Amazon DNS server")."""
    return str(IPv4Network(network.cidrs[0])[2])


def resolv_conf(*servers: str, search: Sequence[str] = ()) -> str:
    searched = f"search {' '.join(search)}\n" if search else ""
    return searched + "".join(f"nameserver {each}\n" for each in servers)


def device_name(prefix: str, identity: str) -> str:
    """A device's name from an id of any length: Linux has room for 15 characters."""
    return prefix + blake2b(identity.encode(), digest_size=6).hexdigest()


def _subnet(
    network: VpcNetwork,
    namespace: str,
    subnet_id: str,
    cidr: IPv4Network,
    gateway: str,
    peering_links: Mapping[str, int],
) -> list[Fact]:
    subnet = next(each for each in network.subnets if each.id == subnet_id)
    table = subnet_table(cidr)
    facts: list[Fact] = [
        Bridge(namespace, device_name("s", subnet_id), _mac(subnet_id)),
        Address(namespace, device_name("s", subnet_id), f"{cidr[1]}/{cidr.prefixlen}"),
        RuleFact(namespace, SUBNET_RULE, source=str(cidr), table=table),
        RuleFact(namespace, FLOW_RULE, mark=flow_mark(subnet.cidr), table=table),
    ]
    for route in subnet.routes:
        if ":" in route.destination or route.target == "local":
            continue
        destination = str(IPv4Network(route.destination, strict=False))
        if (route.target == "internet" and network.internet_gateway) or route.target == "service":
            facts.append(RouteFact(namespace, destination, via=gateway, device=UPLINK, table=table))
        elif route.target == "interface":
            bridge = _bridge_of(network, route.via)
            facts.append(RouteFact(namespace, destination, via=route.via, device=bridge, table=table))
        elif route.target == "peering" and route.via in network.peerings:
            far, _ = _link(FIRST_VPC_LINK + peering_links[route.via])
            facts.append(RouteFact(namespace, destination, via=far, device=device_name("p", route.via), table=table))
        else:
            facts.append(RouteFact(namespace, destination, action="blackhole", table=table))
    return facts


def _service_routes(network: VpcNetwork) -> list[tuple[str, str]]:
    """Which subnet may go to which of AWS's own addresses through a gateway endpoint."""
    return sorted(
        (subnet.cidr, route.destination)
        for subnet in network.subnets
        for route in subnet.routes
        if route.target == "service"
    )


def _borders(network: VpcNetwork) -> list[Border]:
    """Every subnet as network ACLs see it, where any has one."""
    if not any(subnet.acl for subnet in network.subnets):
        return []
    return [
        Border(
            device=device_name("s", subnet.id),
            router=str(IPv4Network(subnet.cidr)[1]),
            nodes=tuple(
                sorted(each for node in network.nodes if node.subnet_id == subnet.id for each in node.addresses)
            ),
            acl=subnet.acl,
        )
        for subnet in network.subnets
    ]


def _peering_link(network: VpcNetwork, peering_id: str, link: int) -> list[Fact]:
    namespace = vpc_namespace(network.id)
    far, near = _link(FIRST_VPC_LINK + link)
    there, here = device_name("p", network.id), device_name("p", peering_id)
    return [
        Veth(peering_id, there, namespace, here),
        Address(peering_id, there, f"{far}/31"),
        Address(namespace, here, f"{near}/31"),
        *(RouteFact(peering_id, cidr, via=near, device=there) for cidr in network.cidrs),
    ]


def _bridge_of(network: VpcNetwork, address: str) -> str:
    """The bridge of the subnet that the address is on."""
    inside = IPv4Address(address)
    return next(device_name("s", each.id) for each in network.subnets if inside in IPv4Network(each.cidr))


def _nat_gateway(network: VpcNetwork, nat: NatGateway, cidr: IPv4Network) -> list[Fact]:
    namespace, name = vpc_namespace(network.id), workload_namespace(nat.id)
    bridge = device_name("s", nat.subnet_id)
    return [
        Namespace(name, (*ROUTER_SYSCTLS, *nat_sysctls(nat))),
        Ruleset(name, nat_rules(nat)),
        Veth(namespace, device_name("w", nat.id), name, "eth0", master=bridge, peer_mac=nat.mac),
        Address(name, "eth0", f"{IPv4Address(nat.address)}/{cidr.prefixlen}"),
        *(Address(name, "eth0", f"{IPv4Address(each)}/32") for each in nat.secondary),
        RouteFact(name, EVERYWHERE, via=str(cidr[1]), device="eth0"),
    ]


def _endpoint_link(network: VpcNetwork, link: EndpointLink, cidr: IPv4Network, links: Mapping[str, int]) -> list[Fact]:
    """The consumer's side of an endpoint to a customer's own service."""
    namespace, name, joined = vpc_namespace(network.id), workload_namespace(link.id), service_side(link.id)
    far, near = _link(FIRST_VPC_LINK + links[endpoint_side(link.id)]) if link.joined else ("", "")
    facts: list[Fact] = [
        Namespace(name, ROUTER_SYSCTLS),
        Ruleset(name, endpoint_rules(link, far)),
        Veth(
            namespace,
            device_name("w", link.id),
            name,
            "eth0",
            master=device_name("s", link.subnet_id),
            peer_mac=link.mac,
        ),
        Address(name, "eth0", f"{IPv4Address(link.address)}/{cidr.prefixlen}"),
        RouteFact(name, EVERYWHERE, via=str(cidr[1]), device="eth0"),
    ]
    if link.joined:
        facts += [
            Veth(joined, INWARD, name, OUTWARD),
            Address(joined, INWARD, f"{far}/31"),
            Address(name, OUTWARD, f"{near}/31"),
        ]
    return facts


def _served(network: VpcNetwork, endpoint: ServedEndpoint, links: Mapping[str, int]) -> list[Fact]:
    """The service's side of such an endpoint."""
    namespace, joined, device = vpc_namespace(network.id), service_side(endpoint.id), device_name("j", endpoint.id)
    far, near = _link(FIRST_VPC_LINK + links[joined])
    return [
        Ruleset(joined, service_rules(endpoint.node)),
        Veth(joined, NODES, namespace, device),
        Address(joined, NODES, f"{far}/31"),
        Address(namespace, device, f"{near}/31"),
        RouteFact(joined, EVERYWHERE, via=near, device=NODES),
    ]


def _workload(network: VpcNetwork, workload: Workload, cidr: IPv4Network, resolver: str) -> list[Fact]:
    namespace, name = vpc_namespace(network.id), workload_namespace(workload.id)
    bridge = device_name("s", workload.subnet_id)
    own = (workload.address, *workload.secondary)
    rules = workload_rules(
        workload.firewall, resolver, own, forwards=not workload.source_dest_check, bridged=workload.bridged,
        silent=workload.silent,
    )  # fmt: skip
    return [
        Namespace(name, HOST_SYSCTLS),
        Resolver(name, resolv_conf(*network.resolver.name_servers, search=network.resolver.search)),
        Ruleset(name, rules),
        Veth(namespace, device_name("w", workload.id), name, "eth0", master=bridge, peer_mac=workload.mac),
        Address(name, "eth0", f"{IPv4Address(workload.address)}/{cidr.prefixlen}"),
        # Of length 32, so that the primary address is the one that programs come from.
        *(Address(name, "eth0", f"{IPv4Address(each)}/32") for each in workload.secondary),
        RouteFact(name, EVERYWHERE, via=str(cidr[1]), device="eth0"),
    ]


def _node_addresses(network: VpcNetwork) -> list[str]:
    return sorted({str(IPv4Address(each)) for node in network.nodes for each in node.addresses})


def flow_mark(subnet_cidr: str) -> int:
    """The mark by which packets of balanced flows take the routes of a node's subnet, wherever their target is."""
    return FLOW_MARK | subnet_table(IPv4Network(subnet_cidr))


def subnet_table(cidr: IPv4Network) -> int:
    """A routing table's number for a subnet: CIDRs do not overlap within a VPC, so its first address tells it."""
    return _FIRST_SUBNET_TABLE + (int(cidr.network_address) >> 4)


def checkers_device(region: str) -> str:
    """The internet's link to a region's health checkers."""
    return f"checkers{addresses.CHECKER_REGIONS.index(region)}"


def region_device(index: int) -> str:
    """The internet's link to a region."""
    return f"region{index}"


def place_device(index: int) -> str:
    """The internet's link to a client place."""
    return f"place{index}"


def leaf(namespace: str, device: str, network: IPv4Network, address: str) -> list[Fact]:
    """The one link of a namespace that hangs on the internet, and its way out."""
    router = str(network[1])
    return [
        Veth(INTERNET, device, namespace, "eth0"),
        Address(INTERNET, device, f"{router}/{network.prefixlen}"),
        Address(namespace, "eth0", f"{address}/{network.prefixlen}"),
        RouteFact(namespace, EVERYWHERE, via=router, device="eth0"),
    ]


LINKS = IPv4Network("198.18.16.0/20")
"""The addresses of links between namespaces, which are nobody's own."""
FIRST_REGION_LINK = 64
FIRST_VPC_LINK = 128
vpc_link_count = LINKS.num_addresses // 2 - FIRST_VPC_LINK


def region_link(index: int) -> tuple[str, str]:
    """The two addresses of a region's link to the internet: the internet's end first."""
    return _link(FIRST_REGION_LINK + index)


def _link(number: int) -> tuple[str, str]:
    """The two addresses of a link: the end nearer to the internet first."""
    if not 0 <= number < LINKS.num_addresses // 2:
        raise ValueError(f"the address plan has room for {vpc_link_count} VPCs")
    return str(LINKS[2 * number]), str(LINKS[2 * number + 1])


def _mac(identity: str) -> str:
    """A locally administered address, as EC2 gives them (0a, 0e or 12 first)."""
    digits = blake2b(identity.encode(), digest_size=5).hexdigest()
    return "0e:" + ":".join(digits[place : place + 2] for place in range(0, 10, 2))
