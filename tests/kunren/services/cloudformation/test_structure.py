"""Whole templates: what is refused before anything is made, and the order of what is made."""

import pytest

from kunren.core.errors import AwsError
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.intrinsics import Scope
from kunren.services.cloudformation.structure import (
    capabilities,
    check_allowed,
    check_sections,
    check_secure_references,
    circular,
    planned,
)

QUEUE = {"Type": "AWS::SQS::Queue"}
SCOPE = Scope(parameters={"AWS::Region": "us-east-1", "P": "x"})


def of(**resources):
    return {"Resources": resources, "Parameters": {"P": {"Type": "String"}}}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"Resources": {}}, "At least one Resources member must be defined"),
        ({**of(A=QUEUE), "Stuff": {}}, r"Invalid template property or properties \[Stuff\]"),
        ({**of(A=QUEUE), "AWSTemplateFormatVersion": "2011"}, "2011 is not a supported value"),
        (of(A={"Properties": {}}), "Every Resources object must contain a Type member"),
        (of(A={**QUEUE, "Propertys": {}}), "Invalid template resource property 'Propertys'"),
        (of(**{"A-b": QUEUE}), "Resource name A-b is non alphanumeric"),
        (of(A={"Type": "AWS::Nope::Thing"}), r"Unrecognized resource types: \[AWS::Nope::Thing\]"),
        (of(A={"Type": "AWS::RDS::DBInstance"}), r"does not implement the resource types \[AWS::RDS::DBInstance\]"),
        (of(A={"Type": "AWS::EC2::VPC", "Properties": {"Ipv4IpamPoolId": "i"}}), r"the properties \[Ipv4IpamPoolId\]"),
        (of(A={**QUEUE, "DeletionPolicy": "Keep"}), "Unrecognized DeletionPolicy Keep"),
        (
            of(A={**QUEUE, "DeletionPolicy": "Snapshot"}),
            "type AWS::SQS::Queue does not support deletion policy Snapshot",
        ),
        (of(A={**QUEUE, "CreationPolicy": {"ResourceSignal": {"Count": 1}}}), "does not implement CreationPolicy"),
        (of(A={**QUEUE, "DependsOn": ["B"]}), r"Unresolved resource dependencies \[B\] in the Resources block"),
        (of(A={**QUEUE, "Properties": {"QueueName": {"Ref": "B"}}}), r"dependencies \[B\] in the Resources block"),
        (of(A={**QUEUE, "Properties": {"QueueName": {"Fn::GetAtt": ["B", "Arn"]}}}), "references undefined resource B"),
        (of(A={**QUEUE, "Condition": "C"}), "Unresolved condition dependency C"),
        ({**of(A=QUEUE), "Outputs": {"O": {"Value": {"Ref": "B"}}}}, r"dependencies \[B\] in the Outputs block"),
        (
            of(A={**QUEUE, "Properties": {"QueueName": {"Fn::Join": ["", [{"Fn::Nope": "x"}]]}}}),
            "encountered unsupported function: Fn::Nope",
        ),
        ({**of(A=QUEUE), "Outputs": {"O": {"Value": {"Fn::Nope": 1}}}}, "encountered unsupported function: Fn::Nope"),
        (
            {**of(A=QUEUE), "Outputs": {f"O{n}": {"Value": "x"} for n in range(201)}},
            "Number of outputs, 201, is greater",
        ),
        (of(**{f"A{n}": QUEUE for n in range(501)}), "Number of resources, 501, is greater than maximum allowed, 500"),
    ],
)
def test_wrong_templates_are_refused_in_aws_words(template, words):
    with pytest.raises(AwsError, match=words):
        check_sections(template)


