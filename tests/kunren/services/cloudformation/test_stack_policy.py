"""Stack policies, as AWS's examples have them."""

import json

import pytest

from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.stack_policy import checked, refusal

ALL = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def of(*statements):
    return checked(json.dumps({"Statement": list(statements)}))


def test_without_a_policy_all_is_allowed_and_with_one_only_what_it_says():
    assert refusal("", "replace", "A", "AWS::SQS::Queue") is None
    modify = of({**ALL, "Action": "Update:Modify"})
    assert refusal(modify, "update", "A", "AWS::SQS::Queue") is None
    assert "[Update:Delete]" in refusal(modify, "remove", "A", "AWS::SQS::Queue")


def test_a_denial_is_stronger_wherever_it_stands():
    deny = {
        "Effect": "Deny",
        "Action": ["Update:Replace", "Update:Delete"],
        "Principal": "*",
        "Resource": "LogicalResourceId/Prod*",
    }
    policy = of(deny, ALL)
    assert refusal(policy, "replace", "ProductionDatabase", "AWS::RDS::DBInstance") == (
        "Action denied by stack policy: Statement [#1] does not allow [Update:Replace] for resource "
        "[LogicalResourceId/ProductionDatabase]"
    )
    assert refusal(policy, "update", "ProductionDatabase", "t") is None
    assert refusal(policy, "replace", "Test", "t") is None


def test_conditions_and_negations():
    typed = of(
        ALL,
        {
            **ALL,
            "Effect": "Deny",
            "Condition": {"StringLike": {"ResourceType": ["AWS::EC2::*", "AWS::RDS::DBInstance"]}},
        },
    )
    assert refusal(typed, "update", "A", "AWS::EC2::VPC") and refusal(typed, "update", "A", "AWS::SQS::Queue") is None
    other = of(
        {"Effect": "Allow", "NotAction": "Update:Delete", "Principal": "*", "NotResource": "LogicalResourceId/Keep"}
    )
    assert refusal(other, "update", "A", "t") is None
    assert refusal(other, "remove", "A", "t") and refusal(other, "update", "Keep", "t")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        '{"Statement": 1}',
        '{"Statement": {"Effect": "Allow"}}',
        json.dumps({"Statement": {**ALL, "Principal": "me"}}),
    ],
)
def test_what_is_no_policy_is_refused(body):
    with pytest.raises(ValidationError, match="Error validating stack policy"):
        checked(body)
