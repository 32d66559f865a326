"""All that DNS may answer: every draw with its probability, by the function that answers."""

from collections import Counter

import pytest

from kunren.control.store import Store
from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NXDOMAIN, answer
from kunren.dataplane.dns.policies import WEIGHTED, Client
from kunren.dataplane.dns.zones import CNAME, A, Alias, NameRecords, Option, Records, Routed, Zone, Zones
from kunren.trace.course import State
from kunren.trace.outcomes import outcomes
from kunren.trace.stages.names import addresses_of
from kunren.world.spec import Region, WorldSpec

SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abc", 0, 0),))
ELB = "lb-1.us-east-1.elb.amazonaws.com"


def records(*addresses):
    return Records(60, tuple(bytes(map(int, each.split("."))) for each in addresses))


def weighted(*choices):
    return Routed(WEIGHTED, tuple(Option(record_set, weight=weight) for weight, record_set in choices))


@pytest.fixture
def state():
    nested = weighted((1, Alias(names.to_wire(ELB), False)), (1, records("198.19.0.3")))
    zone = Zone.build(
        "Z1",
        names.to_wire("shop.test"),
        {
            names.to_wire("shop.test"): {A: weighted((3, records("198.19.0.1")), (1, records("198.19.0.2")), (0, records("198.19.0.9")))},
            names.to_wire("www.shop.test"): {CNAME: Records(60, (names.to_wire("deep.shop.test"),))},
            names.to_wire("deep.shop.test"): {A: nested},
        },
    )  # fmt: skip
    zones = (
        Zones().publish("test", {"Z1": zone}).publish_names("elb", {ELB: NameRecords(a=("198.19.0.4", "198.19.0.5"))})
    )
    return State(Store(None).snapshot(), zones, SPEC)


def found(state, name):
    return [(addresses_of(each), round(each.probability, 4)) for each in outcomes(state, names.to_wire(name), A)]


def test_each_weighted_record_is_an_outcome_with_its_share_and_a_zero_is_none(state):
    assert found(state, "shop.test") == [(["198.19.0.1"], 0.75), (["198.19.0.2"], 0.25)]


def test_draws_behind_cnames_and_aliases_are_found(state):
    assert sorted(found(state, "www.shop.test")) == [(["198.19.0.3"], 0.5), (["198.19.0.4", "198.19.0.5"], 0.5)]


def test_a_name_that_is_not_there_has_one_outcome(state):
    (only,) = outcomes(state, names.to_wire("nobody.shop.test"), A)
    assert (only.answer.rcode, only.probability) == (NXDOMAIN, 1.0)


def test_the_probabilities_are_how_often_the_name_server_really_answers_so(state):
    zone, name, chance = state.zones.delegated(names.to_wire("shop.test")), names.to_wire("shop.test"), Entropy(5)
    drawn = Counter(answer(state.zones, zone, name, A, Client(), chance).answer[0].rdatas for _ in range(4000))
    # 3000 expected of 4000, standard deviation 27
    assert 2860 < drawn[(b"\xc6\x13\x00\x01",)] < 3140
    assert len(drawn) == 2
