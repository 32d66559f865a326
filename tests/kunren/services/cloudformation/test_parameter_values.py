"""Parameters of AWS's own types name what is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kunren.core.errors import AwsError, WireError
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.parameter_values import check, named


def test_values_of_aws_types_are_looked_up_also_in_lists_and_from_systems_manager() -> None:
    types = {
        "A": "String", "B": "AWS::EC2::VPC::Id", "C": "List<AWS::EC2::Subnet::Id>", "D": "AWS::SSM::Parameter::Name",
        "E": "AWS::SSM::Parameter::Value<List<AWS::EC2::Volume::Id>>", "F": "AWS::SSM::Parameter::Value<String>",
        "G": "List<AWS::EC2::Subnet::Id>",
    }  # fmt: skip
    values = {"A": "a", "B": "vpc", "C": ["s1", "s2"], "D": "/d", "E": ["v"], "F": "f", "G": []}
    assert [*named({name: {"Type": each} for name, each in types.items()}, values)] == [
        ("B", "AWS::EC2::VPC::Id", "vpc"), ("C", "AWS::EC2::Subnet::Id", "s1"), ("C", "AWS::EC2::Subnet::Id", "s2"),
        ("D", "AWS::SSM::Parameter::Name", "/d"), ("E", "AWS::EC2::Volume::Id", "v"),
        ("G", "AWS::EC2::Subnet::Id", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type", "value", "answer", "why"),
    [
        ("AWS::EC2::VPC::Id", "vpc-1", {"Vpcs": [{}]}, None),
        ("AWS::EC2::VPC::Id", "vpc-1", None, "Parameter validation failed: parameter value vpc-1 for parameter name P does not exist"),
        ("AWS::EC2::SecurityGroup::GroupName", "g", {"SecurityGroups": []}, "Parameter validation failed: parameter value g for parameter name P does not exist"),
        ("AWS::EC2::KeyPair::KeyName", "", {"KeyPairs": [{}]}, "Parameter validation failed: parameter value  for parameter name P does not exist"),
        ("AWS::SSM::Parameter::Name", "/a", None, "Unable to fetch parameters [/a] from parameter store for this account."),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(type: str, value: str, answer: Any, why: str | None) -> None:
    async def call(*_: Any) -> Any:
        if answer is None:
            raise WireError("NotFound", "it is not there")
        return answer

    asked = check({"P": {"Type": type}}, {"P": value}, call, "1", "r")
    if why is None:
        asyncio.run(asked)
    else:
        with pytest.raises(ValidationError) as told:
            asyncio.run(asked)
        assert told.value.message == why


def test_a_service_that_fails_is_no_value_that_is_missing() -> None:
    async def call(*_: Any) -> Any:
        raise WireError("InternalFailure", "oh", 500)

    with pytest.raises(AwsError, match="oh"):
        asyncio.run(check({"P": {"Type": "AWS::EC2::VPC::Id"}}, {"P": "vpc-1"}, call, "1", "r"))
