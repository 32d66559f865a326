import pytest

from kunren.core.errors import AwsError


def test_the_first_call_makes_a_default_vpc_as_aws_has_it(ec2):
    vpc = ec2.default_vpc()
    assert vpc["CidrBlock"] == "172.31.0.0/16"
    assert [(each["CidrBlock"], each["AvailabilityZone"]) for each in ec2.default_subnets()] == [
        ("172.31.0.0/20", "us-east-1a"),
        ("172.31.16.0/20", "us-east-1b"),
        ("172.31.32.0/20", "us-east-1c"),
    ]
    assert all(each["MapPublicIpOnLaunch"] for each in ec2.default_subnets())
    assert all(each["AvailableIpAddressCount"] == 4091 for each in ec2.default_subnets())
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]
    assert gateway["Attachments"] == [{"VpcId": vpc["VpcId"], "State": "available"}]
    table = ec2.describe_route_tables()["RouteTables"][0]
    assert [(each["DestinationCidrBlock"], each["GatewayId"], each["State"]) for each in table["Routes"]] == [
        ("172.31.0.0/16", "local", "active"),
        ("0.0.0.0/0", gateway["InternetGatewayId"], "active"),
    ]
    hostnames = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
    assert hostnames["EnableDnsHostnames"] == {"Value": True}


def test_the_default_group_lets_itself_in_and_everything_out(ec2):
    ec2.default_vpc()
    group = ec2.describe_security_groups()["SecurityGroups"][0]
    assert (group["GroupName"], group["Description"]) == ("default", "default VPC security group")
    assert [each["GroupId"] for each in group["IpPermissions"][0]["UserIdGroupPairs"]] == [group["GroupId"]]
    assert group["IpPermissionsEgress"][0]["IpRanges"][0]["CidrIp"] == "0.0.0.0/0"


def test_each_account_and_region_has_its_own(ec2):
    first = ec2.default_vpc()["VpcId"]
    assert ec2.elsewhere(account="999999999999").default_vpc()["VpcId"] != first
    tokyo = ec2.elsewhere(region="ap-northeast-1")
    assert tokyo.default_vpc()["VpcId"] != first
    assert [each["AvailabilityZone"] for each in tokyo.default_subnets()] == [
        "ap-northeast-1a",
        "ap-northeast-1c",
        "ap-northeast-1d",
    ]
    assert ec2.default_vpc()["VpcId"] == first


def test_a_region_that_the_world_has_not_is_refused_and_nothing_is_made(ec2):
    with pytest.raises(AwsError, match="Invalid region provided: mars-1") as caught:
        ec2.elsewhere(region="mars-1").describe_vpcs()
    assert caught.value.code == "InvalidParameterValue"
    assert ec2.store.generation == 0


def test_once_deleted_it_stays_deleted_until_it_is_asked_for(ec2):
    vpc = ec2.default_vpc()["VpcId"]
    assert ec2.refused("create_default_vpc")[0] == "DefaultVpcAlreadyExists"
    for each in ec2.default_subnets():
        ec2.delete_subnet(SubnetId=each["SubnetId"])
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.describe_vpcs()["Vpcs"] == []
    assert ec2.refused("create_default_subnet", AvailabilityZone="us-east-1a")[0] == "DefaultVpcDoesNotExist"
    assert ec2.refused("create_security_group", GroupName="g", Description="d")[0] == "VPCIdNotSpecified"
    assert ec2.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"][0][
        "AttributeValues"
    ] == [{"AttributeValue": "none"}]
    again = ec2.create_default_vpc()["Vpc"]
    assert again["IsDefault"]
    assert again["VpcId"] != vpc
    assert len(ec2.default_subnets()) == 3


def test_a_default_subnet_can_be_made_again_in_its_zone(ec2):
    second = ec2.default_subnets()[1]
    code, text = ec2.refused("create_default_subnet", AvailabilityZone="us-east-1b")
    assert code == "DefaultSubnetAlreadyExistsInAvailabilityZone"
    assert text == f"'{second['SubnetId']}' is already the default subnet in us-east-1b."
    ec2.delete_subnet(SubnetId=second["SubnetId"])
    made = ec2.create_default_subnet(AvailabilityZoneId="use1-az2")["Subnet"]
    assert (made["CidrBlock"], made["DefaultForAz"]) == ("172.31.16.0/20", True)
