from __future__ import annotations

import pytest

from kunren.dataplane.dns.geography import Geography, area
from kunren.world.geography import distance_km
from kunren.world.worldfile import DEFAULT_WORLD, parse_world

GEOGRAPHY = Geography(DEFAULT_WORLD)
LONDON, NEW_YORK = (51.51, -0.13), (40.71, -74.01)


def test_distances_are_those_on_the_globe() -> None:
    assert 5560 < distance_km(LONDON, NEW_YORK) < 5580
    assert distance_km(LONDON, LONDON) == 0.0
    assert 20000 < distance_km((0, 0), (0, 180)) < 20020


def test_addresses_of_the_world_are_in_their_places_and_regions() -> None:
    assert GEOGRAPHY.of("198.18.65.10").name == "tokyo"
    assert GEOGRAPHY.of("198.18.65.0/24").areas == ("country JP", "continent AS", "*")
    assert GEOGRAPHY.of("198.18.129.1").name == "tokyo", "an edge location is in its place"
    assert GEOGRAPHY.of("198.19.0.20").name == "us-east-1"
    assert GEOGRAPHY.of("198.19.0.20").areas == ("subdivision US-VA", "country US", "continent NA", "*")


def test_other_addresses_are_nowhere_and_as_far_as_the_default_place() -> None:
    for address in ("203.0.113.7", "198.18.0.2", "2001:db8::1", "", "nonsense"):
        location = GEOGRAPHY.of(address)
        assert (location.name, location.areas) == ("nowhere", ("*",))
        assert location.latency_ms == GEOGRAPHY.place("virginia").latency_ms


def test_the_nearest_region_has_the_least_latency() -> None:
    for place, region in (("tokyo", "ap-northeast-1"), ("madrid", "eu-south-2"), ("auckland", "ap-southeast-6")):
        latencies = GEOGRAPHY.place(place).latency_ms
        assert min(latencies, key=lambda each: latencies[each]) == region


@pytest.mark.parametrize(
    ("place", "region", "low", "high"),
    [
        ("tokyo", "us-east-1", 140, 170),
        ("tokyo", "eu-west-1", 200, 240),
        ("london", "us-east-1", 75, 95),
        ("singapore", "eu-west-2", 145, 185),
        ("capetown", "sa-east-1", 200, 350),
    ],
)
def test_latencies_are_about_those_that_are_measured(place: str, region: str, low: int, high: int) -> None:
    assert low < GEOGRAPHY.place(place).latency_ms[region] < high


def test_a_world_file_states_latencies_and_further_networks() -> None:
    world = parse_world(
        "places: [{name: kyoto, latitude: 35.01, longitude: 135.77, country: JP, continent: AS,"
        ' networks: ["203.0.113.0/24", "2001:db8::/48"]}]\n'
        "latencies_ms: {kyoto: {us-east-1: 7.5}}\n"
    )
    geography = Geography(world)
    for address in ("203.0.113.9", "2001:db8::9"):
        assert geography.of(address).name == "kyoto"
    assert geography.place("kyoto").latency_ms["us-east-1"] == 7.5
    assert geography.place("kyoto").latency_ms["ap-northeast-3"] < 2.0


def test_areas_are_told_apart_by_kind() -> None:
    assert area("AF", None) != area(None, "AF"), "Africa is not Afghanistan"
    assert area(None, "US", "WA") == "subdivision US-WA"
    assert area(None, "*") == "*"
