"""AppSpec files of functions and services: what is read of them, and that nothing else than a failure comes of others."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from kunren.services.codedeploy.appspec import FunctionSpec, ServiceSpec, of_function, of_service
from kunren.services.codedeploy.errors import DeploymentFails

FUNCTION = """
version: 0.0
Resources:
  - myLambdaFunction:
      Type: AWS::Lambda::Function
      Properties:
        Name: "myLambdaFunction"
        Alias: "myLambdaFunctionAlias"
        CurrentVersion: "1"
        TargetVersion: "2"
Hooks:
  - BeforeAllowTraffic: "LambdaFunctionToValidateBeforeTrafficShift"
"""
SERVICE = """
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: "arn:aws:ecs:us-east-1:111222333444:task-definition/my-task-definition-family-name:1"
        LoadBalancerInfo: {ContainerName: "SampleApplicationName", ContainerPort: 80}
        PlatformVersion: "LATEST"
        NetworkConfiguration:
          AwsvpcConfiguration: {Subnets: ["subnet-1234abcd"], SecurityGroups: ["sg-12345678"], AssignPublicIp: "ENABLED"}
        CapacityProviderStrategy: [{Base: 1, CapacityProvider: "FARGATE_SPOT", Weight: 2}]
"""


def test_the_examples_of_the_guide():
    assert of_function(FUNCTION) == FunctionSpec(
        "myLambdaFunction", "myLambdaFunctionAlias", "1", "2",
        {"BeforeAllowTraffic": "LambdaFunctionToValidateBeforeTrafficShift"},
    )  # fmt: skip
    network = {"subnets": ["subnet-1234abcd"], "securityGroups": ["sg-12345678"], "assignPublicIp": "ENABLED"}
    assert of_service(SERVICE) == ServiceSpec(
        "arn:aws:ecs:us-east-1:111222333444:task-definition/my-task-definition-family-name:1", "SampleApplicationName", 80,
        {
            "platformVersion": "LATEST", "networkConfiguration": {"awsvpcConfiguration": network},
            "capacityProviderStrategy": [{"base": 1, "capacityProvider": "FARGATE_SPOT", "weight": 2}],
        },
    )  # fmt: skip


def test_aliases_do_not_multiply_without_end():
    lists = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(DeploymentFails, match="too large"):
        of_function(f"version: 0.0\nx0: &x0 [a]\n{lists}" + FUNCTION.replace("version: 0.0", "").replace('"2"', "*x11"))


@pytest.mark.parametrize("text", ["", "[", "version: 1.0", "- a", FUNCTION.replace("AllowTraffic", "Install")])
def test_what_is_none_fails_the_deployment(text):
    with pytest.raises(DeploymentFails):
        of_function(text)


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda each: (
        some.lists(each, max_size=2)
        | some.dictionaries(
            some.sampled_from(
                ["Type", "Properties", "TaskDefinition", "LoadBalancerInfo", "ContainerPort", "Name", "x"]
            ),
            each,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=30)
@given(VALUES, VALUES, VALUES)
def test_odd_shapes_fail_the_deployment_and_nothing_else(resource, properties, hooks):
    for kind in ("AWS::Lambda::Function", "AWS::ECS::Service"):
        for resources in (resource, [{"a": {"Type": kind, "Properties": properties}}]):
            text = json.dumps({"version": 0.0, "Resources": resources, "Hooks": hooks})
            for read in (of_function, of_service):
                try:
                    read(text)
                except DeploymentFails:
                    pass
