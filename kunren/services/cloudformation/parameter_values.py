"""Parameters of AWS's own types: what they name must be there. "Specify existing resources at runtime with
CloudFormation-supplied parameter types"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.cloudformation.errors import ValidationError

_INNER = re.compile(r"(?:AWS::SSM::Parameter::Value<)?(?:List<)?([^<>]+)>*")
_ASKED: Mapping[str, tuple[str, str, Callable[[str], dict[str, Any]]]] = {
    "AWS::EC2::AvailabilityZone::Name": ("ec2", "DescribeAvailabilityZones", lambda value: {"ZoneNames": [value]}),
    "AWS::EC2::Image::Id": ("ec2", "DescribeImages", lambda value: {"ImageIds": [value]}),
    "AWS::EC2::Instance::Id": ("ec2", "DescribeInstances", lambda value: {"InstanceIds": [value]}),
    "AWS::EC2::KeyPair::KeyName": ("ec2", "DescribeKeyPairs", lambda value: {"KeyNames": [value]}),
    "AWS::EC2::SecurityGroup::GroupName": (
        "ec2", "DescribeSecurityGroups", lambda value: {"Filters": [{"Name": "group-name", "Values": [value]}]},
    ),
    "AWS::EC2::SecurityGroup::Id": ("ec2", "DescribeSecurityGroups", lambda value: {"GroupIds": [value]}),
    "AWS::EC2::Subnet::Id": ("ec2", "DescribeSubnets", lambda value: {"SubnetIds": [value]}),
    "AWS::EC2::Volume::Id": ("ec2", "DescribeVolumes", lambda value: {"VolumeIds": [value]}),
    "AWS::EC2::VPC::Id": ("ec2", "DescribeVpcs", lambda value: {"VpcIds": [value]}),
    "AWS::Route53::HostedZone::Id": ("route53", "GetHostedZone", lambda value: {"Id": value}),
    "AWS::SSM::Parameter::Name": ("ssm", "GetParameter", lambda value: {"Name": value}),
}  # fmt: skip
"""Type → service, operation, and its parameters for one value; an error or an empty list says that it is not there."""


def named(declared: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Parameter, type and text of each value that is to name something; an empty list names nothing. Pure."""
    for name, each in declared.items():
        match, value = _INNER.fullmatch(each["Type"]), values[name]
        if match is not None and match[1] in _ASKED:
            for one in (value or [""]) if isinstance(value, list) else [value]:
                yield name, match[1], one


async def check(
    declared: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any], call: CallService, account: str, region: str
) -> None:
    """`values` are what Ref gives. Raises ValidationError for the first one that names nothing."""
    for name, type, value in named(declared, values):
        service, operation, params = _ASKED[type]
        try:
            there = bool(value) and any((await call(account, region, service, operation, params(value))).values())
        except AwsError as error:
            if error.status >= 500:
                raise
            there = False
        if not there and type == "AWS::SSM::Parameter::Name":
            raise ValidationError(f"Unable to fetch parameters [{value}] from parameter store for this account.")
        if not there:
            raise ValidationError(
                f"Parameter validation failed: parameter value {value} for parameter name {name} does not exist"
            )
