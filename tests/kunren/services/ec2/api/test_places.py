def test_zones_of_the_region(ec2):
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [(each["ZoneName"], each["ZoneId"]) for each in zones] == [
        ("us-east-1a", "use1-az1"),
        ("us-east-1b", "use1-az2"),
        ("us-east-1c", "use1-az3"),
    ]
    assert {each["State"] for each in zones} == {"available"}
    one = ec2.describe_availability_zones(ZoneIds=["use1-az2"])["AvailabilityZones"]
    assert [each["ZoneName"] for each in one] == ["us-east-1b"]
    assert ec2.refused("describe_availability_zones", ZoneNames=["us-east-1z"]) == (
        "InvalidParameterValue",
        "Invalid availability zone: [us-east-1z]",
    )


def test_regions_of_the_world(ec2):
    regions = ec2.describe_regions()["Regions"]
    assert [each["RegionName"] for each in regions] == ["us-east-1", "ap-northeast-1"]
    assert regions[0]["Endpoint"] == "ec2.us-east-1.amazonaws.com"
    found = ec2.describe_regions(Filters=[{"Name": "region-name", "Values": ["ap-*"]}])["Regions"]
    assert [each["RegionName"] for each in found] == ["ap-northeast-1"]
    assert ec2.refused("describe_regions", RegionNames=["mars-1"])[0] == "InvalidParameterValue"


def test_account_attributes_name_the_default_vpc(ec2):
    shown = {
        each["AttributeName"]: each["AttributeValues"][0]["AttributeValue"]
        for each in ec2.describe_account_attributes()["AccountAttributes"]
    }
    assert shown["default-vpc"] == ec2.default_vpc()["VpcId"]
    assert shown["supported-platforms"] == "VPC"
