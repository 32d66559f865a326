"""EC2 Fleets as the API shows them."""

from __future__ import annotations

from typing import Any

from kunren.core.tags import tags_to_wire
from kunren.services.ec2.fleets import capacity, configs
from kunren.services.ec2.fleets.launching import Refused
from kunren.services.ec2.fleets.model import Fleet, Member
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.store import Reader

_OF_OVERRIDE = (
    "InstanceType", "MaxPrice", "SubnetId", "AvailabilityZone", "AvailabilityZoneId", "WeightedCapacity", "Priority",
    "ImageId", "InstanceRequirements", "BlockDeviceMappings",
)  # fmt: skip
_OF_TEMPLATE = ("LaunchTemplateId", "LaunchTemplateName", "Version")
_OF_CREATION = ("AvailabilityZone", "SubnetId")


def active_instance(reader: Reader, fleet: Fleet, member: Member) -> dict[str, Any]:
    """An ActiveInstance. Health is of status checks, which nothing here fails."""
    instance = reader.get(Instance, fleet.account, fleet.region, member.id)
    return {
        "InstanceId": member.id,
        "InstanceType": member.instance_type,
        "SpotInstanceRequestId": instance.spot_request_id if instance is not None else None,
        "InstanceHealth": "healthy" if instance is not None and instance.wanted == "running" else "unhealthy",
    }


def _picked(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}


def _override(given: dict[str, Any]) -> dict[str, Any]:
    found = _picked(given, _OF_OVERRIDE)
    if given.get("WeightedCapacity") is not None:
        found["WeightedCapacity"] = float(given["WeightedCapacity"])
    if given.get("Priority") is not None:
        found["Priority"] = float(given["Priority"])
    if group := (given.get("Placement") or {}).get("GroupName"):
        found["Placement"] = {"GroupName": group}
    return found


def _launch_of(template: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    return {"LaunchTemplateSpecification": _picked(template, _OF_TEMPLATE), "Overrides": _override(override)}


def error(refused: Refused) -> dict[str, Any]:
    each, is_spot, why = refused
    return {
        "LaunchTemplateAndOverrides": _launch_of(each.template, {**each.override, "InstanceType": each.instance_type}),
        "Lifecycle": "spot" if is_spot else "on-demand",
        "ErrorCode": why.code,
        "ErrorMessage": why.message,
    }


def instances(fleet: Fleet) -> list[dict[str, Any]]:
    """An instant fleet's instances, those that were launched alike together."""
    found: dict[str, dict[str, Any]] = {}
    for each in fleet.members.values():
        key = repr((each.instance_type, each.subnet, each.spot, each.override, each.template))
        launch = _launch_of(each.template, {**each.override, "InstanceType": each.instance_type})
        shown = found.setdefault(key, {
            "LaunchTemplateAndOverrides": launch, "Lifecycle": "spot" if each.spot else "on-demand", "InstanceIds": [],
            "InstanceType": each.instance_type, "AvailabilityZone": each.zone, "SubnetId": each.subnet,
        })  # fmt: skip
        shown["InstanceIds"].append(each.id)
    return list(found.values())


def created(fleet: Fleet) -> dict[str, Any]:
    """CreateFleet's answer."""
    if fleet.type != "instant":
        return {"FleetId": fleet.id}
    return {"FleetId": fleet.id, "Errors": list(fleet.errors), "Instances": instances(fleet)}


def activity(reader: Reader, fleet: Fleet) -> str:
    """Its ActivityStatus."""
    if fleet.is_deleted:
        return "pending_termination" if fleet.state == "deleted_terminating" else "fulfilled"
    if not capacity.lacks(reader, fleet):
        return "pending_termination" if capacity.ending(reader, fleet, 0.0) else "fulfilled"
    return "error" if fleet.errors else "pending_fulfillment"


def _options(request: dict[str, Any], part: str) -> dict[str, Any]:
    """SpotOptions or OnDemandOptions with defaults. The API says lowestPrice, unlike its model: Terraform's provider
    knows no other word."""
    told = configs.options(request, part)
    strategy = told["AllocationStrategy"]
    if part == "SpotOptions":
        pools = {} if strategy == "diversified" else {"InstancePoolsToUseCount": 1}
        told = {"InstanceInterruptionBehavior": "terminate", **pools, **told}
    return {**told, "AllocationStrategy": "lowestPrice" if strategy == "lowest-price" else strategy}


def to_wire(reader: Reader, fleet: Fleet) -> dict[str, Any]:
    request, have = fleet.request, capacity.fulfilled(reader, fleet)
    total = request["TargetCapacitySpecification"]
    wanted = configs.target(total)
    shown: dict[str, Any] = {
        "ActivityStatus": None if fleet.type == "instant" else activity(reader, fleet),
        "CreateTime": fleet.created_at,
        "FleetId": fleet.id,
        "FleetState": fleet.state,
        "ClientToken": fleet.client_token,
        "FulfilledCapacity": float(have.on_demand + have.spot),
        "FulfilledOnDemandCapacity": float(have.on_demand),
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": _picked(each["LaunchTemplateSpecification"], _OF_TEMPLATE),
                "Overrides": [_override(one) for one in each.get("Overrides") or ()],
            }
            for each in request["LaunchTemplateConfigs"]
        ],
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": total["TotalTargetCapacity"],
            "OnDemandTargetCapacity": int(wanted.on_demand),
            "SpotTargetCapacity": int(wanted.spot),
            "DefaultTargetCapacityType": total.get("DefaultTargetCapacityType") or "on-demand",
            "TargetCapacityUnitType": total.get("TargetCapacityUnitType"),
        },
        "SpotOptions": _options(request, "SpotOptions"),
        "OnDemandOptions": _options(request, "OnDemandOptions"),
        "Tags": tags_to_wire(fleet.tags),
    }  # fmt: skip
    for name in ("ExcessCapacityTerminationPolicy", "TerminateInstancesWithExpiration", "Type", "ValidFrom",
                 "ValidUntil", "ReplaceUnhealthyInstances"):  # fmt: skip
        shown[name] = request.get(name)
    if fleet.type == "instant":
        listed = [{key: one for key, one in each.items() if key not in _OF_CREATION} for each in instances(fleet)]
        shown |= {"Errors": list(fleet.errors), "Instances": listed}
    return shown
