"""Lambda hooks: a function is asked before stacks and their resources change, and its answer counts."""

from __future__ import annotations

import json
import shutil

import pytest
from botocore.exceptions import ClientError, WaiterError
from stacking import outputs

HOOKS = """
Parameters:
  Mode: {Type: String}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: [lambda.amazonaws.com, hooks.cloudformation.amazonaws.com]}, Action: "sts:AssumeRole"}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      Timeout: 30
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import json, urllib.request
          def handler(event, context):
              data, asked = event["requestData"], event["requestContext"]
              answer = {"hookStatus": "SUCCESS", "message": "fine", "clientRequestToken": event["clientRequestToken"]}
              bad = {**answer, "hookStatus": "FAILED", "errorCode": "NonCompliant"}
              if data["targetType"] == "STACK":
                  found = json.load(urllib.request.urlopen(data["payload"]))
                  if "forbidden" in found["template"]:
                      return {**bad, "message": "was " + str(len(found["previousTemplate"]))}
                  return answer
              if data["targetType"] == "CHANGE_SET":
                  found = json.load(urllib.request.urlopen(data["payload"]))
                  changed = found["changedResources"][0]
                  after = json.loads(changed["afterContext"])["Properties"]
                  told = f"{changed['action']} {changed['logicalResourceId']} in line {changed['lineNumber']}: {after}"
                  return {**(bad if after["DelaySeconds"] == 9 else answer), "message": told}
              if asked["invocation"] < 2:
                  return {"hookStatus": "IN_PROGRESS", "callbackContext": {"so": "far"}, "callbackDelaySeconds": 1}
              was = data["targetModel"]["previousResourceProperties"].get("DelaySeconds")
              now = data["targetModel"]["resourceProperties"].get("DelaySeconds")
              message = f"{event['actionInvocationPoint']} {data['targetLogicalId']} {was} {now} {asked['callbackContext']}"
              return {**(bad if now == 9 or was == 7 and now is None else answer), "message": message}
  Hook:
    Type: AWS::CloudFormation::LambdaHook
    Properties:
      Alias: My::Queue::Hook
      HookStatus: ENABLED
      TargetOperations: [RESOURCE, STACK, CHANGE_SET, CLOUD_CONTROL]
      FailureMode: !Ref Mode
      LambdaFunction: !GetAtt Function.Arn
      ExecutionRole: !GetAtt Role.Arn
      TargetFilters: {TargetNames: ["AWS::SQS::*"], Actions: [CREATE, UPDATE, DELETE]}
      StackFilters: {FilteringCriteria: ALL, StackNames: {Exclude: ["hooks*"]}}
Outputs:
  Arn: {Value: !Ref Hook}
"""
REFUSED = "The following hook(s) failed: [My::Queue::Hook]"


