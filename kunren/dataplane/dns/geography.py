"""Where the clients of DNS are: address → place or region, how far from what, and which areas it lies in.

A pure reading of the world's description. Route 53 works with tables of measured latencies and of where addresses are
used; here latency follows from the distance on the globe (light in glass, on paths longer than the straight one) unless
the world file states it, and addresses are where the address plan has them. Addresses that nobody has in this world are
nowhere: they get the default record of a geolocation, and count as the world's default place where a distance is
needed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from kunren.dataplane.dns import positions
from kunren.dataplane.dns.blocks import Blocks
from kunren.world import addresses, addresses6
from kunren.world.geography import distance_km, round_trip_ms
from kunren.world.spec import Place, WorldSpec

EVERYWHERE = "*"
ADDRESSES_KNOWN_MAX = 8192
_NETWORKS_OF_PLACES = (
    addresses.place_network, addresses.edge_network, addresses6.place_network, addresses6.edge_network,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Location:
    """Where a client is. `areas` are the geographic locations it lies in, as `area` writes them, the smallest first,
    `EVERYWHERE` last."""

    name: str = "nowhere"
    latitude: float = 0.0
    longitude: float = 0.0
    areas: tuple[str, ...] = (EVERYWHERE,)
    latency_ms: Mapping[str, float] = field(default_factory=dict, compare=False)


NOWHERE = Location()


def area(continent: str | None, country: str | None, subdivision: str | None = None) -> str:
    """One geographic location as a word: `continent EU`, `country US`, `subdivision US-WA`, or `*`."""
    if country == EVERYWHERE:
        return EVERYWHERE
    if subdivision:
        return f"subdivision {country}-{subdivision}"
    return f"country {country}" if country else f"continent {continent}"


class Geography:
    """The places and regions of one world, as DNS sees them."""

    def __init__(self, spec: WorldSpec) -> None:
        self._spec = spec
        self.regions = {**positions.REGIONS, **{each.name: (each.latitude, each.longitude) for each in spec.regions}}
        """Region code → position."""
        blocks: dict[str, Location] = {}
        self._places = {each.name: self._place(each) for each in spec.places}
        self._regions = {each.name: self._region(each.name) for each in spec.regions}
        for index, place in enumerate(spec.places):
            own = (each(index) for each in _NETWORKS_OF_PLACES)
            for block in (*map(str, own), *place.networks):
                blocks[block] = self._places[place.name]
        for index, region in enumerate(spec.regions):
            for network in (addresses.region_network(index), addresses6.region_network(index)):
                blocks[str(network)] = self._regions[region.name]
            if region.name in addresses.CHECKER_REGIONS:
                blocks[str(addresses.checker_network(region.name))] = self._regions[region.name]
        self._blocks = Blocks.build(blocks)
        default = self._places.get(spec.default_place)
        self.nowhere = (
            Location("nowhere", default.latitude, default.longitude, (EVERYWHERE,), default.latency_ms)
            if default is not None
            else NOWHERE
        )
        self.of = functools.lru_cache(maxsize=ADDRESSES_KNOWN_MAX)(self._of)

    def _of(self, address: str) -> Location:
        """The location of an address or a block (`198.18.65.10`, `198.18.65.0/24`)."""
        try:
            network = ip_network(address, strict=False)
        except ValueError:
            return self.nowhere
        return next((location for location, _ in self._blocks.matching(network)), self.nowhere)

    def place(self, name: str) -> Location:
        return self._places.get(name, self.nowhere)

    def region(self, name: str) -> Location:
        return self._regions.get(name, self.nowhere)

    def position(self, region: str) -> tuple[float, float] | None:
        return self.regions.get(region)

    def _place(self, place: Place) -> Location:
        return self._location(place.name, (place.latitude, place.longitude), _areas(place))

    def _region(self, name: str) -> Location:
        """A region lies in the country of the place next to it."""
        position = self.regions[name]
        near = min(
            self._spec.places,
            key=lambda each: distance_km(position, (each.latitude, each.longitude)),
            default=None,
        )
        return self._location(name, position, _areas(near) if near is not None else (EVERYWHERE,))

    def _location(self, name: str, position: tuple[float, float], areas: tuple[str, ...]) -> Location:
        stated = self._spec.latencies_ms.get(name, {})
        latency_ms = {
            region: stated.get(region, round_trip_ms(position, other)) for region, other in self.regions.items()
        }
        return Location(name, *position, areas, latency_ms)


def _areas(place: Place) -> tuple[str, ...]:
    smallest = (area(None, place.country, place.subdivision),) if place.subdivision else ()
    return (*smallest, area(None, place.country), area(place.continent, None), EVERYWHERE)
