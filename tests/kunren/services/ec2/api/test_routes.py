"""Route tables, associations and routes."""

import pytest


@pytest.fixture
def net(ec2):
    """A VPC with a subnet, a route table of its own and an internet gateway."""
    vpc = ec2.vpc()
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    main = ec2.describe_route_tables(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    )["RouteTables"][0]
    return {"vpc": vpc, "subnet": ec2.subnet(vpc), "gateway": gateway, "table": table, "main": main}


def routes(ec2, table):
    shown = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    return {each["DestinationCidrBlock"]: (each["GatewayId"], each["State"], each["Origin"]) for each in shown}


def test_a_route_to_the_internet(ec2, net):
    assert ec2.create_route(RouteTableId=net["table"], DestinationCidrBlock="0.0.0.0/0", GatewayId=net["gateway"]) == {
        "Return": True
    }
    assert routes(ec2, net["table"]) == {
        "10.0.0.0/16": ("local", "active", "CreateRouteTable"),
        "0.0.0.0/0": (net["gateway"], "active", "CreateRoute"),
    }
    assert ec2.refused(
        "create_route", RouteTableId=net["table"], DestinationCidrBlock="0.0.0.0/0", GatewayId=net["gateway"]
    ) == ("RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists.")
    ec2.detach_internet_gateway(InternetGatewayId=net["gateway"], VpcId=net["vpc"])
    assert routes(ec2, net["table"])["0.0.0.0/0"][1] == "blackhole"
    ec2.delete_internet_gateway(InternetGatewayId=net["gateway"])
    assert routes(ec2, net["table"])["0.0.0.0/0"][1] == "blackhole"
    ec2.delete_route(RouteTableId=net["table"], DestinationCidrBlock="0.0.0.0/0")
    assert ec2.refused("delete_route", RouteTableId=net["table"], DestinationCidrBlock="0.0.0.0/0") == (
        "InvalidRoute.NotFound",
        f"no route with destination-cidr-block 0.0.0.0/0 in route table {net['table']}",
    )


def test_routes_that_aws_refuses(ec2, net):
    def refused(**params):
        return ec2.refused("create_route", RouteTableId=net["table"], **params)

    assert refused(DestinationCidrBlock="0.0.0.0/0", GatewayId="igw-0") == (
        "InvalidGatewayID.NotFound",
        "The gateway ID 'igw-0' does not exist",
    )
    other = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    assert refused(DestinationCidrBlock="0.0.0.0/0", GatewayId=other) == (
        "InvalidParameterValue",
        f"route table {net['table']} and network gateway {other} belong to different networks",
    )
    assert refused(DestinationCidrBlock="10.0.1.0/25", GatewayId=net["gateway"]) == (
        "InvalidParameterValue",
        "Route destination doesn't match any subnet CIDR blocks.",
    )
    assert refused(DestinationCidrBlock="x", GatewayId=net["gateway"])[0] == "InvalidParameterValue"
    assert refused(DestinationCidrBlock="0.0.0.0/0")[0] == "MissingParameter"
    assert refused(GatewayId=net["gateway"])[0] == "MissingParameter"
    assert (
        refused(DestinationCidrBlock="1.0.0.0/8", GatewayId="a", NatGatewayId="b")[0] == "InvalidParameterCombination"
    )
    assert refused(DestinationCidrBlock="1.0.0.0/8", TransitGatewayId="tgw-1") == (
        "NotImplemented",
        "Kunren's ec2 has no transit gateways yet.",
    )
    assert refused(DestinationPrefixListId="pl-1", GatewayId=net["gateway"])[0] == "InvalidPrefixListID.NotFound"
    assert ec2.refused("delete_route", RouteTableId=net["table"], DestinationCidrBlock="10.0.0.0/16") == (
        "InvalidParameterValue",
        f"cannot remove local route 10.0.0.0/16 in route table {net['table']}",
    )


def test_replacing_a_route_needs_one(ec2, net):
    asked = {"RouteTableId": net["table"], "DestinationCidrBlock": "8.8.8.8/32", "GatewayId": net["gateway"]}
    assert ec2.refused("replace_route", **asked) == (
        "InvalidParameterValue",
        "There is no route defined for '8.8.8.8/32' in the route table. Use CreateRoute instead.",
    )
    ec2.create_route(**asked)
    ec2.replace_route(**asked)
    ec2.replace_route(RouteTableId=net["table"], DestinationCidrBlock="10.0.0.0/16", LocalTarget=True)


def test_a_subnet_has_one_table_and_else_the_main_one(ec2, net):
    association = ec2.associate_route_table(RouteTableId=net["table"], SubnetId=net["subnet"])["AssociationId"]
    assert ec2.refused("associate_route_table", RouteTableId=net["table"], SubnetId=net["subnet"]) == (
        "Resource.AlreadyAssociated",
        f"the specified association for route table {net['table']} conflicts with an existing association",
    )
    assert ec2.refused("delete_route_table", RouteTableId=net["table"]) == (
        "DependencyViolation",
        f"The routeTable '{net['table']}' has dependencies and cannot be deleted.",
    )
    new = ec2.replace_route_table_association(AssociationId=association, RouteTableId=net["main"]["RouteTableId"])[
        "NewAssociationId"
    ]
    shown = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [net["subnet"]]}])
    assert [each["RouteTableId"] for each in shown["RouteTables"]] == [net["main"]["RouteTableId"]]
    ec2.disassociate_route_table(AssociationId=new)
    ec2.delete_route_table(RouteTableId=net["table"])
    assert ec2.refused("disassociate_route_table", AssociationId=new)[0] == "InvalidAssociationID.NotFound"


def test_the_main_table_can_be_another_but_never_none(ec2, net):
    main = net["main"]["Associations"][0]["RouteTableAssociationId"]
    assert ec2.refused("disassociate_route_table", AssociationId=main)[0] == "InvalidParameterValue"
    assert ec2.refused("delete_route_table", RouteTableId=net["main"]["RouteTableId"])[0] == "DependencyViolation"
    ec2.replace_route_table_association(AssociationId=main, RouteTableId=net["table"])
    shown = ec2.describe_route_tables(RouteTableIds=[net["table"]])["RouteTables"][0]
    assert [each["Main"] for each in shown["Associations"]] == [True]
    ec2.delete_route_table(RouteTableId=net["main"]["RouteTableId"])


def test_a_table_of_another_vpc_is_refused(ec2, net):
    other = ec2.subnet(ec2.vpc("10.9.0.0/16"), "10.9.0.0/24")
    assert ec2.refused("associate_route_table", RouteTableId=net["table"], SubnetId=other) == (
        "InvalidParameterValue",
        f"Route table {net['table']} and subnet {other} belong to different networks",
    )


def test_the_same_client_token_makes_one_table(ec2, net):
    made = [ec2.create_route_table(VpcId=net["vpc"], ClientToken="t")["RouteTable"]["RouteTableId"] for _ in range(2)]
    assert made[0] == made[1]
    other = ec2.vpc("10.9.0.0/16")
    assert ec2.refused("create_route_table", VpcId=other, ClientToken="t")[0] == "IdempotentParameterMismatch"
    ec2.delete_route_table(RouteTableId=made[0])
    assert ec2.create_route_table(VpcId=net["vpc"], ClientToken="t")["RouteTable"]["RouteTableId"] != made[0]
