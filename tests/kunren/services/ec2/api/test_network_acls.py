"""Network ACLs as the Api has them; that packets obey is in test_acls_in_the_world.py."""

import pytest

ALLOW_ALL = {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}


def shown(ec2, acl):
    return ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]


def default_of(ec2, vpc):
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
    return ec2.describe_network_acls(Filters=wanted)["NetworkAcls"][0]


@pytest.fixture
def vpc(ec2):
    return ec2.vpc()


@pytest.fixture
def acl(ec2, vpc):
    return ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]


def test_each_vpc_has_the_default_acl_that_aws_shows(ec2, vpc):
    subnet = ec2.subnet(vpc)
    acl = default_of(ec2, vpc)
    assert acl["IsDefault"]
    assert [each["SubnetId"] for each in acl["Associations"]] == [subnet]
    assert [(each["RuleNumber"], each["RuleAction"], each["Egress"]) for each in acl["Entries"]] == [
        (100, "allow", True),
        (32767, "deny", True),
        (100, "allow", False),
        (32767, "deny", False),
    ]


def test_a_new_acl_denies_everything_and_has_no_subnet(ec2, vpc):
    made = ec2.create_network_acl(
        VpcId=vpc, TagSpecifications=[{"ResourceType": "network-acl", "Tags": [{"Key": "Name", "Value": "db"}]}]
    )["NetworkAcl"]
    assert not made["IsDefault"]
    assert made["Associations"] == []
    assert made["Tags"] == [{"Key": "Name", "Value": "db"}]
    assert [(each["RuleNumber"], each["RuleAction"], each["Egress"], each["Protocol"]) for each in made["Entries"]] == [
        (32767, "deny", True, "-1"),
        (32767, "deny", False, "-1"),
    ]
    assert shown(ec2, made["NetworkAclId"]) == made


def test_entries_are_shown_by_number_with_protocol_numbers(ec2, acl):
    tcp = {"RuleNumber": 20, "Protocol": "tcp", "RuleAction": "deny", "CidrBlock": "10.1.2.3/8", "Egress": False}
    ec2.create_network_acl_entry(NetworkAclId=acl, **tcp, PortRange={"From": 80, "To": 443})
    icmp = {"RuleNumber": 10, "Protocol": "1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0", "Egress": False}
    ec2.create_network_acl_entry(NetworkAclId=acl, **icmp, IcmpTypeCode={"Type": 8, "Code": -1})
    v6 = {"RuleNumber": 30, "Protocol": "-1", "RuleAction": "allow", "Ipv6CidrBlock": "::/0", "Egress": True}
    ec2.create_network_acl_entry(NetworkAclId=acl, **v6)
    entries = [{k: v for k, v in each.items() if v is not None} for each in shown(ec2, acl)["Entries"]]
    assert entries == [
        {"RuleNumber": 30, "Egress": True, "RuleAction": "allow", "Protocol": "-1", "Ipv6CidrBlock": "::/0"},
        {"RuleNumber": 32767, "Egress": True, "RuleAction": "deny", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"},
        {"RuleNumber": 32768, "Egress": True, "RuleAction": "deny", "Protocol": "-1", "Ipv6CidrBlock": "::/0"},
        {
            "RuleNumber": 10, "Egress": False, "RuleAction": "allow", "Protocol": "1", "CidrBlock": "0.0.0.0/0",
            "IcmpTypeCode": {"Type": 8, "Code": -1},
        },
        {
            "RuleNumber": 20, "Egress": False, "RuleAction": "deny", "Protocol": "6", "CidrBlock": "10.0.0.0/8",
            "PortRange": {"From": 80, "To": 443},
        },
        {"RuleNumber": 32767, "Egress": False, "RuleAction": "deny", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"},
        {"RuleNumber": 32768, "Egress": False, "RuleAction": "deny", "Protocol": "-1", "Ipv6CidrBlock": "::/0"},
    ]  # fmt: skip


def test_a_number_is_used_once_per_direction(ec2, acl):
    ec2.create_network_acl_entry(NetworkAclId=acl, Egress=True, **ALLOW_ALL)
    ec2.create_network_acl_entry(NetworkAclId=acl, Egress=False, **ALLOW_ALL)
    assert ec2.refused("create_network_acl_entry", NetworkAclId=acl, Egress=False, **ALLOW_ALL) == (
        "NetworkAclEntryAlreadyExists",
        "The network acl entry identified by 100 already exists.",
    )
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    assert [each["RuleNumber"] for each in shown(ec2, acl)["Entries"]] == [100, 32767, 32767]
    for gone in ("delete_network_acl_entry", "replace_network_acl_entry"):
        rest = ALLOW_ALL if gone.startswith("replace") else {"RuleNumber": 100}
        assert ec2.refused(gone, NetworkAclId=acl, Egress=False, **rest)[0] == "InvalidNetworkAclEntry.NotFound"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"RuleNumber": 0}, "InvalidParameterValue"),
        ({"RuleNumber": 32767}, "InvalidParameterValue"),
        ({"CidrBlock": None}, "MissingParameter"),
        ({"Ipv6CidrBlock": "::/0"}, "InvalidParameterCombination"),
        ({"CidrBlock": "10.0.0.0"}, "InvalidParameterValue"),
        ({"Protocol": "tcp"}, "MissingParameter"),
        ({"Protocol": "6", "PortRange": {"From": 90, "To": 80}}, "InvalidParameterValue"),
        ({"Protocol": "icmp"}, "MissingParameter"),
        ({"Protocol": "1", "IcmpTypeCode": {"Type": 300, "Code": 0}}, "InvalidParameterValue"),
        ({"Protocol": "256"}, "InvalidParameterValue"),
        ({"Protocol": "sctpx"}, "InvalidParameterValue"),
    ],
)
def test_what_is_no_entry_is_refused(ec2, acl, change, code):
    asked = {key: value for key, value in (ALLOW_ALL | change).items() if value is not None}
    assert ec2.refused("create_network_acl_entry", NetworkAclId=acl, Egress=True, **asked)[0] == code


