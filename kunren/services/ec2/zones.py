"""Availability Zones of a region, as the world describes it: names, ids, geography. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kunren.world.spec import Region, WorldSpec

_DIRECTIONS = re.compile("north|south|east|west|central")


@dataclass(frozen=True, slots=True)
class Zone:
    """`name` as in us-east-1a, `id` as in use1-az1."""

    name: str
    id: str
    region: str


def region_code(region: str) -> str:
    """The short form that zone ids begin with: us-east-1 is use1, ap-northeast-1 is apne1, us-gov-west-1 is usgw1."""
    area, *middle, number = region.split("-")
    return area + "".join(_initials(each) for each in middle) + number


def _initials(word: str) -> str:
    return "".join(each[0] for each in _DIRECTIONS.findall(word)) or word[0]


def zones_of(region: Region) -> tuple[Zone, ...]:
    """All zones of the region, in order of their letters."""
    code = region_code(region.name)
    return tuple(
        Zone(f"{region.name}{letter}", f"{code}-az{number}", region.name)
        for number, letter in enumerate(region.zones, start=1)
    )


def region_index(spec: WorldSpec, region: str) -> int:
    """Where the region stands in the world's address plan. Raises ValueError where the world has no such region."""
    for index, each in enumerate(spec.regions):
        if each.name == region:
            return index
    raise ValueError(f"the world has no region {region}")
