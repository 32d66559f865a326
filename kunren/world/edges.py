"""Edge locations and the anycast addresses in them, as facts. Pure.

An anycast address is local in every edge location that serves somebody. Which one a packet reaches depends on where it
comes from: the internet has one routing table per edge location (anycast address → that edge), and looks it up by the
interface the packet came in by. An edge may send a flow on under its client's address; the answers then come from the
endpoint and are meant for the client, so the internet remembers from which edge each flow came and leads its answers
back there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kunren.world import addresses, addresses6, backbone, dualstack
from kunren.world.facts import LOOPBACK, Address, Fact, Namespace, Resolver, RouteFact, RuleFact, Ruleset
from kunren.world.geography import nearest_place
from kunren.world.interface import INTERNET, edge_namespace
from kunren.world.layout import (
    ENTRANCE_TABLE,
    EVERYWHERE,
    ROUTER_SYSCTLS,
    checkers_device,
    leaf,
    place_device,
    region_device,
    resolv_conf,
)
from kunren.world.spec import Place, Region, WorldSpec

_MARK = 0x2000_0000
_BACK_TABLE, _ANYCAST_TABLE = 2000, 2100
_BACK_RULE, _ENTRANCE_RULE, _STEERED_RULE, _ANYCAST_RULE = 50, 52, 55, 60
_EDGES_MAX = 64
TCP_IDLE_S, UDP_IDLE_S = 340.0, 30.0  # "Idle timeout in AWS Global Accelerator", AWS time


def edge(spec: WorldSpec, place: Place, wall_seconds: Callable[[float], float] = float) -> list[Fact]:
    """A place's edge location, and the internet's rules about it. `wall_seconds` turns AWS's seconds into real ones."""
    tcp, udp = (str(max(1, round(wall_seconds(each)))) for each in (TCP_IDLE_S, UDP_IDLE_S))
    timers = (("tcp_timeout_established", tcp), ("udp_timeout", udp), ("udp_timeout_stream", udp))
    idle = tuple((f"net/netfilter/nf_conntrack_{name}", each) for name, each in timers)
    far = spec.distance is not None
    index = spec.places.index(place)
    namespace, network, device = edge_namespace(place.name), addresses.edge_network(index), edge_device(index)
    address, address6 = addresses.edge_address(index), addresses6.edge_address(index)
    return [
        # Not by `ct timeout`: what exists loses that when its table changes.
        Namespace(namespace, (*ROUTER_SYSCTLS, *idle, *(backbone.RECEIVER_SYSCTLS if far else ()))),
        Resolver(namespace, resolv_conf(addresses.PUBLIC_RESOLVER)),
        *leaf(namespace, device, network, address),
        *dualstack.leaf(namespace, device, addresses6.edge_network(index), address6),
        RouteFact(INTERNET, EVERYWHERE, via=address, device=device, table=_BACK_TABLE + index),
        RouteFact(INTERNET, addresses6.EVERYWHERE, via=address6, device=device, table=_BACK_TABLE + index),
        *(backbone.edge_end(namespace, str(network[1])) if far else []),
        RuleFact(INTERNET, _ENTRANCE_RULE, interface=device, table=ENTRANCE_TABLE),
        *(
            fact
            for six in (False, True)
            for fact in (
                RuleFact(INTERNET, _BACK_RULE, mark=_MARK | index, table=_BACK_TABLE + index, ipv6=six),
                *(
                    RuleFact(INTERNET, _ANYCAST_RULE, interface=each, table=_ANYCAST_TABLE + index, ipv6=six)
                    for _, each in sources_of(spec, place)
                ),
            )
        ),
    ]


def sources_of(spec: WorldSpec, place: Place) -> list[tuple[Place | Region, str]]:
    """Who is next to a place's edge location, with their links to the internet: places, regions, health checkers."""
    checked_from = [each for each in spec.regions if each.name in addresses.CHECKER_REGIONS]
    links: list[tuple[Place | Region, str]] = [
        *((each, place_device(number)) for number, each in enumerate(spec.places)),
        *((each, region_device(number)) for number, each in enumerate(spec.regions)),
        *((each, checkers_device(each.name)) for each in checked_from),
    ]
    return [(source, device) for source, device in links if nearest_place(spec, source) == place]


def steered(device: str, index: int) -> list[Fact]:
    """Who comes by that link reaches the index-th edge location, wherever it is next to."""
    table = _ANYCAST_TABLE + index
    return [RuleFact(INTERNET, _STEERED_RULE, interface=device, table=table, ipv6=six) for six in (False, True)]


def remembering() -> list[Fact]:
    """The internet's memory of the edge from which a flow came."""
    listed = ", ".join(f'"{edge_device(index)}" : {_MARK | index:#x}' for index in range(_EDGES_MAX))
    text = (
        "table {family} edges {{\n"
        "  chain remember {{\n"
        "    type filter hook prerouting priority -150; policy accept;\n"
        f"    ct state new ct mark set iifname map {{{{ {listed} }}}}\n"
        f"    ct direction reply ct mark & {_MARK:#x} != 0 meta mark set ct mark\n"
        "  }}\n}}\n"
    )
    return [Ruleset(INTERNET, text.format(family=family), "edges", family) for family in ("ip", "ip6")]


def anycast(spec: WorldSpec, own: Sequence[str], tables: Mapping[str, Mapping[str, str]]) -> list[Fact]:
    """The anycast addresses `own` in the edges of the places that `tables` names, each of which holds these texts as
    nft tables of these names. Who is next to no such edge reaches the first."""
    facts: list[Fact] = []
    for number, (name, texts) in enumerate(tables.items()):
        index = next(position for position, each in enumerate(spec.places) if each.name == name)
        namespace, device = edge_namespace(name), edge_device(index)
        facts += [Ruleset(namespace, text, table, text.split()[1]) for table, text in texts.items()]
        for address in own:
            via, block = addresses.edge_address(index), f"{address}/32"
            if ":" in address:
                via, block = addresses6.edge_address(index), f"{address}/128"
            facts.append(Address(namespace, LOOPBACK, block))
            facts.append(RouteFact(INTERNET, block, via=via, device=device, table=_ANYCAST_TABLE + index))
            if number == 0:
                facts.append(RouteFact(INTERNET, block, via=via, device=device))
    return facts


def edge_device(index: int) -> str:
    """The internet's link to an edge location."""
    return f"edge{index}"
