def test_tags_on_every_kind_of_resource(ec2):
    vpc = ec2.vpc()
    group = ec2.group(vpc)
    rule = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"][0]
    subnet = ec2.subnet(vpc)
    resources = {
        vpc: "vpc",
        subnet: "subnet",
        group: "security-group",
        rule["SecurityGroupRuleId"]: "security-group-rule",
        ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]: "route-table",
        ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]: "internet-gateway",
        ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]: "network-interface",
        ec2.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"]: "network-acl",
        ec2.describe_dhcp_options()["DhcpOptions"][0]["DhcpOptionsId"]: "dhcp-options",
    }
    ec2.create_tags(Resources=list(resources), Tags=[{"Key": "team", "Value": "x"}, {"Key": "Name", "Value": "n"}])
    shown = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["team"]}])["Tags"]
    assert {each["ResourceId"]: each["ResourceType"] for each in shown} == resources
    assert len(ec2.describe_tags(Filters=[{"Name": "tag:team", "Values": ["x"]}])["Tags"]) == len(resources)
    ec2.delete_tags(Resources=list(resources), Tags=[{"Key": "team"}])
    assert {each["Key"] for each in ec2.describe_tags()["Tags"]} == {"Name"}
    ec2.delete_tags(Resources=list(resources))
    assert ec2.describe_tags()["Tags"] == []


def test_one_unknown_id_refuses_all(ec2):
    vpc = ec2.vpc()
    tags = [{"Key": "a", "Value": "1"}]
    assert ec2.refused("create_tags", Resources=[vpc, "subnet-0"], Tags=tags)[0] == "InvalidSubnetID.NotFound"
    assert ec2.refused("create_tags", Resources=[vpc, "what-0"], Tags=tags) == (
        "InvalidID",
        "The ID 'what-0' is not valid",
    )
    assert ec2.describe_tags()["Tags"] == []


def test_bad_tags(ec2):
    vpc = ec2.vpc()
    assert ec2.refused("create_tags", Resources=[vpc], Tags=[{"Key": "aws:x", "Value": "1"}]) == (
        "InvalidParameterValue",
        "Tag keys starting with 'aws:' are reserved for internal use",
    )
    many = [{"Key": str(number), "Value": ""} for number in range(51)]
    assert ec2.refused("create_tags", Resources=[vpc], Tags=many)[0] == "TagLimitExceeded"


def test_pages_of_tags(ec2):
    vpc = ec2.vpc()
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": f"k{number}", "Value": ""} for number in range(7)])
    first = ec2.describe_tags(MaxResults=5)
    rest = ec2.describe_tags(MaxResults=5, NextToken=first["NextToken"])
    assert [each["Key"] for each in first["Tags"] + rest["Tags"]] == [f"k{number}" for number in range(7)]
    assert rest["NextToken"] is None
