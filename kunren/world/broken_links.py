"""What is lost on purpose between the sites of the world: one nft table of the internet's namespace. Pure.

A site's link is a device of the internet's, whether it exists yet or not, so a fault may come before its place. An
edge location that is cut off altogether is no longer announced (as its routers' BGP sessions end): who was next to it
reaches the next one instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from kunren.world import addresses, addresses6, nft
from kunren.world.broken import BROKEN, dropped, table
from kunren.world.edges import edge_device, sources_of, steered
from kunren.world.facts import Fact, Ruleset
from kunren.world.geography import nearest_place
from kunren.world.interface import INTERNET
from kunren.world.layout import checkers_device, place_device, region_device
from kunren.world.spec import WorldSpec


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """A site that loses `loss` (0 to 1) of its packets: `kind` is "place", "edge" or "region"; or "link": what goes
    between two sites, places or regions, by their names. Packets take `delay_ms` longer each way."""

    kind: str
    site: str
    other: str = ""
    loss: float = 1.0
    delay_ms: float = 0.0


def dark_edges(broken: Iterable[BrokenLink]) -> frozenset[str]:
    """The places whose edge locations are cut off."""
    return frozenset(each.site for each in broken if each.kind == "edge" and each.loss >= 1)


def broken_links(spec: WorldSpec, broken: Sequence[BrokenLink]) -> list[Fact]:
    """Raises ValueError for a site that the world has not."""
    losing = [each for each in broken if each.loss]
    if not losing:
        return []
    tables = [Ruleset(INTERNET, _table(spec, losing, family), BROKEN, family) for family in ("ip", "ip6")]
    return [*tables, *_steered(spec, dark_edges(broken))]


def _table(spec: WorldSpec, losing: Iterable[BrokenLink], ip: str) -> str:
    arriving: list[str] = []
    leaving: list[str] = []
    for each in losing:
        if each.kind == "link":
            one, other = (
                nft.among([str(part) for part in _blocks(spec, site, ip)]) for site in (each.site, each.other)
            )
            ways = ((one, other), (other, one))
            arriving += [f"{ip} saddr {a} {ip} daddr {b} {dropped(each.loss)}" for a, b in ways]
        else:
            devices = nft.among([f'"{device}"' for device in _devices(spec, each)])
            arriving.append(f"iifname {devices} {dropped(each.loss)}")
            leaving.append(f"oifname {devices} {dropped(each.loss)}")
    return table(
        nft.chain("arriving", "filter", "prerouting", "-400", "accept", arriving),
        nft.chain("leaving", "filter", "postrouting", "400", "accept", leaving),
        family=ip,
    )


def _steered(spec: WorldSpec, dark: frozenset[str]) -> list[Fact]:
    """The ways of those who were next to an edge location that is cut off."""
    facts: list[Fact] = []
    for place in spec.places:
        if place.name in dark:
            for source, device in sources_of(spec, place):
                then = nearest_place(spec, source, dark)
                if then.name not in dark:
                    facts += steered(device, spec.places.index(then))
    return facts


def _devices(spec: WorldSpec, broken: BrokenLink) -> list[str]:
    if broken.kind == "region":
        own = [region_device(_region(spec, broken.site))]
        return [*own, checkers_device(broken.site)] if broken.site in addresses.CHECKER_REGIONS else own
    index = _place(spec, broken.site)
    return [edge_device(index) if broken.kind == "edge" else place_device(index)]


def _blocks(spec: WorldSpec, site: str, ip: str) -> list[IPv4Network | IPv6Network]:
    plan = addresses if ip == "ip" else addresses6
    if spec.region(site) is not None:
        own: list[IPv4Network | IPv6Network] = [plan.region_network(_region(spec, site))]
        return own if plan is addresses6 else [*own, addresses.entrance_network(_region(spec, site))]
    return [plan.place_network(_place(spec, site)), plan.edge_network(_place(spec, site))]


def _region(spec: WorldSpec, name: str) -> int:
    return [each.name for each in spec.regions].index(name)


def _place(spec: WorldSpec, name: str) -> int:
    return [each.name for each in spec.places].index(name)
