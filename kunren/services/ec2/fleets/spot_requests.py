"""What a Spot Fleet request asks, brought to the form of an EC2 Fleet's; and how it is shown. Pure.

"RequestSpotFleet" and "SpotFleetRequestConfigData" in the EC2 API reference.
"""

from __future__ import annotations

from typing import Any

from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, tagging
from kunren.services.ec2.api.base import Params
from kunren.services.ec2.fleets import capacity, checks, configs, records, wire
from kunren.services.ec2.fleets.errors import InvalidSpotFleetRequestConfig
from kunren.services.ec2.fleets.model import SpotFleet
from kunren.services.ec2.store import Reader

_POLICIES = {"default": "termination", "notermination": "no-termination"}
_SAME = ("ReplaceUnhealthyInstances", "TerminateInstancesWithExpiration", "ValidFrom", "ValidUntil")
_OF_LAUNCH = (
    "BlockDeviceMappings", "EbsOptimized", "IamInstanceProfile", "ImageId", "InstanceType", "KeyName", "Monitoring",
    "NetworkInterfaces", "UserData", "TagSpecifications",
)  # fmt: skip
_NOT_YET_OF_LAUNCH = ("AddressingType", "KernelId", "RamdiskId")
_DEFAULTS = {
    "AllocationStrategy": "lowestPrice", "OnDemandAllocationStrategy": "lowestPrice", "Type": "maintain",
    "ExcessCapacityTerminationPolicy": "default", "TerminateInstancesWithExpiration": False,
    "ReplaceUnhealthyInstances": False, "InstanceInterruptionBehavior": "terminate", "OnDemandTargetCapacity": 0,
}  # fmt: skip


def completed(given: Params) -> tuple[Params, Params]:
    """SpotFleetRequestConfigData with its defaults, and the same as CreateFleet would be asked. Raises
    InvalidSpotFleetRequestConfig, InvalidParameterValue, NotImplemented."""
    asked = {**_DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    asked = {name: value for name, value in asked.items() if name not in ("ClientToken", "TagSpecifications")}
    checks.times(asked)
    role = asked["IamFleetRole"]
    if not (role.startswith("arn:aws") and ":iam::" in role and ":role/" in role):
        raise InvalidSpotFleetRequestConfig("Parameter: SpotFleetRequestConfig.IamFleetRole is invalid")
    if asked.get("Context"):
        raise errors.NotYet("Context of Spot Fleets")
    if (asked.get("LoadBalancersConfig") or {}).get("ClassicLoadBalancersConfig"):
        raise errors.NotYet("Classic Load Balancers of Spot Fleets")
    if asked["Type"] == "instant":
        raise InvalidSpotFleetRequestConfig("Spot Fleet does not support requests of type instant")
    request = _request(asked)
    least = 0 if asked["Type"] == "maintain" else 1
    if asked["TargetCapacity"] < least:
        raise InvalidSpotFleetRequestConfig(f"TargetCapacity must be {least} or more")
    configs.target(request["TargetCapacitySpecification"])
    configs.price(asked.get("SpotPrice"))
    checks.check_overrides([one for each in request["LaunchTemplateConfigs"] for one in each["Overrides"]])
    checks.check_options(request, "SpotOptions", configs.SPOT_STRATEGIES)
    checks.check_options(request, "OnDemandOptions", configs.ON_DEMAND_STRATEGIES)
    return asked, request


def _request(asked: Params) -> Params:
    rebalance = asked.get("SpotMaintenanceStrategies")
    return {
        **{name: asked[name] for name in _SAME if name in asked},
        "Type": asked["Type"],
        "ExcessCapacityTerminationPolicy": _POLICIES[asked["ExcessCapacityTerminationPolicy"].lower()],
        "LaunchTemplateConfigs": _configs(asked),
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": asked["TargetCapacity"],
            "OnDemandTargetCapacity": asked["OnDemandTargetCapacity"],
            "DefaultTargetCapacityType": "spot",
            "TargetCapacityUnitType": asked.get("TargetCapacityUnitType"),
        },
        "SpotOptions": {
            "AllocationStrategy": asked["AllocationStrategy"],
            "InstanceInterruptionBehavior": asked["InstanceInterruptionBehavior"],
            "InstancePoolsToUseCount": asked.get("InstancePoolsToUseCount"),
            "MaxTotalPrice": asked.get("SpotMaxTotalPrice"),
            "MaintenanceStrategies": rebalance,
        },
        "OnDemandOptions": {
            "AllocationStrategy": asked["OnDemandAllocationStrategy"],
            "MaxTotalPrice": asked.get("OnDemandMaxTotalPrice"),
        },
    }


