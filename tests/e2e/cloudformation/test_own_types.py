"""CloudFormation's own resource types: custom resources, stacks inside stacks, wait conditions."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError
from stacking import CUSTOM, QUEUE, outputs


def test_functions_make_resources_of_their_own(stacks):
    stack = stacks.create("custom", CUSTOM.replace("WORD", "ab"))
    assert outputs(stack) == {"Twice": "abab", "Id": "thing-ab"}
    stack = stacks.update("custom", CUSTOM.replace("WORD", "xy"))
    assert outputs(stack) == {"Twice": "xyxy", "Id": "thing-xy"}
    assert ("Thing", "DELETE_COMPLETE", "") in stacks.events("custom")  # another id is another thing
    stacks.update("custom", CUSTOM.replace("WORD", "bad"), "UPDATE_ROLLBACK_COMPLETE")
    why = next(each[2] for each in stacks.events("custom") if each[1] == "UPDATE_FAILED")
    assert "Received response status [FAILED] from custom resource. Message returned: asked for" in why
    assert stacks.physical("custom")["Thing"] == "thing-xy"
    stacks.delete(stack["StackId"])
    nobody = {"Resources": {"C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "nobody"}}}}
    stacks.create("nobody", nobody, "ROLLBACK_COMPLETE")
    assert ("C", "CREATE_FAILED", "Invalid service token.") in stacks.events("nobody")


def _change_sets_of_both(stacks, parent, inner):
    """The nested stack's file says more than its stack: the parent's change set has one of the nested stack."""
    api, asked = stacks.api, {"StackName": "parent", "TemplateBody": json.dumps(parent), "ChangeSetName": "both"}
    root = api.create_change_set(**asked, IncludeNestedStacks=True)["Id"]
    [change] = api.describe_change_set(ChangeSetName=root)["Changes"]
    assert change["ResourceChange"]["Details"][0]["ChangeSource"] == "Automatic"
    nested = api.describe_change_set(ChangeSetName=change["ResourceChange"]["ChangeSetId"], IncludePropertyValues=True)
    assert (nested["StackId"], nested["RootChangeSetId"], nested["ParentChangeSetId"]) == (inner, root, root)
    target = nested["Changes"][0]["ResourceChange"]["Details"][0]["Target"]
    assert (target["BeforeValue"], target["AfterValue"]) == ("7", "99")
    with pytest.raises(ClientError, match="is a nested change set"):
        api.execute_change_set(ChangeSetName=nested["ChangeSetId"])
    api.execute_change_set(ChangeSetName=root)
    stacks.settled("parent", "UPDATE_COMPLETE")
    assert api.describe_change_set(ChangeSetName=nested["ChangeSetId"])["ExecutionStatus"] == "EXECUTE_COMPLETE"
    asked["ChangeSetName"] = "none"
    nothing = api.create_change_set(**asked, IncludeNestedStacks=True)["Id"]
    assert "didn't contain changes" in api.describe_change_set(ChangeSetName=nothing)["StatusReason"]
    assert len(api.list_change_sets(StackName=inner)["Summaries"]) == 1
    other = {"StackName": "another", "ChangeSetName": "none", "ChangeSetType": "CREATE"}
    api.create_change_set(**other, TemplateBody=json.dumps({"Resources": {"Q": QUEUE}}))
    for name, logical in (("another", "Q"), ("parent", "Child")):
        body = api.get_template(StackName=name, ChangeSetName="none")["TemplateBody"]
        assert list(body["Resources"]) == [logical]
    api.delete_stack(StackName="another")


def test_stacks_inside_stacks_and_values_between_them(stacks):
    s3, bucket = stacks.client("s3"), f"templates-{stacks.account}"
    s3.create_bucket(Bucket=bucket)
    child = {
        "Parameters": {"Delay": {"Type": "Number"}},
        "Resources": {"Q": {**QUEUE, "Properties": {"DelaySeconds": {"Ref": "Delay"}}}},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}}},
    }
    s3.put_object(Bucket=bucket, Key="child.json", Body=json.dumps(child))
    parent = {
        "Resources": {
            "Child": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {
                    "TemplateURL": f"https://{bucket}.s3.amazonaws.com/child.json",
                    "Parameters": {"Delay": 7},
                },
            }
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Arn"]}, "Export": {"Name": "queue-arn"}}},
    }
    stack = stacks.create("parent", parent)
    # its file alone changes, and the way back leads to what the file said before
    slower = {**child, "Resources": {"Q": {**QUEUE, "Properties": {"DelaySeconds": 99}}}}
    s3.put_object(Bucket=bucket, Key="child.json", Body=json.dumps(slower))
    bad = {**QUEUE, "DependsOn": "Child", "Properties": {"QueueName": "no/name"}}
    stacks.update("parent", {**parent, "Resources": {**parent["Resources"], "Bad": bad}}, "UPDATE_ROLLBACK_COMPLETE")
    url = stacks.client("sqs").list_queues()["QueueUrls"][0]
    held = stacks.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]
    assert held == {"DelaySeconds": "7"}
    shown = {each["StackName"]: each for each in stacks.api.describe_stacks()["Stacks"]}
    inner = next(each for name, each in shown.items() if name != "parent")
    assert inner["ParentId"] == inner["RootId"] == stack["StackId"]
    _change_sets_of_both(stacks, parent, inner["StackId"])
    user = {
        "Resources": {
            "P": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": {"Fn::ImportValue": "queue-arn"}},
            }
        }
    }
    using = stacks.create("user", user)
    value = stacks.client("ssm").get_parameter(Name=stacks.physical("user")["P"])["Parameter"]["Value"]
    assert value == outputs(stack)["Arn"] == stacks.api.list_exports()["Exports"][0]["Value"]
    assert stacks.api.list_imports(ExportName="queue-arn")["Imports"] == ["user"]
    with pytest.raises(ClientError, match="Export queue-arn cannot be deleted as it is in use by user"):
        stacks.api.delete_stack(StackName="parent")
    stacks.delete(using["StackId"])
    stacks.delete(stack["StackId"])
    assert stacks.queues() == set()


def test_a_wait_condition_waits_for_signals(stacks, kunren, until):
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    wait = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Handle": {"Ref": "H"}, "Timeout": "43200", "Count": 2},
    }
    template = {"Resources": {"H": handle, "W": wait}, "Outputs": {"Data": {"Value": {"Fn::GetAtt": ["W", "Data"]}}}}
    id = stacks.api.create_stack(StackName="wait", TemplateBody=json.dumps(template))["StackId"]
    url = until(lambda: stacks.physical(id).get("H"), "the handle")
    for number in "12":
        signal_body = json.dumps({"Status": "SUCCESS", "UniqueId": number, "Data": f"d{number}", "Reason": ""})
        kunren.exec("curl", "-sSf", "-X", "PUT", "-H", "Content-Type:", "--data-binary", signal_body, url)
    assert json.loads(outputs(stacks.settled(id, "CREATE_COMPLETE"))["Data"]) == {"1": "d1", "2": "d2"}
    refused = kunren.exec(
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-X",
        "PUT",
        "-d",
        "{}",
        re.sub(r"7CH%7C.{36}", "7CH%7C" + "0" * 36, url),
    )
    assert refused.stdout == "403"


MACRO = """
def handler(event, context):
    fragment, params = event["fragment"], event["params"]
    if params.get("Word") == "bad":
        return {"requestId": event["requestId"], "status": "failed", "errorMessage": "no such word"}
    if "Resources" in fragment:  # the whole template
        for each in fragment["Resources"].values():
            each.setdefault("Properties", {})["MessageRetentionPeriod"] = event["templateParameterValues"]["Seconds"]
    else:
        fragment["DelaySeconds"] = len(params["Word"])
    return {"requestId": event["requestId"], "status": "success", "fragment": fragment}
