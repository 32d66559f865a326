"""IPv6 blocks of VPCs and subnets, addresses of interfaces, routes and egress-only internet gateways."""

from dataclasses import replace

import pytest

from kunren.services.ec2.dataplane import vpc_network
from kunren.services.ec2.model import Vpc
from kunren.world.network import Route

EVERYWHERE = "::/0"


@pytest.fixture
def six(ec2):
    """A VPC with an IPv6 block: its id and the block."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    (association,) = vpc["Ipv6CidrBlockAssociationSet"]
    return vpc["VpcId"], association["Ipv6CidrBlock"]


def part(block, number):
    return block.replace("00::/56", f"{number:02x}::/64")


def main_table(ec2, vpc):
    return ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]


def test_a_vpc_gets_a_block_of_its_regions_range(ec2, six):
    vpc, block = six
    assert block.startswith("3fff:100:") and block.endswith("00::/56")
    shown = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]
    assert shown[0] == {
        "AssociationId": shown[0]["AssociationId"],
        "Ipv6CidrBlock": block,
        "Ipv6CidrBlockState": {"State": "associated"},
        "NetworkBorderGroup": "us-east-1",
        "Ipv6Pool": "Amazon",
        "Ipv6AddressAttribute": "public",
        "IpSource": "amazon",
    }
    routes = main_table(ec2, vpc)["Routes"]
    assert {
        "DestinationIpv6CidrBlock": block,
        "GatewayId": "local",
        "Origin": "CreateRouteTable",
        "State": "active",
    } in ({name: value for name, value in each.items() if value is not None} for each in routes)
    tokyo = ec2.elsewhere(region="ap-northeast-1")
    found = tokyo.associate_vpc_cidr_block(VpcId=tokyo.vpc(), AmazonProvidedIpv6CidrBlock=True)
    assert found["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"].startswith("3fff:101:")


def test_what_nobody_changed_lets_ipv6_pass_from_then_on(ec2):
    vpc = ec2.vpc()
    plain, changed = ec2.group(vpc, "plain"), ec2.group(vpc, "changed")
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.revoke_security_group_egress(GroupId=changed, IpPermissions=[everything])
    ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)

    def outward(group):
        found = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
        return [block["CidrIpv6"] for each in found for block in each["Ipv6Ranges"]]

    assert (outward(plain), outward(changed), outward(ec2.group(vpc, "new"))) == ([EVERYWHERE], [], [EVERYWHERE])
    acl = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"][0]
    entries = [(each["RuleNumber"], each["RuleAction"]) for each in acl["Entries"] if each.get("Ipv6CidrBlock")]
    assert entries == [(101, "allow"), (32768, "deny"), (101, "allow"), (32768, "deny")]


def test_a_subnet_has_a_part_of_its_vpcs_block(ec2, six):
    vpc, block = six
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", Ipv6CidrBlock=part(block, 1))["Subnet"]
    assert made["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] == part(block, 1)
    taken = {"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}
    assert ec2.refused("create_subnet", **taken, Ipv6CidrBlock=part(block, 1))[0] == "InvalidSubnet.Conflict"
    for wrong in ("3fff:100:0:5500::/64", block.replace("/56", "/65"), block.replace("/56", "/63")):
        assert ec2.refused("create_subnet", **taken, Ipv6CidrBlock=wrong)[0] == "InvalidSubnet.Range"
    assert ec2.refused("create_subnet", **taken, Ipv6CidrBlock="nonsense")[0] == "InvalidParameterValue"
    other = ec2.subnet(vpc, "10.0.1.0/24")
    asked = {"SubnetId": other, "AssignIpv6AddressOnCreation": {"Value": True}}
    assert ec2.refused("modify_subnet_attribute", **asked)[0] == "InvalidParameterValue"
    found = ec2.associate_subnet_cidr_block(SubnetId=other, Ipv6CidrBlock=part(block, 2))["Ipv6CidrBlockAssociation"]
    ec2.modify_subnet_attribute(**asked)
    shown = ec2.describe_subnets(SubnetIds=[other])["Subnets"][0]
    assert shown["AssignIpv6AddressOnCreation"] is True
    association = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["AssociationId"]
    assert ec2.refused("disassociate_vpc_cidr_block", AssociationId=association)[0] == "InvalidCidrBlock.InUse"
    ec2.disassociate_subnet_cidr_block(AssociationId=found["AssociationId"])
    ec2.delete_subnet(SubnetId=made["SubnetId"])
    gone = ec2.disassociate_vpc_cidr_block(AssociationId=association)["Ipv6CidrBlockAssociation"]
    assert gone["Ipv6CidrBlockState"] == {"State": "disassociated"}
    assert not ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]


def test_interfaces_get_addresses_as_the_subnet_says_or_as_is_asked(ec2, six):
    vpc, block = six
    subnet = ec2.subnet(vpc, "10.0.0.0/24", Ipv6CidrBlock=part(block, 0))
    prefix = part(block, 0).removesuffix("::/64")

    def new(**asked):
        made = ec2.create_network_interface(SubnetId=subnet, **asked)["NetworkInterface"]
        return made["NetworkInterfaceId"], [each["Ipv6Address"] for each in made["Ipv6Addresses"]]

    assert new()[1] == []
    assert len(new(Ipv6AddressCount=2)[1]) == 2
    id, held = new(Ipv6Addresses=[{"Ipv6Address": f"{prefix}:0:0:0:10"}])
    assert held == [f"{prefix}::10"]
    asked = {"NetworkInterfaceId": id}
    taken = ec2.refused("assign_ipv6_addresses", **asked, Ipv6Addresses=[f"{prefix}::10"])
    assert taken[0] == "InvalidIPAddress.InUse"
    for wrong in (f"{prefix}::1", "3fff::1", "nonsense"):
        assert ec2.refused("assign_ipv6_addresses", **asked, Ipv6Addresses=[wrong])[0] == "InvalidParameterValue"
    in_use = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["Ipv6CidrBlockAssociationSet"][0]["AssociationId"]
    assert ec2.refused("disassociate_subnet_cidr_block", AssociationId=in_use)[0] == "InvalidCidrBlock.InUse"
    ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})
    id, held = new()
    assert len(held) == 1
    (more,) = ec2.assign_ipv6_addresses(NetworkInterfaceId=id, Ipv6AddressCount=1)["AssignedIpv6Addresses"]
    gone = ec2.unassign_ipv6_addresses(NetworkInterfaceId=id, Ipv6Addresses=held)["UnassignedIpv6Addresses"]
    assert gone == held
    shown = ec2.describe_network_interfaces(Filters=[{"Name": "ipv6-addresses.ipv6-address", "Values": [more]}])
    assert [each["NetworkInterfaceId"] for each in shown["NetworkInterfaces"]] == [id]


def test_egress_only_internet_gateways_are_targets_of_ipv6_routes(ec2, six):
    vpc, _ = six
    made = ec2.create_egress_only_internet_gateway(
        VpcId=vpc, ClientToken="once", TagSpecifications=[
            {"ResourceType": "egress-only-internet-gateway", "Tags": [{"Key": "Name", "Value": "out"}]}
        ],
    )["EgressOnlyInternetGateway"]  # fmt: skip
    assert made["Attachments"] == [{"VpcId": vpc, "State": "attached"}]
    again = ec2.create_egress_only_internet_gateway(
        VpcId=vpc, ClientToken="once", TagSpecifications=[
            {"ResourceType": "egress-only-internet-gateway", "Tags": [{"Key": "Name", "Value": "out"}]}
        ],
    )["EgressOnlyInternetGateway"]  # fmt: skip
    assert again == made
    id = {"EgressOnlyInternetGatewayId": made["EgressOnlyInternetGatewayId"]}
    table = {"RouteTableId": main_table(ec2, vpc)["RouteTableId"]}
    assert ec2.refused("create_route", **table, DestinationCidrBlock="0.0.0.0/0", **id)[0] == "InvalidParameterValue"
    ec2.create_route(**table, DestinationIpv6CidrBlock=EVERYWHERE, **id)
    assert ec2.refused("create_route", **table, DestinationIpv6CidrBlock=EVERYWHERE, **id)[0] == "RouteAlreadyExists"
    assert ec2.refused("delete_vpc", VpcId=vpc)[0] == "DependencyViolation"

    def state():
        routes = main_table(ec2, vpc)["Routes"]
        return [
            (each["EgressOnlyInternetGatewayId"], each["State"])
            for each in routes
            if each.get("DestinationIpv6CidrBlock") == EVERYWHERE
        ]

    assert state() == [(made["EgressOnlyInternetGatewayId"], "active")]
    listed = ec2.describe_egress_only_internet_gateways(Filters=[{"Name": "tag:Name", "Values": ["out"]}])
    assert listed["EgressOnlyInternetGateways"] == [made]
    assert ec2.delete_egress_only_internet_gateway(**id) == {"ReturnCode": True}
    assert state() == [(made["EgressOnlyInternetGatewayId"], "blackhole")]
    assert ec2.refused("delete_egress_only_internet_gateway", **id)[0] == "InvalidGatewayID.NotFound"


def test_a_world_without_ipv6_says_so(ec2):
    ec2.api.spec = replace(ec2.api.spec, ipv6=False)
    vpc = ec2.vpc()
    for name, asked in (
        ("associate_vpc_cidr_block", {"VpcId": vpc, "AmazonProvidedIpv6CidrBlock": True}),
        ("create_vpc", {"CidrBlock": "10.1.0.0/16", "AmazonProvidedIpv6CidrBlock": True}),
        ("create_egress_only_internet_gateway", {"VpcId": vpc}),
    ):
        code, text = ec2.refused(name, **asked)
        assert code == "NotImplemented"
        assert text.startswith("There is no IPv6 in this world")


def test_what_is_not_there_yet_is_named(ec2, six):
    vpc, _ = six
    for name, asked in (
        ("create_vpc", {"CidrBlock": "10.1.0.0/16", "Ipv6Pool": "ipv6pool-ec2-1", "Ipv6CidrBlock": "2001:db8::/56"}),
        ("create_subnet", {"VpcId": vpc, "Ipv6Native": True}),
        ("modify_subnet_attribute", {"SubnetId": ec2.subnet(vpc), "EnableDns64": {"Value": True}}),
    ):
        assert ec2.refused(name, **asked)[0] == "NotImplemented"


def test_prefix_lists_of_ipv6_are_destinations_and_peers(ec2, six):
    vpc, block = six
    made = ec2.create_managed_prefix_list(
        PrefixListName="six", AddressFamily="IPv6", MaxEntries=2, Entries=[{"Cidr": "3fff:0:4::/48"}]
    )["PrefixList"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = main_table(ec2, vpc)["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationPrefixListId=made["PrefixListId"], GatewayId=gateway)
    peer = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": made["PrefixListId"]}]}
    ec2.authorize_security_group_ingress(GroupId=ec2.group(vpc), IpPermissions=[peer])
    subnet = ec2.subnet(vpc, "10.0.0.0/24", Ipv6CidrBlock=part(block, 0))
    snapshot = ec2.store.snapshot()
    network = vpc_network(snapshot, ec2.api.spec, snapshot.get(Vpc, ec2.account, ec2.region, vpc))
    (routes,) = [each.routes for each in network.subnets if each.id == subnet]
    assert Route("3fff:0:4::/48", "internet") in routes
