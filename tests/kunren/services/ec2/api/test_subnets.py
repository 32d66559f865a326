import pytest


def test_a_subnet_has_all_that_aws_shows(ec2):
    vpc = ec2.vpc()
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.7/24", AvailabilityZone="us-east-1b")["Subnet"]
    shown = ec2.describe_subnets(SubnetIds=[made["SubnetId"]])["Subnets"][0]
    assert shown == made
    assert (shown["CidrBlock"], shown["AvailableIpAddressCount"]) == ("10.0.1.0/24", 251)
    assert (shown["AvailabilityZone"], shown["AvailabilityZoneId"]) == ("us-east-1b", "use1-az2")
    assert shown["SubnetArn"] == f"arn:aws:ec2:us-east-1:123456789012:subnet/{made['SubnetId']}"
    assert (shown["MapPublicIpOnLaunch"], shown["DefaultForAz"], shown["State"]) == (False, False, "available")
    acl = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [made["SubnetId"]]}])
    assert acl["NetworkAcls"][0]["VpcId"] == vpc


@pytest.mark.parametrize("block", ["10.0.0.0/29", "10.0.0.0/15", "10.1.0.0/24", "192.168.0.0/24"])
def test_blocks_out_of_range(ec2, block):
    assert ec2.refused("create_subnet", VpcId=ec2.vpc(), CidrBlock=block) == (
        "InvalidSubnet.Range",
        f"The CIDR '{block}' is invalid.",
    )


def test_a_conflict_is_named(ec2):
    vpc = ec2.vpc()
    ec2.subnet(vpc, "10.0.0.0/20")
    assert ec2.refused("create_subnet", VpcId=vpc, CidrBlock="10.0.1.0/24") == (
        "InvalidSubnet.Conflict",
        "The CIDR '10.0.1.0/24' conflicts with another subnet",
    )


def test_an_unknown_zone_is_refused_with_those_there_are(ec2):
    code, text = ec2.refused("create_subnet", VpcId=ec2.vpc(), CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1z")
    assert code == "InvalidParameterValue"
    assert text == (
        "Value (us-east-1z) for parameter availabilityZone is invalid. Subnets can currently only be created in the "
        "following availability zones: us-east-1a, us-east-1b, us-east-1c."
    )


def test_a_subnet_with_an_interface_is_not_deleted(ec2):
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"] == 250
    assert ec2.refused("delete_subnet", SubnetId=subnet) == (
        "DependencyViolation",
        f"The subnet '{subnet}' has dependencies and cannot be deleted.",
    )
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_subnet(SubnetId=subnet)
    assert ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Associations"] == []
    assert ec2.refused("delete_subnet", SubnetId=subnet)[0] == "InvalidSubnetID.NotFound"


def test_attributes(ec2):
    subnet = ec2.subnet(ec2.vpc())
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    found = ec2.describe_subnets(Filters=[{"Name": "map-public-ip-on-launch", "Values": ["true"]}])["Subnets"]
    assert subnet in {each["SubnetId"] for each in found}
    code, _ = ec2.refused("modify_subnet_attribute", SubnetId=subnet, EnableDns64={"Value": True})
    assert code == "NotImplemented"
    ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": False})


def test_filters_and_their_older_names(ec2):
    subnet = ec2.subnet(ec2.vpc(), "10.0.7.0/24", AvailabilityZone="us-east-1c")
    for name, value in (
        ("cidr", "10.0.7.0/24"),
        ("cidrBlock", "10.0.7.*"),
        ("cidr-block", "10.0.7.0/24"),
        ("available-ip-address-count", "251"),
        ("subnet-arn", f"*{subnet}"),
    ):
        found = ec2.describe_subnets(Filters=[{"Name": name, "Values": [value]}])["Subnets"]
        assert [each["SubnetId"] for each in found] == [subnet], name
    both = [{"Name": "availabilityZone", "Values": ["us-east-1c"]}, {"Name": "default-for-az", "Values": ["false"]}]
    assert [each["SubnetId"] for each in ec2.describe_subnets(Filters=both)["Subnets"]] == [subnet]


def test_from_a_reserved_block_no_address_is_given_out_by_itself(ec2):
    subnet = ec2.subnet(ec2.vpc(), "10.0.1.0/28")
    tags = [{"ResourceType": "subnet-cidr-reservation", "Tags": [{"Key": "Name", "Value": "own"}]}]
    asked = {"SubnetId": subnet, "Cidr": "10.0.1.4/30", "ReservationType": "explicit"}
    made = ec2.create_subnet_cidr_reservation(**asked, Description="mine", TagSpecifications=tags)
    reservation = made["SubnetCidrReservation"]
    assert reservation == {
        "SubnetCidrReservationId": reservation["SubnetCidrReservationId"], "SubnetId": subnet, "Cidr": "10.0.1.4/30",
        "ReservationType": "explicit", "OwnerId": ec2.account, "Description": "mine",
        "Tags": [{"Key": "Name", "Value": "own"}],
    }  # fmt: skip

    def given(**params):
        return ec2.create_network_interface(SubnetId=subnet, **params)["NetworkInterface"]["PrivateIpAddress"]

    assert [given() for _ in range(7)] == [f"10.0.1.{last}" for last in range(8, 15)]
    assert ec2.refused("create_network_interface", SubnetId=subnet)[0] == "InsufficientFreeAddressesInSubnet"
    assert given(PrivateIpAddress="10.0.1.5") == "10.0.1.5"
    by_type = [{"Name": "reservationType", "Values": ["explicit"]}]
    shown = ec2.get_subnet_cidr_reservations(SubnetId=subnet, Filters=by_type)
    assert (shown["SubnetIpv4CidrReservations"], shown["SubnetIpv6CidrReservations"]) == ([reservation], [])
    for block, code in (("10.0.1.4/31", "InvalidParameterValue"), ("10.9.0.0/28", "InvalidParameterValue")):
        assert ec2.refused("create_subnet_cidr_reservation", **{**asked, "Cidr": block})[0] == code
    named = {"SubnetCidrReservationId": reservation["SubnetCidrReservationId"]}
    assert ec2.delete_subnet_cidr_reservation(**named)["DeletedSubnetCidrReservation"] == reservation
    assert given() == "10.0.1.4"
    assert ec2.refused("delete_subnet_cidr_reservation", **named)[0] == "InvalidSubnetCidrReservationID.NotFound"
