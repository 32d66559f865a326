"""What the functions of rules ask about an account's networks: which there are, and what each is like.

"Rule functions", section "Supported attributes".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.core.calling import CallService

VPC, SUBNET, GROUP = "AWS::EC2::VPC::Id", "AWS::EC2::Subnet::Id", "AWS::EC2::SecurityGroup::Id"
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    VPC: frozenset({"DefaultNetworkAcl", "DefaultSecurityGroup"}),
    SUBNET: frozenset({"AvailabilityZone", "VpcId"}),
    GROUP: frozenset(),
}
"""By type of parameter; each has `Tags.<key>` besides."""

_OPERATIONS = {
    VPC: ("DescribeVpcs", "Vpcs", "VpcId"),
    SUBNET: ("DescribeSubnets", "Subnets", "SubnetId"),
    GROUP: ("DescribeSecurityGroups", "SecurityGroups", "GroupId"),
}
_ASKING = ('"Fn::RefAll"', '"Fn::ValueOf"', '"Fn::ValueOfAll"')
Known = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Type → id → attribute → value."""


async def asked(template: Mapping[str, Any], call: CallService, account: str, region: str) -> Known:
    """What the template's rules may ask about; nothing is looked up for those that ask nothing."""
    rules = json.dumps(template.get("Rules") or {})
    if not any(each in rules for each in _ASKING):
        return {}
    named = rules + json.dumps(template.get("Parameters") or {})
    found: dict[str, dict[str, dict[str, str]]] = {}
    for type, (operation, items, id) in _OPERATIONS.items():
        if type in named:
            answer = await call(account, region, "ec2", operation, {})
            found[type] = {each[id]: _attributes(type, each) for each in answer.get(items) or ()}
    if found.get(VPC):
        await _defaults(found[VPC], call, account, region)
    return found


def _attributes(type: str, item: Mapping[str, Any]) -> dict[str, str]:
    tags = {f"Tags.{each['Key']}": each.get("Value", "") for each in item.get("Tags") or ()}
    return {**tags, **{name: item[name] for name in ATTRIBUTES[type] if name in item}}


async def _defaults(vpcs: dict[str, dict[str, str]], call: CallService, account: str, region: str) -> None:
    for operation, items, wanted, id, name in (
        ("DescribeNetworkAcls", "NetworkAcls", ("default", "true"), "NetworkAclId", "DefaultNetworkAcl"),
        ("DescribeSecurityGroups", "SecurityGroups", ("group-name", "default"), "GroupId", "DefaultSecurityGroup"),
    ):
        params = {"Filters": [{"Name": wanted[0], "Values": [wanted[1]]}]}
        answer = await call(account, region, "ec2", operation, params)
        for each in answer.get(items) or ():
            if each.get("VpcId") in vpcs:
                vpcs[each["VpcId"]][name] = each[id]
