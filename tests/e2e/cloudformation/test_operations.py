"""Stacks are made, changed and deleted: packets meet what they made, and nothing is made twice or left over."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from stacking import NETWORK, QUEUE, Stacks, outputs


def test_a_network_serves_is_changed_in_place_rolls_back_and_serves_on_when_it_is_retained(stacks, kunren, until):
    def said():
        return kunren.exec("curl", "-s", "-m", "5", f"http://{name}/", check=False).stdout

    template = NETWORK.replace("KEEP", "Retain")
    stack = stacks.create("network", template)
    name = outputs(stack)["Name"]
    assert said() == "hello"
    before = stacks.physical("network")
    words = [{"ParameterKey": "Words", "ParameterValue": "changed"}]
    stacks.update("network", template, Parameters=words)
    until(lambda: said() == "changed", "the new words")
    assert stacks.physical("network") == before
    broken = template.replace("MessageBody: !Ref Words", "MessageBody: lost").replace(
        "Outputs:",
        "  Bad: {Type: AWS::EC2::Route, DependsOn: Listener, Properties: {RouteTableId: rtb-0, GatewayId: !Ref Gateway}}\nOutputs:",
    )
    stacks.update("network", broken, "UPDATE_ROLLBACK_COMPLETE", Parameters=words)
    until(lambda: said() == "changed", "the words from before")
    assert stacks.physical("network") == before
    stacks.delete(stack["StackId"])
    assert {each[1] for each in stacks.events(stack["StackId"]) if each[0] == "Balancer"} >= {"DELETE_SKIPPED"}
    assert said() == "changed"


def test_rules_look_at_the_networks_that_parameters_name(stacks):
    ec2 = stacks.client("ec2")
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Department", "Value": "IT"}]}]
    vpc, other = (ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"] for n in (71, 72))
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.71.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]["GroupId"]
    inside = {"Fn::EachMemberEquals": [{"Fn::ValueOf": ["Subnets", "VpcId"]}, {"Ref": "Vpc"}]}
    owned = {"Fn::EachMemberEquals": [{"Fn::ValueOfAll": ["AWS::EC2::VPC::Id", "Tags.Department"]}, "IT"]}
    usual = {"Fn::Equals": [{"Fn::ValueOf": ["Vpc", "DefaultSecurityGroup"]}, group]}
    asserted = [{"Assert": inside, "AssertDescription": "all in the VPC"}, {"Assert": owned}, {"Assert": usual}]
    template = {
        "Parameters": {"Vpc": {"Type": "AWS::EC2::VPC::Id"}, "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"}},
        "Rules": {"Inside": {"Assertions": asserted}},
        "Resources": {"Q": QUEUE},
    }

    def given(vpc):
        named = {"Vpc": vpc, "Subnets": subnet}
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in named.items()]

    stacks.create("ruled", template, Parameters=given(vpc))
    with pytest.raises(ClientError, match="rule Inside: all in the VPC"):
        stacks.create("unruly", template, Parameters=given(other))


def test_operations_are_steered_while_they_run(stacks, until):
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    wait = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": "H"}, "Timeout": "43200"}}
    waiting = {"Resources": {"H": handle, "W": wait, "Q": QUEUE}}
    late = stacks.create("late", waiting, "ROLLBACK_COMPLETE", TimeoutInMinutes=1)
    events = stacks.events(late["StackId"])
    assert ("W", "CREATE_FAILED", "Resource creation cancelled") in events
    assert any(each[1] == "ROLLBACK_IN_PROGRESS" and "exceeded the specified timeout" in each[2] for each in events)

    id = stacks.api.create_stack(StackName="given-up", TemplateBody=json.dumps(waiting))["StackId"]
    until(lambda: "Q" in stacks.physical(id), "the queue")
    with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state and can not be updated"):
        stacks.api.update_stack(StackName=id, TemplateBody=json.dumps(waiting))
    stacks.delete(id)

    secret = {"Parameters": {"S": {"Type": "String", "NoEcho": True}}}
    named = {**QUEUE, "Properties": {"QueueName": {"Ref": "S"}}}
    hush = [{"ParameterKey": "S", "ParameterValue": "hush-hush"}]
    first = stacks.create("long", {**secret, "Resources": {"Q": named}}, Parameters=hush)
    told = json.dumps(
        [first["Parameters"], stacks.api.describe_stack_events(StackName="long")["StackEvents"]], default=str
    )
    assert '"ParameterValue": "****"' in told and '"QueueName\\":\\"****' in told
    key = "{{resolve:secretsmanager:stack-secret}}"
    stacks.client("secretsmanager").create_secret(Name="stack-secret", SecretString="top-secret")
    value = {"Fn::Sub": f"${{S}} and {key}"}
    kept = {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "n", "Type": "String", "Value": value}}}
    stacks.create("hidden", {**secret, "Resources": kept}, Parameters=hush)
    assert stacks.client("ssm").get_parameter(Name="n")["Parameter"]["Value"] == "hush-hush and top-secret"
    drift = stacks.api.detect_stack_resource_drift(StackName="hidden", LogicalResourceId="P")["StackResourceDrift"]
    told = json.dumps([stacks.api.describe_stack_events(StackName="hidden")["StackEvents"], drift], default=str)
    assert f"**** and {key}" in told and "hush-hush" not in told and "top-secret" not in told
    grown = json.dumps({**secret, "Resources": {"Q": named, "H": handle, "W": wait}})
    stacks.api.update_stack(
        StackName="long", TemplateBody=grown, Parameters=[{"ParameterKey": "S", "UsePreviousValue": True}]
    )
    until(lambda: "H" in stacks.physical("long"), "the handle")
    with pytest.raises(ClientError, match=r"Stack \[arn.* cannot be deleted while in status UPDATE_IN_PROGRESS"):
        stacks.api.delete_stack(StackName="long")
    stacks.api.cancel_update_stack(StackName="long")
    stacks.settled("long", "UPDATE_ROLLBACK_COMPLETE")
    assert stacks.queues() == {"hush-hush"} and set(stacks.physical("long")) == {"Q"}


def test_a_request_that_is_made_again_makes_no_second_stack(stacks):
    stacks.client("ssm").put_parameter(Name="looked-up", Value="v", Type="String")
    looked_up = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "looked-up"}
    template = json.dumps({"Parameters": {"P": looked_up}, "Resources": {"Q": QUEUE}})

    def create(_):
        return stacks.api.create_stack(StackName="again", TemplateBody=template, ClientRequestToken="t")["StackId"]

    with ThreadPoolExecutor(6) as pool:
        (id,) = set(pool.map(create, range(6)))
    stacks.settled(id, "CREATE_COMPLETE")
    stacks.delete(id)
    assert stacks.queues() == set()


def test_what_is_wrong_is_refused_before_anything_is_made(stacks):
    def refused(template, words, **more):
        with pytest.raises(ClientError, match=words):
            stacks.api.create_stack(StackName="wrong", TemplateBody=json.dumps(template), **more)

    refused({"Resources": {"A": QUEUE, "D": {"Type": "AWS::RDS::DBInstance"}}}, r"\[AWS::RDS::DBInstance\]")
    refused(
        {"Resources": {"A": {"Type": "AWS::IAM::Role", "Properties": {}}}},
        r"Requires capabilities : \[CAPABILITY_IAM\]",
    )
    refused({"Resources": {"A": QUEUE}}, "Tag keys must not begin with aws:", Tags=[{"Key": "aws:x", "Value": "y"}])
    assert stacks.api.list_stacks()["StackSummaries"] == [] and stacks.queues() == set()
    with pytest.raises(ClientError, match="Stack with id wrong does not exist"):
        stacks.api.describe_stacks(StackName="wrong")
    stacks.create("right", {"Resources": {"A": QUEUE}})
    with pytest.raises(ClientError, match=r"Stack \[right\] already exists"):
        stacks.create("right", {"Resources": {"A": QUEUE}})
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("right", {"Resources": {"A": QUEUE}})
    broken = {"Resources": {"A": QUEUE, "B": {**QUEUE, "Properties": {"Nope": 1}}}}
    stacks.update("right", broken, "UPDATE_ROLLBACK_COMPLETE")
    assert any("#: extraneous key [Nope] is not permitted" in each[2] for each in stacks.events("right"))
    assert len(stacks.queues()) == 1


def test_a_daemon_killed_in_between_goes_on_and_makes_nothing_twice(own_kunren, until):
    own_kunren.up("--speed", "20")
    stacks = Stacks(own_kunren, "000000000000", until)
    extra = "".join(
        f"  B{n}: {{Type: AWS::S3::Bucket, DependsOn: [Vpc]}}\n  T{n}: {{Type: AWS::SNS::Topic}}\n" for n in range(6)
    )
    template = NETWORK.replace("KEEP", "Delete").replace("Outputs:", extra + "Outputs:")

    def killed_after(count, id):
        until(lambda: len(stacks.events(id)) >= count, f"{count} events")
        os.kill(own_kunren.pid, signal.SIGKILL)
        own_kunren.up("--speed", "20")
        stacks.api = stacks.client("cloudformation")

    default = len(stacks.client("ec2").describe_vpcs()["Vpcs"])
    id = stacks.api.create_stack(StackName="killed", TemplateBody=template)["StackId"]
    killed_after(24, id)
    stack = stacks.settled(id, "CREATE_COMPLETE")
    assert own_kunren.exec("curl", "-s", f"http://{outputs(stack)['Name']}/").stdout == "hello"
    ec2, s3, sns = (stacks.client(each) for each in ("ec2", "s3", "sns"))
    assert len(ec2.describe_vpcs()["Vpcs"]) == default + 1
    assert len(s3.list_buckets()["Buckets"]) == len(sns.list_topics()["Topics"]) == 6
    assert not [each for each in stacks.events(id) if each[1].endswith("FAILED")]
    made = stacks.physical(id)
    source, named = ({"StackName": "killed", "LogicalResourceId": each} for each in ("T0", "Named"))
    definition = {"StackName": "killed", "TemplateBody": template.replace("  T0:", "  Named:")}
    mapping = [{"Source": source, "Destination": named}]
    asked = stacks.api.create_stack_refactor(StackDefinitions=[definition], ResourceMappings=mapping)
    stacks.api.execute_stack_refactor(StackRefactorId=asked["StackRefactorId"])
    killed_after(0, id)
    assert stacks.physical(id) == {**{key: made[key] for key in made if key != "T0"}, "Named": made["T0"]}
    before = len(stacks.events(id))
    stacks.api.delete_stack(StackName=id)
    killed_after(before + 4, id)
    stacks.settled(id, "DELETE_COMPLETE")
    assert len(ec2.describe_vpcs()["Vpcs"]) == default
    assert s3.list_buckets()["Buckets"] == sns.list_topics()["Topics"] == []


def test_an_update_asked_for_twice_happens_once_and_change_sets_from_before_are_obsolete(stacks):
    queue = lambda delay: {"Resources": {"Q": {**QUEUE, "Properties": {"DelaySeconds": delay}}}}  # noqa: E731
    stacks.create("twice", queue(1), ClientRequestToken="first")
    named = {"StackName": "twice", "ChangeSetName": "open"}
    stacks.api.create_change_set(**named, TemplateBody=json.dumps(queue(5)))
    with pytest.raises(ClientError) as refused:
        stacks.api.update_stack(StackName="twice", TemplateBody=json.dumps(queue(2)), ClientRequestToken="first")
    assert refused.value.response["Error"]["Code"] == "TokenAlreadyExistsException"
    for _ in range(2):
        stacks.update("twice", queue(2), ClientRequestToken="second")
    events = stacks.events("twice")
    assert events.count(("twice", "UPDATE_IN_PROGRESS", "User Initiated")) == 1
    assert stacks.api.describe_change_set(**named)["ExecutionStatus"] == "OBSOLETE"
    with pytest.raises(ClientError, match=r"cannot be executed in its current status of \[OBSOLETE\]"):
        stacks.api.execute_change_set(**named)


def test_what_exists_is_imported_by_its_name_and_let_go_by_a_rollback(stacks):
    bucket = f"there-{stacks.account}"
    stacks.client("s3").create_bucket(Bucket=bucket)
    kept = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate", "Properties": {"BucketName": bucket}}
    bad = {**QUEUE, "DependsOn": "B", "Properties": {"QueueName": "no/name"}}

    def deployed(name, resources, wanted):
        made = stacks.api.create_change_set(
            StackName=name, ChangeSetName="first", ChangeSetType="CREATE", ImportExistingResources=True,
            TemplateBody=json.dumps({"Resources": resources}),
        )  # fmt: skip
        shown = stacks.api.describe_change_set(ChangeSetName=made["Id"])["Changes"]
        stacks.api.execute_change_set(ChangeSetName=made["Id"])
        stacks.settled(made["StackId"], wanted)
        return {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"]["Action"] for each in shown}

    assert deployed("failing", {"B": kept, "Bad": bad}, "ROLLBACK_COMPLETE") == {"B": "Import", "Bad": "Add"}
    assert stacks.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0  # it is still there
    assert deployed("taking", {"B": kept, "Q": QUEUE}, "CREATE_COMPLETE") == {"B": "Import", "Q": "Add"}
    assert stacks.physical("taking")["B"] == bucket
    assert deployed("second", {"B": {**kept, "DeletionPolicy": "Delete"}}, "ROLLBACK_COMPLETE") == {"B": "Add"}