def test_there_is_room_for_twenty_entries_per_direction(ec2, acl):
    for number in range(1, 21):
        ec2.create_network_acl_entry(NetworkAclId=acl, Egress=True, **ALLOW_ALL | {"RuleNumber": number})
    refused = ec2.refused("create_network_acl_entry", NetworkAclId=acl, Egress=True, **ALLOW_ALL)
    assert refused[0] == "NetworkAclEntryLimitExceeded"
    ec2.create_network_acl_entry(NetworkAclId=acl, Egress=False, **ALLOW_ALL)


def test_a_subnet_has_one_acl_and_replacing_gives_a_new_association(ec2, vpc, acl):
    subnet = ec2.subnet(vpc)
    (before,) = default_of(ec2, vpc)["Associations"]
    new = ec2.replace_network_acl_association(AssociationId=before["NetworkAclAssociationId"], NetworkAclId=acl)
    assert new["NewAssociationId"] != before["NetworkAclAssociationId"]
    assert shown(ec2, acl)["Associations"] == [
        {"NetworkAclAssociationId": new["NewAssociationId"], "NetworkAclId": acl, "SubnetId": subnet}
    ]
    assert default_of(ec2, vpc)["Associations"] == []
    assert ec2.refused("replace_network_acl_association", AssociationId="aclassoc-0", NetworkAclId=acl) == (
        "InvalidAssociationID.NotFound",
        "The association ID 'aclassoc-0' does not exist",
    )
    other = default_of(ec2, ec2.vpc("10.1.0.0/16"))["NetworkAclId"]
    refused = ec2.refused("replace_network_acl_association", AssociationId=new["NewAssociationId"], NetworkAclId=other)
    assert refused[0] == "InvalidParameterValue"
    ec2.delete_subnet(SubnetId=subnet)
    assert shown(ec2, acl)["Associations"] == []


def test_an_acl_in_use_or_a_default_one_is_not_deleted_and_keeps_its_vpc(ec2, vpc, acl):
    ec2.subnet(vpc)
    default = default_of(ec2, vpc)
    assert ec2.refused("delete_network_acl", NetworkAclId=default["NetworkAclId"])[0] == "InvalidParameterValue"
    association = default["Associations"][0]["NetworkAclAssociationId"]
    ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl)
    assert ec2.refused("delete_network_acl", NetworkAclId=acl) == (
        "DependencyViolation",
        f"The networkAcl '{acl}' has dependencies and cannot be deleted.",
    )
    association = shown(ec2, acl)["Associations"][0]
    ec2.delete_subnet(SubnetId=association["SubnetId"])
    assert ec2.refused("delete_vpc", VpcId=vpc)[0] == "DependencyViolation"
    ec2.delete_network_acl(NetworkAclId=acl)
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.refused("describe_network_acls", NetworkAclIds=[acl])[0] == "InvalidNetworkAclID.NotFound"


def test_a_token_makes_one_acl(ec2, vpc):
    one, two = (ec2.create_network_acl(VpcId=vpc, ClientToken="t")["NetworkAcl"]["NetworkAclId"] for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default", "false"), ("entry.cidr", "10.0.0.0/8"), ("entry.port-range.from", "80"),
        ("entry.port-range.to", "443"), ("entry.protocol", "tcp"), ("entry.protocol", "6"), ("entry.rule-number", "20"),
    ],
)  # fmt: skip
def test_acls_are_found_by_their_entries(ec2, acl, name, value):
    tcp = {"RuleNumber": 20, "Protocol": "tcp", "RuleAction": "deny", "CidrBlock": "10.0.0.0/8", "Egress": False}
    ec2.create_network_acl_entry(NetworkAclId=acl, **tcp, PortRange={"From": 80, "To": 443})
    found = ec2.describe_network_acls(Filters=[{"Name": name, "Values": [value]}])["NetworkAcls"]
    assert [each["NetworkAclId"] for each in found] == [acl]


def test_kinds_that_nothing_can_make_are_empty_lists(ec2):
    assert ec2.describe_instances()["Reservations"] == []
    assert ec2.refused("describe_instances", InstanceIds=["i-0"]) == (
        "InvalidInstanceID.NotFound",
        "The instance ID 'i-0' does not exist",
    )
