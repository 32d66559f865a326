"""VPC Block Public Access as the Api has it; that nothing passes is in test_addresses_in_the_world.py."""

import pytest

from kunren.services.ec2.api.base import Limits
from kunren.services.ec2.model import AppliedPrefixLists


def options(ec2):
    return ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]


def test_the_options_are_off_until_they_are_changed(ec2):
    shown = options(ec2)
    assert (shown["State"], shown["InternetGatewayBlockMode"]) == ("default-state", "off")
    assert (shown["AwsAccountId"], shown["AwsRegion"], shown["ManagedBy"]) == (ec2.account, "us-east-1", "account")
    ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-ingress")
    shown = options(ec2)
    assert (shown["State"], shown["InternetGatewayBlockMode"]) == ("update-complete", "block-ingress")
    assert options(ec2.elsewhere(region="ap-northeast-1"))["State"] == "default-state"


def test_an_update_is_in_progress_until_every_running_vpc_has_it(ec2):
    vpc = ec2.vpc()

    def report(*applied):
        with ec2.store.write() as tx:
            row = {"account": ec2.account, "region": ec2.region, "id": vpc, "versions": {}, "public_access": applied}
            tx.put(AppliedPrefixLists(**row))

    report("off")
    ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-bidirectional")
    assert options(ec2)["State"] == "update-in-progress"
    report("block-bidirectional")
    assert options(ec2)["State"] == "update-complete"
    made = ec2.create_vpc_block_public_access_exclusion(VpcId=vpc, InternetGatewayExclusionMode="allow-egress")
    exclusion = made["VpcBlockPublicAccessExclusion"]
    assert exclusion["State"] == "create-in-progress"
    report("block-bidirectional", f"{exclusion['ExclusionId']}/allow-egress")
    listed = ec2.describe_vpc_block_public_access_exclusions(ExclusionIds=[exclusion["ExclusionId"]])
    assert listed["VpcBlockPublicAccessExclusions"][0]["State"] == "create-complete"


def test_exclusions_are_of_a_vpc_or_of_a_subnet(new_caller):
    ec2 = new_caller(limits=Limits(public_access_exclusions=2))
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    mode = {"InternetGatewayExclusionMode": "allow-bidirectional"}
    made = ec2.create_vpc_block_public_access_exclusion(VpcId=vpc, **mode)["VpcBlockPublicAccessExclusion"]
    assert made["ResourceArn"] == f"arn:aws:ec2:us-east-1:{ec2.account}:vpc/{vpc}"
    assert made["State"] == "create-complete"  # nothing runs there
    refused = ec2.refused("create_vpc_block_public_access_exclusion", VpcId=vpc, **mode)
    assert refused[0] == "InvalidParameterValue"
    for both in ({}, {"VpcId": vpc, "SubnetId": subnet}):
        refused = ec2.refused("create_vpc_block_public_access_exclusion", **both, **mode)
        assert refused[0] == "InvalidParameterCombination"
    other = ec2.create_vpc_block_public_access_exclusion(SubnetId=subnet, **mode)["VpcBlockPublicAccessExclusion"]
    assert other["ResourceArn"].endswith(f":subnet/{subnet}")
    full = ec2.refused("create_vpc_block_public_access_exclusion", SubnetId=ec2.subnet(vpc, "10.0.2.0/24"), **mode)
    assert full[0] == "VpcBlockPublicAccessExclusionLimitExceeded"
    changed = ec2.modify_vpc_block_public_access_exclusion(
        ExclusionId=other["ExclusionId"], InternetGatewayExclusionMode="allow-egress"
    )["VpcBlockPublicAccessExclusion"]
    assert (changed["InternetGatewayExclusionMode"], changed["State"]) == ("allow-egress", "update-complete")
    by_mode = [{"Name": "internet-gateway-exclusion-mode", "Values": ["allow-egress"]}]
    (found,) = ec2.describe_vpc_block_public_access_exclusions(Filters=by_mode)["VpcBlockPublicAccessExclusions"]
    assert found["ExclusionId"] == other["ExclusionId"]
    gone = ec2.delete_vpc_block_public_access_exclusion(ExclusionId=other["ExclusionId"])
    assert gone["VpcBlockPublicAccessExclusion"]["State"] == "delete-in-progress"
    again = ec2.refused("delete_vpc_block_public_access_exclusion", ExclusionId=other["ExclusionId"])
    assert again[0] == "InvalidVpcBlockPublicAccessExclusionId.NotFound"


@pytest.mark.parametrize("mode", ["block-bidirectional", "block-ingress"])
def test_an_exclusion_goes_with_its_vpc(ec2, mode):
    vpc = ec2.vpc()
    ec2.create_vpc_block_public_access_exclusion(VpcId=vpc, InternetGatewayExclusionMode="allow-egress")
    ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode=mode)
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.describe_vpc_block_public_access_exclusions()["VpcBlockPublicAccessExclusions"] == []
