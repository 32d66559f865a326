import pytest

from kunren.services.ec2.api.base import Limits

HTTP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}]}


def rules(ec2, group, egress=False):
    shown = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    return [each for each in shown if each["IsEgress"] is egress]


def test_a_new_group_lets_everything_out_and_nothing_in(ec2):
    group = ec2.describe_security_groups(GroupIds=[ec2.group(ec2.vpc())])["SecurityGroups"][0]
    assert group["IpPermissions"] == []
    assert [each["IpProtocol"] for each in group["IpPermissionsEgress"]] == ["-1"]
    assert group["IpPermissionsEgress"][0].get("FromPort") is None


def test_names_and_where_they_are_refused(ec2):
    vpc = ec2.vpc()
    ec2.group(vpc, "web")
    assert ec2.refused("create_security_group", GroupName="web", Description="d", VpcId=vpc) == (
        "InvalidGroup.Duplicate",
        f"The security group 'web' already exists for VPC '{vpc}'",
    )
    ec2.group(ec2.vpc("10.1.0.0/16"), "web")
    for name in ("sg-web", "default", "naïve", "x" * 256):
        code, _ = ec2.refused("create_security_group", GroupName=name, Description="d", VpcId=vpc)
        assert code == "InvalidParameterValue", name
    assert ec2.refused("create_security_group", GroupName="a", Description="d", VpcId="vpc-0")[0] == (
        "InvalidVpcID.NotFound"
    )


def test_authorize_and_revoke_by_permission(ec2):
    group = ec2.group(ec2.vpc())
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[HTTP])
    rule = made["SecurityGroupRules"][0]
    assert made["Return"]
    assert rule["SecurityGroupRuleArn"].endswith(f"security-group-rule/{rule['SecurityGroupRuleId']}")
    assert (rule["CidrIpv4"], rule["FromPort"], rule["IsEgress"], rule["Description"]) == (
        "0.0.0.0/0",
        80,
        False,
        "all",
    )
    assert ec2.refused("authorize_security_group_ingress", GroupId=group, IpPermissions=[HTTP]) == (
        "InvalidPermission.Duplicate",
        'the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists',
    )
    without_description = {**HTTP, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    gone = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[without_description])
    assert [each["SecurityGroupRuleId"] for each in gone["RevokedSecurityGroupRules"]] == [rule["SecurityGroupRuleId"]]
    assert rules(ec2, group) == []
    assert ec2.refused("revoke_security_group_ingress", GroupId=group, IpPermissions=[HTTP]) == (
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )


def test_in_the_default_vpc_an_unknown_permission_is_answered_not_refused(ec2):
    ec2.create_security_group(GroupName="web", Description="d")
    answer = ec2.revoke_security_group_ingress(GroupName="web", IpPermissions=[HTTP])
    assert answer["Return"]
    assert answer["UnknownIpPermissions"][0]["IpRanges"][0]["CidrIp"] == "0.0.0.0/0"


def test_the_older_form(ec2):
    ec2.create_security_group(GroupName="web", Description="d")
    old = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"}
    ec2.authorize_security_group_ingress(GroupName="web", **old)
    ec2.authorize_security_group_ingress(GroupName="web", SourceSecurityGroupName="default")
    group = ec2.describe_security_groups(GroupNames=["web"])["SecurityGroups"][0]
    assert [each["IpProtocol"] for each in group["IpPermissions"]] == ["tcp", "-1"]
    ec2.revoke_security_group_ingress(GroupName="web", **old)
    assert len(rules(ec2, group["GroupId"])) == 1
    assert ec2.refused("describe_security_groups", GroupNames=["none"]) == (
        "InvalidGroup.NotFound",
        f"The security group 'none' does not exist in default VPC '{ec2.default_vpc()['VpcId']}'",
    )


def test_nothing_is_added_when_one_rule_is_bad(ec2):
    group = ec2.group(ec2.vpc())
    bad = {**HTTP, "FromPort": 443, "ToPort": 80}
    assert ec2.refused("authorize_security_group_ingress", GroupId=group, IpPermissions=[HTTP, bad])[0] == (
        "InvalidParameterValue"
    )
    assert ec2.refused("authorize_security_group_ingress", GroupId=group)[0] == "MissingParameter"
    assert rules(ec2, group) == []


