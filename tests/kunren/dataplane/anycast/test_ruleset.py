"""Slots of shares, and the text for the kernel (which the end-to-end tests load)."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from kunren.dataplane.anycast.ruleset import SLOTS, ruleset, slots
from kunren.dataplane.anycast.table import AnycastListener, Destination

ONE, TWO, THREE = (Destination(f"198.19.0.{number}", 1.0) for number in (16, 17, 18))


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20))
def test_each_destination_has_the_slots_of_its_share_to_the_nearest(given_shares):
    wanted = [Destination(f"198.19.0.{number}", share) for number, share in enumerate(given_shares)]
    had = Counter(each.address for each in slots(wanted))
    assert sum(had.values()) == SLOTS
    for each in wanted:
        assert had[each.address] == approx(each.share / sum(given_shares) * SLOTS, abs=1)


def test_a_destination_that_goes_moves_few_flows_of_the_others():
    before, after = slots([ONE, TWO, THREE]), slots([ONE, TWO])
    moved = sum(old != new for old, new in zip(before, after, strict=True) if old != THREE)
    assert moved < SLOTS / 10


def test_connections_that_the_edge_ends_are_led_to_its_own_port():
    listener = AnycastListener("tcp", ((80, 81),), (ONE, TWO), ended=True)
    text = ruleset("a", ("198.18.192.1",), "198.18.128.10", [listener])
    assert "tcp dport { 80-81 } redirect to :9340" in text
    assert "dnat" not in text


def test_the_table_of_ipv6_says_so_everywhere():
    listener = AnycastListener("udp", ((53, 53),), (Destination("3fff:100::1", 1.0),))
    text = ruleset("a", ("3fff:0:6::1",), "3fff:0:5::10", [listener], "ip6")
    assert text.startswith("table ip6 anycast6_")
    assert "dnat ip6 to jhash ip6 saddr . th sport . ip6 daddr . th dport mod 512" in text
    assert "snat ip6 to 3fff:0:5::10" in text
    assert " ip " not in text


def test_nobody_with_a_share_means_no_translation():
    assert slots([Destination("198.19.0.16", 0.0)]) == []
    text = ruleset("a", ("198.18.192.1",), "198.18.128.10", [AnycastListener("tcp", ((80, 80),), ())])
    assert "dnat" not in text


def test_who_does_not_see_clients_addresses_sees_the_edges():
    listener = AnycastListener("udp", ((53, 53), (1000, 2000)), (ONE, Destination("198.19.0.20", 1.0, True)), True)
    text = ruleset("a", ("198.18.192.1", "198.18.224.1"), "198.18.128.10", [listener])
    assert "udp dport { 53, 1000-2000 } dnat ip to jhash ip saddr . ip daddr mod 512 seed 0x" in text
    assert "ip daddr { 198.19.0.16 } snat ip to 198.18.128.10" in text
    assert "198.19.0.20 }" not in text.partition("chain source")[2]
    assert "ct original ip daddr { " in text.partition("chain source")[2]  # no flow of another accelerator
