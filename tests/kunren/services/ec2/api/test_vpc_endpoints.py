"""VPC endpoints by the rules of the API, without a data plane: they stay pending where one would have to answer."""

import json

import pytest

from kunren.services.ec2.model import AppliedPrefixLists

SQS, S3, DYNAMODB = (f"com.amazonaws.us-east-1.{each}" for each in ("sqs", "s3", "dynamodb"))


@pytest.fixture
def vpc(ec2):
    made = ec2.vpc()
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": True})
    return made


def interface_endpoint(ec2, vpc, *subnets, service=SQS, **more):
    params = {"VpcId": vpc, "ServiceName": service, "VpcEndpointType": "Interface", "SubnetIds": list(subnets)}
    return ec2.create_vpc_endpoint(**params, **more)["VpcEndpoint"]


def test_a_gateway_endpoint_is_routes_that_come_and_go_with_it(ec2, vpc):
    one, two = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=S3, RouteTableIds=[one])["VpcEndpoint"]
    id = made["VpcEndpointId"]
    assert (made["VpcEndpointType"], made["State"], made["RouteTableIds"]) == ("Gateway", "available", [one])
    assert json.loads(made["PolicyDocument"])["Statement"][0]["Effect"] == "Allow"
    params = {"VpcId": vpc, "ServiceName": S3, "RouteTableIds": [one]}
    assert ec2.refused("create_vpc_endpoint", **params)[0] == "RouteAlreadyExists"
    ec2.modify_vpc_endpoint(VpcEndpointId=id, AddRouteTableIds=[two], RemoveRouteTableIds=[one])
    shown = ec2.describe_vpc_endpoints()["VpcEndpoints"][0]
    assert shown["RouteTableIds"] == [two]
    route = ec2.describe_route_tables(RouteTableIds=[two])["RouteTables"][0]["Routes"][1]
    listed = {"RouteTableId": two, "DestinationPrefixListId": route["DestinationPrefixListId"]}
    assert ec2.refused("delete_route", **listed)[0] == "InvalidParameterValue"
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[id]) == {"Unsuccessful": []}
    assert len(ec2.describe_route_tables(RouteTableIds=[two])["RouteTables"][0]["Routes"]) == 1
    unsuccessful = ec2.delete_vpc_endpoints(VpcEndpointIds=[id])["Unsuccessful"]
    assert [(each["ResourceId"], each["Error"]["Code"]) for each in unsuccessful] == [
        (id, "InvalidVpcEndpoint.NotFound")
    ]


def test_a_gateway_endpoint_of_a_running_vpc_is_pending_until_the_vpc_has_the_routes(ec2, vpc):
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    with ec2.store.write() as tx:
        tx.put(AppliedPrefixLists(account=ec2.account, region=ec2.region, id=vpc, versions={}))
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=DYNAMODB, RouteTableIds=[table])["VpcEndpoint"]
    assert made["State"] == "pending"
    route = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"][1]
    with ec2.store.write() as tx:
        versions = {route["DestinationPrefixListId"]: 1}
        tx.put(AppliedPrefixLists(account=ec2.account, region=ec2.region, id=vpc, versions=versions))
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["State"] == "available"


def test_an_interface_endpoint_has_an_interface_on_each_subnet(ec2, vpc):
    one, two = ec2.subnet(vpc), ec2.subnet(vpc, "10.0.2.0/24", AvailabilityZone="us-east-1b")
    same_zone = ec2.subnet(vpc, "10.0.3.0/24")
    made = interface_endpoint(ec2, vpc, one, two)
    assert (made["State"], made["SubnetIds"], made["PrivateDnsEnabled"]) == ("pending", sorted([one, two]), True)
    assert [each["GroupName"] for each in made["Groups"]] == ["default"]
    assert made["DnsEntries"][0]["HostedZoneId"] == "Z7HUB22UULQXV"
    held = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"]
    assert {(each["InterfaceType"], each["Description"], each["RequesterManaged"]) for each in held} == {
        ("vpc_endpoint", f"VPC Endpoint Interface {made['VpcEndpointId']}", True)
    }
    params = {"VpcEndpointId": made["VpcEndpointId"], "AddSubnetIds": [same_zone]}
    assert ec2.refused("modify_vpc_endpoint", **params)[0] == "DuplicateSubnetsInSameZone"
    ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], RemoveSubnetIds=[one], AddSubnetIds=[same_zone])
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["SubnetIds"] == sorted([two, same_zone])
    group = ec2.group(vpc)
    ec2.modify_vpc_endpoint(
        VpcEndpointId=made["VpcEndpointId"],
        AddSecurityGroupIds=[group],
        RemoveSecurityGroupIds=[made["Groups"][0]["GroupId"]],
        PolicyDocument='{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}',
    )
    shown = ec2.describe_vpc_endpoints()["VpcEndpoints"][0]
    assert [each["GroupId"] for each in shown["Groups"]] == [group]
    assert '"Deny"' in shown["PolicyDocument"]
    held = ec2.describe_network_interfaces(NetworkInterfaceIds=shown["NetworkInterfaceIds"])["NetworkInterfaces"]
    assert {each["Groups"][0]["GroupId"] for each in held} == {group}
    assert ec2.refused("delete_vpc", VpcId=vpc)[0] == "DependencyViolation"
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["State"] == "deleting"
    params = {"VpcEndpointId": made["VpcEndpointId"], "ResetPolicy": True}
    assert ec2.refused("modify_vpc_endpoint", **params)[0] == "IncorrectState"


