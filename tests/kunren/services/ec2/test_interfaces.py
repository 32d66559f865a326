"""Network interfaces as other services make them."""

import pytest

from kunren.services.ec2 import errors, interfaces
from kunren.services.ec2.model import NetworkInterface


def create(ec2, **more):
    subnet = ec2.default_subnets()[0]["SubnetId"]
    with ec2.store.write() as tx:
        return interfaces.create_interface(
            tx,
            ec2.api.entropy,
            ec2.api.spec,
            **{"account": ec2.account, "region": ec2.region, "subnet_id": subnet, "groups": (), **more},
        )


def test_public_addresses_follow_the_subnet_unless_told(ec2):
    assert create(ec2).public_ip is not None
    assert create(ec2, public=False).public_ip is None
    private = ec2.subnet(ec2.vpc())
    assert create(ec2, subnet_id=private).public_ip is None
    assert create(ec2, subnet_id=private, public=True).public_ip is not None


def test_without_groups_it_has_the_default_one_except_for_a_node(ec2):
    default = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    assert create(ec2).groups == (default,)
    assert create(ec2, attachment="node").groups == ()


def test_groups_of_another_vpc_are_refused(ec2):
    other = ec2.group(ec2.vpc(), "other")
    with pytest.raises(errors.InvalidParameterValue, match="different networks"):
        create(ec2, groups=(other,))
    with pytest.raises(errors.SubnetNotFound):
        create(ec2, subnet_id="subnet-0")


def test_everything_rolls_back_with_the_callers_transaction(ec2):
    before = ec2.default_subnets()[0]["AvailableIpAddressCount"]
    with pytest.raises(RuntimeError), ec2.store.write():
        create(ec2)
        raise RuntimeError
    assert ec2.default_subnets()[0]["AvailableIpAddressCount"] == before
    assert list(ec2.store.snapshot().every(NetworkInterface)) == []


def test_macs_are_local_unicast_and_differ(ec2):
    macs = {create(ec2).mac for _ in range(20)}
    assert len(macs) == 20
    assert all(len(each) == 17 and each.startswith("02:") for each in macs)
