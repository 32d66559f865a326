"""IPv6 in VPCs, met by real packets: gateways, security groups, network ACLs, peering."""

import itertools

import pytest

from kunren.services.ec2.workloads import namespace_of

CITY = "3fff:0:4::10"
EVERYWHERE = "::/0"


class Six:
    """A VPC with an internet gateway, a public subnet with a route for both versions, and a private one with none."""

    def __init__(self, lab, block="10.0.0.0/16"):
        ec2 = self.ec2 = lab.ec2
        self.vpc, self.public, route, self.gateway = lab.public_subnet(block)
        ec2.create_route(**route, GatewayId=self.gateway)
        self.numbers = itertools.count()
        self.main = {"RouteTableId": route["RouteTableId"]}
        found = ec2.associate_vpc_cidr_block(VpcId=self.vpc, AmazonProvidedIpv6CidrBlock=True)
        self.block = found["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"]
        self.private = ec2.subnet(self.vpc, block.replace("0.0/16", "1.0/24"))
        self.table = {"RouteTableId": ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]}
        ec2.associate_route_table(**self.table, SubnetId=self.private)
        for number, subnet in enumerate((self.public, self.private)):
            ec2.associate_subnet_cidr_block(
                SubnetId=subnet, Ipv6CidrBlock=self.block.replace("00::/56", f"0{number}::/64")
            )
            ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})

    def route(self, **target):
        self.ec2.create_route(**self.main, DestinationIpv6CidrBlock=EVERYWHERE, **target)

    def group(self, *permissions):
        group = self.ec2.group(self.vpc, f"group {next(self.numbers)}")
        for each in permissions:
            self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[each])
        return group

    def open_group(self):
        return self.group({"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": EVERYWHERE}]})


def test_an_interface_is_reached_at_its_own_address_through_the_internet_gateway_alone(lab):
    async def story(lab):
        six = Six(lab)
        group = six.open_group()
        front = await lab.workload(six.public, None, groups=[group])
        city = await lab.world.ensure_place("virginia")
        await lab.controller.settled()
        (address,) = front.ipv6
        assert await lab.ask(city, address) is None, "no route leads back"
        six.route(GatewayId=six.gateway)
        await lab.controller.settled()
        assert await lab.ask(city, address) == CITY.encode()
        other = await lab.workload(six.private, None, groups=[group])
        assert await lab.ask(namespace_of(front), other.ipv6[0]) == address.encode()
        assert await lab.ask(city, other.ipv6[0]) is None, "its subnet has no route"

    lab(story)


def test_security_groups_know_blocks_and_groups_of_ipv6(lab):
    async def story(lab):
        six = Six(lab)
        six.route(GatewayId=six.gateway)
        web = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
        group = six.group({**web, "Ipv6Ranges": [{"CidrIpv6": "3fff:0:4:1::/64"}]})
        shop = await lab.workload(six.public, b"shop", groups=[group])
        client = await lab.workload(six.private, groups=[six.open_group()])
        virginia, (address,) = await lab.world.ensure_place("virginia"), shop.ipv6
        await lab.controller.settled()
        assert await lab.ask(virginia, address) is None
        assert await lab.ask(namespace_of(client), address) is None
        six.ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{**web, "UserIdGroupPairs": [{"GroupId": client.groups[0]}]}]
        )
        six.ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{**web, "Ipv6Ranges": [{"CidrIpv6": "3fff:0:4::/64"}]}]
        )
        await lab.controller.settled()
        assert await lab.hear(virginia, address) == b"shop"
        assert await lab.hear(namespace_of(client), address) == b"shop"

    lab(story)


def test_an_egress_only_gateway_lets_out_and_lets_nothing_in(lab):
    async def story(lab):
        six = Six(lab)
        egress = six.ec2.create_egress_only_internet_gateway(VpcId=six.vpc)["EgressOnlyInternetGateway"]
        six.route(EgressOnlyInternetGatewayId=egress["EgressOnlyInternetGatewayId"])
        worker = await lab.workload(six.public, b"worker", groups=[six.open_group()])
        city, (address,) = await lab.world.ensure_place("virginia"), worker.ipv6
        listener = await lab.world.open_socket(city, 10, bind=("::", 80), listen=16)
        await lab.controller.settled()
        with listener:
            sock = await lab.connect(namespace_of(worker), CITY)
            sock.close()
        assert await lab.ask(city, address) is None
        six.ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=egress["EgressOnlyInternetGatewayId"])
        await lab.controller.settled()
        with pytest.raises(TimeoutError):
            await lab.connect(namespace_of(worker), CITY)

    lab(story)


