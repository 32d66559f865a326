"""Policies that come with a call: what STS refuses."""

import json

import pytest

from kunren.access.documents import wrong_with

GOOD = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def document(one, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": one, **more})


def test_well_formed_policies_are_taken():
    conditional = {**GOOD, "Condition": {"ForAllValues:StringLike": {"aws:TagKeys": ["a"]}}}
    without = {"Effect": "Deny", "NotAction": "iam:*", "NotResource": ["arn:aws:s3:::b"]}
    for each in (GOOD, [GOOD, conditional], without, {**GOOD, "Action": "*"}):
        assert wrong_with(document(each)) is None


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "1", json.dumps({"Version": "2012-10-17"}), document([]), document("x"), document(GOOD, Version="2020"),
        document({**GOOD, "Effect": "Maybe"}), document({**GOOD, "Principal": "*"}), document({**GOOD, "Action": "get"}),
        document({"Effect": "Allow", "Resource": "*"}), document({"Effect": "Allow", "Action": "s3:*"}),
        document({**GOOD, "Condition": {"StringIs": {"a": "b"}}}), document({**GOOD, "Action": [1]}),
        document({**GOOD, "Condition": {"StringEquals": "a"}}), document({**GOOD, "Condition": {"StringEquals": ["a"]}}),
        document({**GOOD, "Condition": {"StringEquals": {"a": {"b": "c"}}}}), document({**GOOD, "Condition": ["Null"]}),
    ],
)  # fmt: skip
def test_others_are_not(text):
    assert wrong_with(text) is not None
