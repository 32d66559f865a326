"""Routing policies: which of the record sets of a name answer. Pure: the record sets, who asks, health and chance
decide.

The rules are the developer guide's, "Choosing a routing policy" and "How Route 53 chooses records when health checking
is configured": each policy puts the record sets that may answer in an order, the first healthy one is taken, and where
none is healthy, all count as healthy. Refuses to know how healthy a record set is (a callable says) and what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import NamedTuple, Protocol, TypeVar

from kunren.dataplane.dns.geography import EVERYWHERE, NOWHERE, Location
from kunren.dataplane.dns.zones import Option, Routed, Zones
from kunren.world.geography import distance_km

T = TypeVar("T")
WEIGHTED, LATENCY, FAILOVER, GEOLOCATION = "weighted", "latency", "failover", "geolocation"
GEOPROXIMITY, MULTIVALUE, IP_BASED, AZ_AFFINITY = "geoproximity", "multivalue answer", "IP-based", "AZ affinity"
POLICIES = (WEIGHTED, LATENCY, FAILOVER, GEOLOCATION, GEOPROXIMITY, MULTIVALUE, IP_BASED, AZ_AFFINITY)
BY_CLIENT = frozenset((LATENCY, GEOLOCATION, GEOPROXIMITY, IP_BASED, AZ_AFFINITY))
"""Policies whose choice depends on where the client is."""
MULTIVALUE_ANSWERS_MAX = 8
GLOBAL = ("Global", "global")
_KINDS = ("AvailabilityZone", "AvailabilityZoneGroup", "Region", "Partition", "Global")

FIRST = "the first choice, and healthy"
NEXT = "the first choice that is healthy"
DRAWN = "drawn by weight"
ZEROS = "no record of weight is healthy, so those of weight zero serve"
ALL_ZERO = "all weights are zero, so each is as likely"
HEALTHY = "all that are healthy, eight at most"
NONE_HEALTHY = "none is healthy, so all count as healthy"
NO_MATCH = "no record is for this client"


class Chance(Protocol):
    """The part of `Entropy` that answers need."""

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T: ...
    def choice(self, options: Sequence[T]) -> T: ...
    def shuffled(self, options: Sequence[T]) -> list[T]: ...
    def sample(self, options: Sequence[T], count: int) -> list[T]: ...


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: the resolver's address, the client subnet it sent along, if any, and where that is. `affinity`: the
    locations of Availability Zones that the question came from, the most specific first."""

    address: str = ""
    subnet: str | None = None
    location: Location = NOWHERE
    affinity: tuple[tuple[str, str], ...] = (GLOBAL,)


class Chosen(NamedTuple):
    """The record sets that answer (none, one, or several of a multivalue answer), and why."""

    options: tuple[Option, ...]
    because: str


def choose(routed: Routed, client: Client, zones: Zones, healthy: Callable[[Option], bool], chance: Chance) -> Chosen:
    """The choice of a routing policy."""
    if routed.policy == WEIGHTED:
        return _weighted(routed.options, healthy, chance)
    if routed.policy == MULTIVALUE:
        return _multivalue(routed.options, healthy, chance)
    order = in_order(routed, client, zones)
    if not order:
        return Chosen((), NO_MATCH)
    for position, option in enumerate(order):
        if healthy(option):
            return Chosen((option,), NEXT if position else FIRST)
    return Chosen((order[0],), NONE_HEALTHY)


def in_order(routed: Routed, client: Client, zones: Zones) -> Sequence[Option]:
    """The record sets that may answer the client, the best first, by a policy without chance."""
    return _ORDERS[routed.policy](routed.options, client, zones)


def _weighted(options: tuple[Option, ...], healthy: Callable[[Option], bool], chance: Chance) -> Chosen:
    """Zero weights wait until no record of weight is healthy (developer guide, "Configuring active-passive
    failover")."""
    heavy = [each for each in options if each.weight]
    able = [each for each in heavy if healthy(each)]
    if able:
        return Chosen((_drawn(able, chance),), DRAWN)
    able = [each for each in options if not each.weight and healthy(each)]
    if able:
        return Chosen((chance.choice(able) if len(able) > 1 else able[0],), ZEROS if heavy else ALL_ZERO)
    return Chosen((_drawn(heavy, chance) if heavy else chance.choice(options),), NONE_HEALTHY)