def test_network_acls_have_entries_for_ipv6(lab):
    async def story(lab):
        six = Six(lab)
        group = six.open_group()
        front, back = [await lab.workload(each, b"hello", groups=[group]) for each in (six.public, six.private)]
        found = six.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [six.private]}])
        (acl,) = found["NetworkAcls"]
        opened = [each for each in acl["Entries"] if each.get("Ipv6CidrBlock") and each["RuleNumber"] == 101]
        assert len(opened) == 2
        here, there = namespace_of(front), back.ipv6[0]
        assert await lab.hear(here, there) == b"hello"
        refusal = {"RuleNumber": 50, "Egress": False, "RuleAction": "deny", "Protocol": "6"}
        six.ec2.create_network_acl_entry(
            NetworkAclId=acl["NetworkAclId"], **refusal, Ipv6CidrBlock=f"{front.ipv6[0]}/128",
            PortRange={"From": 80, "To": 80},
        )  # fmt: skip
        await lab.controller.settled()
        assert await lab.ask(here, there) is None
        assert await lab.hear(namespace_of(back), front.ipv6[0]) == b"hello"

    lab(story)


def test_addresses_come_and_go_with_an_interface_that_runs(lab):
    async def story(lab):
        six = Six(lab)
        group = six.open_group()
        front, back = [await lab.workload(each, None, groups=[group]) for each in (six.public, six.private)]
        found = six.ec2.assign_ipv6_addresses(NetworkInterfaceId=back.id, Ipv6AddressCount=1)
        (more,) = found["AssignedIpv6Addresses"]
        await lab.controller.settled()
        assert await lab.ask(namespace_of(front), more) == front.ipv6[0].encode()
        six.ec2.unassign_ipv6_addresses(NetworkInterfaceId=back.id, Ipv6Addresses=[more])
        await lab.controller.settled()
        assert await lab.ask(namespace_of(front), more) is None
        assert await lab.ask(namespace_of(front), back.ipv6[0]) == front.ipv6[0].encode()

    lab(story)


def test_a_peering_connection_carries_ipv6_along_its_routes(lab):
    async def story(lab):
        one, other = Six(lab), Six(lab, "10.1.0.0/16")
        ec2 = lab.ec2
        link = ec2.create_vpc_peering_connection(VpcId=one.vpc, PeerVpcId=other.vpc)["VpcPeeringConnection"]
        link = {"VpcPeeringConnectionId": link["VpcPeeringConnectionId"]}
        ec2.accept_vpc_peering_connection(**link)
        ours = await lab.workload(one.public, groups=[one.open_group()])
        theirs = await lab.workload(other.public, None, groups=[other.open_group()])
        assert await lab.ask(namespace_of(ours), theirs.ipv6[0]) is None
        for near, far in ((one, other), (other, one)):
            ec2.create_route(**near.main, DestinationIpv6CidrBlock=far.block, **link)
        await lab.controller.settled()
        assert await lab.ask(namespace_of(ours), theirs.ipv6[0]) == ours.ipv6[0].encode()

    lab(story)


def test_flow_logs_tell_of_ipv6(lab):
    async def story(lab):
        six = Six(lab)
        six.route(GatewayId=six.gateway)
        web = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "Ipv6Ranges": [{"CidrIpv6": EVERYWHERE}]}
        shop = await lab.workload(six.public, b"shop", groups=[six.group(web)])
        city, (address,) = await lab.world.ensure_place("virginia"), shop.ipv6
        lab.ec2.create_flow_logs(
            ResourceType="VPC", ResourceIds=[six.vpc], TrafficType="ALL", LogGroupName="flows",
            DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flow-logs", MaxAggregationInterval=60,
        )  # fmt: skip
        await lab.controller.settled()
        assert await lab.hear(city, address) == b"shop"
        assert await lab.ask(city, address, 81) is None
        counts = (await lab.world.flow_counts(lab.controller.network(six.vpc)))[shop.id]
        assert {(each.source, each.destination_port) for each in counts.accepted if each.direction == "ingress"} >= {
            (CITY, 80)
        }
        rejected = {(each.source, each.destination, each.destination_port): n for each, n in counts.rejected.items()}
        assert rejected[CITY, address, 81].packets > 0
        assert not any(each.protocol == 58 for each in counts.accepted)

    lab(story)
