from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.dns import names
from kunren.dataplane.dns.zones import A, NameRecords, Node, Records, Zone, Zones

NODE: Node = {A: Records(60, (b"\x01\x02\x03\x04",))}
OWNERS = st.lists(st.sampled_from(["", "a.", "b.", "c.a.", "d.c.a.", "x.y.z.", "y.z."]), max_size=7)


def zone(id: str, name: str, created: float = 0.0, addresses: frozenset[str] = frozenset()) -> Zone:
    return Zone.build(id, names.to_wire(name), {names.to_wire(name): NODE}, created=created, addresses=addresses)


@given(st.lists(OWNERS, min_size=1, max_size=5))
def test_a_zone_changed_step_by_step_equals_one_built_at_once(states: list[list[str]]) -> None:
    apex = names.to_wire("example.com")
    built = Zone.build("Z", apex, {})
    present: set[bytes] = set()
    for version, owners in enumerate(states, 1):
        wanted = {names.to_wire(f"{each}example.com") for each in owners}
        changed: dict[bytes, Node | None] = dict.fromkeys(wanted - present, NODE)
        changed.update((name, None) for name in present - wanted)
        built, present = built.with_nodes(changed, version), wanted
        fresh = Zone.build("Z", apex, dict.fromkeys(wanted, NODE), version=version)
        assert (built.nodes, built.below) == (fresh.nodes, fresh.below)


def test_the_first_created_of_two_zones_with_one_name_is_the_delegated_one() -> None:
    zones = Zones().publish("two", {"B": zone("B", "example.com", 2.0)})
    zones = zones.publish("one", {"A": zone("A", "example.com", 1.0)})
    assert zones.delegated(names.to_wire("www.example.com")).id == "A"  # type: ignore[union-attr]
    zones = zones.publish("one", {})
    assert zones.delegated(names.to_wire("www.example.com")).id == "B"  # type: ignore[union-attr]


def test_the_registry_delegates_the_highest_zone_but_a_top_level_zone_hides_nothing() -> None:
    zones = Zones()
    for each in ("test", "example.test", "sub.example.test"):
        zones = zones.publish(each, {each: zone(each, each)})
    assert zones.delegated(names.to_wire("www.sub.example.test")).id == "example.test"  # type: ignore[union-attr]
    assert zones.delegated(names.to_wire("other.test")).id == "test"  # type: ignore[union-attr]
    assert zones.delegated(names.to_wire("example.com")) is None


def test_each_zone_is_served_on_its_own_name_servers_only() -> None:
    zones = Zones().publish("a", {"A": zone("A", "example.com", addresses=frozenset({"198.18.1.1"}))})
    zones = zones.publish("b", {"B": zone("B", "example.com", addresses=frozenset({"198.18.1.2"}))})
    name = names.to_wire("www.example.com")
    assert zones.served_on("198.18.1.2", name).id == "B"  # type: ignore[union-attr]
    assert zones.served_on("198.18.1.3", name) is None


def test_an_owner_replaces_all_names_it_had() -> None:
    name, other = "lb.us-east-1.elb.amazonaws.com", "lc.us-east-1.elb.amazonaws.com"
    zones = Zones().publish_names("elb", {name: NameRecords(a=("198.19.0.16",))})
    assert zones.named(names.to_wire("dualstack." + name)) == {A: Records(60, (b"\xc6\x13\x00\x10",))}
    zones = zones.publish_names("elb", {other: NameRecords(a=("198.19.0.17",), healthy=False)})
    assert zones.named(names.to_wire(name)) is None
    assert not zones.is_healthy(names.to_wire(other))
    assert not zones.publish_names("elb", {}).is_above(names.to_wire("us-east-1.elb.amazonaws.com"))


def test_a_name_with_a_bad_address_is_refused_and_changes_nothing() -> None:
    with pytest.raises(ValueError):
        Zones().publish_names("elb", {"a.example": NameRecords(a=("1.2.3",))})
