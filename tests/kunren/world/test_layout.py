"""The facts of each part of the world."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address

import pytest

from kunren.world import addresses, addresses6, dualstack, edges, layout
from kunren.world.facts import Address, Namespace, RouteFact, Veth, difference
from kunren.world.network import Route, SubnetNetwork
from kunren.world.worldfile import DEFAULT_WORLD


def every_part():
    spec = DEFAULT_WORLD
    parts = [dualstack.core()]
    parts += [dualstack.place(each.name, number) for number, each in enumerate(spec.places)]
    parts += [edges.remembering(), *(edges.edge(spec, each) for each in spec.places)]
    parts += [dualstack.checkers(each) for each in addresses.CHECKER_REGIONS]
    return parts + [dualstack.region(each.name, number) for number, each in enumerate(spec.regions)]


def test_all_parts_of_the_default_world_fit_together():
    facts = [fact for part in every_part() for fact in part]
    assert len(difference({}, facts).make) == len(facts)
    owned = [fact.address.split("/")[0] for fact in facts if isinstance(fact, Address)]
    assert len(owned) == len(set(owned))


def test_every_address_outside_of_vpcs_is_public_and_of_the_worlds_own_block():
    for part in every_part():
        for fact in part:
            if isinstance(fact, Address):
                address = ip_address(fact.address.split("/")[0])
                assert address in (addresses.PUBLIC if address.version == 4 else addresses6.PUBLIC)


def test_every_device_name_fits_linux(example_vpc):
    parts = [*every_part(), layout.vpc(example_vpc("vpc-0123456789abcdef0"), 3)]
    names = {name for part in parts for fact in part if isinstance(fact, Veth) for name in (fact.name, fact.peer)}
    assert max(len(name) for name in names) <= 15


def test_a_table_route_to_an_internet_gateway_that_is_not_attached_is_a_black_hole(example_vpc):
    def default(attached: bool) -> RouteFact:
        facts = layout.vpc(example_vpc(internet_gateway=attached), 0)
        tables = [f for f in facts if isinstance(f, RouteFact) and f.table > 900 and f.destination == "0.0.0.0/0"]
        (found,) = tables
        return found

    assert default(True).device == "uplink"
    assert default(False).action == "blackhole"


def test_public_addresses_are_routed_only_while_an_internet_gateway_is_attached(example_vpc):
    def routed(attached: bool) -> set[str]:
        facts = layout.vpc(example_vpc(internet_gateway=attached), 0)
        return {f.destination for f in facts if isinstance(f, RouteFact) and f.namespace == "region-us-east-1"}

    assert routed(True) == {"198.19.0.20/32", "198.19.0.21/32", "198.19.0.22/32"}
    assert routed(False) == set()


def test_the_router_has_the_first_address_of_a_subnet_and_the_resolver_the_third_of_the_vpc(example_vpc):
    facts = layout.vpc(example_vpc(), 0)
    held = {fact.address for fact in facts if isinstance(fact, Address) and fact.namespace == "vpc-one"}
    assert {"10.0.0.1/24", "10.0.1.1/24", "10.0.0.2/32", "169.254.169.253/32"} <= held


def test_neighbouring_subnets_of_the_smallest_size_have_tables_of_their_own(example_vpc):
    small = [str(each) for each in IPv4Network("10.0.0.0/26").subnets(new_prefix=28)]
    subnets = tuple(SubnetNetwork(f"subnet-{c}", c, "us-east-1a", (Route("0.0.0.0/0", "internet"),)) for c in small)
    facts = layout.vpc(example_vpc(subnets=subnets, workloads=(), public={}), 0)
    tables = [f.table for f in facts if isinstance(f, RouteFact) and f.table > 900]
    assert len(set(tables)) == len(tables) == 4


def test_each_workload_is_a_namespace_named_by_its_interface(example_vpc):
    names = {fact.name for fact in layout.vpc(example_vpc(), 0) if isinstance(fact, Namespace)}
    assert names == {"vpc-one", "eni-a", "eni-b", "eni-c"}


def test_addresses_that_are_none_are_refused_before_anything_is_made(example_vpc):
    with pytest.raises(ValueError):
        layout.vpc(example_vpc(subnets=(SubnetNetwork("subnet-public", "10.0.0.300/24", "us-east-1a"),)), 0)


def test_resolv_conf_has_what_the_dhcp_options_say():
    assert layout.resolv_conf("198.18.0.2") == "nameserver 198.18.0.2\n"
    assert layout.resolv_conf("10.0.0.2", "10.0.0.9", search=("a.test", "b.test")) == (
        "search a.test b.test\nnameserver 10.0.0.2\nnameserver 10.0.0.9\n"
    )
    assert layout.resolv_conf() == ""
