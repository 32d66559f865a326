"""Rules: what they assert of parameters, and of the networks that parameters name."""

import pytest

from kunren.core.errors import AwsError
from kunren.services.cloudformation.intrinsics import Scope
from kunren.services.cloudformation.rules import check

DECLARED = {
    "P": {"Type": "String"},
    "Vpc": {"Type": "AWS::EC2::VPC::Id"},
    "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"},
}
SCOPE = Scope(parameters={"AWS::Region": "us-east-1", "P": "x", "Vpc": "vpc-1", "Subnets": ["subnet-a", "subnet-b"]})
KNOWN = {
    "AWS::EC2::VPC::Id": {"vpc-1": {"Tags.Department": "IT", "DefaultSecurityGroup": "sg-1"}, "vpc-2": {}},
    "AWS::EC2::Subnet::Id": {
        "subnet-a": {"VpcId": "vpc-1", "AvailabilityZone": "us-east-1a", "Tags.Tier": "front"},
        "subnet-b": {"VpcId": "vpc-1", "AvailabilityZone": "us-east-1b"},
    },
}


def held(stated, known=KNOWN, condition=None, told=""):
    rule = {"Assertions": [{"Assert": stated, "AssertDescription": told}]}
    if condition is not None:
        rule["RuleCondition"] = condition
    check({"Parameters": DECLARED, "Rules": {"Only": rule}}, SCOPE, known)


def test_rules_assert_something_of_parameters_where_their_condition_holds():
    stated = {"Fn::Equals": [{"Ref": "P"}, "y"]}
    with pytest.raises(AwsError, match="Assertion failed in rule Only: P must be y"):
        held(stated, told="P must be y")
    held(stated, condition={"Fn::Equals": [{"Ref": "P"}, "z"]})


@pytest.mark.parametrize(
    ("stated", "holds"),
    [
        ({"Fn::Contains": [["a", "x"], {"Ref": "P"}]}, True),
        ({"Fn::Not": [{"Fn::Contains": [["1", 2], "2"]}]}, False),
        ({"Fn::EachMemberEquals": [{"Fn::RefAll": "String"}, "x"]}, True),
        ({"Fn::EachMemberEquals": [["x", "y"], {"Ref": "P"}]}, False),
        ({"Fn::EachMemberIn": [["x"], ["x", "y"]]}, True),
        ({"Fn::EachMemberIn": [["x", "z"], ["x", "y"]]}, False),
        ({"Fn::Contains": ["x", "x"]}, False),
        ({"Fn::Contains": [{"Fn::RefAll": "AWS::EC2::VPC::Id"}, "vpc-2"]}, True),
        ({"Fn::EachMemberEquals": [{"Fn::ValueOfAll": ["AWS::EC2::VPC::Id", "Tags.Department"]}, "IT"]}, True),
        (
            {
                "Fn::EachMemberIn": [
                    {"Fn::ValueOfAll": ["AWS::EC2::Subnet::Id", "VpcId"]},
                    {"Fn::RefAll": "AWS::EC2::VPC::Id"},
                ]
            },
            True,
        ),
        ({"Fn::Contains": [{"Fn::ValueOf": ["Subnets", "AvailabilityZone"]}, "us-east-1b"]}, True),
        ({"Fn::EachMemberEquals": [{"Fn::ValueOf": ["Subnets", "VpcId"]}, {"Ref": "Vpc"}]}, True),
        ({"Fn::EachMemberEquals": [{"Fn::ValueOf": ["Subnets", "Tags.Tier"]}, "front"]}, True),
        ({"Fn::Equals": [{"Fn::ValueOf": ["Vpc", "DefaultSecurityGroup"]}, "sg-1"]}, True),
        ({"Fn::Equals": [{"Fn::ValueOf": ["Vpc", "Tags.Department"]}, "HR"]}, False),
        ({"Fn::Equals": [{"Fn::ValueOf": ["Vpc", "Tags.Nothing"]}, ""]}, True),
    ],
)
def test_functions_of_rules(stated, holds):
    if holds:
        held(stated)
        return
    with pytest.raises(AwsError):
        held(stated)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (["Vpc", "CidrBlock"], "does not support attribute CidrBlock of AWS::EC2::VPC::Id"),
        (["P", "Tags.A"], "does not support attribute Tags.A of String"),
        (["Other", "VpcId"], "names the parameter Other"),
        (["Vpc", {"Ref": "P"}], "both of them strings"),
        ("Vpc", "both of them strings"),
    ],
)
def test_what_an_attribute_can_not_be_asked_of_is_refused(argument, words):
    with pytest.raises(AwsError, match=words):
        held({"Fn::Equals": [{"Fn::ValueOf": argument}, ""]})


def test_what_a_parameter_names_must_be_there():
    with pytest.raises(AwsError, match="parameter value vpc-1 for parameter name Vpc does not exist"):
        held({"Fn::Equals": [{"Fn::ValueOf": ["Vpc", "Tags.A"]}, ""]}, {"AWS::EC2::VPC::Id": {}})
