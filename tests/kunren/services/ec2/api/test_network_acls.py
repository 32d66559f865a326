def test_each_vpc_has_the_default_acl_that_aws_shows(ec2):
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    acl = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"][0]
    assert acl["IsDefault"]
    assert [each["SubnetId"] for each in acl["Associations"]] == [subnet]
    assert [(each["RuleNumber"], each["RuleAction"], each["Egress"]) for each in acl["Entries"]] == [
        (100, "allow", True),
        (32767, "deny", True),
        (100, "allow", False),
        (32767, "deny", False),
    ]


def test_kinds_that_nothing_can_make_are_empty_lists(ec2):
    assert ec2.describe_instances() == {"Reservations": []}
    assert ec2.describe_prefix_lists() == {"PrefixLists": []}
    assert ec2.describe_managed_prefix_lists() == {"PrefixLists": []}
    assert ec2.refused("describe_instances", InstanceIds=["i-0"]) == (
        "InvalidInstanceID.NotFound",
        "The instance ID 'i-0' does not exist",
    )
