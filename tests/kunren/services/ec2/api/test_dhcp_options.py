"""DHCP options by the rules of "DHCP option sets", and what workloads find of them."""

import pytest

from kunren.services.ec2 import dhcp
from kunren.services.ec2.model import Vpc


def option(key, *values):
    return {"Key": key, "Values": list(values)}


def settings(ec2, vpc):
    snapshot = ec2.store.snapshot()
    return dhcp.resolver_settings(snapshot, snapshot.get(Vpc, ec2.account, ec2.region, vpc))


def test_a_set_of_ones_own_is_associated_and_the_default_says_amazon(ec2):
    vpc = ec2.vpc()
    assert (settings(ec2, vpc).name_servers, settings(ec2, vpc).search) == (("10.0.0.2",), ("ec2.internal",))
    made = ec2.create_dhcp_options(
        DhcpConfigurations=[
            option("domain-name", "corp.test lab.test"),
            option("domain-name-servers", "10.0.0.53", "AmazonProvidedDNS"),
            option("ntp-servers", "10.0.0.123"),
            option("netbios-name-servers", "10.0.0.138"),
            option("netbios-node-type", "2"),
        ],
        TagSpecifications=[{"ResourceType": "dhcp-options", "Tags": [{"Key": "k", "Value": "v"}]}],
    )["DhcpOptions"]
    assert made["Tags"] == [{"Key": "k", "Value": "v"}]
    assert made["DhcpConfigurations"][1] == {
        "Key": "domain-name-servers",
        "Values": [{"Value": "10.0.0.53"}, {"Value": "AmazonProvidedDNS"}],
    }
    ec2.associate_dhcp_options(DhcpOptionsId=made["DhcpOptionsId"], VpcId=vpc)
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"] == made["DhcpOptionsId"]
    assert settings(ec2, vpc).name_servers == ("10.0.0.53", "10.0.0.2")
    assert settings(ec2, vpc).search == ("corp.test", "lab.test")
    for name, value in (
        ("key", "ntp-servers"), ("value", "10.0.0.123"), ("dhcp-options-id", made["DhcpOptionsId"]), ("tag:k", "v"),
    ):  # fmt: skip
        found = ec2.describe_dhcp_options(Filters=[{"Name": name, "Values": [value]}])["DhcpOptions"]
        assert [each["DhcpOptionsId"] for each in found] == [made["DhcpOptionsId"]]
    assert ec2.refused("delete_dhcp_options", DhcpOptionsId=made["DhcpOptionsId"]) == (
        "DependencyViolation",
        f"The dhcpOptions '{made['DhcpOptionsId']}' has dependencies and cannot be deleted.",
    )
    ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpc)
    assert settings(ec2, vpc) == dhcp.ResolverSettings()
    ec2.delete_dhcp_options(DhcpOptionsId=made["DhcpOptionsId"])
    assert len(ec2.describe_dhcp_options()["DhcpOptions"]) == 1


@pytest.mark.parametrize(
    "bad",
    [
        option("domain-name-servers", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"),
        option("domain-name-servers", "dns.corp.test"),
        option("ntp-servers", "AmazonProvidedDNS"),
        option("netbios-node-type", "3"),
        option("domain-name", "a.test\nnameserver 6.6.6.6"),
        option("domain-name", "a.test", "b.test"),
        option("domain-name"),
        option("colour", "red"),
    ],
)
def test_values_that_dhcp_has_no_room_for_are_refused(ec2, bad):
    assert ec2.refused("create_dhcp_options", DhcpConfigurations=[bad])[0] == "InvalidParameterValue"


def test_unknown_sets_and_vpcs_are_refused_by_name(ec2):
    default = ec2.describe_dhcp_options()["DhcpOptions"][0]["DhcpOptionsId"]
    missing = {"DhcpOptionsId": "dopt-0123456789abcdef0"}
    assert ec2.refused("associate_dhcp_options", VpcId=ec2.vpc(), **missing)[0] == "InvalidDhcpOptionID.NotFound"
    assert ec2.refused("delete_dhcp_options", **missing)[0] == "InvalidDhcpOptionID.NotFound"
    assert ec2.refused("associate_dhcp_options", VpcId="vpc-0123456789abcdef0", DhcpOptionsId=default)[0] == (
        "InvalidVpcID.NotFound"
    )
    assert ec2.refused("delete_dhcp_options", DhcpOptionsId=default)[0] == "DependencyViolation"
