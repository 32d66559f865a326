"""How far apart the world's places and regions are, in kilometres and in time, and which edge location is next to whom.

Pure. Time follows from the way on the globe (light in glass, on paths longer than the straight one) unless the world
file states it.
"""

from __future__ import annotations

import math
from functools import cache

from kunren.world.spec import Place, Region, WorldSpec

EARTH_RADIUS_KM = 6371.0
ROUND_TRIP_MS = 1.0
ROUND_TRIP_MS_PER_KM = 0.014  # about 10 µs per km both ways in glass, on paths 1.4 times the straight one
# Where cables go round: (south, west, north, east) of two areas, and how much longer the way is than the straight one.
# Between East Asia and Europe traffic takes the Suez or the American way, between Africa and South America mostly
# Europe.
_Area = tuple[float, float, float, float]
_EUROPE, _EAST_ASIA = (35.0, -25.0, 72.0, 40.0), (15.0, 100.0, 55.0, 150.0)
_AFRICA, _SOUTH_AMERICA = (-36.0, -20.0, 12.0, 42.0), (-56.0, -82.0, 12.0, -34.0)
DETOURS: tuple[tuple[_Area, _Area, float], ...] = ((_EUROPE, _EAST_ASIA, 1.6), (_AFRICA, _SOUTH_AMERICA, 2.5))


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Along the globe, between positions in degrees (haversine)."""
    (north, east), (north2, east2) = one, other
    a, b = math.radians(north), math.radians(north2)
    chord = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(east2 - east) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def round_trip_ms(one: tuple[float, float], other: tuple[float, float]) -> float:
    """What a round trip takes on today's cables, as far as positions tell."""
    detour = max(
        (
            factor
            for a, b, factor in DETOURS
            if (_lies(one, a) and _lies(other, b)) or (_lies(one, b) and _lies(other, a))
        ),
        default=1.0,
    )
    return ROUND_TRIP_MS + ROUND_TRIP_MS_PER_KM * distance_km(one, other) * detour


def position(site: Place | Region) -> tuple[float, float]:
    return site.latitude, site.longitude


def between_ms(spec: WorldSpec, one: Place | Region, other: Place | Region) -> float:
    """A round trip between two sites: as the world file states it for either direction, else as positions tell."""
    for near, far in ((one, other), (other, one)):
        stated = spec.latencies_ms.get(near.name, {}).get(far.name)
        if stated is not None:
            return stated
    return round_trip_ms(position(one), position(other))


@cache
def nearest_place(spec: WorldSpec, source: Place | Region, but: frozenset[str] = frozenset()) -> Place:
    """The place whose edge location a source's packets reach first; every place has one. Those named in `but` come
    last."""
    places = spec.places
    return min(places, key=lambda place: (place.name in but, between_ms(spec, place, source), places.index(place)))


def _lies(position: tuple[float, float], area: _Area) -> bool:
    south, west, north, east = area
    return south <= position[0] <= north and west <= position[1] <= east
