from __future__ import annotations

from kunren.world.firewall import vpc_rules, workload_rules
from kunren.world.handed_on import bridge_rules, marking_chain, node_mark
from kunren.world.network import Firewall, FirewallRule, NodeAddress

TOLD = NodeAddress("eni-1", "subnet-a", "10.0.0.9", mac="02:00:00:00:00:01")
OTHER = NodeAddress("eni-2", "subnet-a", "10.0.0.10")
MARKS = {"subnet-a": 0x2000_0064}


def test_what_a_node_hands_on_leaves_with_its_mac_address() -> None:
    mark = f"{node_mark('eni-1'):#x}"
    chain = marking_chain([OTHER, TOLD], MARKS)
    assert f"ct state new ct direction original ct mark {{ {mark} }} meta mark set ct mark" in chain
    assert f"ct state new ct mark 0 meta l4proto tcp meta mark 0x20000064 meta mark set {mark}" in chain
    (table,) = bridge_rules("vpc-1", [OTHER, TOLD])
    assert (table.namespace, table.family) == ("vpc-1", "bridge")
    assert f"meta mark {{ {mark} }} ether saddr set meta mark map {{ {mark} : 02:00:00:00:00:01 }}" in table.text
    assert chain in vpc_rules([OTHER, TOLD], {}, "10.0.0.2", flow_marks=MARKS)


def test_nothing_is_marked_where_nobody_wants_to_know() -> None:
    assert marking_chain([OTHER], MARKS) == "" and bridge_rules("vpc-1", [OTHER]) == []
    assert "handed_on" not in vpc_rules([OTHER], {}, "10.0.0.2", flow_marks=MARKS)


def test_a_workload_lets_in_what_comes_with_the_mac_addresses_of_nodes() -> None:
    rule = FirewallRule("tcp", 80, 80, (), macs=("02:00:00:00:00:01", "02:00:00:00:00:02"))
    text = workload_rules(Firewall(ingress=(rule,)), "10.0.0.2")
    assert "ether saddr { 02:00:00:00:00:01, 02:00:00:00:00:02 } tcp dport 80 accept" in text
