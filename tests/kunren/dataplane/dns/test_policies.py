"""AWS's documented rules for each routing policy, by example and by property."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.entropy import Entropy
from kunren.dataplane.dns import policies
from kunren.dataplane.dns.geography import Geography, area
from kunren.dataplane.dns.policies import Client, choose
from kunren.dataplane.dns.zones import Option, Records, Routed, Zones
from kunren.world.worldfile import DEFAULT_WORLD

GEOGRAPHY = Geography(DEFAULT_WORLD)
RECORDS = Records(60, (b"\x0a\0\0\1",))
Health = Callable[[Option], bool]


def client(place: str) -> Client:
    return Client(location=GEOGRAPHY.place(place))


def everybody(option: Option) -> bool:
    return True


def nobody(option: Option) -> bool:
    return False


def all_but(*identifiers: str) -> Health:
    return lambda option: option.identifier not in identifiers


def chosen(
    policy: str, options: list[Option], who: Client = Client(), healthy: Health = everybody, seed: int = 1
) -> list[str]:
    found = choose(Routed(policy, tuple(options)), who, Zones(), healthy, Entropy(seed))
    return [each.identifier for each in found.options]


def drawn(options: list[Option], healthy: Health = everybody, count: int = 2000) -> Counter[str]:
    chance, routed = Entropy(3), Routed(policies.WEIGHTED, tuple(options))
    return Counter(choose(routed, Client(), Zones(), healthy, chance).options[0].identifier for _ in range(count))


def weights(**by_name: int) -> list[Option]:
    return [Option(RECORDS, name, weight=weight) for name, weight in by_name.items()]


# -- weighted ----------------------------------------------------------------------------------------------------------


def test_weights_share_the_answers() -> None:
    found = drawn(weights(a=1, b=3, c=0))
    assert 420 < found["a"] < 580 and found["c"] == 0


def test_an_unhealthy_record_leaves_its_share_to_the_others() -> None:
    found = drawn(weights(a=1, b=3, c=1), all_but("b"))
    assert set(found) == {"a", "c"} and 900 < found["a"] < 1100


def test_zero_weights_serve_only_when_every_record_of_weight_is_unhealthy() -> None:
    options = weights(a=1, b=1, standby=0, last=0)
    assert set(drawn(options, all_but("a"))) == {"b"}
    assert set(drawn(options, all_but("a", "b"))) == {"standby", "last"}
    assert set(drawn(options, all_but("a", "b", "last"))) == {"standby"}


def test_when_nobody_is_healthy_all_count_as_healthy_and_a_zero_is_still_a_zero() -> None:
    found = drawn(weights(a=1, b=3, c=0), nobody)
    assert 420 < found["a"] < 580 and found["c"] == 0


def test_all_zero_means_each_is_as_likely() -> None:
    for healthy in (everybody, nobody):
        assert 900 < drawn(weights(a=0, b=0), healthy)["a"] < 1100


# -- latency -----------------------------------------------------------------------------------------------------------

REGIONS = [Option(RECORDS, each, region=each) for each in ("us-east-1", "eu-west-1", "ap-northeast-1")]


@pytest.mark.parametrize(
    ("place", "region"),
    [("tokyo", "ap-northeast-1"), ("sydney", "ap-northeast-1"), ("london", "eu-west-1"), ("saopaulo", "us-east-1")],
)
def test_latency_takes_the_region_nearest_to_the_client(place: str, region: str) -> None:
    assert chosen(policies.LATENCY, REGIONS, client(place)) == [region]


def test_latency_goes_to_the_next_best_region_while_the_best_is_unhealthy() -> None:
    who = client("london")
    assert chosen(policies.LATENCY, REGIONS, who, all_but("eu-west-1")) == ["us-east-1"]
    assert chosen(policies.LATENCY, REGIONS, who, all_but("eu-west-1", "us-east-1")) == ["ap-northeast-1"]
    assert chosen(policies.LATENCY, REGIONS, who, nobody) == ["eu-west-1"]


# -- failover ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unhealthy", "answer"),
    [((), "p"), (("s",), "p"), (("p",), "s"), (("p", "s"), "p")],
    ids=["both healthy", "secondary down", "primary down", "both down"],
)
def test_failover_is_the_guides_table(unhealthy: tuple[str, ...], answer: str) -> None:
    options = [Option(RECORDS, "s", role="SECONDARY"), Option(RECORDS, "p", role="PRIMARY")]
    assert chosen(policies.FAILOVER, options, healthy=all_but(*unhealthy)) == [answer]


# -- geolocation -------------------------------------------------------------------------------------------------------


def areas(*given: tuple[str | None, str | None, str | None]) -> list[Option]:
    return [Option(RECORDS, area(*each), area=area(*each)) for each in given]


STATE, COUNTRY, CONTINENT, DEFAULT = (None, "US", "OR"), (None, "US", None), ("NA", None, None), (None, "*", None)


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("oregon", "subdivision US-OR"),
        ("virginia", "country US"),
        ("montreal", "continent NA"),
        ("tokyo", "*"),
        ("nowhere", "*"),
    ],
)
def test_geolocation_takes_the_smallest_area_that_holds_the_client(place: str, answer: str) -> None:
    assert chosen(policies.GEOLOCATION, areas(STATE, COUNTRY, CONTINENT, DEFAULT), client(place)) == [answer]


def test_geolocation_without_a_default_has_no_answer_for_others() -> None:
    assert chosen(policies.GEOLOCATION, areas(STATE, COUNTRY, CONTINENT), client("tokyo")) == []


def test_geolocation_goes_to_the_next_larger_area_while_one_is_unhealthy() -> None:
    """The example of HealthCheckId in the API reference: state, country, continent, default."""
    options, who = areas(STATE, COUNTRY, CONTINENT, DEFAULT), client("oregon")
    assert chosen(policies.GEOLOCATION, options, who, all_but("subdivision US-OR")) == ["country US"]
    assert chosen(policies.GEOLOCATION, options, who, all_but("subdivision US-OR", "country US")) == ["continent NA"]
    assert chosen(policies.GEOLOCATION, options, who, lambda each: each.area == "*") == ["*"]
    assert chosen(policies.GEOLOCATION, options, who, nobody) == ["subdivision US-OR"]


# -- geoproximity ------------------------------------------------------------------------------------------------------


def near(name: str, place: str, bias: int = 0) -> Option:
    location = GEOGRAPHY.place(place)
    return Option(RECORDS, name, position=(location.latitude, location.longitude), bias=bias)


def test_geoproximity_takes_the_nearest_resource_and_a_bias_moves_the_border() -> None:
    who = client("dallas")  # 1,900 km to Virginia, 2,500 km to Oregon
    assert chosen(policies.GEOPROXIMITY, [near("e", "virginia"), near("w", "oregon")], who) == ["e"]
    assert chosen(policies.GEOPROXIMITY, [near("e", "virginia"), near("w", "oregon", 50)], who) == ["w"]
    assert chosen(policies.GEOPROXIMITY, [near("e", "virginia", -60), near("w", "oregon")], who) == ["w"]
    assert chosen(policies.GEOPROXIMITY, [near("e", "virginia"), near("w", "oregon")], who, all_but("e")) == ["w"]


@given(st.integers(-99, 98), st.sampled_from([each.name for each in DEFAULT_WORLD.places]))
def test_a_larger_bias_never_makes_a_resource_farther(bias: int, place: str) -> None:
    who = client(place)
    smaller, larger = near("x", "sydney", bias), near("x", "sydney", bias + 1)
    assert policies.biased_km(larger, who) <= policies.biased_km(smaller, who)


# -- multivalue --------------------------------------------------------------------------------------------------------


def test_multivalue_answers_with_up_to_eight_healthy_records() -> None:
    options = [Option(RECORDS, str(each)) for each in range(12)]
    assert sorted(chosen(policies.MULTIVALUE, options[:5], healthy=all_but("0", "1"))) == ["2", "3", "4"]
    some = {tuple(sorted(chosen(policies.MULTIVALUE, options, seed=seed))) for seed in range(20)}
    assert all(len(set(each)) == 8 for each in some) and len(some) > 10
    assert len(chosen(policies.MULTIVALUE, options, healthy=nobody)) == 8
    assert len(chosen(policies.MULTIVALUE, options[:3], healthy=nobody)) == 3


# -- IP-based ----------------------------------------------------------------------------------------------------------

BLOCKS = {"198.51.100.0/24": "office", "198.51.0.0/16": "isp", "2001:db8::/32": "six"}


@pytest.mark.parametrize(
    ("subnet", "answer"),
    [
        ("198.51.100.0/24", ["office"]),
        ("198.51.7.0/24", ["isp"]),
        ("2001:db8:7::/48", ["six"]),
        ("203.0.113.0/24", ["*"]),
    ],
)
def test_ip_based_takes_the_longest_block_and_else_the_default(subnet: str, answer: list[str]) -> None:
    options = [Option(RECORDS, each, blocks=("c", each)) for each in ("office", "isp", "six", "*")]
    zones = Zones().publish_collection("c", BLOCKS)
    routed = Routed(policies.IP_BASED, tuple(options))

    def ask(routed: Routed, healthy: Health = everybody) -> list[str]:
        found = choose(routed, Client("10.0.0.1", subnet), zones, healthy, Entropy(1))
        return [each.identifier for each in found.options]

    assert ask(routed) == answer
    assert ask(routed, lambda option: option.identifier == "*") == ["*"]
    without_default = Routed(policies.IP_BASED, tuple(options[:-1]))
    assert ask(without_default) == [each for each in answer if each != "*"]


# -- AZ affinity -------------------------------------------------------------------------------------------------------


def test_az_affinity_takes_the_most_specific_location_that_the_question_came_from() -> None:
    kinds = [("Global", "global"), ("Region", "us-east-1"), ("AvailabilityZone", "use1-az1")]
    options = [Option(RECORDS, each[1], affinity=each) for each in kinds]
    zone = Client(affinity=(("AvailabilityZone", "use1-az1"), ("Region", "us-east-1"), ("Global", "global")))
    assert chosen(policies.AZ_AFFINITY, options, zone) == ["use1-az1"]
    assert chosen(policies.AZ_AFFINITY, options, zone, all_but("use1-az1")) == ["us-east-1"]
    assert chosen(policies.AZ_AFFINITY, options, zone, nobody) == ["use1-az1"]
    assert chosen(policies.AZ_AFFINITY, options, Client()) == ["global"]


# -- what holds for every policy ---------------------------------------------------------------------------------------

PLACES = st.sampled_from([each.name for each in DEFAULT_WORLD.places])
OPTIONS = st.lists(
    st.builds(
        Option,
        st.just(RECORDS),
        st.integers(0, 999).map(str),
        weight=st.integers(0, 255),
        region=st.sampled_from(sorted(GEOGRAPHY.regions)),
        role=st.sampled_from(["PRIMARY", "SECONDARY"]),
        area=st.sampled_from(["*", "continent AS", "country US", "country JP"]),
        position=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
        bias=st.integers(-99, 99),
        blocks=st.tuples(st.just("c"), st.sampled_from(["*", "office", "isp"])),
        affinity=st.sampled_from([("Global", "global"), ("Region", "us-east-1")]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda option: option.identifier,
)


@given(st.sampled_from(policies.POLICIES), OPTIONS, PLACES, st.sets(st.integers(0, 999).map(str)), st.integers(0, 99))
def test_an_unhealthy_record_is_answered_only_when_no_record_for_the_client_is_healthy(
    policy: str, options: list[Option], place: str, unhealthy: set[str], seed: int
) -> None:
    unhealthy |= {each.identifier for each in options[::2]}
    routed, who = Routed(policy, tuple(options)), client(place)
    healthy = all_but(*unhealthy)
    found = choose(routed, who, Zones(), healthy, Entropy(seed)).options
    able = options
    if policy not in (policies.WEIGHTED, policies.MULTIVALUE):
        able = list(policies.in_order(routed, who, Zones()))
    assert set(found) <= set(able) and bool(found) == bool(able)
    if any(map(healthy, able)):
        assert all(map(healthy, found))
    assert len(found) <= (policies.MULTIVALUE_ANSWERS_MAX if policy == policies.MULTIVALUE else 1)


@given(st.sampled_from(sorted(policies.BY_CLIENT)), OPTIONS, PLACES)
def test_policies_by_client_take_no_chance(policy: str, options: list[Option], place: str) -> None:
    first, *others = [chosen(policy, options, client(place), seed=seed) for seed in range(3)]
    assert all(each == first for each in others)