def queue(delay, **more):
    return {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": delay}}}, **more}


def told(stacks, id):
    shown = stacks.api.describe_stack_events(StackName=id)["StackEvents"]
    keys = ("LogicalResourceId", "HookStatus", "HookStatusReason")
    return [tuple(each.get(key) for key in keys) for each in reversed(shown) if "HookType" in each]


def _of_change_sets(stacks):
    """A change set is made once its hooks have answered; one that they forbid fails, and nothing can come of it."""
    api, about = stacks.api, {"StackName": "later", "ChangeSetType": "CREATE"}
    for delay, name in ((8, "good"), (9, "bad")):
        id = api.create_change_set(**about, ChangeSetName=name, TemplateBody=json.dumps(queue(delay), indent=1))["Id"]
        made = api.get_waiter("change_set_create_complete")
        if delay == 8:
            made.wait(ChangeSetName=id, WaiterConfig={"Delay": 1})
            planned = api.describe_change_set_hooks(ChangeSetName=id)
            assert [each["TargetDetails"]["ResourceTargetDetails"] for each in planned["Hooks"]] == [
                {"LogicalResourceId": "Q", "ResourceType": "AWS::SQS::Queue", "ResourceAction": "Add"}
            ]
            continue
        with pytest.raises(WaiterError):
            made.wait(ChangeSetName=id, WaiterConfig={"Delay": 1})
        shown = api.describe_change_set(ChangeSetName=id)
        assert (shown["Status"], shown["StatusReason"]) == ("FAILED", REFUSED)
        [result] = api.list_hook_results(TargetType="CHANGE_SET", TargetId=id)["HookResults"]
        why = "Hook failed with message: CREATE Q in line 3: {'DelaySeconds': 9}"
        assert result["HookStatusReason"] == why
    api.delete_stack(StackName="later")


def _of_cloud_control(stacks, url):
    control = stacks.client("cloudcontrol")
    patch = [{"op": "add", "path": "/DelaySeconds", "value": 9}]
    asked = {"TypeName": "AWS::SQS::Queue", "Identifier": url, "PatchDocument": json.dumps(patch)}
    token = control.update_resource(**asked)["ProgressEvent"]["RequestToken"]
    over = lambda: control.get_resource_request_status(RequestToken=token)  # noqa: E731
    stacks.until(lambda: over()["ProgressEvent"]["OperationStatus"] == "FAILED", lambda: f"a refusal in {over()}", 60)
    [told] = over()["HooksProgressEvent"]
    assert over()["ProgressEvent"]["StatusMessage"] == REFUSED
    assert told["HookStatusMessage"] == "Hook failed with message: UPDATE_PRE_PROVISION Q 7 9 {'so': 'far'}"
    hooks_token = over()["ProgressEvent"]["HooksRequestToken"]
    found = stacks.api.list_hook_results(TargetType="CLOUD_CONTROL", TargetId=hooks_token)
    assert [each["Status"] for each in found["HookResults"]] == ["HOOK_COMPLETE_FAILED"]


def test_a_hook_lets_through_forbids_and_warns(stacks):
    mode = lambda text: [{"ParameterKey": "Mode", "ParameterValue": text}]  # noqa: E731
    arn = outputs(stacks.create("hooks", HOOKS, Parameters=mode("FAIL")))["Arn"]
    assert arn == f"arn:aws:cloudformation:us-east-1:{stacks.account}:type/hook/My-Queue-Hook"

    assert [each["TypeArn"] for each in stacks.api.list_types(Type="HOOK")["TypeSummaries"]] == [arn]
    assert stacks.api.describe_type(Arn=arn)["TypeName"] == "My::Queue::Hook"

    stack = stacks.create("good", queue(3))["StackId"]
    assert told(stacks, stack) == [
        ("good", "HOOK_IN_PROGRESS", None),
        ("good", "HOOK_COMPLETE_SUCCEEDED", "Hook succeeded with message: fine"),
        ("Q", "HOOK_IN_PROGRESS", None),
        (
            "Q",
            "HOOK_COMPLETE_SUCCEEDED",
            "Hook succeeded with message: CREATE_PRE_PROVISION Q None 3 {'so': 'far'}",
        ),
    ]
    assert ("Q", "CREATE_IN_PROGRESS", "Hook invocations complete.  Resource creation initiated") in stacks.events(
        stack
    )

    stacks.update("good", queue(9), "UPDATE_ROLLBACK_COMPLETE")  # the way back asks nobody
    why = "Hook failed with message: UPDATE_PRE_PROVISION Q 3 9 {'so': 'far'}"
    assert told(stacks, stack)[-1] == ("Q", "HOOK_COMPLETE_FAILED", why)
    assert ("Q", "UPDATE_FAILED", REFUSED) in stacks.events(stack)
    sqs, url = stacks.client("sqs"), stacks.physical(stack)["Q"]
    delay = lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]  # noqa: E731
    assert delay() == {"DelaySeconds": "3"}

    stacks.update("good", queue(3, Mappings={"forbidden": {"a": {"b": "c"}}}), "UPDATE_ROLLBACK_COMPLETE")
    assert told(stacks, stack)[-1] == (
        "good",
        "HOOK_COMPLETE_FAILED",
        f"Hook failed with message: was {len(json.dumps(queue(3)))}",
    )

    stacks.update("good", queue(7))
    stacks.delete(stack, "DELETE_FAILED")
    assert ("Q", "DELETE_FAILED", REFUSED) in stacks.events(stack)
    assert delay() == {"DelaySeconds": "7"}
    stacks.create("bad", queue(9), "ROLLBACK_COMPLETE")
    assert ("Q", "CREATE_FAILED", REFUSED) in stacks.events("bad")
    assert stacks.queues() == {url.rpartition("/")[2]}

    _of_change_sets(stacks)
    _of_cloud_control(stacks, url)

    newest = stacks.api.describe_events(StackName="bad")["OperationEvents"][0]
    assert (newest["OperationType"], newest["OperationStatus"]) == ("ROLLBACK", "SUCCEEDED")
    failed = stacks.api.describe_events(StackName="bad", Filters={"FailedEvents": True})["OperationEvents"]
    assert [(each["EventType"], each["OperationType"]) for each in failed] == [
        ("PROVISIONING_ERROR", "CREATE_STACK"), ("HOOK_INVOCATION_ERROR", "CREATE_STACK"),
    ]  # fmt: skip
    of_it = stacks.api.describe_events(OperationId=newest["OperationId"])["OperationEvents"]
    assert {each["OperationType"] for each in of_it} == {"ROLLBACK"}

    stacks.update("hooks", HOOKS, Parameters=mode("WARN"))
    stacks.delete(stack)
    assert told(stacks, stack)[-1][1:] == (
        "HOOK_COMPLETE_FAILED",
        "Hook failed with message: DELETE_PRE_PROVISION Q 7 None {'so': 'far'}. Failure was ignored under WARN mode.",
    )
    failed = stacks.api.list_hook_results(TypeArn=arn, Status="HOOK_COMPLETE_FAILED")["HookResults"]
    assert [(each["TargetType"], each["FailureMode"]) for each in failed] == [
        ("RESOURCE", "WARN"),
        ("CLOUD_CONTROL", "FAIL"),
        ("CHANGE_SET", "FAIL"),
        ("RESOURCE", "FAIL"),
        ("RESOURCE", "FAIL"),
        ("STACK", "FAIL"),
        ("RESOURCE", "FAIL"),
    ]
    one = stacks.api.get_hook_result(HookResultId=failed[0]["HookResultId"])
    assert one["Target"] == {
        "TargetType": "RESOURCE",
        "TargetTypeName": "AWS::SQS::Queue",
        "TargetId": "Q",
        "Action": "DELETE",
    }


