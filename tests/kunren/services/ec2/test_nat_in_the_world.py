"""NAT gateways met by real packets: many private addresses behind one public one."""

import asyncio

import pytest

from kunren.services.ec2.workloads import namespace_of
from kunren.world.interface import ProcessSpec
from kunren.world.programs import find_nft

IDLE_SPEED = 350.0  # the idle timeout of 350 seconds lasts one


class Site:
    """A VPC with a public subnet and a private one that goes out through a NAT gateway, and a server elsewhere."""

    @classmethod
    async def build(cls, lab):
        self = cls()
        self.lab, ec2 = lab, lab.ec2
        vpc, self.public, route, gateway = lab.public_subnet()
        ec2.create_route(**route, GatewayId=gateway)
        self.private = ec2.subnet(vpc, "10.0.1.0/24")
        self.allocation = ec2.allocate_address()
        self.nat = ec2.create_nat_gateway(SubnetId=self.public, AllocationId=self.allocation["AllocationId"])[
            "NatGateway"
        ]["NatGatewayId"]
        self.table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        self.route = {"RouteTableId": self.table, "DestinationCidrBlock": "0.0.0.0/0"}
        ec2.create_route(**self.route, NatGatewayId=self.nat)
        ec2.associate_route_table(RouteTableId=self.table, SubnetId=self.private)
        self.group = lab.open_group(vpc)
        elsewhere, subnet, route, gateway = lab.public_subnet("10.9.0.0/16")
        ec2.create_route(**route, GatewayId=gateway)
        self.server = await lab.workload(subnet, None, groups=[lab.open_group(elsewhere)])
        self.inner = await lab.workload(self.private, b"inner", groups=[self.group])
        return self

    def state(self):
        return self.lab.ec2.describe_nat_gateways(NatGatewayIds=[self.nat])["NatGateways"][0]["State"]


def test_private_addresses_go_out_by_the_gateways_address_and_nobody_comes_in(lab):
    async def story(lab):
        ec2, site = lab.ec2, await Site.build(lab)
        other = await lab.workload(site.private, groups=[site.group])
        public_ip = site.allocation["PublicIp"]
        assert site.state() == "available"
        assert site.inner.public_ip is None
        for each in (site.inner, other):
            assert await lab.ask(namespace_of(each), site.server.public_ip) == public_ip.encode()
        assert await lab.ping(namespace_of(site.inner), site.server.public_ip)
        assert await lab.hear(namespace_of(other), site.inner.private_ip) == b"inner"  # not by the gateway
        client = await lab.world.ensure_place("virginia")
        assert await lab.ask(client, public_ip) is None
        assert not await lab.ping(client, public_ip)

        # both have a connection of the same source port at once: told apart by the gateway's ports
        loop = asyncio.get_running_loop()
        listener = await lab.world.open_socket(namespace_of(site.server), bind=("0.0.0.0", 90), listen=4)
        near = [
            await lab.world.open_socket(namespace_of(each), bind=(each.private_ip, 5000))
            for each in (site.inner, other)
        ]
        for sock in near:
            await loop.sock_connect(sock, (site.server.public_ip, 90))
        peers = []
        for _ in near:
            far, peer = await loop.sock_accept(listener)
            peers.append(peer)
            far.close()
        for sock in (*near, listener):
            sock.close()
        assert {peer[0] for peer in peers} == {public_ip}
        assert len({peer[1] for peer in peers}) == 2

        ec2.delete_nat_gateway(NatGatewayId=site.nat)
        assert site.state() == "deleting"
        await lab.controller.settled()
        assert site.state() == "deleted"
        assert await lab.ask(namespace_of(site.inner), site.server.public_ip) is None
        (route,) = [
            each
            for each in ec2.describe_route_tables(RouteTableIds=[site.table])["RouteTables"][0]["Routes"]
            if each.get("NatGatewayId")
        ]
        assert route["State"] == "blackhole"
        ec2.release_address(AllocationId=site.allocation["AllocationId"])

    lab(story)


def test_connections_share_a_gateways_addresses_and_go_on_while_one_leaves(lab):
    async def story(lab):
        ec2, site = lab.ec2, await Site.build(lab)
        second = ec2.allocate_address()
        added = ec2.associate_nat_gateway_address(NatGatewayId=site.nat, AllocationIds=[second["AllocationId"]])
        (address,) = added["NatGatewayAddresses"]
        await lab.controller.settled()
        shown = ec2.describe_nat_gateways(NatGatewayIds=[site.nat])["NatGateways"][0]["NatGatewayAddresses"]
        assert [each["Status"] for each in shown] == ["succeeded", "succeeded"]
        both = {site.allocation["PublicIp"].encode(), second["PublicIp"].encode()}
        seen = {await lab.ask(namespace_of(site.inner), site.server.public_ip) for _ in range(40)}
        assert seen == both  # one in 10^12 that forty throws are all of a kind

        loop = asyncio.get_running_loop()
        listener = await lab.world.open_socket(namespace_of(site.server), bind=("0.0.0.0", 90), listen=40)
        while True:  # until a connection has the second address
            near = await lab.world.open_socket(namespace_of(site.inner), bind=(site.inner.private_ip, 0))
            await loop.sock_connect(near, (site.server.public_ip, 90))
            far, peer = await loop.sock_accept(listener)
            if peer[0] == second["PublicIp"]:
                break
            near.close()
            far.close()
        ec2.disassociate_nat_gateway_address(NatGatewayId=site.nat, AssociationIds=[address["AssociationId"]])
        await lab.controller.settled()
        seen = {await lab.ask(namespace_of(site.inner), site.server.public_ip) for _ in range(20)}
        assert seen == {site.allocation["PublicIp"].encode()}
        await loop.sock_sendall(near, b"still here")
        assert await loop.sock_recv(far, 20) == b"still here"
        for sock in (near, far, listener):
            sock.close()

    lab(story)