def test_private_names_need_the_dns_attributes_and_are_served_once_a_vpc(ec2, vpc):
    interface_endpoint(ec2, vpc)
    params = {"VpcId": vpc, "ServiceName": SQS, "VpcEndpointType": "Interface"}
    code, text = ec2.refused("create_vpc_endpoint", **params)
    assert (code, "conflicting DNS domain for sqs.us-east-1.amazonaws.com" in text) == ("InvalidParameter", True)
    interface_endpoint(ec2, vpc, PrivateDnsEnabled=False)
    params["VpcId"] = ec2.vpc("10.1.0.0/16")
    code, text = ec2.refused("create_vpc_endpoint", **params)
    assert (code, text.startswith("Enabling private DNS requires both enableDnsSupport")) == ("InvalidParameter", True)
    params = {"VpcId": vpc, "ServiceName": DYNAMODB, "VpcEndpointType": "Interface", "PrivateDnsEnabled": True}
    assert "does not provide a private DNS name" in ec2.refused("create_vpc_endpoint", **params)[1]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"ServiceName": "com.amazonaws.us-east-1.nothing"}, "InvalidServiceName"),
        ({"ServiceName": SQS}, "InvalidParameter"),
        ({"ServiceName": SQS, "VpcEndpointType": "Interface", "RouteTableIds": ["rtb-1"]}, "InvalidParameter"),
        ({"ServiceName": S3, "SubnetIds": ["subnet-1"]}, "InvalidParameter"),
        ({"ServiceName": S3, "VpcEndpointType": "Interface"}, "NotImplemented"),
        ({"ServiceName": S3, "VpcEndpointType": "GatewayLoadBalancer"}, "NotImplemented"),
        ({"ServiceName": S3, "IpAddressType": "ipv6"}, "NotImplemented"),
        ({"ServiceName": S3, "PolicyDocument": "{"}, "InvalidPolicyDocument"),
        ({}, "MissingParameter"),
    ],
)
def test_what_no_endpoint_can_be_is_refused(ec2, vpc, params, code):
    assert ec2.refused("create_vpc_endpoint", VpcId=vpc, **params)[0] == code


def test_a_client_token_makes_one_endpoint(ec2, vpc):
    made = [ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=S3, ClientToken="t")["VpcEndpoint"] for _ in range(2)]
    assert made[0]["VpcEndpointId"] == made[1]["VpcEndpointId"]
    params = {"VpcId": vpc, "ServiceName": DYNAMODB, "ClientToken": "t"}
    assert ec2.refused("create_vpc_endpoint", **params)[0] == "IdempotentParameterMismatch"


def test_services_say_what_kind_of_endpoint_leads_to_them(ec2):
    found = ec2.describe_vpc_endpoint_services(ServiceNames=[S3, DYNAMODB, SQS])
    assert found["ServiceNames"] == [DYNAMODB, S3, SQS]
    assert [(each["ServiceName"], each["ServiceType"][0]["ServiceType"]) for each in found["ServiceDetails"]] == [
        (DYNAMODB, "Gateway"), (DYNAMODB, "Interface"), (S3, "Gateway"), (SQS, "Interface"),
    ]  # fmt: skip
    sqs = found["ServiceDetails"][-1]
    assert (sqs["PrivateDnsName"], sqs["BaseEndpointDnsNames"]) == (
        "sqs.us-east-1.amazonaws.com",
        ["sqs.us-east-1.vpce.amazonaws.com"],
    )
    gateways = ec2.describe_vpc_endpoint_services(Filters=[{"Name": "service-type", "Values": ["Gateway"]}])
    assert gateways["ServiceNames"] == [DYNAMODB, S3]
    assert ec2.refused("describe_vpc_endpoint_services", ServiceNames=["x"])[0] == "InvalidServiceName"


@pytest.mark.parametrize(
    "name", ["vpc-id", "service-name", "vpc-endpoint-type", "vpc-endpoint-state", "vpc-endpoint-id"]
)
def test_endpoints_are_found_by_their_filters(ec2, vpc, name):
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=S3)["VpcEndpoint"]
    values = {
        "vpc-id": vpc, "service-name": S3, "vpc-endpoint-type": "Gateway", "vpc-endpoint-state": "available",
        "vpc-endpoint-id": made["VpcEndpointId"],
    }  # fmt: skip
    for value, count in ((values[name], 1), ("other", 0)):
        found = ec2.describe_vpc_endpoints(Filters=[{"Name": name, "Values": [value]}])["VpcEndpoints"]
        assert len(found) == count
