"""Takes an instance out of its load balancers' target groups for a deployment, and brings it back.

By the load balancer's own operations: out means that no connection is left or draining has ended, back means healthy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.codedeploy.errors import DeploymentFails
from kunren.services.codedeploy.model import Deployment

Place = dict[str, Any]
"""{"arn": a target group's, "target": {"Id", "Port"}}"""


def names_of(settings: Mapping[str, Any]) -> list[str]:
    """The target groups that a deployment has to do with, none where it has no traffic control."""
    if (settings.get("deploymentStyle") or {}).get("deploymentOption") != "WITH_TRAFFIC_CONTROL":
        return []
    return [each["name"] for each in (settings.get("loadBalancerInfo") or {}).get("targetGroupInfoList") or ()]


async def places(
    call: CallService, of: Deployment, names: Sequence[str], instance_id: str, address: str
) -> list[Place]:
    """Where in these groups the instance is, or would be by default. Raises DeploymentFails."""
    try:
        answer = await call(of.account, of.region, "elbv2", "DescribeTargetGroups", {"Names": list(names)})
    except AwsError as error:
        raise DeploymentFails("ELASTIC_LOAD_BALANCING_INVALID", error.message) from error
    found: list[Place] = []
    for group in answer["TargetGroups"]:
        id = instance_id if group["TargetType"] == "instance" else address
        shown = await _health(call, of, group["TargetGroupArn"])
        ports = [each["Target"]["Port"] for each in shown if each["Target"]["Id"] == id and _in(each)]
        found += [
            {"arn": group["TargetGroupArn"], "target": {"Id": id, "Port": port}}
            for port in ports or [group.get("Port")]
        ]
    return found


async def _health(call: CallService, of: Deployment, arn: str) -> Sequence[Mapping[str, Any]]:
    answer = await call(of.account, of.region, "elbv2", "DescribeTargetHealth", {"TargetGroupArn": arn})
    shown: Sequence[Mapping[str, Any]] = answer["TargetHealthDescriptions"]
    return shown


def _in(shown: Mapping[str, Any]) -> bool:
    return bool(shown["TargetHealth"]["State"] != "draining")


async def take_out(call: CallService, of: Deployment, where: Sequence[Place]) -> None:
    for each in where:
        asked = {"TargetGroupArn": each["arn"], "Targets": [each["target"]]}
        await call(of.account, of.region, "elbv2", "DeregisterTargets", asked)


async def bring_back(call: CallService, of: Deployment, where: Sequence[Place]) -> None:
    for each in where:
        asked = {"TargetGroupArn": each["arn"], "Targets": [each["target"]]}
        await call(of.account, of.region, "elbv2", "RegisterTargets", asked)


async def states(call: CallService, of: Deployment, where: Sequence[Place]) -> list[str]:
    """The state of each place, "gone" where the group does not have it any more."""
    found = []
    for each in where:
        shown = {
            (one["Target"]["Id"], one["Target"]["Port"]): one["TargetHealth"]["State"]
            for one in await _health(call, of, each["arn"])
        }
        found.append(shown.get((each["target"]["Id"], each["target"]["Port"]), "gone"))
    return found
