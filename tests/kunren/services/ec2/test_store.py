"""Giving out addresses: never twice, never a reserved one, and the same after a restart."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.control.store import Store
from kunren.core.entropy import Entropy
from kunren.services.ec2 import creation, errors, interfaces, store
from kunren.services.ec2.model import NetworkInterface, Vpc
from kunren.services.ec2.zones import Zone
from kunren.world import addresses
from kunren.world.spec import Region, WorldSpec

ACCOUNT, REGION = "123456789012", "us-east-1"
SPEC = WorldSpec((), (Region("us-east-1", "ab", 0, 0), Region("eu-west-1", "ab", 0, 0)))
ZONE = Zone("us-east-1a", "use1-az1", REGION)


class World:
    def __init__(self, prefix: int = 28, path=None) -> None:
        self.state = Store(path)
        store.register(self.state)
        self.entropy = Entropy(seed=1)
        with self.state.write() as tx:
            self.vpc = creation.new_vpc(
                tx, self.entropy, account=ACCOUNT, region=REGION, cidr="10.0.0.0/16", dhcp_options_id="dopt-1"
            )
            self.subnet = creation.new_subnet(tx, self.entropy, self.vpc, cidr=f"10.0.0.0/{prefix}", zone=ZONE)

    def create(self, address=None, public=False) -> NetworkInterface:
        with self.state.write() as tx:
            return interfaces.create_interface(
                tx,
                self.entropy,
                SPEC,
                account=ACCOUNT,
                region=REGION,
                subnet_id=self.subnet.id,
                groups=(),
                address=address,
                public=public,
            )

    def delete(self, interface: NetworkInterface) -> None:
        with self.state.write() as tx:
            interfaces.delete_interface(tx, interface)

    def free(self) -> int:
        return store.addresses_free(self.state.snapshot(), self.subnet)


STEPS = st.lists(
    st.one_of(
        st.just(("create", 0)),
        st.tuples(st.just("wanted"), st.integers(0, 17)),
        st.tuples(st.just("delete"), st.integers(0, 9)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_addresses_are_never_given_twice_and_never_reserved(steps):
    world = World(prefix=28)
    block = IPv4Network(world.subnet.cidr)
    held: list[NetworkInterface] = []
    for what, number in steps:
        if what == "delete":
            if held:
                world.delete(held.pop(number % len(held)))
        else:
            wanted = str(block.network_address + number) if what == "wanted" else None
            try:
                held.append(world.create(wanted))
            except errors.InsufficientFreeAddressesInSubnet:
                assert len(held) == 11
            except errors.InvalidIpAddressInUse:
                assert wanted in {each.private_ip for each in held}
            except errors.InvalidParameterValue:
                assert not 4 <= number <= 14
        given_out = [IPv4Address(each.private_ip) for each in held]
        assert len(set(given_out)) == len(given_out)
        assert all(block[4] <= each <= block[-2] for each in given_out)
        assert world.free() == 11 - len(held)


def test_addresses_are_given_in_order_and_not_reused_at_once():
    world = World()
    first = world.create()
    assert first.private_ip == "10.0.0.4"
    world.delete(first)
    assert world.create().private_ip == "10.0.0.5"


def test_a_wanted_address_is_refused_with_awss_words():
    world = World()
    world.create("10.0.0.9")
    with pytest.raises(errors.InvalidIpAddressInUse, match=r"Address 10\.0\.0\.9 is in use\."):
        world.create("10.0.0.9")
    for reserved in ("10.0.0.0", "10.0.0.3", "10.0.0.15"):
        with pytest.raises(errors.InvalidParameterValue, match="Address is in subnet's reserved address range"):
            world.create(reserved)
    with pytest.raises(errors.InvalidParameterValue, match="does not fall within the subnet's address range"):
        world.create("10.0.1.5")
    with pytest.raises(errors.InvalidParameterValue):
        world.create("10.0.0.05")


def test_a_refused_interface_takes_no_address():
    world = World()
    with pytest.raises(errors.GroupNotFound), world.state.write() as tx:
        interfaces.create_interface(
            tx, world.entropy, SPEC, account=ACCOUNT, region=REGION, subnet_id=world.subnet.id, groups=("sg-none",)
        )
    assert world.free() == 11


def test_public_addresses_are_of_the_region_and_unique_across_accounts():
    world = World(prefix=24)
    first, last = addresses.customer_addresses(0)
    given_out = {world.create(public=True).public_ip for _ in range(5)}
    assert len(given_out) == 5
    assert all(first <= IPv4Address(each) <= last for each in given_out)
    with world.state.write() as tx:
        vpc = creation.new_vpc(
            tx, world.entropy, account="999999999999", region=REGION, cidr="10.0.0.0/16", dhcp_options_id="dopt-2"
        )
        subnet = creation.new_subnet(tx, world.entropy, vpc, cidr="10.0.0.0/24", zone=ZONE)
        other = interfaces.create_interface(
            tx,
            world.entropy,
            SPEC,
            account="999999999999",
            region=REGION,
            subnet_id=subnet.id,
            groups=(),
            public=True,
        )
    assert other.private_ip == "10.0.0.4"  # two VPCs may have equal blocks
    assert other.public_ip not in given_out


def test_after_a_restart_the_same_addresses_are_taken(tmp_path):
    world = World(path=tmp_path / "k.db")
    held = [world.create(public=True) for _ in range(3)]
    world.delete(held[1])
    world.state.close()
    again = Store(tmp_path / "k.db")
    store.register(again)
    assert store.addresses_free(again.snapshot(), world.subnet) == 9
    world.state = again
    new = world.create(public=True)
    assert new.private_ip not in {held[0].private_ip, held[2].private_ip}
    assert new.public_ip not in {held[0].public_ip, held[2].public_ip}
    world.delete(held[0])
    world.delete(held[2])
    world.delete(new)
    assert world.free() == 11
    again.close()


def test_a_vpc_brings_its_route_table_group_and_acl():
    world = World()
    snapshot = world.state.snapshot()
    vpc = snapshot.get(Vpc, ACCOUNT, REGION, world.vpc.id)
    assert [each.main for each in store.route_tables_of(snapshot, vpc)] == [True]
    assert [each.name for each in store.groups_of(snapshot, vpc)] == ["default"]
    assert list(store.default_acl_of(snapshot, vpc).associations.values()) == [world.subnet.id]