GUARD = """
Parameters: {Bucket: {Type: String}}
Resources:
  Hook:
    Type: AWS::CloudFormation::GuardHook
    Properties:
      Alias: My::Guard::Hook
      HookStatus: ENABLED
      TargetOperations: [RESOURCE]
      FailureMode: FAIL
      ExecutionRole: !Sub "arn:aws:iam::${AWS::AccountId}:role/hook"
      RuleLocation: {Uri: !Sub "s3://${Bucket}/delay.guard"}
      StackFilters: {FilteringCriteria: ALL, StackNames: {Exclude: ["hooks*"]}}
"""
RULE = """
let queues = Resources.*[ ResourceType == 'AWS::SQS::Queue' ]
rule delay_small when %queues !empty { %queues.ResourceProperties.DelaySeconds < 5 }
"""


def test_a_guard_hook_holds_rules_against_resources(stacks):
    s3, bucket = stacks.client("s3"), f"rules-{stacks.account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="delay.guard", Body=RULE)
    given = [{"ParameterKey": "Bucket", "ParameterValue": bucket}]
    if shutil.which("cfn-guard") is None:
        with pytest.raises(ClientError, match="AWS's program cfn-guard"):
            stacks.create("hooks", GUARD, Parameters=given)
        return
    stacks.create("hooks", GUARD, Parameters=given)
    stacks.create("good", queue(3))
    id = stacks.create("bad", queue(9), "ROLLBACK_COMPLETE")["StackId"]
    why = "Hook failed with message: Template failed validation, the following rule(s) failed: delay_small."
    assert told(stacks, id)[-1] == ("Q", "HOOK_COMPLETE_FAILED", why)
