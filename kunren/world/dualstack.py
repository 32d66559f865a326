"""The parts of the world with both families: what `layout` makes, and the addresses, routes and rules of IPv6. Pure.

The same namespaces and links carry it; a kernel without IPv6 gets none of this (`facts.is_ipv6`). A device has IPv6
from its first address on, so a VPC without an IPv6 block has none anywhere.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from kunren.world import addresses6, layout
from kunren.world.addresses6 import EVERYWHERE
from kunren.world.facts import LOOPBACK, Address, Fact, RouteFact
from kunren.world.firewall import UPLINK
from kunren.world.interface import INTERNET, TRANSIT, checkers_namespace, place_namespace, region_namespace
from kunren.world.layout import FIRST_REGION_LINK, checkers_device, place_device, region_device


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