"""


def test_macros_make_a_template_of_a_template(stacks):
    function = CUSTOM.partition("  Thing:")[0]
    code = json.dumps(MACRO)
    maker = f"{function.partition('        ZipFile:')[0]}        ZipFile: {code}\n"
    maker += (
        "  Macro: {Type: AWS::CloudFormation::Macro, Properties: {Name: Stretch, FunctionName: !GetAtt Function.Arn}}\n"
    )
    stacks.create("macros", maker)
    using = {
        "Transform": ["Stretch"],
        "Parameters": {"Seconds": {"Type": "Number", "Default": 120}},
        "Resources": {
            "Q": {**QUEUE, "Properties": {"Fn::Transform": {"Name": "Stretch", "Parameters": {"Word": "abcde"}}}}
        },
    }
    more = {"Capabilities": ["CAPABILITY_AUTO_EXPAND"], "StackName": "used"}
    id = stacks.api.create_stack(TemplateBody=json.dumps(using), **more)["StackId"]
    stacks.settled(id, "CREATE_COMPLETE")
    names = ["DelaySeconds", "MessageRetentionPeriod"]
    url = stacks.client("sqs").list_queues()["QueueUrls"][0]
    held = stacks.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert held == {"DelaySeconds": "5", "MessageRetentionPeriod": "120"}
    bad = json.dumps(using).replace("abcde", "bad")
    with pytest.raises(ClientError, match=r"::Stretch failed with: no such word\."):
        stacks.api.update_stack(TemplateBody=bad, **more)
    with pytest.raises(ClientError, match=r"No transform named Nobody found\."):
        stacks.api.update_stack(TemplateBody=json.dumps({**using, "Transform": "Nobody"}), **more)


def test_the_registry_shows_aws_own_types(stacks):
    listed = stacks.api.get_paginator("list_types").paginate(Visibility="PUBLIC", Filters={"Category": "AWS_TYPES"})
    names = [each["TypeName"] for page in listed for each in page["TypeSummaries"]]
    assert {"AWS::EC2::VPC", "AWS::SQS::Queue"} <= set(names) and names == sorted(names)
    shown = stacks.api.describe_type(Type="RESOURCE", TypeName="AWS::SQS::Queue")
    assert (shown["ProvisioningType"], shown["Visibility"]) == ("FULLY_MUTABLE", "PUBLIC")
    assert json.loads(shown["Schema"])["primaryIdentifier"] == ["/properties/QueueUrl"]
    assert stacks.api.list_types()["TypeSummaries"] == []
    with pytest.raises(ClientError, match="cannot be found"):
        stacks.api.describe_type(Type="RESOURCE", TypeName="Shop::No::Thing")
