"""Security groups as nft text. That nft takes it and the kernel obeys is in test_world.py."""

from __future__ import annotations

import pytest

from kunren.world.firewall import vpc_rules, workload_rules
from kunren.world.network import Entrance, Firewall, FirewallRule, NodeAddress


def inward(*rules: FirewallRule) -> list[str]:
    """The lines of the input chain that come from rules."""
    text = workload_rules(Firewall(ingress=rules), "10.0.0.2")
    chain = text[text.index("chain input") : text.index("chain output")]
    lines = [line.strip() for line in chain.splitlines()]
    return [line for line in lines if line.endswith("accept") and not line.startswith(("ct ", "iifname"))]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (FirewallRule("tcp", 80, 80, ("10.0.0.0/8",)), "ip saddr { 10.0.0.0/8 } tcp dport 80 accept"),
        (FirewallRule("6", 80, 81, ("0.0.0.0/0",)), "tcp dport 80-81 accept"),
        (FirewallRule("udp", 0, 65535, ("0.0.0.0/0",)), "meta l4proto udp accept"),
        (FirewallRule("-1", -1, -1, ("10.1.2.3/32",)), "ip saddr { 10.1.2.3/32 } accept"),
        (FirewallRule("icmp", 8, -1, ("0.0.0.0/0",)), "icmp type 8 accept"),
        (FirewallRule("icmp", 3, 4, ("0.0.0.0/0",)), "icmp type 3 icmp code 4 accept"),
        (FirewallRule("icmp", -1, -1, ("0.0.0.0/0",)), "meta l4proto icmp accept"),
        (FirewallRule("47", -1, -1, ("0.0.0.0/0",)), "meta l4proto 47 accept"),
    ],
)
def test_a_rule_is_one_accepting_line(rule, line):
    assert inward(rule) == [line]


def test_overlapping_and_neighbouring_peers_are_joined_since_nft_refuses_intervals_that_overlap():
    rule = FirewallRule("tcp", 22, 22, ("10.0.0.0/25", "10.0.0.128/25", "10.0.0.7/32"))
    assert inward(rule) == ["ip saddr { 10.0.0.0/24 } tcp dport 22 accept"]


def test_a_rule_with_ipv6_peers_only_lets_nothing_of_ipv4_pass():
    assert inward(FirewallRule("tcp", 80, 80, ("::/0",)), FirewallRule("icmpv6", -1, -1, ("::/0",))) == []
    assert inward(FirewallRule("tcp", 80, 80, ())) == []


def test_no_rule_means_a_policy_of_drop():
    text = workload_rules(Firewall(), "10.0.0.2")
    assert text.count("policy drop;") == 3  # into, out of and through


def test_the_vpcs_resolver_is_reached_without_an_egress_rule():
    """Amazon EC2 User Guide, "Security groups": they do not filter traffic to the Amazon DNS server."""
    assert "ip daddr { 10.0.0.2, 169.254.169.253 } udp dport 53 accept" in workload_rules(Firewall(), "10.0.0.2")


def test_without_public_addresses_nothing_leaves_by_the_uplink():
    text = vpc_rules([], {}, "10.0.0.2")
    assert 'oifname "uplink" drop' in text
    assert "nat" not in text.replace("dnat", "")


def test_public_addresses_are_translated_one_to_one_both_ways():
    text = vpc_rules([], {"198.19.0.20": "10.0.0.10"}, "10.0.0.2")
    assert "elements = { 198.19.0.20 : 10.0.0.10 }" in text
    assert "elements = { 10.0.0.10 : 198.19.0.20 }" in text


def test_by_an_entrance_only_answers_leave():
    text = vpc_rules([], {}, "10.0.0.2", entrances=[Entrance("198.18.32.1", "10.0.0.10", "eni-m", "10.0.0.11")])
    assert "elements = { 198.18.32.1 : 10.0.0.10 }" in text
    assert "snat" not in text
    assert "ct direction reply ct original ip daddr { 198.18.32.1 } meta mark set 0x8000000" in text


def test_a_rule_for_whoever_comes_by_entrances_asks_where_the_flow_was_sent():
    rule = FirewallRule("tcp", 80, 80, ("198.18.32.1",), entered=True)
    assert "ct original ip daddr { 198.18.32.1 } tcp dport 80 accept" in workload_rules(Firewall((rule,)), "10.0.0.2")


def test_a_nodes_chain_ends_in_drop_and_is_entered_by_its_address():
    node = NodeAddress("eni-n", "subnet-a", "10.0.0.9", Firewall((FirewallRule("tcp", 443, 443, ("0.0.0.0/0",)),)))
    text = vpc_rules([node], {}, "10.0.0.2")
    name = text.split("chain in_")[1].split(" ")[0]
    assert f"ip daddr vmap {{ 10.0.0.9 : jump in_{name} }}" in text
    chain = text[text.index(f"chain in_{name}") :].split("}")[0]
    assert [line.strip() for line in chain.splitlines()[1:-1]] == [
        "ct state established,related accept",
        "tcp dport 443 accept",
        "drop",
    ]
