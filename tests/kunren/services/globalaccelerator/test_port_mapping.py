"""Ports of custom routing accelerators ("Example of how custom routing works in Global Accelerator")."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.globalaccelerator.model import CustomGroup, Destination, PortRange, SubnetEndpoint
from kunren.services.globalaccelerator.port_mapping import (
    destination_ports,
    free_ports,
    hosts,
    mappings,
    ranges,
)

TEN = (Destination(first=81, last=90, protocols=("TCP", "UDP")),)
LISTENER = (PortRange(first=10001, last=20040),)


def group(*endpoints):
    return CustomGroup(
        account="1", region="", id="g", listener_arn="l", accelerator_arn="a", group_region="us-east-1",
        destinations=TEN, endpoints=endpoints,
    )  # fmt: skip


def test_a_subnet_of_256_addresses_has_2510_sessions_of_ten_ports():
    ports = free_ports(LISTENER, [], len(hosts("192.0.2.0/24")) * 10)
    assert ports == (PortRange(first=10001, last=12510),)
    made = mappings(TEN, SubnetEndpoint(id="subnet-1", cidr="192.0.2.0/24", ports=ports))
    assert (made[0].port, made[0].address, made[0].destination_port) == (10001, "192.0.2.4", 81)
    assert (made[1].port, made[1].address, made[1].destination_port) == (10002, "192.0.2.4", 82)
    assert (made[-1].port, made[-1].address, made[-1].destination_port) == (12510, "192.0.2.254", 90)
    assert not any(each.allowed for each in made)


def test_four_such_subnets_take_all_ports_and_a_fifth_finds_none():
    held = [SubnetEndpoint(id="s", cidr="192.0.2.0/24", ports=LISTENER)]
    assert free_ports(LISTENER, [group(*held)], 1) is None


def test_ports_that_were_given_back_are_used_in_pieces():
    held = SubnetEndpoint(id="s", cidr="192.0.2.0/28", ports=(PortRange(first=10005, last=10010),))
    assert free_ports(LISTENER, [group(held)], 6) == (
        PortRange(first=10001, last=10004), PortRange(first=10011, last=10012),
    )  # fmt: skip


def test_exceptions_are_what_the_whole_is_not():
    ports = (PortRange(first=1, last=110),)
    shut = SubnetEndpoint(id="s", cidr="192.0.2.0/28", ports=ports, exceptions=(3,))
    made = mappings(TEN, shut)
    assert [each.port for each in made if each.allowed] == [3]
    made = mappings(TEN, SubnetEndpoint(id="s", cidr="192.0.2.0/28", ports=ports, open=True, exceptions=(3,)))
    assert [each.port for each in made if not each.allowed] == [3]


def test_a_port_of_two_configurations_has_the_protocols_of_both():
    both = (Destination(first=1, last=2, protocols=("UDP",)), Destination(first=2, last=2, protocols=("TCP",)))
    assert destination_ports(both) == [(1, ("UDP",)), (2, ("TCP", "UDP"))]


@given(st.sets(st.integers(1, 300)))
def test_ranges_hold_the_same_ports(ports):
    held = [port for each in ranges(sorted(ports)) for port in range(each.first, each.last + 1)]
    assert held == sorted(ports)
