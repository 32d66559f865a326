"""EC2's resources as the kernel has them: packets between a client place and workloads, in a world of its own."""

import asyncio
import shutil
from contextlib import asynccontextmanager

import pytest

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.services.ec2.controllers import VpcController
from kunren.services.ec2.workloads import Workloads, namespace_of
from kunren.settings import Settings
from kunren.world.world import World

HTTP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
ANYWHERE = {**HTTP, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
PATIENCE_S = 0.7


class Lab:
    """A store, its ec2 service, a running world and the controller between them."""

    def __init__(self, ec2, world, controller):
        self.ec2, self.world, self.controller = ec2, world, controller
        self.workloads = Workloads(ec2.store, SystemClock(), ec2.api.entropy, ec2.api.spec, controller.applied)
        self.listening = []

    async def workload(self, subnet, said=b"", port=80, groups=()):
        """A workload that accepts on a port and says something to each who connects."""
        interface = self.workloads.create(subnet, groups=groups)
        await self.controller.applied(interface.id)
        listener = await self.world.open_socket(namespace_of(interface), bind=("0.0.0.0", port), listen=16)

        async def answer(reader, writer):
            writer.write(said)
            writer.close()

        self.listening.append(await asyncio.start_server(answer, sock=listener))
        return interface

    async def ask(self, namespace, address, port=80):
        """What is said on that address, None where the connection is not made in time or refused."""
        sock = await self.world.open_socket(namespace)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_connect(sock, (address, port))
                return await loop.sock_recv(sock, 100)
        except (TimeoutError, OSError):
            return None
        finally:
            sock.close()


@asynccontextmanager
async def laboratory(new_caller, tmp_path):
    ec2 = new_caller(Store(tmp_path / "k.db"))
    settings = Settings(state_dir=tmp_path)
    world = World(settings, ec2.api.spec, SystemClock())
    await world.start()
    controller = VpcController(ec2.store, SystemClock(), world, ec2.api.spec)
    task = asyncio.get_running_loop().create_task(controller.run())
    lab = Lab(ec2, world, controller)
    try:
        async with asyncio.timeout(60):
            yield lab
    finally:
        for server in lab.listening:
            server.close()
        task.cancel()
        await world.stop()
        ec2.store.close()
        shutil.rmtree(settings.run_dir, ignore_errors=True)


@pytest.fixture
def lab(new_caller, tmp_path):
    def run(story):
        async def main():
            async with laboratory(new_caller, tmp_path) as each:
                await story(each)

        asyncio.run(main())

    return run


def public_subnet(ec2, block="10.0.0.0/16"):
    """A subnet whose interfaces get public addresses, with a gateway and no route to it yet."""
    vpc = ec2.vpc(block)
    subnet = ec2.subnet(vpc, block.replace("/16", "/24"))
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
    return vpc, subnet, {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}, gateway


def test_two_programs_on_port_80_and_the_groups_and_routes_that_lead_to_them(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc, subnet, route, gateway = public_subnet(ec2)
        ec2.create_route(**route, GatewayId=gateway)
        group = ec2.group(vpc)
        one = await lab.workload(subnet, b"one", groups=[group])
        two = await lab.workload(subnet, b"two", groups=[group])
        client = await lab.world.ensure_place("virginia")
        assert await lab.ask(client, one.public_ip) is None  # nothing is let in yet

        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ANYWHERE])
        await lab.controller.settled()
        assert await lab.ask(client, one.public_ip) == b"one"
        assert await lab.ask(client, two.public_ip) == b"two"
        assert await lab.ask(namespace_of(one), two.private_ip) == b"two"

        ec2.delete_route(**route)
        await lab.controller.settled()
        assert await lab.ask(client, one.public_ip) is None
        assert await lab.ask(namespace_of(one), two.private_ip) == b"two"
        ec2.create_route(**route, GatewayId=gateway)
        await lab.controller.settled()
        assert await lab.ask(client, one.public_ip) == b"one"

        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[ANYWHERE])
        await lab.controller.settled()
        assert await lab.ask(client, one.public_ip) is None
        assert await lab.ask(namespace_of(one), two.private_ip) is None

    lab(story)


def test_a_group_as_peer_lets_its_members_in_as_they_come_and_go(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc = ec2.vpc()
        first = ec2.subnet(vpc, "10.0.1.0/24", AvailabilityZone="us-east-1a")
        second = ec2.subnet(vpc, "10.0.2.0/24", AvailabilityZone="us-east-1b")
        web, db = ec2.group(vpc, "web"), ec2.group(vpc, "db")
        from_web = {**HTTP, "UserIdGroupPairs": [{"GroupId": web}]}
        ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[from_web])
        database = await lab.workload(second, b"data", groups=[db])
        stranger = await lab.workload(first, groups=[db])
        member = await lab.workload(first, groups=[web])
        await lab.controller.settled()
        assert await lab.ask(namespace_of(member), database.private_ip) == b"data"
        assert await lab.ask(namespace_of(stranger), database.private_ip) is None

    lab(story)


def test_two_vpcs_with_equal_blocks_do_not_see_each_other(lab):
    async def story(lab):
        answers = {}
        for name in (b"one", b"two"):
            vpc, subnet, route, gateway = public_subnet(lab.ec2)
            lab.ec2.create_route(**route, GatewayId=gateway)
            group = lab.ec2.group(vpc)
            lab.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ANYWHERE])
            await lab.controller.settled()
            answers[name] = await lab.workload(subnet, name, groups=[group])
        one, two = answers.values()
        assert one.private_ip == two.private_ip == "10.0.0.4"
        client = await lab.world.ensure_place("virginia")
        assert await lab.ask(client, one.public_ip) == b"one"
        assert await lab.ask(client, two.public_ip) == b"two"
        assert await lab.ask(namespace_of(one), two.public_ip) == b"two"  # out through one gateway, in by the other

    lab(story)