def test_revoke_by_rule_id(ec2):
    group = ec2.group(ec2.vpc())
    out = rules(ec2, group, egress=True)[0]["SecurityGroupRuleId"]
    assert ec2.refused("revoke_security_group_ingress", GroupId=group, SecurityGroupRuleIds=[out])[0] == (
        "InvalidSecurityGroupRuleId.NotFound"
    )
    ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[out])
    assert rules(ec2, group, egress=True) == []
    assert ec2.refused("describe_security_group_rules", SecurityGroupRuleIds=[out]) == (
        "InvalidSecurityGroupRuleId.NotFound",
        f"The security group rule ID '{out}' does not exist",
    )


def test_a_group_as_peer(ec2):
    vpc = ec2.vpc()
    web, db = ec2.group(vpc, "web"), ec2.group(vpc, "db")
    from_web = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": web}]}
    rule = ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[from_web])["SecurityGroupRules"][0]
    assert rule["ReferencedGroupInfo"] == {"GroupId": web, "UserId": "123456789012"}
    assert ec2.refused("delete_security_group", GroupId=web) == (
        "DependencyViolation",
        f"resource {web} has a dependent object",
    )
    found = ec2.describe_security_groups(Filters=[{"Name": "ip-permission.group-id", "Values": [web]}])
    assert [each["GroupId"] for each in found["SecurityGroups"]] == [db]
    other = ec2.group(ec2.vpc("10.1.0.0/16"), "other")
    elsewhere = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}
    assert ec2.refused("authorize_security_group_ingress", GroupId=db, IpPermissions=[elsewhere]) == (
        "InvalidGroup.NotFound",
        "You have specified two resources that belong to different networks.",
    )
    ec2.delete_security_group(GroupId=db)
    ec2.delete_security_group(GroupId=web)


def test_a_group_that_nobody_names_any_more_goes(ec2):
    vpc = ec2.vpc()
    web, db = ec2.group(vpc, "web"), ec2.group(vpc, "db")
    in_use = ("DependencyViolation", f"resource {web} has a dependent object")
    from_web = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": web}]}]
    for group in (web, db):  # what it says of itself keeps nobody
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=from_web)
    assert ec2.refused("delete_security_group", GroupId=web) == in_use
    ec2.revoke_security_group_ingress(GroupId=db, IpPermissions=from_web)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.9.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[web])["NetworkInterface"]["NetworkInterfaceId"]
    assert ec2.refused("delete_security_group", GroupId=web) == in_use
    ec2.modify_network_interface_attribute(NetworkInterfaceId=made, Groups=[db])
    ec2.delete_security_group(GroupId=web)
    ec2.delete_network_interface(NetworkInterfaceId=made)
    ec2.delete_security_group(GroupId=db)


def test_groups_that_stay(ec2):
    vpc = ec2.vpc()
    default = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0][
        "GroupId"
    ]
    assert ec2.refused("delete_security_group", GroupId=default) == (
        "CannotDelete",
        f'the specified group: "{default}" name: "default" cannot be deleted by a user',
    )
    group = ec2.group(vpc)
    interface = ec2.create_network_interface(SubnetId=ec2.subnet(vpc), Groups=[group])["NetworkInterface"]
    assert ec2.refused("delete_security_group", GroupId=group)[0] == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    assert ec2.delete_security_group(GroupId=group) == {"Return": True, "GroupId": group}
    assert ec2.refused("delete_security_group", GroupId=group) == (
        "InvalidGroup.NotFound",
        f"The security group '{group}' does not exist",
    )
    assert ec2.refused("delete_security_group", GroupId="web") == (
        "InvalidGroupId.Malformed",
        'Invalid id: "web" (expecting "sg-...")',
    )


