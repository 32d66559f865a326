"""Shares of endpoints: the Developer Guide's examples, and what must hold for any."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from kunren.services.globalaccelerator.routing import Candidate, Group, shares


def group(name, distance, *endpoints, dial=100.0):
    return Group(name, distance, dial, tuple(endpoints))


def well(name, weight=128):
    return Candidate(name, weight, True)


def ill(name, weight=128):
    return Candidate(name, weight, False)


def by_endpoint(found):
    return {endpoint: share for (_, endpoint), share in found.items()}


def test_weights_of_4_5_5_and_6_are_shares_of_20():
    found = shares([group("g", 1, well("a", 4), well("b", 5), well("c", 5), well("d", 6))])
    assert by_endpoint(found) == approx({"a": 4 / 20, "b": 5 / 20, "c": 5 / 20, "d": 6 / 20})


def test_the_dial_takes_its_percentage_of_what_is_bound_for_the_group_and_the_next_nearest_gets_the_rest():
    found = shares(
        [group("near", 1, well("a"), dial=60), group("far", 9, well("b"), dial=50), group("x", 20, well("c"))]
    )
    assert by_endpoint(found) == approx({"a": 0.6, "b": 0.2, "c": 0.2})


def test_what_all_dials_leave_over_is_spread_as_they_have_it():
    found = shares([group("near", 1, well("a"), dial=50), group("far", 9, well("b"), dial=50)])
    assert by_endpoint(found) == approx({"a": 2 / 3, "b": 1 / 3})


def test_failover_ignores_the_dial_even_at_zero():
    found = shares([group("near", 1, ill("a")), group("far", 9, well("b"), dial=0)])
    assert by_endpoint(found) == {"b": 1.0}


def test_only_endpoints_of_weight_above_zero_count_as_healthy():
    found = shares([group("near", 1, well("a", 0), ill("b")), group("far", 9, well("c"))])
    assert by_endpoint(found) == {"c": 1.0}


def test_three_closest_groups_are_tried_and_then_the_closest_one_is_asked_whatever_its_health():
    groups = [group(str(number), number, ill(f"e{number}")) for number in range(4)]
    assert by_endpoint(shares([*groups, group("4", 4, well("e4"))])) == {"e0": 1.0}
    assert by_endpoint(shares([*groups[:3], group("3", 4, well("e3"))])) == {"e3": 1.0}


def test_all_dials_at_zero_ask_the_nearest():
    found = shares([group("near", 1, well("a"), dial=0), group("far", 9, well("b"), dial=0)])
    assert by_endpoint(found) == {"a": 1.0}


def test_groups_without_endpoints_do_not_count():
    assert shares([]) == {}
    assert shares([group("near", 1)]) == {}
    assert by_endpoint(shares([group("near", 1), group("far", 9, well("b"))])) == {"b": 1.0}


candidates = st.builds(Candidate, st.uuids().map(str), st.integers(0, 255), st.booleans())
groups = st.lists(
    st.builds(
        Group, st.uuids().map(str), st.floats(0, 20_000), st.floats(0, 100), st.lists(candidates, max_size=4).map(tuple)
    ),
    max_size=5,
    unique_by=lambda each: each.id,
)


@given(groups)
def test_every_flow_goes_somewhere_and_to_no_ill_endpoint_while_the_closest_three_have_a_well_one(given_groups):
    found = shares(given_groups)
    if not any(each.endpoints for each in given_groups):
        assert found == {}
        return
    assert sum(found.values()) == approx(1.0)
    assert all(share > 0 for share in found.values())
    nearest = sorted((each for each in given_groups if each.endpoints), key=lambda each: (each.round_trip_ms, each.id))
    if any(each.serves for each in nearest[:3]):
        well_ones = {(one.id, each.id) for one in nearest for each in one.endpoints if each.healthy and each.weight > 0}
        assert set(found) <= well_ones
