import asyncio

import pytest

from kunren.core.clock import SystemClock
from kunren.services.ec2 import errors
from kunren.services.ec2.model import NetworkInterface
from kunren.services.ec2.workloads import Workloads, namespace_of, subnet_resolver


async def at_once(interface_id):
    """A world that is always ready."""


async def never(interface_id):
    await asyncio.Event().wait()


def workloads(ec2, applied=at_once, **more):
    return Workloads(ec2.store, SystemClock(), ec2.api.entropy, ec2.api.spec, applied, **more)


def count(ec2):
    return len(list(ec2.store.snapshot().every(NetworkInterface)))


def test_an_interface_lives_as_long_as_its_program(ec2):
    subnet = ec2.subnet(ec2.vpc())

    async def story():
        async with workloads(ec2).running(subnet, address="10.0.1.50", command="nginx -g 'daemon off;'") as interface:
            shown = ec2.describe_network_interfaces()["NetworkInterfaces"][0]
            assert (shown["PrivateIpAddress"], shown["Description"]) == ("10.0.1.50", "kunren exec")
            assert shown["TagSet"] == [{"Key": "kunren:command", "Value": "nginx -g 'daemon off;'"}]
            assert namespace_of(interface) == interface.id
            assert subnet_resolver(ec2.store.snapshot(), interface) == "10.0.0.2"
            assert ec2.refused("delete_network_interface", NetworkInterfaceId=interface.id)[0] == (
                "InvalidParameterValue"
            )
        assert count(ec2) == 0

    asyncio.run(story())


def test_a_program_that_fails_leaves_nothing(ec2):
    subnet = ec2.subnet(ec2.vpc())

    async def story():
        with pytest.raises(RuntimeError):
            async with workloads(ec2).running(subnet):
                raise RuntimeError
        assert count(ec2) == 0

    asyncio.run(story())


def test_a_world_that_does_not_answer_leaves_nothing(ec2):
    subnet = ec2.subnet(ec2.vpc())

    async def story():
        with pytest.raises(TimeoutError):
            async with workloads(ec2, never, start_timeout_s=0.01).running(subnet):
                raise AssertionError
        assert count(ec2) == 0

    asyncio.run(story())


def test_what_is_refused_is_aws_own_error(ec2):
    subnet = ec2.subnet(ec2.vpc())
    held = workloads(ec2).create(subnet, address="10.0.1.9")
    with pytest.raises(errors.InvalidIpAddressInUse):
        workloads(ec2).create(subnet, address="10.0.1.9")
    with pytest.raises(errors.SubnetNotFound):
        workloads(ec2).create("subnet-0")
    with pytest.raises(errors.GroupNotFound):
        workloads(ec2).create(subnet, groups=["sg-0"])
    workloads(ec2).delete(held)
    workloads(ec2).delete(held)


def test_what_an_earlier_daemon_left_is_swept_and_nothing_else(ec2):
    subnet = ec2.subnet(ec2.vpc())
    workloads(ec2).create(subnet)
    workloads(ec2).create(ec2.elsewhere(account="999999999999").default_subnets()[0]["SubnetId"])
    mine = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    assert len(workloads(ec2).all()) == 2
    assert workloads(ec2).sweep() == 2
    assert [each.id for each in ec2.store.snapshot().every(NetworkInterface)] == [mine]
