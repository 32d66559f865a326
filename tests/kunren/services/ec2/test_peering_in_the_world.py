"""VPC peering met by real packets: two VPCs of two accounts and regions, and a third beyond."""

from kunren.services.ec2.workloads import namespace_of

OTHER = "210987654321"


class Side:
    """A VPC with one subnet, and a workload that says who called it."""

    @classmethod
    async def build(cls, lab, ec2, block):
        self = cls()
        self.ec2, self.block = ec2, block
        self.vpc = ec2.vpc(block)
        self.subnet = ec2.subnet(self.vpc, block.replace("/16", "/24"))
        self.workload = await lab.workload(self.subnet, None, groups=[lab.open_group(self.vpc, ec2)])
        self.namespace, self.address = namespace_of(self.workload), self.workload.private_ip
        return self

    def route(self, block, **target):
        wanted = [{"Name": "vpc-id", "Values": [self.vpc]}]
        table = self.ec2.describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"]
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock=block, **target)

    def peer_with(self, other):
        asked = {"PeerVpcId": other.vpc, "PeerOwnerId": other.ec2.account, "PeerRegion": other.ec2.region}
        made = self.ec2.create_vpc_peering_connection(VpcId=self.vpc, **asked)["VpcPeeringConnection"]
        self.peering = made["VpcPeeringConnectionId"]
        other.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=self.peering)
        return self.peering

    def code(self):
        found = self.ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[self.peering])
        return found["VpcPeeringConnections"][0]["Status"]["Code"]


def test_routes_carry_packets_between_two_vpcs_and_never_on_to_a_third(lab):
    async def story(lab):
        elsewhere = lab.ec2.elsewhere(OTHER, "ap-northeast-1")
        one = await Side.build(lab, lab.ec2, "10.0.0.0/16")
        two = await Side.build(lab, elsewhere, "10.1.0.0/16")
        three = await Side.build(lab, elsewhere, "10.2.0.0/16")
        first = one.peer_with(two)
        assert one.code() == "provisioning"
        await lab.controller.settled()
        assert one.code() == "active"
        assert await lab.ask(one.namespace, two.address) is None  # no route yet
        one.route("10.1.0.0/16", VpcPeeringConnectionId=first)
        await lab.controller.settled()
        assert await lab.ask(one.namespace, two.address) is None  # there, but not back
        two.route("10.0.0.0/16", VpcPeeringConnectionId=first)
        await lab.controller.settled()
        assert await lab.ask(one.namespace, two.address) == one.address.encode()
        assert await lab.ask(two.namespace, one.address) == two.address.encode()

        second = two.peer_with(three)
        two.route("10.2.0.0/16", VpcPeeringConnectionId=second)
        three.route("10.1.0.0/16", VpcPeeringConnectionId=second)
        one.route("10.2.0.0/16", VpcPeeringConnectionId=first)
        three.route("10.0.0.0/16", VpcPeeringConnectionId=second)
        await lab.controller.settled()
        assert await lab.ask(two.namespace, three.address) == two.address.encode()
        assert await lab.ask(one.namespace, three.address) is None
        assert await lab.ask(three.namespace, one.address) is None

        # an internet gateway over there is no way out for us
        gateway = elsewhere.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        elsewhere.attach_internet_gateway(InternetGatewayId=gateway, VpcId=two.vpc)
        two.route("0.0.0.0/0", GatewayId=gateway)
        one.route("198.18.0.0/15", VpcPeeringConnectionId=first)
        await lab.controller.settled()
        assert not await lab.ping(one.namespace, "198.18.0.2")

        lab.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=first)
        assert one.code() == "deleting"
        await lab.controller.settled()
        assert one.code() == "deleted"
        assert await lab.ask(one.namespace, two.address) is None
        assert await lab.ask(two.namespace, three.address) == two.address.encode()
        assert first not in lab.world.status()["parts"]
        assert second in lab.world.status()["parts"]

    lab(story)


def test_a_rule_may_name_a_group_of_the_peer_vpc(lab):
    async def story(lab):
        ec2 = lab.ec2
        neighbour = ec2.elsewhere(OTHER)
        near = await Side.build(lab, ec2, "10.0.0.0/16")
        far = await Side.build(lab, neighbour, "10.1.0.0/16")
        clients = neighbour.group(far.vpc, "clients")
        client = await lab.workload(far.subnet, groups=[clients])
        closed = ec2.group(near.vpc, "closed")
        server = await lab.workload(near.subnet, b"server", groups=[closed])
        pair = {"GroupId": clients, "UserId": OTHER}
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [pair]}
        asked = {"GroupId": closed, "IpPermissions": [rule]}
        assert ec2.refused("authorize_security_group_ingress", **asked)[0] == "InvalidGroup.NotFound"
        peering = near.peer_with(far)
        near.route("10.1.0.0/16", VpcPeeringConnectionId=peering)
        far.route("10.0.0.0/16", VpcPeeringConnectionId=peering)
        (made,) = ec2.authorize_security_group_ingress(**asked)["SecurityGroupRules"]
        assert made["ReferencedGroupInfo"] == {
            "GroupId": clients, "UserId": OTHER, "VpcId": far.vpc, "VpcPeeringConnectionId": peering,
        }  # fmt: skip
        await lab.controller.settled()
        assert await lab.hear(namespace_of(client), server.private_ip) == b"server"
        assert await lab.ask(far.namespace, server.private_ip) is None  # of another group
        # who comes to the group over there is let in here
        neighbour.modify_network_interface_attribute(NetworkInterfaceId=far.workload.id, Groups=[clients])
        await lab.controller.settled()
        assert await lab.hear(far.namespace, server.private_ip) == b"server"
        ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
        await lab.controller.settled()
        assert await lab.ask(namespace_of(client), server.private_ip) is None

    lab(story)
