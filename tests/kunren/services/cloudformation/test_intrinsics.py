"""Intrinsic functions: AWS's examples, and what is refused."""

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.intrinsics import Made, NotYet, Scope, conditions, references, resolve

SCOPE = Scope(
    parameters={"AWS::Region": "us-east-1", "Stage": "prod", "Many": ["a", "b"], "Count": "3"},
    mappings={"Sizes": {"prod": {"n": 9, "l": ["x", "y"]}}},
    conditions={"Yes": True, "No": False},
    resources={"Web": Made("web-1", {"Arn": "arn:web", "Outputs.Url": "http://u"})},
    zones=lambda region: [f"{region}a", f"{region}b"],
    export={"there": "value"}.get,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Stage"}, "prod"),
        ({"Ref": "Web"}, "web-1"),
        ({"Fn::GetAtt": ["Web", "Arn"]}, "arn:web"),
        ({"Fn::GetAtt": "Web.Outputs.Url"}, "http://u"),
        ({"Fn::Sub": "${Stage}-${Web}-${Web.Arn}-${!Literal}-$"}, "prod-web-1-arn:web-${Literal}-$"),
        ({"Fn::Sub": ["${a}/${Stage}", {"a": {"Ref": "Count"}}]}, "3/prod"),
        ({"Fn::Join": ["-", ["a", 1, True, {"Ref": "Stage"}]]}, "a-1-true-prod"),
        ({"Fn::Join": [",", {"Ref": "Many"}]}, "a,b"),
        ({"Fn::Split": ["|", "a||c"]}, ["a", "", "c"]),
        ({"Fn::Select": ["1", {"Fn::GetAZs": ""}]}, "us-east-1b"),
        ({"Fn::Select": [0, {"Fn::GetAZs": {"Ref": "AWS::Region"}}]}, "us-east-1a"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "n"]}, 9),
        ({"Fn::FindInMap": ["Sizes", "dev", "n", {"DefaultValue": 1}]}, 1),
        ({"Fn::ImportValue": "there"}, "value"),
        ({"Fn::Base64": "AWS CloudFormation"}, "QVdTIENsb3VkRm9ybWF0aW9u"),
        ({"Fn::Cidr": ["192.168.0.0/24", 6, 5]}, [f"192.168.0.{n}/27" for n in (0, 32, 64, 96, 128, 160)]),
        ({"Fn::Cidr": ["2001:db8::/56", 2, 64]}, ["2001:db8::/64", "2001:db8:0:1::/64"]),
        ({"Fn::If": ["Yes", "a", {"Ref": "Missing"}]}, "a"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}]}, {"b": [1]}),
        ({"Fn::Length": {"Ref": "Many"}}, 2),
        ({"Fn::ToJsonString": {"a": [{"Ref": "Stage"}]}}, '{"a":["prod"]}'),
        ({"Condition": {"StringEquals": {"a": "b"}}}, {"Condition": {"StringEquals": {"a": "b"}}}),
    ],
)
def test_functions_give_what_aws_documents(value, expected):
    assert resolve(value, SCOPE) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"Fn::Select": [2, ["a"]]}, "nonexistent value at index 2"),
        ({"Fn::FindInMap": ["Sizes", "dev", "n"]}, "Unable to get mapping for Sizes::dev::n"),
        ({"Fn::FindInMap": ["Nope", "dev", "n"]}, "Mapping named 'Nope' is not present"),
        ({"Fn::ImportValue": "gone"}, "No export named gone found."),
        ({"Fn::GetAtt": ["Web", "Nope"]}, "does not support attribute type Nope"),
        ({"Fn::Join": ["-", "abc"]}, "every Fn::Join object requires two parameters"),
        ({"Fn::Cidr": ["10.0.0.0/24", 300, 4]}, "Fn::Cidr"),
        ({"Fn::If": ["What", 1, 2]}, "unresolved condition dependency"),
        ({"Fn::Made": 1}, "encountered unsupported function: Fn::Made"),
    ],
)
def test_what_can_not_be_is_refused_in_aws_words(value, words):
    with pytest.raises(ValidationError, match=words):
        resolve(value, SCOPE)


def test_a_resource_that_is_not_there_yet_is_named():
    with pytest.raises(NotYet, match=r"Later\.Arn"):
        resolve({"Fn::Sub": "x${Later.Arn}"}, SCOPE)


def test_conditions_build_on_each_other_and_know_no_resources():
    template = {
        "Conditions": {
            "Both": {"Fn::And": [{"Condition": "Prod"}, {"Fn::Not": [{"Fn::Equals": ["3", {"Ref": "Count"}]}]}]},
            "Prod": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
            "Any": {"Fn::Or": [{"Condition": "Both"}, {"Condition": "Prod"}]},
        }
    }
    assert conditions(template, SCOPE) == {"Prod": True, "Both": False, "Any": True}
    with pytest.raises(ValidationError, match="Circular"):
        conditions({"Conditions": {"A": {"Condition": "B"}, "B": {"Condition": "A"}}}, SCOPE)
    with pytest.raises(ValidationError, match="Cannot reference resources in the Conditions block"):
        conditions({"Conditions": {"A": {"Fn::Equals": [{"Ref": "Nobody"}, "x"]}}}, SCOPE)


def test_references_follow_the_branch_that_is_chosen():
    value = {"a": {"Fn::If": ["No", {"Ref": "One"}, {"Fn::Sub": ["${Two}${x}", {"x": {"Fn::GetAtt": "Three.Arn"}}]}]}}
    assert set(references(value, SCOPE)) == {("Two", ""), ("Three", "Arn")}


@given(st.integers(8, 24), st.integers(1, 64), st.integers(1, 12))
def test_cidr_blocks_are_inside_and_do_not_overlap(prefix, count, bits):
    block = ipaddress.ip_network((10 << 24, prefix))
    if count > 2 ** max(0, 32 - bits - prefix) or 32 - bits < prefix:
        return
    found = [ipaddress.ip_network(each) for each in resolve({"Fn::Cidr": [str(block), count, bits]}, SCOPE)]
    assert len(found) == count
    assert all(each.subnet_of(block) and each.prefixlen == 32 - bits for each in found)
    assert all(one.broadcast_address < two.network_address for one, two in itertools.pairwise(found))
