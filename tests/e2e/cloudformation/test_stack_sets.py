"""Stack sets: stacks in accounts and regions."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


def test_a_stack_set_makes_stacks_in_accounts_and_regions(kunren, account, until):
    api = kunren.client("cloudformation", account)
    others = [f"2{account[1:]}", f"3{account[1:]}"]
    template = {
        "Parameters": {"Cidr": {"Type": "String", "Default": "10.5.0.0/16"}},
        "Resources": {"V": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}, "Tags": [{"Key": "set", "Value": "one"}]}}},
    }  # fmt: skip
    api.create_stack_set(StackSetName="nets", TemplateBody=json.dumps(template))
    assert api.get_template_summary(StackSetName="nets")["ResourceTypes"] == ["AWS::EC2::VPC"]
    everywhere = {"StackSetName": "nets", "Accounts": others, "Regions": ["eu-west-1", "us-east-1"]}

    def ended(operation, wanted="SUCCEEDED"):
        asked = {"StackSetName": "nets", "OperationId": operation}
        describe = api.describe_stack_set_operation
        until(
            lambda: describe(**asked)["StackSetOperation"]["Status"] not in ("RUNNING", "STOPPING"), "the operation", 60
        )
        results = api.list_stack_set_operation_results(**asked)["Summaries"]
        assert describe(**asked)["StackSetOperation"]["Status"] == wanted, results
        return {(each["Account"], each["Region"]): each["Status"] for each in results}

    def blocks():
        found = {}
        for other in others:
            for region in everywhere["Regions"]:
                shown = kunren.client("ec2", other, region).describe_vpcs(
                    Filters=[{"Name": "tag:set", "Values": ["one"]}]
                )["Vpcs"]
                found[other, region] = [each["CidrBlock"] for each in shown]
        return found

    ended(
        api.create_stack_instances(
            **everywhere, OperationPreferences={"MaxConcurrentCount": 2, "FailureToleranceCount": 1}
        )["OperationId"]
    )
    assert set(map(tuple, blocks().values())) == {("10.5.0.0/16",)}
    override = [{"ParameterKey": "Cidr", "ParameterValue": "10.6.0.0/16"}]
    one = {"StackSetName": "nets", "Accounts": others[:1], "Regions": ["eu-west-1"]}
    ended(api.update_stack_instances(**one, ParameterOverrides=override)["OperationId"])
    assert blocks()[others[0], "eu-west-1"] == ["10.6.0.0/16"]
    bad = [{"ParameterKey": "Cidr", "ParameterValue": "10.0.0.0/2"}]
    results = ended(
        api.update_stack_set(StackSetName="nets", UsePreviousTemplate=True, Parameters=bad)["OperationId"], "FAILED"
    )
    assert sorted(results.values()) == ["CANCELLED", "CANCELLED", "FAILED", "SUCCEEDED"]  # the override is a good one
    assert set(map(tuple, blocks().values())) == {("10.5.0.0/16",), ("10.6.0.0/16",)}
    instances = api.list_stack_instances(StackSetName="nets")["Summaries"]
    assert sorted(each["Status"] for each in instances) == ["CURRENT", "OUTDATED", "OUTDATED", "OUTDATED"]
    with pytest.raises(ClientError, match="StackSet is not empty"):
        api.delete_stack_set(StackSetName="nets")
    lost = kunren.client("ec2", others[1], "us-east-1")
    vpcs = lost.describe_vpcs(Filters=[{"Name": "tag:set", "Values": ["one"]}])["Vpcs"]
    lost.delete_vpc(VpcId=vpcs[0]["VpcId"])
    looked = api.detect_stack_set_drift(StackSetName="nets")["OperationId"]
    ended(looked)
    details = api.describe_stack_set(StackSetName="nets")["StackSet"]["StackSetDriftDetectionDetails"]
    counts = [details[f"{each}StackInstancesCount"] for each in ("Total", "Drifted", "InSync", "Failed")]
    assert (details["DriftStatus"], details["DriftDetectionStatus"], counts) == ("DRIFTED", "COMPLETED", [4, 1, 3, 0])
    where = {"StackInstanceAccount": others[1], "StackInstanceRegion": "us-east-1", "OperationId": looked}
    [drifted] = api.list_stack_instance_resource_drifts(StackSetName="nets", **where)["Summaries"]
    assert (drifted["LogicalResourceId"], drifted["StackResourceDriftStatus"]) == ("V", "DELETED")

    ended(api.delete_stack_instances(**one, RetainStacks=True)["OperationId"])
    ended(api.delete_stack_instances(**everywhere, RetainStacks=False)["OperationId"])
    api.delete_stack_set(StackSetName="nets")
    assert [key for key, each in blocks().items() if each] == [(others[0], "eu-west-1")]
