"""The VPC controller against a world that writes down what it was asked."""

import asyncio
import importlib.util
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kunren.core.clock import SystemClock
from kunren.services.ec2 import interfaces
from kunren.services.ec2.controllers import InterfaceGone, VpcController
from kunren.services.ec2.model import InterfaceStatus

_spec = importlib.util.spec_from_file_location("fake_world", Path(__file__).with_name("fake_world.py"))
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)


@asynccontextmanager
async def controlling(ec2, world, served=None):
    async def serve(vpc, addresses):
        served.append((vpc.id, addresses))

    controller = VpcController(ec2.store, SystemClock(), world, ec2.api.spec, serve if served is not None else None)
    task = asyncio.get_running_loop().create_task(controller.run())
    try:
        async with asyncio.timeout(20):
            yield controller
    finally:
        task.cancel()


def attach(ec2, subnet, **more):
    with ec2.store.write() as tx:
        return interfaces.create_interface(
            tx,
            ec2.api.entropy,
            ec2.api.spec,
            **{
                "account": ec2.account,
                "region": ec2.region,
                "subnet_id": subnet,
                "groups": (),
                "attachment": "workload",
                **more,
            },
        )


def delete(ec2, interface):
    with ec2.store.write() as tx:
        interfaces.delete_interface(tx, interface)


@pytest.fixture
def world():
    return _module.FakeWorld()


def test_only_a_vpc_in_which_something_answers_is_started(ec2, world):
    async def story():
        async with controlling(ec2, world) as controller:
            subnet = ec2.subnet(ec2.vpc())
            ec2.create_network_interface(SubnetId=subnet)
            await controller.settled()
            assert world.applied == []
            interface = attach(ec2, subnet)
            await controller.applied(interface.id)
            assert [each.address for each in world.applied[-1].workloads] == [interface.private_ip]
            assert world.regions == ["us-east-1"]
            shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface.id])["NetworkInterfaces"][0]
            assert shown["Status"] == "in-use"
            assert controller.status() == {"vpcs_running": 1, "interfaces_live": 1, "errors": {}}

    asyncio.run(story())


def test_a_change_reaches_the_world_once_and_one_that_changes_nothing_does_not(ec2, world):
    async def story():
        async with controlling(ec2, world) as controller:
            vpc = ec2.vpc()
            group = ec2.group(vpc)
            attach(ec2, ec2.subnet(vpc), groups=(group,))
            await controller.settled()
            applied = len(world.applied)
            open_http = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[open_http])
            await controller.settled()
            assert len(world.applied) == applied + 1
            assert [each.from_port for each in world.applied[-1].workloads[0].firewall.ingress] == [80]
            ec2.create_tags(Resources=[vpc, group], Tags=[{"Key": "a", "Value": "b"}])
            ec2.group(vpc, "other")
            ec2.vpc("10.7.0.0/16")
            await controller.settled()
            assert len(world.applied) == applied + 1

    asyncio.run(story())


def test_deleted_and_moved_parts_wake_the_vpc_they_were_in(ec2, world):
    async def story():
        async with controlling(ec2, world) as controller:
            vpc = ec2.vpc()
            subnet = ec2.subnet(vpc)
            first, second = attach(ec2, subnet), attach(ec2, subnet, public=True)
            gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
            await controller.settled()
            assert world.applied[-1].public == {second.public_ip: second.private_ip}
            delete(ec2, second)
            ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
            await controller.settled()
            assert [each.id for each in world.applied[-1].workloads] == [first.id]
            assert not world.applied[-1].internet_gateway
            assert not controller.is_live(second.id)
            assert [each.id for each in ec2.store.snapshot().every(InterfaceStatus)] == [first.id]
            delete(ec2, first)
            ec2.delete_subnet(SubnetId=subnet)
            ec2.delete_vpc(VpcId=vpc)
            await controller.settled()
            assert world.removed == [vpc]
            assert controller.status()["vpcs_running"] == 0

    asyncio.run(story())


def test_a_world_that_fails_is_asked_again_and_nothing_is_live_before(ec2, world):
    async def story():
        world.failures = 2
        async with controlling(ec2, world) as controller:
            interface = attach(ec2, ec2.subnet(ec2.vpc()))
            assert not controller.is_live(interface.id)
            await controller.applied(interface.id)
            assert world.failures == 0
            assert len(world.applied) == 1

    asyncio.run(story())


def test_who_waits_for_an_interface_that_is_deleted_is_told(ec2, world):
    async def story():
        world.failures = 1000
        async with controlling(ec2, world) as controller:
            interface = attach(ec2, ec2.subnet(ec2.vpc()))
            waiting = asyncio.ensure_future(controller.applied(interface.id))
            await asyncio.sleep(0)
            delete(ec2, interface)
            with pytest.raises(InterfaceGone):
                await waiting

    asyncio.run(story())


def test_after_a_restart_the_world_is_made_anew(ec2, world):
    async def story():
        interface = attach(ec2, ec2.subnet(ec2.vpc()))
        async with controlling(ec2, world) as controller:
            await controller.applied(interface.id)
        assert len(world.applied) == 1
        delete(ec2, interface)
        ec2.default_vpc()

    asyncio.run(story())


def test_the_resolver_answers_while_dns_support_is_on(ec2, world):
    async def story():
        served = []
        async with controlling(ec2, world, served) as controller:
            vpc = ec2.vpc()
            subnet = ec2.subnet(vpc)
            interface = attach(ec2, subnet)
            await controller.settled()
            assert served == [(vpc, ("10.0.0.2", "169.254.169.253"))]
            ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
            await controller.settled()
            assert served[-1] == (vpc, ())
            ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
            await controller.settled()
            delete(ec2, interface)
            ec2.delete_subnet(SubnetId=subnet)
            ec2.delete_vpc(VpcId=vpc)
            await controller.settled()
            assert served[-1] == (vpc, ())

    asyncio.run(story())
