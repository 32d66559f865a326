"""NAT gateways and peering connections outlive the daemon: after a kill -9 the next one makes them again."""

import os
import signal


def new_subnet(ec2, vpc, block):
    return ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]


def main_table(ec2, vpc):
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    return ec2.describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"]


def build(ec2):
    """A private subnet whose routes lead to a NAT gateway and to a peer VPC; the peer's subnet and an open group."""
    vpc, peer = (ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"] for block in ("10.0.0.0/16", "10.1.0.0/16"))
    public, private = new_subnet(ec2, vpc, "10.0.0.0/24"), new_subnet(ec2, vpc, "10.0.1.0/24")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    everywhere = {"DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(RouteTableId=main_table(ec2, vpc), **everywhere, GatewayId=gateway)
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=allocation)["NatGateway"]["NatGatewayId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=private)
    ec2.create_route(RouteTableId=table, **everywhere, NatGatewayId=nat)
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)["VpcPeeringConnection"]
    link = {"VpcPeeringConnectionId": peering["VpcPeeringConnectionId"]}
    ec2.accept_vpc_peering_connection(**link)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.1.0.0/16", **link)
    ec2.create_route(RouteTableId=main_table(ec2, peer), DestinationCidrBlock="10.0.0.0/16", **link)
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=peer)["GroupId"]
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    ours = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"]
    web = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": ours}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[web])
    far = new_subnet(ec2, peer, "10.1.0.0/24")
    make_public(ec2, peer, far)
    for each in (vpc, peer):
        ec2.modify_vpc_attribute(VpcId=each, EnableDnsHostnames={"Value": True})
    options = {"AllowDnsResolutionFromRemoteVpc": True}
    ec2.modify_vpc_peering_connection_options(**link, AccepterPeeringConnectionOptions=options)
    return private, far, group


def make_public(ec2, vpc, subnet):
    """What runs there has a public address, by which nothing can be reached: no route leads out."""
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})


def test_what_leaves_a_private_subnet_does_so_again_after_a_kill_9(own_kunren, running, until):
    own_kunren.up()
    private, far, group = build(own_kunren.client("ec2"))

    def states():
        ec2 = own_kunren.client("ec2")
        nat = ec2.describe_nat_gateways()["NatGateways"][0]["State"]
        return nat, ec2.describe_vpc_peering_connections()["VpcPeeringConnections"][0]["Status"]["Code"]

    def reached(url):
        curl = ("curl", "-sS", "--max-time", "2", "-o", "/dev/null", "-w", "%{http_code}", url)
        return own_kunren.run("exec", "--subnet", private, "--", *curl).stdout

    for life in ("first", "second"):
        target = running.target(own_kunren, life, (80,), far, group)
        until(lambda: states() == ("available", "active"), "the NAT gateway and the peering connection", 10)
        assert reached(f"http://{target.address}/") == "200"  # a group of the peer's lets it in
        # a public name over there has its private address here
        name = f"ec2-{target.public_address.replace('.', '-')}.compute-1.amazonaws.com"
        assert reached(f"http://{name}/") == "200"
        assert reached(f"http://{target.public_address}/") == "000"
        assert reached("http://ec2.us-east-1.amazonaws.com/") == "400"  # by the NAT gateway; it misses an Action
        if life == "first":
            os.kill(own_kunren.pid, signal.SIGKILL)
            target.process.wait(10)
            own_kunren.up()
