"""Managed prefix lists: versions, quotas, what refers to them, and AWS's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ec2 import prefix_lists
from kunren.services.ec2.api.base import Limits
from kunren.services.ec2.model import AppliedPrefixLists, PrefixListEntry


def make(ec2, *blocks, most=10, family="IPv4", name="office"):
    return ec2.create_managed_prefix_list(
        PrefixListName=name, AddressFamily=family, MaxEntries=most, Entries=[{"Cidr": each} for each in blocks]
    )["PrefixList"]


def shown(ec2, id):
    return ec2.describe_managed_prefix_lists(PrefixListIds=[id])["PrefixLists"][0]


def entries(ec2, id, **more):
    return [each["Cidr"] for each in ec2.get_managed_prefix_list_entries(PrefixListId=id, **more)["Entries"]]


def test_a_list_has_versions_that_can_be_read_and_restored(ec2):
    made = make(ec2, "10.1.0.0/16", "10.2.3.4/16")
    id = made["PrefixListId"]
    assert (made["State"], made["Version"], made["OwnerId"]) == ("create-in-progress", 1, "123456789012")
    assert made["PrefixListArn"] == f"arn:aws:ec2:us-east-1:123456789012:prefix-list/{id}"
    assert (shown(ec2, id)["State"], entries(ec2, id)) == ("create-complete", ["10.1.0.0/16", "10.2.0.0/16"])
    changed = ec2.modify_managed_prefix_list(
        PrefixListId=id,
        CurrentVersion=1,
        AddEntries=[{"Cidr": "10.3.0.0/16", "Description": "third"}],
        RemoveEntries=[{"Cidr": "10.1.0.0/16"}],
    )["PrefixList"]
    assert changed["State"] == "modify-in-progress"
    assert (shown(ec2, id)["State"], shown(ec2, id)["Version"]) == ("modify-complete", 2)
    assert (entries(ec2, id), entries(ec2, id, TargetVersion=1)) == (
        ["10.2.0.0/16", "10.3.0.0/16"],
        ["10.1.0.0/16", "10.2.0.0/16"],
    )
    ec2.restore_managed_prefix_list_version(PrefixListId=id, PreviousVersion=1, CurrentVersion=2)
    assert (shown(ec2, id)["State"], shown(ec2, id)["Version"]) == ("restore-complete", 3)
    assert entries(ec2, id) == ["10.1.0.0/16", "10.2.0.0/16"]
    ec2.modify_managed_prefix_list(PrefixListId=id, PrefixListName="other")
    assert (shown(ec2, id)["PrefixListName"], shown(ec2, id)["Version"]) == ("other", 3)
    assert ec2.delete_managed_prefix_list(PrefixListId=id)["PrefixList"]["State"] == "delete-in-progress"
    assert ec2.refused("describe_managed_prefix_lists", PrefixListIds=[id])[0] == "InvalidPrefixListID.NotFound"


def test_what_a_change_may_not_be(ec2):
    id = make(ec2, "10.1.0.0/16", most=2)["PrefixListId"]

    def refused(**params):
        return ec2.refused("modify_managed_prefix_list", PrefixListId=id, **params)

    more = [{"Cidr": "10.2.0.0/16"}]
    assert refused(CurrentVersion=9, AddEntries=more) == (
        "PrefixListVersionMismatch",
        "The prefix list has the incorrect version number.",
    )
    assert refused(AddEntries=more, MaxEntries=5)[0] == "InvalidParameterCombination"
    assert refused(AddEntries=[*more, {"Cidr": "10.3.0.0/16"}])[0] == "PrefixListMaxEntriesExceeded"
    assert refused(AddEntries=[{"Cidr": "10.1.0.0/16"}])[0] == "InvalidPrefixListModification"
    assert refused(RemoveEntries=more)[0] == "InvalidPrefixListModification"
    assert refused(AddEntries=more, RemoveEntries=more)[0] == "InvalidParameterValue"
    assert refused(AddEntries=[{"Cidr": "::/0"}])[0] == "InvalidParameterValue"
    assert refused(MaxEntries=1001)[0] == "InvalidParameterValue"
    assert refused(PrefixListName="com.amazonaws.mine")[0] == "InvalidParameterValue"
    params = {"PrefixListId": id, "PreviousVersion": 4, "CurrentVersion": 1}
    assert ec2.refused("restore_managed_prefix_list_version", **params)[0] == "PrefixListVersionNotFound"


def test_a_change_is_in_progress_until_every_running_vpc_has_it_and_the_next_waits(ec2):
    id = make(ec2, "10.1.0.0/16")["PrefixListId"]
    with ec2.store.write() as tx:
        tx.put(AppliedPrefixLists(account=ec2.account, region=ec2.region, id="vpc-1", versions={id: 1}))
    ec2.modify_managed_prefix_list(PrefixListId=id, AddEntries=[{"Cidr": "10.2.0.0/16"}])
    assert shown(ec2, id)["State"] == "modify-in-progress"
    params = {"PrefixListId": id, "RemoveEntries": [{"Cidr": "10.2.0.0/16"}]}
    assert ec2.refused("modify_managed_prefix_list", **params)[0] == "IncorrectState"
    with ec2.store.write() as tx:
        tx.put(AppliedPrefixLists(account=ec2.account, region=ec2.region, id="vpc-1", versions={id: 2}))
    assert shown(ec2, id)["State"] == "modify-complete"


def test_rules_and_routes_name_a_list_which_then_cannot_be_deleted(ec2):
    vpc = ec2.vpc()
    id, group = make(ec2, "192.0.2.0/24")["PrefixListId"], ec2.group(vpc)
    asked = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": id}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[asked])
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationPrefixListId=id, GatewayId=gateway)
    wanted = {"Name": "route.destination-prefix-list-id", "Values": [id]}
    route = ec2.describe_route_tables(Filters=[wanted])["RouteTables"][0]["Routes"][1]
    assert (route["DestinationPrefixListId"], route["GatewayId"], route["State"]) == (id, gateway, "active")
    assert "DestinationCidrBlock" not in route
    associated = ec2.get_managed_prefix_list_associations(PrefixListId=id)["PrefixListAssociations"]
    assert {each["ResourceId"] for each in associated} == {group, table}
    assert ec2.refused("delete_managed_prefix_list", PrefixListId=id)[0] == "DependencyViolation"
    ec2.delete_route(RouteTableId=table, DestinationPrefixListId=id)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[asked])
    ec2.delete_managed_prefix_list(PrefixListId=id)


def test_a_reference_counts_for_as_many_as_the_list_may_have(new_caller):
    ec2 = new_caller(limits=Limits(rules_per_direction=10, routes_per_table=10))
    vpc = ec2.vpc()
    big, small, group = make(ec2, most=11)["PrefixListId"], make(ec2, most=6)["PrefixListId"], ec2.group(vpc)

    def rule(id):
        return {"GroupId": group, "IpPermissions": [{"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": id}]}]}

    assert ec2.refused("authorize_security_group_ingress", **rule(big))[0] == "RulesPerSecurityGroupLimitExceeded"
    ec2.authorize_security_group_ingress(**rule(small))
    params = {"PrefixListId": small, "MaxEntries": 11}
    assert ec2.refused("modify_managed_prefix_list", **params)[0] == "RulesPerSecurityGroupLimitExceeded"
    ec2.modify_managed_prefix_list(PrefixListId=small, MaxEntries=10)


def test_lists_of_aws_name_where_services_answer_and_nobody_changes_them(ec2):
    found = ec2.describe_managed_prefix_lists(Filters=[{"Name": "owner-id", "Values": ["AWS"]}])["PrefixLists"]
    assert {each["PrefixListName"] for each in found} == {
        "com.amazonaws.us-east-1.s3",
        "com.amazonaws.us-east-1.dynamodb",
        "com.amazonaws.us-east-1.route53-healthchecks",
        "com.amazonaws.us-east-1.ipv6.route53-healthchecks",
    }
    checkers = next(each for each in found if each["PrefixListName"].endswith("1.route53-healthchecks"))["PrefixListId"]
    assert set(entries(ec2, checkers)) == {f"198.18.2.{each}/27" for each in range(0, 256, 32)}
    older = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": ["*.s3"]}])["PrefixLists"]
    id = older[0]["PrefixListId"]
    assert (older[0]["Cidrs"], entries(ec2, id)) == (["198.19.0.4/32"], ["198.19.0.4/32"])
    assert ec2.refused("delete_managed_prefix_list", PrefixListId=id)[0] == "AuthFailure"
    elsewhere = ec2.elsewhere(account="999999999999")
    assert elsewhere.describe_prefix_lists()["PrefixLists"][0]["PrefixListId"] in {
        each["PrefixListId"] for each in found
    }


BLOCKS = st.sampled_from([f"10.{n}.0.0/16" for n in range(6)])


@given(st.sets(BLOCKS), st.sets(BLOCKS))
def test_what_is_added_is_there_and_what_is_removed_is_not(have, more):
    before = [PrefixListEntry(cidr=each) for each in sorted(have)]
    after = prefix_lists.added(before, [{"Cidr": each} for each in sorted(more - have)], "IPv4")
    assert {each.cidr for each in after} == have | more
    left = prefix_lists.removed(after, [{"Cidr": each} for each in sorted(more)], "IPv4")
    assert {each.cidr for each in left} == have - more


def test_ipv6_lists_hold_ipv6_blocks(ec2):
    id = make(ec2, "2001:db8::/32", family="IPv6")["PrefixListId"]
    assert entries(ec2, id) == ["2001:db8::/32"]
    for family, block in (("IPv6", "10.0.0.0/8"), ("IPv5", "10.0.0.0/8")):
        with pytest.raises(Exception, match="invalid"):
            make(ec2, block, family=family)
