"""Containers behind an instance: what leads where, and what its security groups are asked."""

from kunren.world import bridge
from kunren.world.facts import Address, Namespace, Setting
from kunren.world.firewall import workload_rules
from kunren.world.network import Firewall, FirewallRule

WEB = bridge.Bridged("ctr-1-0", "172.17.0.2", (("tcp", 32768, 80),))
OPEN = Firewall(
    ingress=(FirewallRule("tcp", 32768, 60999, ("10.0.0.0/16",)),), egress=(FirewallRule("-1", -1, -1, ("0.0.0.0/0",)),)
)


def test_addresses_follow_the_gateway_and_end_before_the_broadcast():
    assert [bridge.address(number) for number in (0, 1, 253, 254)] == [
        "172.17.0.2", "172.17.0.3", "172.17.0.255", "172.17.1.0"
    ]  # fmt: skip
    assert bridge.address((1 << 16) - 5) == "172.17.255.253"


def test_a_bridge_without_containers_is_nothing():
    assert bridge.bridge("eni-1", [], ()) == []


def test_a_container_has_a_namespace_behind_the_instances():
    made = bridge.bridge("eni-1", [WEB], ())
    assert Setting("eni-1", "net/ipv4/ip_forward", "1") in made
    assert Namespace("ctr-1-0") in made
    assert Address("ctr-1-0", "eth0", "172.17.0.2/16") in made
    assert "fib daddr type local tcp dport 32768 dnat to 172.17.0.2:80" in bridge.rules([WEB])


def test_security_groups_are_asked_about_the_port_of_the_instance():
    text = workload_rules(OPEN, "10.0.0.2", ["10.0.0.5"], bridged=True)
    asked = 'oifname "docker0" ct status & dnat == dnat ip saddr { 10.0.0.0/16 } meta l4proto tcp ct original proto-dst'
    assert f"{asked} 32768-60999 accept" in text
    assert 'iifname "docker0" oifname "docker0" accept' in text
    assert "docker0" not in workload_rules(OPEN, "10.0.0.2", ["10.0.0.5"])
