"""What edge locations and regions need where edges end TCP and carry it to the regions: AWS's own network. Pure.

A region's router speaks to endpoints as their clients, whose answers are for its own sockets, and finds entrances
itself. Between the two ends, much may be under way from the start ("How AWS Global Accelerator works").
"""

from __future__ import annotations

from kunren.world import addresses, nft
from kunren.world.facts import LOOPBACK, Fact, RouteFact, RuleFact, Ruleset
from kunren.world.firewall import LOCAL_FLOW_MARK, UPLINK
from kunren.world.interface import region_namespace
from kunren.world.layout import ENTRANCE_RULE, ENTRANCE_TABLE, EVERYWHERE, LOCAL_FLOW_TABLE, region_link

WINDOW = 1024
RECEIVER_SYSCTLS = (("net/ipv4/tcp_rmem", "4096 8388608 16777216"),)
_CARRIED_RULE = 50


def region_end(name: str, index: int) -> list[Fact]:
    """In a region's router."""
    namespace = region_namespace(name)
    known = f"meta l4proto tcp socket transparent 1 meta mark set {LOCAL_FLOW_MARK:#x}"
    text = nft.chain("known", "filter", "prerouting", "mangle", "accept", [known])
    outer, _ = region_link(index)
    return [
        Ruleset(namespace, f"table ip carried {{\n{text}}}\n", "carried"),
        RuleFact(namespace, _CARRIED_RULE, mark=LOCAL_FLOW_MARK, table=LOCAL_FLOW_TABLE),
        RouteFact(namespace, EVERYWHERE, action="local", device=LOOPBACK, table=LOCAL_FLOW_TABLE),
        RuleFact(namespace, ENTRANCE_RULE, interface=LOOPBACK, table=ENTRANCE_TABLE),
        RouteFact(namespace, str(addresses.EDGES), via=outer, device=UPLINK, window=WINDOW),
    ]


def edge_end(namespace: str, router: str) -> list[Fact]:
    """In an edge location; `router` is its way out."""
    return [RouteFact(namespace, str(addresses.REGIONS), via=router, device="eth0", window=WINDOW)]
