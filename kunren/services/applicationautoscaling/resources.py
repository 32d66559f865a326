"""What can be scaled: how its capacity is read, and how it is set, by its own service's operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.applicationautoscaling import errors
from kunren.services.applicationautoscaling.model import Target

Read = Callable[[CallService, Target], Awaitable[int]]
Write = Callable[[CallService, Target, int], Awaitable[object]]


class Scalable(NamedTuple):
    """`what` is the capacity in the words of activities; `cooldown_s` the default of target tracking."""

    read: Read
    write: Write
    what: str
    parts: int
    """Of a resource id, between slashes."""
    cooldown_s: int
    role: str
    changes: Callable[[CallService, Target], Awaitable[bool]] | None = None
    """Whether it is being changed, and is not to shrink meanwhile."""


async def _service(call: CallService, target: Target) -> Mapping[str, Any]:
    _, cluster, service = target.resource.split("/")
    named = {"cluster": cluster, "services": [service]}
    shown = await call(target.account, target.region, "ecs", "DescribeServices", named)
    found: Mapping[str, Any] | None = next((each for each in shown["services"] if each["status"] == "ACTIVE"), None)
    if found is None:
        raise errors.ValidationException(f"ECS service doesn't exist: {target.resource}")
    return found


async def _read_service(call: CallService, target: Target) -> int:
    return int((await _service(call, target))["desiredCount"])


async def _deploys(call: CallService, target: Target) -> bool:
    """Nothing shrinks while a deployment is in progress ("Automatically scale your Amazon ECS service")."""
    deployments = (await _service(call, target)).get("deployments") or ()
    return any(each.get("rolloutState") == "IN_PROGRESS" for each in deployments)


async def _write_service(call: CallService, target: Target, count: int) -> object:
    _, cluster, service = target.resource.split("/")
    params = {"cluster": cluster, "service": service, "desiredCount": count}
    return await call(target.account, target.region, "ecs", "UpdateService", params)


def _throughput(unit: str) -> tuple[Read, Write]:
    other = "WriteCapacityUnits" if unit == "ReadCapacityUnits" else "ReadCapacityUnits"

    async def shown(call: CallService, target: Target) -> Mapping[str, Any]:
        named = {"TableName": target.resource.split("/")[1]}
        found = await call(target.account, target.region, "dynamodb", "DescribeTable", named)
        throughput: Mapping[str, Any] = found["Table"]["ProvisionedThroughput"]
        return throughput

    async def read(call: CallService, target: Target) -> int:
        return int((await shown(call, target))[unit])

    async def write(call: CallService, target: Target, count: int) -> object:
        kept = {other: (await shown(call, target))[other], unit: count}
        params = {"TableName": target.resource.split("/")[1], "ProvisionedThroughput": kept}
        return await call(target.account, target.region, "dynamodb", "UpdateTable", params)

    return read, write


async def _read_fleet(call: CallService, target: Target) -> int:
    named = {"SpotFleetRequestIds": [target.resource.split("/")[1]]}
    try:
        shown = await call(target.account, target.region, "ec2", "DescribeSpotFleetRequests", named)
    except AwsError as error:
        raise errors.ValidationException(f"Spot Fleet request doesn't exist: {target.resource}") from error
    [found] = shown["SpotFleetRequestConfigs"]
    if found["SpotFleetRequestState"].startswith("cancelled"):
        raise errors.ValidationException(f"Spot Fleet request doesn't exist: {target.resource}")
    return int(found["SpotFleetRequestConfig"]["TargetCapacity"])


async def _write_fleet(call: CallService, target: Target, count: int) -> object:
    params = {"SpotFleetRequestId": target.resource.split("/")[1], "TargetCapacity": count}
    return await call(target.account, target.region, "ec2", "ModifySpotFleetRequest", params)


SCALABLE: dict[tuple[str, str], Scalable] = {
    ("ecs", "ecs:service:DesiredCount"): Scalable(
        _read_service, _write_service, "desired count", 3, 300, "ECSService", _deploys
    ),
    ("ec2", "ec2:spot-fleet-request:TargetCapacity"): Scalable(
        _read_fleet, _write_fleet, "target capacity", 2, 300, "EC2SpotFleetRequest"
    ),
    ("dynamodb", "dynamodb:table:ReadCapacityUnits"): Scalable(
        *_throughput("ReadCapacityUnits"), "read capacity units", 2, 0, "DynamoDBTable"
    ),
    ("dynamodb", "dynamodb:table:WriteCapacityUnits"): Scalable(
        *_throughput("WriteCapacityUnits"), "write capacity units", 2, 0, "DynamoDBTable"
    ),
}  # fmt: skip


def scalable(namespace: str, resource: str, dimension: str) -> Scalable:
    """What it is. Raises ValidationException, NotYet."""
    if not dimension.startswith(f"{namespace}:"):
        raise errors.ValidationException(
            f"Unsupported service namespace, resource type or scalable dimension: {namespace}, {dimension}"
        )
    found = SCALABLE.get((namespace, dimension))
    if found is None:
        raise errors.NotYet(f"scaling of {dimension}")
    parts = resource.split("/")
    if parts[0] != dimension.split(":")[1] or len(parts) != found.parts or not all(parts):
        raise errors.ValidationException(f"Unsupported resource id for {dimension}: {resource}")
    return found


def linked_role(target_account: str, namespace: str, role: str) -> str:
    """The ARN of the service-linked role that scales."""
    return (
        f"arn:aws:iam::{target_account}:role/aws-service-role/{namespace}.application-autoscaling.amazonaws.com/"
        f"AWSServiceRoleForApplicationAutoScaling_{role}"
    )