def _drawn(options: list[Option], chance: Chance) -> Option:
    if len(options) == 1:
        return options[0]
    return chance.weighted(options, [float(each.weight) for each in options])


def _multivalue(options: tuple[Option, ...], healthy: Callable[[Option], bool], chance: Chance) -> Chosen:
    able = [each for each in options if healthy(each)]
    taken, because = (able, HEALTHY) if able else (list(options), NONE_HEALTHY)
    if len(taken) > MULTIVALUE_ANSWERS_MAX:
        taken = chance.sample(taken, MULTIVALUE_ANSWERS_MAX)
    return Chosen(tuple(taken), because)


def _by_latency(options: tuple[Option, ...], client: Client, zones: Zones) -> Sequence[Option]:
    return sorted(options, key=lambda each: (latency_ms(each, client), each.region))


def latency_ms(option: Option, client: Client) -> float:
    """The round trip between the client and the record's region, as far as known."""
    return client.location.latency_ms.get(option.region, float("inf"))


def _by_role(options: tuple[Option, ...], client: Client, zones: Zones) -> Sequence[Option]:
    return sorted(options, key=lambda each: each.role)  # PRIMARY before SECONDARY


def _by_area(options: tuple[Option, ...], client: Client, zones: Zones) -> Sequence[Option]:
    """The smallest area that the client is in first, then what is around it."""
    found = {each.area: each for each in options}
    return [found[each] for each in client.location.areas if each in found]


def _by_distance(options: tuple[Option, ...], client: Client, zones: Zones) -> Sequence[Option]:
    return sorted(options, key=lambda each: (biased_km(each, client), each.identifier))


def biased_km(option: Option, client: Client) -> float:
    """The distance that geoproximity compares: a bias above zero draws the resource nearer, one below pushes it
    away."""
    assert option.position is not None
    straight = distance_km((client.location.latitude, client.location.longitude), option.position)
    return straight * (1 - option.bias / 100) if option.bias >= 0 else straight / (1 + option.bias / 100)


def _by_block(options: tuple[Option, ...], client: Client, zones: Zones) -> Sequence[Option]:
    """The location with the longest block around the client first, the default last."""
    found = {each.blocks[1]: each for each in options if each.blocks is not None}
    order: dict[str, Option] = {}
    collection = next((each.blocks[0] for each in options if each.blocks is not None), "")
    try:
        network = ip_network(client.subnet or client.address, strict=False)
    except ValueError:
        pass
    else:
        for location, _ in zones.collection(collection).matching(network):
            if location in found:
                order.setdefault(location, found[location])
    if EVERYWHERE in found:
        order[EVERYWHERE] = found[EVERYWHERE]
    return list(order.values())


def _by_affinity(options: tuple[Option, ...], client: Client, zones: Zones) -> Sequence[Option]:
    able = [each for each in options if each.affinity in client.affinity]
    return sorted(able, key=lambda each: _KINDS.index((each.affinity or GLOBAL)[0]))


_ORDERS: dict[str, Callable[[tuple[Option, ...], Client, Zones], Sequence[Option]]] = {
    LATENCY: _by_latency,
    FAILOVER: _by_role,
    GEOLOCATION: _by_area,
    GEOPROXIMITY: _by_distance,
    IP_BASED: _by_block,
    AZ_AFFINITY: _by_affinity,
}


def merit(policy: str, option: Option, client: Client) -> str:
    """What a policy sees in a record set, in words."""
    if policy == WEIGHTED:
        return f"weight {option.weight}"
    if policy == LATENCY:
        return f"{option.region}, {latency_ms(option, client):.0f} ms from {client.location.name}"
    if policy == FAILOVER:
        return option.role.lower()
    if policy == GEOLOCATION:
        return option.area if option.area != EVERYWHERE else "everywhere else (*)"
    if policy == GEOPROXIMITY:
        bias = f" with bias {option.bias}" if option.bias else ""
        return f"{biased_km(option, client):.0f} km from {client.location.name}{bias}"
    if policy == IP_BASED and option.blocks is not None:
        return f"CIDR location {option.blocks[1]}"
    if policy == AZ_AFFINITY and option.affinity is not None:
        return " ".join(option.affinity)
    return ""
