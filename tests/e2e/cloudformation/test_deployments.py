"""Stacks whose functions CodeDeploy deploys: SAM's DeploymentPreference, and CodeDeploy's own types."""

import json

import pytest

HOOK = """
import boto3
def handler(event, context):
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"], status="WORD",
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"])
"""


def shop(answer, hook):
    """A SAM template of a function that answers so, whose deployments are checked by a hook that says so."""
    code = {"Runtime": "python3.11", "Handler": "index.handler"}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Half": {
                "Type": "AWS::CodeDeploy::DeploymentConfig",
                "Properties": {
                    "DeploymentConfigName": "half", "ComputePlatform": "Lambda",
                    "TrafficRoutingConfig": {
                        "Type": "TimeBasedLinear",
                        "TimeBasedLinear": {"LinearPercentage": 50, "LinearInterval": 1},
                    },
                },
            },
            "Check": {
                "Type": "AWS::Serverless::Function",
                "Properties": {**code, "InlineCode": HOOK.replace("WORD", hook)},
            },
            "Shop": {
                "Type": "AWS::Serverless::Function",
                "DependsOn": "Half",
                "Properties": {
                    **code, "InlineCode": f"def handler(event, context):\n    return {answer!r}\n",
                    "AutoPublishAlias": "live",
                    "DeploymentPreference": {"Type": "half", "Hooks": {"PreTraffic": {"Ref": "Check"}}},
                },
            },
        },
    }  # fmt: skip


def test_an_update_of_a_sam_function_is_shifted_and_goes_back_when_a_hook_refuses(stacks):
    pytest.importorskip("samtranslator")
    functions, deployments = stacks.client("lambda"), stacks.client("codedeploy")
    stack = stacks.create("shop", shop("one", "Succeeded"))
    physical = stacks.physical("shop")

    def answer():
        return json.load(functions.invoke(FunctionName=physical["Shop"], Qualifier="live")["Payload"])

    assert answer() == "one"
    assert deployments.list_deployments()["deployments"] == []
    stacks.update("shop", shop("two", "Succeeded"))
    (id,) = deployments.list_deployments()["deployments"]
    info = deployments.get_deployment(deploymentId=id)["deploymentInfo"]
    assert (info["status"], info["deploymentConfigName"]) == ("Succeeded", "half")
    assert info["applicationName"] == physical["ServerlessDeploymentApplication"]
    assert info["deploymentGroupName"] == physical["ShopDeploymentGroup"]
    assert answer() == "two"
    stacks.update("shop", shop("three", "Failed"), "UPDATE_ROLLBACK_COMPLETE")
    why = next(each[2] for each in stacks.events("shop") if each[:2] == ("ShopAliaslive", "UPDATE_FAILED"))
    assert "a lifecycle event hook function of BeforeAllowTraffic answered Failed" in why
    assert answer() == "two"
    stacks.delete(stack["StackId"])
    assert deployments.list_applications()["applications"] == []
    assert "half" not in deployments.list_deployment_configs()["deploymentConfigsList"]
