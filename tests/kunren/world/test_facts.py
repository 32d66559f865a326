"""The difference between two sets of facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.world.facts import Address, Bridge, Fact, Namespace, RouteFact, Ruleset, Veth, difference

NAMES = st.sampled_from(["one", "two", "three"])
FACTS = st.one_of(
    st.builds(Namespace, name=NAMES),
    st.builds(Ruleset, namespace=NAMES, text=st.sampled_from(["a", "b"])),
    st.builds(Bridge, namespace=NAMES, name=st.sampled_from(["b0"]), mac=st.sampled_from(["x", "y"])),
    st.builds(Veth, namespace=NAMES, name=st.sampled_from(["v0", "v1"]), peer_namespace=NAMES, peer=st.just("eth0")),
    st.builds(Address, namespace=NAMES, device=st.sampled_from(["eth0", "b0"]), address=st.just("10.0.0.1/24")),
)


def keyed(facts: list[Fact]) -> dict[tuple[str, ...], Fact]:
    return {fact.key: fact for fact in facts}


@given(st.lists(FACTS), st.lists(FACTS))
def test_undoing_and_making_the_difference_leads_from_any_state_to_any_other(before, after):
    there, goal = keyed(before), keyed(after)
    change = difference(there, goal.values())
    for fact in [*change.undo, *change.vanish]:
        del there[fact.key]
    there.update(keyed(list(change.make)))
    assert there == goal


@given(st.lists(FACTS))
def test_nothing_changes_when_what_is_wanted_is_there(facts):
    change = difference(keyed(facts), keyed(facts).values())
    assert (change.undo, change.make, change.vanish) == ((), (), ())


def test_a_namespace_is_made_before_what_is_in_it_and_undone_after_it():
    facts = [Address("n", "b0", "10.0.0.1/24"), Bridge("n", "b0", "m"), Namespace("n")]
    assert [each.key[0] for each in difference({}, facts).make] == ["namespace", "bridge", "address"]
    partly = difference(keyed(facts), facts[2:])
    assert [each.key[0] for each in partly.undo] == ["address", "bridge"]


def test_rules_stand_before_the_link_that_they_guard():
    facts = [Veth("r", "w1", "n", "eth0"), Ruleset("n", "text"), Namespace("n")]
    assert [each.key[0] for each in difference({}, facts).make] == ["namespace", "ruleset", "veth"]


def test_what_lies_in_a_namespace_that_goes_needs_no_undoing_but_a_link_into_one_that_stays_does():
    link = Veth("router", "w1", "n", "eth0")
    there = [Namespace("router"), Namespace("n"), Address("n", "eth0", "10.0.0.5/24"), Ruleset("n", "text"), link]
    change = difference(keyed(there), there[:1])
    assert change.undo == (link, Namespace("n"))
    assert set(change.vanish) == {there[2], there[3]}


def test_a_new_text_replaces_a_ruleset_without_a_moment_without_rules():
    change = difference(keyed([Ruleset("n", "old")]), [Ruleset("n", "new")])
    assert (change.undo, change.make) == ((), (Ruleset("n", "new"),))


def test_addresses_and_routes_are_made_again_over_a_link_that_is_made_again():
    address, route = Address("n", "eth0", "10.0.0.5/24"), RouteFact("n", "0.0.0.0/0", via="10.0.0.1", device="eth0")
    old, new = Veth("r", "w1", "n", "eth0", peer_mac="a"), Veth("r", "w1", "n", "eth0", peer_mac="b")
    change = difference(keyed([old, address, route]), [new, address, route])
    assert change.undo == (old,)
    assert change.make == (new, address, route)


def test_a_default_route_is_made_again_when_the_devices_address_changes():
    old, new = Address("n", "eth0", "10.0.0.5/24"), Address("n", "eth0", "10.0.0.6/24")
    route = RouteFact("n", "0.0.0.0/0", via="10.0.0.1", device="eth0")
    change = difference(keyed([old, route]), [new, route])
    assert (change.undo, change.make) == ((old,), (new, route))


def test_two_different_facts_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two different facts"):
        difference({}, [Ruleset("n", "a"), Ruleset("n", "b")])