def test_modify_rules(ec2):
    group = ec2.group(ec2.vpc())
    rule = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[HTTP])["SecurityGroupRules"][0]
    rule_id = rule["SecurityGroupRuleId"]

    def update(**wanted):
        return {"GroupId": group, "SecurityGroupRules": [{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": wanted}]}

    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    assert ec2.modify_security_group_rules(**update(**https, CidrIpv4="10.0.0.0/8")) == {"Return": True}
    shown = rules(ec2, group)[0]
    assert (shown["SecurityGroupRuleId"], shown["FromPort"], shown["CidrIpv4"]) == (rule_id, 443, "10.0.0.0/8")
    assert shown["Description"] is None
    code, text = ec2.refused("modify_security_group_rules", **update(**https, CidrIpv6="::/0"))
    assert (code, text) == (
        "InvalidParameterValue",
        f"Invalid rule type for security group rule '{rule_id}'. "
        "You may not specify CidrIpv6 for an existing IPv4 CIDR rule.",
    )
    code, text = ec2.refused(
        "modify_security_group_rules", **update(IpProtocol="-1", FromPort=0, ToPort=0, CidrIpv4="0.0.0.0/0")
    )
    assert (code, text.startswith("You may not specify all protocols and specific ports.")) == (
        "InvalidParameterValue",
        True,
    )
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[HTTP])
    again = update(IpProtocol="tcp", FromPort=80, ToPort=80, CidrIpv4="0.0.0.0/0")
    assert ec2.refused("modify_security_group_rules", **again)[0] == "InvalidPermission.Duplicate"


def test_descriptions(ec2):
    group = ec2.group(ec2.vpc())
    rule_id = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[HTTP])["SecurityGroupRules"][0][
        "SecurityGroupRuleId"
    ]
    new = {**HTTP, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "new"}]}
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=[new])
    assert rules(ec2, group)[0]["Description"] == "new"
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule_id}]
    )
    assert rules(ec2, group)[0]["Description"] is None
    assert ec2.refused("update_security_group_rule_descriptions_egress", GroupId=group, IpPermissions=[new])[0] == (
        "InvalidPermission.NotFound"
    )


def test_sixty_rules_in_each_direction(new_caller):
    ec2 = new_caller(limits=Limits(rules_per_direction=3))
    group = ec2.group(ec2.vpc())
    ranges = [{"CidrIp": f"10.{number}.0.0/16"} for number in range(4)]
    asked = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**asked, "IpRanges": ranges[:3]}])
    assert ec2.refused(
        "authorize_security_group_ingress", GroupId=group, IpPermissions=[{**asked, "IpRanges": ranges[3:]}]
    ) == ("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ip-permission.cidr", "0.0.0.0/0"),
        ("ip-permission.from-port", "80"),
        ("ip-permission.protocol", "tcp"),
        ("group-name", "we?"),
        ("egress.ip-permission.from-port", None),
    ],
)
def test_filters(ec2, name, value):
    group = ec2.group(ec2.vpc())
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[HTTP])
    found = ec2.describe_security_groups(Filters=[{"Name": name, "Values": [value or "*"]}])["SecurityGroups"]
    assert [each["GroupId"] for each in found] == ([group] if value else [])


def test_a_group_is_of_use_in_vpcs_that_it_is_associated_with(ec2):
    vpc, other = ec2.vpc(), ec2.vpc("10.7.0.0/16")
    group, subnet = ec2.group(vpc), ec2.subnet(other, "10.7.1.0/24")
    where = {"GroupId": group, "VpcId": other}
    interface = {"SubnetId": subnet, "Groups": [group]}
    assert ec2.refused("create_network_interface", **interface)[0] == "InvalidParameterValue"
    assert ec2.associate_security_group_vpc(**where) == {"State": "associated"}
    (shown,) = ec2.describe_security_group_vpc_associations()["SecurityGroupVpcAssociations"]
    assert shown == {**where, "GroupOwnerId": ec2.account, "VpcOwnerId": ec2.account, "State": "associated"}
    by_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    assert ec2.describe_security_group_vpc_associations(Filters=by_vpc)["SecurityGroupVpcAssociations"] == []
    usable = ec2.get_security_groups_for_vpc(VpcId=other)["SecurityGroupForVpcs"]
    assert sorted((each["GroupName"], each["PrimaryVpcId"]) for each in usable) == sorted(
        [("default", other), ("web", vpc)]
    )
    made = ec2.create_network_interface(**interface)["NetworkInterface"]["NetworkInterfaceId"]
    assert ec2.refused("disassociate_security_group_vpc", **where)[0] == "DependencyViolation"
    assert ec2.refused("delete_security_group", GroupId=group)[0] == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=made)
    ec2.delete_subnet(SubnetId=subnet)
    assert ec2.refused("delete_vpc", VpcId=other)[0] == "DependencyViolation"
    assert ec2.disassociate_security_group_vpc(**where) == {"State": "disassociated"}
    assert ec2.refused("disassociate_security_group_vpc", **where)[0] == "InvalidAssociationID.NotFound"
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=other)


def test_a_groups_own_vpc_the_default_vpc_and_default_groups_are_not_associated(ec2):
    vpc, other = ec2.vpc(), ec2.vpc("10.7.0.0/16")
    mine = ec2.group(vpc)
    default = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    its_default = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    for group, where in ((mine, vpc), (default, other), (mine, its_default)):
        assert ec2.refused("associate_security_group_vpc", GroupId=group, VpcId=where)[0] == "InvalidParameterValue"
