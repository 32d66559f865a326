"""Stacks and Cloud Control API have the permissions of whoever asks for them, or of the role they are handed."""

import json

import pytest
from botocore.exceptions import ClientError
from strict_client import ACCOUNT, OTHER, document, statement

QUEUE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
TRUST = {"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.fixture
def made(strict, until):
    """`made(keys, name, template, wanted)`: a stack, and the reasons why its resources failed."""

    def make(keys, name, template, wanted, **more):
        api, text = strict.client("cloudformation", keys), json.dumps(template)
        id = api.create_stack(StackName=name, TemplateBody=text, **more)["StackId"]
        return ended(id, wanted)

    def ended(id, wanted):
        api = strict.client("cloudformation")
        status = lambda: api.describe_stacks(StackName=id)["Stacks"][0]["StackStatus"]  # noqa: E731
        until(lambda: not status().endswith("IN_PROGRESS"), lambda: f"the end of {status()}", 60)
        events = api.describe_stack_events(StackName=id)["StackEvents"]
        failed = [each["ResourceStatusReason"] for each in events if each["ResourceStatus"].endswith("_FAILED")]
        assert status() == wanted, failed
        return id, failed

    make.ended = ended
    return make


def test_a_stack_may_do_what_whoever_asks_may(strict, made, until):
    name, keys = strict.user(statement("cloudformation:*"))
    _, failed = made(keys, "denied", QUEUE, "ROLLBACK_COMPLETE")
    assert f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: sqs:CreateQueue" in failed[-1]
    assert "HandlerErrorCode: AccessDenied" in failed[-1]
    control = strict.client("cloudcontrol", keys)
    asked = control.create_resource(TypeName="AWS::SQS::Queue", DesiredState="{}")["ProgressEvent"]["RequestToken"]
    over = lambda: control.get_resource_request_status(RequestToken=asked)["ProgressEvent"]  # noqa: E731
    until(lambda: over()["OperationStatus"] != "IN_PROGRESS", lambda: f"the end of {over()}", 60)
    assert (over()["OperationStatus"], over()["ErrorCode"]) == ("FAILED", "AccessDenied")

    strict.client("ssm").put_parameter(Name="unread", Value="hidden", Type="String")
    for look in (control.get_resource, control.delete_resource):
        with pytest.raises(ClientError, match=r"AccessDeniedException.* not authorized to perform: ssm:GetParameter"):
            look(TypeName="AWS::SSM::Parameter", Identifier="unread")
    with pytest.raises(ClientError, match=r"AccessDeniedException.* not authorized to perform: sqs:ListQueues"):
        control.list_resources(TypeName="AWS::SQS::Queue")

    strict.client("s3").create_bucket(Bucket="strict-templates")
    strict.client("s3").put_object(Bucket="strict-templates", Key="inner", Body=json.dumps(QUEUE))
    nested = {"TemplateURL": "https://strict-templates.s3.amazonaws.com/inner"}
    outer = {"Resources": {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": nested}}}
    _, failed = made(keys, "outer", outer, "ROLLBACK_COMPLETE")
    assert "not authorized to perform: s3:GetObject" in failed[-1]  # nor is the inner template anybody's to read

    with pytest.raises(ClientError, match="not authorized to perform: s3:GetObject"):
        strict.client("cloudformation", keys).create_stack(StackName="unread", **nested)

    strict.allow(name, statement(["cloudformation:*", "s3:GetObject"]))
    _, failed = made(keys, "outer-2", outer, "ROLLBACK_COMPLETE")
    assert "was not successfully created" in failed[-1]

    strict.allow(name, statement(["cloudformation:*", "sqs:*"]))
    id, _ = made(keys, "allowed", QUEUE, "CREATE_COMPLETE")
    strict.allow(name, statement("cloudformation:*"))
    strict.client("cloudformation", keys).delete_stack(StackName=id)
    assert "AccessDenied" in made.ended(id, "DELETE_FAILED")[1][-1]
    strict.client("cloudformation").delete_stack(StackName=id)
    made.ended(id, "DELETE_COMPLETE")


def test_a_stack_may_do_what_its_role_may(strict, made):
    iam = strict.client("iam")
    _, keys = strict.user(statement(["cloudformation:*", "iam:PassRole"]))
    roles = {}
    for name, trust in (("stacks", TRUST), ("others", {**TRUST, "Principal": {"Service": "ec2.amazonaws.com"}})):
        made_role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        roles[name] = made_role["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(statement("sqs:*")))
    id, _ = made(keys, "by-role", QUEUE, "CREATE_COMPLETE", RoleARN=roles["stacks"])
    strict.client("cloudformation", keys).delete_stack(StackName=id)
    made.ended(id, "DELETE_COMPLETE")
    _, failed = made(keys, "by-others", QUEUE, "ROLLBACK_COMPLETE", RoleARN=roles["others"])
    assert f"Role {roles['others']} is invalid or cannot be assumed" in failed[-1]


def test_a_stack_set_may_do_what_the_execution_role_may_that_its_administration_role_assumes(strict, until):
    _, keys = strict.user(statement("cloudformation:*"))
    api, template = strict.client("cloudformation", keys), json.dumps(QUEUE)
    api.create_stack_set(StackSetName="queues", TemplateBody=template)

    def made():
        where = {"StackSetName": "queues", "Accounts": [OTHER], "Regions": ["us-east-1"]}
        asked = {"StackSetName": "queues", "OperationId": api.create_stack_instances(**where)["OperationId"]}
        results = lambda: api.list_stack_set_operation_results(**asked)["Summaries"]  # noqa: E731
        until(lambda: results() and results()[0]["Status"] not in ("PENDING", "RUNNING"), results, 60)
        return results()[0]["Status"], results()[0].get("StatusReason", "")

    administration, execution = (f"AWSCloudFormationStackSet{each}Role" for each in ("Administration", "Execution"))
    assert made()[0] == "FAILED"
    iam, there = strict.client("iam"), strict.client("iam", account=OTHER)
    arn = iam.create_role(RoleName=administration, AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    told = f"Account {OTHER} should have '{execution}' role with trust relationship to Role '{administration}'."
    assert made() == ("FAILED", told)
    trusting = document({"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"})
    there.create_role(RoleName=execution, AssumeRolePolicyDocument=trusting)
    assert made() == ("FAILED", told)
    assume = document(statement("sts:AssumeRole", f"arn:aws:iam::*:role/{execution}"))
    iam.put_role_policy(RoleName=administration, PolicyName="own", PolicyDocument=assume)
    allowed = document(statement(["cloudformation:*", "sqs:*"]))
    there.put_role_policy(RoleName=execution, PolicyName="own", PolicyDocument=allowed)
    assert made()[0] == "SUCCEEDED"


def test_a_hook_may_do_what_its_role_may_and_is_made_by_who_may_pass_it(strict, made):
    name, keys = strict.user(statement("cloudformation:*"))
    iam = strict.client("iam")
    trust = {**TRUST, "Principal": {"Service": "hooks.cloudformation.amazonaws.com"}}
    role = iam.create_role(RoleName="hooks", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    stated = {
        "Alias": "My::Strict::Hook", "LambdaFunction": "none", "ExecutionRole": role, "FailureMode": "FAIL",
        "HookStatus": "ENABLED", "TargetOperations": ["STACK"],
        "StackFilters": {"FilteringCriteria": "ALL", "StackNames": {"Include": ["hooked*"]}},
    }  # fmt: skip
    hook = {"Resources": {"H": {"Type": "AWS::CloudFormation::LambdaHook", "Properties": stated}}}
    _, failed = made(keys, "hook", hook, "ROLLBACK_COMPLETE")
    assert f"not authorized to perform: iam:PassRole on resource: {role}" in failed[-1]
    strict.allow(name, statement(["cloudformation:*", "iam:PassRole", "sqs:*"]))
    id, _ = made(keys, "hook-2", hook, "CREATE_COMPLETE")
    api = strict.client("cloudformation")
    try:
        made(keys, "hooked", QUEUE, "ROLLBACK_COMPLETE")
        told = api.describe_stack_events(StackName="hooked")["StackEvents"]
        [why] = [each["HookStatusReason"] for each in told if each.get("HookStatus") == "HOOK_FAILED"]
        assert "assumed-role/hooks/" in why and "not authorized to perform: lambda:InvokeFunction" in why
    finally:
        api.delete_stack(StackName=id)
        made.ended(id, "DELETE_COMPLETE")
