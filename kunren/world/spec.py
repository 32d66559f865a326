"""The description of a world: its places, regions and edges. `kunren up --world FILE` changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """A city where clients and an edge location can be; `country` and `continent` are codes (JP, AS; US, NA; …),
    `subdivision` that of a state of the United States. `networks` are blocks outside of the world's address plan that
    DNS takes for addresses of this place, where a question names one as its client's subnet."""

    name: str
    latitude: float
    longitude: float
    country: str
    continent: str
    subdivision: str = ""
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """An AWS region: its code, its zones' letters and where it stands."""

    name: str
    zones: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Distance:
    """Links that take time. `jitter` is the most by which a delay is longer, as a share of it; `loss` the share of
    packets that get lost; `rate_mbit` what a site's link carries in each direction (0: all there is)."""

    jitter: float = 0.02
    loss: float = 0.0
    rate_mbit: float = 0.0


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """A whole world. Indices into the tuples are what the address plan counts by, so a world file only appends."""

    places: tuple[Place, ...]
    regions: tuple[Region, ...]
    default_place: str = "virginia"
    latencies_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    """Round trips between places and regions, where they are not what the distance makes them."""
    distance: Distance | None = None
    """How links between sites behave; None: they are as short as this machine's."""

    capacity: Mapping[str, Mapping[str, int]] = field(default_factory=dict, hash=False)
    """Of a zone, how many instances of a type it has room for; where nothing is said, for all there are."""

    ipv6: bool = True
    """Whether there is IPv6 in it: not where this machine's kernel has none."""

    def place(self, name: str) -> Place | None:
        return next((each for each in self.places if each.name == name), None)

    def region(self, name: str) -> Region | None:
        return next((each for each in self.regions if each.name == name), None)
