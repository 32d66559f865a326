"""How far apart the world's places and regions are, and which edge location is next to whom. Pure."""

from __future__ import annotations

from functools import cache
from math import asin, cos, radians, sin, sqrt

from kunren.world.spec import Place, Region, WorldSpec

_EARTH_RADIUS_KM = 6371.0


def distance_km(one: Place | Region, other: Place | Region) -> float:
    """Along the great circle (haversine)."""
    lat1, lon1, lat2, lon2 = map(radians, (one.latitude, one.longitude, other.latitude, other.longitude))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, sqrt(half)))


@cache
def nearest_place(spec: WorldSpec, source: Place | Region) -> Place:
    """The place whose edge location a source's packets reach first; every place has one."""
    return min(spec.places, key=lambda place: (distance_km(place, source), spec.places.index(place)))