def test_the_network_acl_of_the_gateways_subnet_sees_its_traffic(lab):
    async def story(lab):
        ec2, site = lab.ec2, await Site.build(lab)
        assert await lab.ask(namespace_of(site.inner), site.server.public_ip) is not None
        found = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [site.public]}])
        acl = found["NetworkAcls"][0]
        deny = {"RuleNumber": 1, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "198.18.0.0/15", "Egress": True}
        mine = ec2.create_network_acl(VpcId=acl["VpcId"])["NetworkAcl"]["NetworkAclId"]
        for egress in (True, False):
            ec2.create_network_acl_entry(
                NetworkAclId=mine,
                RuleNumber=100,
                Protocol="-1",
                RuleAction="allow",
                CidrBlock="0.0.0.0/0",
                Egress=egress,
            )
        (association,) = [each for each in acl["Associations"] if each["SubnetId"] == site.public]
        ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=mine)
        await lab.controller.settled()
        assert await lab.ask(namespace_of(site.inner), site.server.public_ip) is not None
        ec2.create_network_acl_entry(NetworkAclId=mine, **deny)
        await lab.controller.settled()
        assert await lab.ask(namespace_of(site.inner), site.server.public_ip) is None

    lab(story)


def test_a_connection_that_was_idle_too_long_is_reset(lab):
    async def story(lab):
        site = await Site.build(lab)
        loop = asyncio.get_running_loop()
        listener = await lab.world.open_socket(namespace_of(site.server), bind=("0.0.0.0", 90), listen=4)
        near = await lab.connect(namespace_of(site.inner), site.server.public_ip, 90)
        far, _ = await loop.sock_accept(listener)
        with near, far, listener:
            await loop.sock_sendall(near, b"at once")
            assert await loop.sock_recv(far, 100) == b"at once"
            await asyncio.sleep(1.5)  # idleness is what it is about
            await loop.sock_sendall(near, b"late")
            with pytest.raises(ConnectionResetError):
                async with asyncio.timeout(5):
                    await loop.sock_recv(near, 100)

    lab(story, speed=IDLE_SPEED)


def test_a_program_routes_for_a_subnet_once_its_source_destination_check_is_off(lab):
    async def story(lab):
        site = await Site.build(lab)
        appliance = await lab.workload(site.public, b"", groups=[site.group])
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        done = await lab.world.spawn(ProcessSpec("sysctl", ["/bin/sh", "-c", forward], namespace_of(appliance)))
        assert await done.wait() == 0
        route = {"RouteTableId": site.table, "DestinationCidrBlock": "0.0.0.0/0", "NetworkInterfaceId": appliance.id}
        lab.ec2.replace_route(**route)
        await lab.controller.settled()
        assert await lab.ask(namespace_of(site.inner), site.server.public_ip) is None
        off = {"NetworkInterfaceId": appliance.id, "SourceDestCheck": {"Value": False}}
        lab.ec2.modify_network_interface_attribute(**off)
        await lab.controller.settled()
        # it forwards without translating: the internet gateway knows no public address for the source
        assert await lab.ask(namespace_of(site.inner), site.server.public_ip) is None
        nft = find_nft()
        nat = "table ip t { chain p { type nat hook postrouting priority 100; masquerade; }; }"
        script = f"echo '{nat}' | {nft.path} -f -"
        masquerade = ProcessSpec("nft", ["/bin/sh", "-c", script], namespace_of(appliance), nft.env)
        done = await lab.world.spawn(masquerade)
        assert await done.wait() == 0
        assert await lab.ask(namespace_of(site.inner), site.server.public_ip) == appliance.public_ip.encode()

    lab(story)


def test_public_access_is_blocked_but_for_what_is_excluded(lab):
    async def story(lab):
        ec2, site = lab.ec2, await Site.build(lab)
        client = await lab.world.ensure_place("virginia")
        server = site.server

        async def passes():
            """Into the server's subnet; out of the private subnet by the NAT gateway, to the server."""
            inward = await lab.ask(client, server.public_ip) is not None
            return inward, await lab.ask(namespace_of(site.inner), server.public_ip) is not None

        async def set_mode(mode):
            ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode=mode)
            await lab.controller.settled()
            assert ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]["State"] == (
                "update-complete"
            )

        assert await passes() == (True, True)
        await set_mode("block-bidirectional")
        assert await passes() == (False, False)
        mode = {"InternetGatewayExclusionMode": "allow-bidirectional"}
        ec2.create_vpc_block_public_access_exclusion(SubnetId=server.subnet_id, **mode)
        await lab.controller.settled()
        assert await passes() == (True, False)  # the NAT gateway's subnet is not excluded
        await set_mode("block-ingress")
        assert await passes() == (True, True)  # what a NAT gateway sends out may go
        for each in ec2.describe_vpc_block_public_access_exclusions()["VpcBlockPublicAccessExclusions"]:
            ec2.delete_vpc_block_public_access_exclusion(ExclusionId=each["ExclusionId"])
        await lab.controller.settled()
        assert (await passes())[0] is False
        await set_mode("off")
        assert await passes() == (True, True)

    lab(story)
