"""Flows as nft text. That nft takes it and the kernel obeys is in test_flows_in_the_world.py."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.flows.ruleset import hashed_slots, jhash, ruleset, weighted_slots
from kunren.dataplane.flows.table import FlowListener, FlowNode, FlowTable, FlowTarget
from kunren.world.handed_on import node_mark

TARGETS = st.lists(st.integers(1, 250), min_size=1, max_size=12, unique=True).map(
    lambda numbers: [FlowTarget(f"10.0.0.{number}", 80) for number in numbers]
)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=5))
def test_slots_are_shared_by_weight_and_a_weight_of_zero_has_none(weights):
    targets = [FlowTarget(f"10.0.0.{number}", 80, weight) for number, weight in enumerate(weights)]
    counted = Counter(weighted_slots(targets))
    total, slots = sum(weights), sum(counted.values())
    assert slots <= 4096 + len(weights)
    for target in targets:
        assert (counted[target] == 0) == (target.weight == 0)
        if total:
            assert abs(counted[target] / slots - target.weight / total) < 0.01


@given(TARGETS)
def test_a_target_that_leaves_moves_only_its_own_flows(targets):
    *staying, leaving = targets
    before, after = hashed_slots(targets), hashed_slots(staying)
    if len(before) == len(after):
        assert all(now == then for then, now in zip(before, after, strict=True) if then != leaving)


def test_a_listener_of_one_target_translates_to_it_without_a_choice():
    listener = FlowListener("tcp", 80, (FlowTarget("10.0.1.5", 8080),), idle_s=350.0)
    node = FlowNode("eni-1", "10.0.0.50", "198.19.0.50", "10.0.0.0/24", (listener,))
    text = ruleset("nlb", FlowTable("vpc-1", (node,), ("10.0.0.0/24",)))
    assert "meta l4proto tcp dnat ip to 10.0.1.5:8080" in text
    assert "policy = { established : 350 }" in text
    assert f"ct mark {node_mark('eni-1'):#x}" in text


def test_flows_that_show_the_node_come_from_its_addresses_in_turn():
    listener = FlowListener("tcp", 80, (FlowTarget("10.0.1.5", 8080),), idle_s=350.0)
    node = FlowNode("eni-1", "10.0.0.50", None, "10.0.0.0/24", (listener,), secondary=("10.0.0.51", "10.0.0.52"))
    text = ruleset("nlb", FlowTable("vpc-1", (node,), ("10.0.0.0/24",)))
    assert "snat ip to numgen inc mod 3 map { 0 : 10.0.0.50, 1 : 10.0.0.51, 2 : 10.0.0.52 }" in text
    assert "ip daddr { 10.0.0.50, 10.0.0.51, 10.0.0.52 } ct state new meta l4proto { tcp, udp } drop" in text


def test_a_balancer_without_nodes_is_an_empty_table():
    assert "chain" not in ruleset("nlb", FlowTable("vpc-1", ()))


@pytest.mark.parametrize(("address", "slot"), [("127.0.0.1", 0x04), ("127.0.1.8", 0x1C), ("127.0.2.15", 0x0A)])
def test_the_hash_is_the_kernels(address, slot):
    """As nftables found it: `jhash ip saddr mod 64 seed 0x9abcdef1`."""
    assert jhash(IPv4Address(address).packed, 0x9ABCDEF1) * 64 >> 32 == slot