def test_a_cycle_is_named_by_its_members():
    name = lambda of: {**QUEUE, "Properties": {"QueueName": {"Fn::Sub": f"${{{of}}}"}}}  # noqa: E731
    with pytest.raises(AwsError, match=r"Circular dependency between resources: \[A, B\]"):
        planned(of(A=name("B"), B=name("A"), C=QUEUE, D=name("A")), SCOPE)
    assert circular({"A": frozenset("A")}) == ["A"]


def test_resources_wait_for_what_they_name_and_what_they_depend_on():
    template = of(
        A=QUEUE,
        B={**QUEUE, "Properties": {"QueueName": {"Fn::GetAtt": "A.QueueName"}}},
        C={**QUEUE, "DependsOn": "B"},
        D={**QUEUE, "Condition": "Never"},
        E={**QUEUE, "DependsOn": "D", "Properties": {"QueueName": {"Fn::If": ["Never", {"Ref": "D"}, {"Ref": "P"}]}}},
    )
    template["Conditions"] = {"Never": {"Fn::Equals": ["a", "b"]}}
    plan = planned(template, SCOPE)
    assert plan.waits_for == {"A": frozenset(), "B": {"A"}, "C": {"B"}, "E": frozenset()}


def test_what_a_condition_leaves_out_can_not_be_referred_to():
    template = of(A={**QUEUE, "Condition": "No"}, B={**QUEUE, "Properties": {"QueueName": {"Ref": "A"}}})
    template["Conditions"] = {"No": {"Fn::Equals": ["a", "b"]}}
    with pytest.raises(AwsError, match=r"Unresolved resource dependencies \[A\]"):
        planned(template, SCOPE)


def test_attributes_that_a_type_does_not_have_are_refused():
    template = of(A=QUEUE, B={**QUEUE, "Properties": {"QueueName": {"Fn::GetAtt": "A.Nope"}}})
    with pytest.raises(AwsError, match="resource A does not support attribute type Nope in Fn::GetAtt"):
        planned(template, SCOPE)


@pytest.mark.parametrize("given", [{"Ref": "P"}, {"Ref": "A"}, {"Fn::Sub": "Snap${P}"}])
@pytest.mark.parametrize("key", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_a_policy_that_a_function_gives_is_one_that_there_is(key, given):
    with pytest.raises(AwsError, match=key):
        planned(of(A=QUEUE, B={**QUEUE, key: given}), SCOPE)
    planned(of(A=QUEUE, B={**QUEUE, key: {"Fn::Select": [0, ["Retain"]]}}), SCOPE)


def test_named_identities_need_the_stronger_capability():
    role = {"Type": "AWS::IAM::Role", "Properties": {}}
    assert capabilities(of(A=QUEUE)) == ([], [])
    assert capabilities(of(A=role)) == (["CAPABILITY_IAM"], ["AWS::IAM::Role"])
    named = {**role, "Properties": {"RoleName": "r"}}
    assert capabilities(of(A=named)) == (["CAPABILITY_NAMED_IAM"], ["AWS::IAM::Role"])


def test_a_request_may_say_which_types_there_may_be():
    resources = {"Q": QUEUE, "C": {"Type": "Custom::Thing"}}
    for allowed in ((), ("AWS::*", "Custom::*"), ("AWS::SQS::*", "Custom::Thing")):
        check_allowed(resources, allowed)
    with pytest.raises(
        ValidationError,
        match=r"^Resource type AWS::SQS::Queue is not allowed by parameter ResourceTypes \[AWS::EC2::\*, Custom::\*\]$",
    ):
        check_allowed(resources, ("AWS::EC2::*", "Custom::*"))


def test_secure_references_stand_only_where_aws_takes_them():
    secure = {"Fn::Sub": "{{resolve:ssm-secure:/a:1}}"}
    with pytest.raises(ValidationError, match=r"not supported in: \[AWS::SQS::Queue/Properties/QueueName\]"):
        check_secure_references({"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": secure}}})
    login = {"LoginProfile": {"Password": secure}}
    check_secure_references({"U": {"Type": "AWS::IAM::User", "Properties": login}})