def _configs(asked: Params) -> list[Params]:
    specs, templates = asked.get("LaunchSpecifications") or [], asked.get("LaunchTemplateConfigs") or []
    if bool(specs) == bool(templates):
        raise InvalidSpotFleetRequestConfig(
            "Exactly one of LaunchSpecifications and LaunchTemplateConfigs must be specified"
        )
    if len(specs) + len(templates) > checks.CONFIGS_MAX:
        raise InvalidSpotFleetRequestConfig(f"At most {checks.CONFIGS_MAX} launch specifications are supported")
    if specs and asked["OnDemandTargetCapacity"]:
        raise InvalidSpotFleetRequestConfig("On-Demand capacity needs LaunchTemplateConfigs")
    most = asked.get("SpotPrice")
    if specs:
        return [_of_specification(each, most) for each in specs]
    if any(not each.get("LaunchTemplateSpecification") for each in templates):
        raise InvalidSpotFleetRequestConfig("Each launch template config must have a LaunchTemplateSpecification")
    checks.check_versions(templates)
    found = []
    for each in templates:
        overrides = [_override(one, most) for one in each.get("Overrides") or [{}]]
        found.append({"LaunchTemplateSpecification": each["LaunchTemplateSpecification"], "Overrides": overrides})
    return found


def _override(given: Params, most: str | None) -> Params:
    """`most` is the maximum price where it has none of its own."""
    found = {name: value for name, value in given.items() if name != "SpotPrice" and value is not None}
    price = given.get("SpotPrice") or most
    return {**found, "MaxPrice": price} if price else found


def _of_specification(given: Params, most: str | None) -> Params:
    for name in _NOT_YET_OF_LAUNCH:
        if given.get(name):
            raise errors.NotYet(f"{name} of Spot Fleets")
    launch = {name: given[name] for name in _OF_LAUNCH if given.get(name)}
    groups = given.get("SecurityGroups") or ()
    launch["SecurityGroupIds"] = [each["GroupId"] for each in groups if each.get("GroupId")]
    launch["SecurityGroups"] = [each["GroupName"] for each in groups if not each.get("GroupId")]
    placement = {name: value for name, value in (given.get("Placement") or {}).items() if value}
    zones = {name: placement.pop(name) for name in ("AvailabilityZone", "AvailabilityZoneId") if name in placement}
    launch["Placement"] = placement
    for each in given.get("TagSpecifications") or ():
        if each.get("ResourceType") != "instance":
            raise InvalidSpotFleetRequestConfig("The only resource type to tag in a launch specification is instance")
        tagging.checked(each.get("Tags") or ())
    own = {name: given.get(name) for name in ("SpotPrice", "SubnetId", "WeightedCapacity", "InstanceRequirements")}
    return {"Launch": {name: value for name, value in launch.items() if value},
            "Overrides": [_override({**zones, **own}, most)]}  # fmt: skip


def modified(fleet: SpotFleet, params: Params) -> tuple[Params, Params]:
    """Its two forms as ModifySpotFleetRequest leaves them. Raises as `completed`."""
    names = ("TargetCapacity", "OnDemandTargetCapacity", "ExcessCapacityTerminationPolicy", "LaunchTemplateConfigs")
    changes = {name: params[name] for name in names if params.get(name) is not None}
    assert fleet.asked is not None
    if "LaunchTemplateConfigs" in changes and fleet.asked.get("LaunchSpecifications"):
        raise InvalidSpotFleetRequestConfig(
            "LaunchTemplateConfigs can't be modified in a request made with LaunchSpecifications"
        )
    return completed({**fleet.asked, **changes, "Context": params.get("Context")})


def to_wire(reader: Reader, fleet: SpotFleet) -> dict[str, Any]:
    """A SpotFleetRequestConfig."""
    have = capacity.fulfilled(reader, fleet)
    shown = {
        **(fleet.asked or {}),
        "FulfilledCapacity": float(have.on_demand + have.spot),
        "OnDemandFulfilledCapacity": float(have.on_demand),
        "ClientToken": fleet.client_token,
    }
    return {
        "ActivityStatus": wire.activity(reader, fleet),
        "CreateTime": fleet.created_at,
        "SpotFleetRequestConfig": shown,
        "SpotFleetRequestId": fleet.id,
        "SpotFleetRequestState": records.word(fleet.state, True),
        "Tags": tags_to_wire(fleet.tags),
    }


def uncancellable(fleet: SpotFleet | None, id: str, terminates: bool) -> dict[str, str] | None:
    """Why CancelSpotFleetRequests does not cancel it."""
    if fleet is None and not id.startswith("sfr-"):
        return {"Code": "fleetRequestIdMalformed", "Message": f"The spot fleet request ID {id} is malformed"}
    if fleet is None:
        return {"Code": "fleetRequestIdDoesNotExist", "Message": f"The spot fleet request ID {id} does not exist"}
    if checks.ends_already(fleet, terminates):
        text = f"The spot fleet request {id} is {records.word(fleet.state, True)}"
        return {"Code": "fleetRequestNotInCancellableState", "Message": text}
    return None
