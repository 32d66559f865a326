"""What is asked of a fleet, checked and completed. Pure.

"CreateFleet" in the EC2 API reference, "Quotas" and "Request options" of EC2 Fleet in the EC2 user guide.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from kunren.services.ec2 import errors, tagging
from kunren.services.ec2.api.base import Params
from kunren.services.ec2.fleets import configs, records
from kunren.services.ec2.fleets.errors import InvalidFleetConfig, NotModifiable
from kunren.services.ec2.fleets.model import Fleet
from kunren.services.ec2.instances import requirements
from kunren.services.ec2.instances.launcher import TAGGED

_OF_INSTANT = ("SingleInstanceType", "SingleAvailabilityZone", "MinTargetCapacity")
_NOT_KEPT = ("ClientToken", "DryRun", "TagSpecifications", "FleetId")
CONFIGS_MAX = 50
POOLS_MAX = 300
REQUIREMENTS_MAX = 4
MIN_TARGET_MAX = 1000
DELAYS_S = (120, 7200)
INSTANT_DELETIONS_MAX, LASTING_DELETIONS_MAX = 25, 100


def seconds(given: Any) -> float:
    """AWS seconds of what may be a time or, from a template, its text. Raises InvalidParameterValue."""
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError as error:
            raise errors.InvalidParameterValue(f"Invalid time: {given}") from error
        given = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    return given.timestamp() if isinstance(given, datetime) else float(given)


def completed(params: Params) -> Params:
    """What CreateFleet asks, with defaults. Raises InvalidFleetConfig, InvalidParameterValue, NotImplemented."""
    kept = {name: value for name, value in params.items() if name not in _NOT_KEPT and value is not None}
    request: Params = {
        "Type": "maintain", "ExcessCapacityTerminationPolicy": "termination", "ReplaceUnhealthyInstances": False,
        "TerminateInstancesWithExpiration": False, **kept,
    }  # fmt: skip
    times(request)
    for name in ("ReservedCapacityOptions", "Context"):
        if request.get(name):
            raise errors.NotYet(f"{name} of fleets")
    _check_configs(request["LaunchTemplateConfigs"])
    least = 0 if request["Type"] == "maintain" else 1
    if request["TargetCapacitySpecification"]["TotalTargetCapacity"] < least:
        raise errors.InvalidParameterValue(f"TotalTargetCapacity must be {least} or more")
    configs.target(request["TargetCapacitySpecification"])
    check_options(request, "SpotOptions", configs.SPOT_STRATEGIES)
    check_options(request, "OnDemandOptions", configs.ON_DEMAND_STRATEGIES)
    return request


def times(request: Params) -> None:
    """ValidFrom and ValidUntil become AWS seconds. Raises InvalidParameterValue."""
    for name in ("ValidFrom", "ValidUntil"):
        if name in request:
            request[name] = seconds(request[name])
    if request.get("ValidUntil") is not None and request["ValidUntil"] <= (request.get("ValidFrom") or 0.0):
        raise errors.InvalidParameterValue("ValidUntil must be later than ValidFrom")


def _check_configs(given: list[Params]) -> None:
    if not 1 <= len(given) <= CONFIGS_MAX:
        raise InvalidFleetConfig(f"A fleet has 1 to {CONFIGS_MAX} launch template configs")
    if any(not each.get("LaunchTemplateSpecification") for each in given):
        raise InvalidFleetConfig("Each launch template config must have a LaunchTemplateSpecification")
    check_versions(given)
    overrides = [one for each in given for one in each.get("Overrides") or ()]
    if len(overrides) > POOLS_MAX:
        raise InvalidFleetConfig(f"A fleet has at most {POOLS_MAX} overrides")
    check_overrides(overrides)


def check_versions(configs: list[Params]) -> None:
    """Fleets have no default version. Raises MissingParameter."""
    if any(not each["LaunchTemplateSpecification"].get("Version") for each in configs):
        raise errors.MissingParameter("LaunchTemplateSpecification.Version")


def check_overrides(overrides: list[Params]) -> None:
    if sum(bool(each.get("InstanceRequirements")) for each in overrides) > REQUIREMENTS_MAX:
        raise errors.InvalidParameterValue(
            f"Your request contains more than the maximum allowed number of InstanceRequirements ({REQUIREMENTS_MAX})"
        )
    for each in overrides:
        _check_override(each)


def _check_override(override: Params) -> None:
    if needs := override.get("InstanceRequirements"):
        requirements.check(needs)
        if override.get("InstanceType"):
            raise errors.InvalidParameterCombination(
                "InstanceType and InstanceRequirements can't be specified together"
            )
    if override.get("WeightedCapacity") is not None and not 0 < override["WeightedCapacity"] < math.inf:
        raise errors.InvalidParameterValue("WeightedCapacity must be greater than 0")
    if override.get("AvailabilityZone") and override.get("AvailabilityZoneId"):
        raise errors.InvalidParameterCombination("AvailabilityZone and AvailabilityZoneId can't be specified together")
    configs.price(override.get("MaxPrice"))


def check_options(request: Params, part: str, strategies: tuple[str, ...]) -> None:
    """SpotOptions or OnDemandOptions."""
    told, type = configs.options(request, part), request["Type"]
    strategy = told["AllocationStrategy"]
    if strategy not in strategies:
        raise errors.InvalidParameterValue(f"{strategy} is not a valid allocation strategy of {part}")
    if type != "instant" and any(told.get(name) for name in _OF_INSTANT):
        raise InvalidFleetConfig(f"{', '.join(_OF_INSTANT)} are only supported for fleets of type instant")
    if (least := told.get("MinTargetCapacity")) is not None:
        if not 0 <= least <= MIN_TARGET_MAX:
            raise errors.InvalidParameterValue(f"MinTargetCapacity must be between 0 and {MIN_TARGET_MAX}")
        if least and not (told.get("SingleInstanceType") or told.get("SingleAvailabilityZone")):
            raise InvalidFleetConfig("MinTargetCapacity needs SingleInstanceType or SingleAvailabilityZone")
    if told.get("CapacityReservationOptions"):
        raise errors.NotYet("capacity reservations")
    behavior = told.get("InstanceInterruptionBehavior") or "terminate"
    if behavior != "terminate" and type != "maintain":
        raise InvalidFleetConfig(f"The interruption behavior {behavior} is only supported for fleets of type maintain")
    if (pools := told.get("InstancePoolsToUseCount")) is not None and (pools < 1 or strategy != "lowest-price"):
        raise InvalidFleetConfig("InstancePoolsToUseCount is at least 1, and only valid with lowest-price")
    configs.price(told.get("MaxTotalPrice"))
    _check_rebalance((told.get("MaintenanceStrategies") or {}).get("CapacityRebalance") or {}, type)


def _check_rebalance(told: Params, type: str) -> None:
    delay = told.get("TerminationDelay") or None
    if told and type != "maintain":
        raise InvalidFleetConfig("Capacity rebalancing is only supported for fleets of type maintain")
    if told.get("ReplacementStrategy") == "launch-before-terminate":
        if delay is None or not DELAYS_S[0] <= delay <= DELAYS_S[1]:
            raise InvalidFleetConfig("launch-before-terminate needs a TerminationDelay from 120 to 7200 seconds")
    elif delay is not None:
        raise InvalidFleetConfig("TerminationDelay is only valid with launch-before-terminate")


def tags(params: Params, type: str) -> tuple[dict[str, str], list[Params]]:
    """The tags of the fleet, and the specifications of those that an instant one's launches get. Raises
    InvalidParameterValue."""
    given = params.get("TagSpecifications") or ()
    of_launch = [each for each in given if type == "instant" and each.get("ResourceType") in TAGGED]
    for each in of_launch:
        tagging.checked(each.get("Tags") or ())
    own = [each for each in given if each not in of_launch]
    return tagging.at_creation({"TagSpecifications": own}, "fleet"), of_launch


def modifiable(fleet: Fleet) -> None:
    """Raises FleetNotInModifiableState."""
    if fleet.type != "maintain" or fleet.is_deleted:
        raise NotModifiable(fleet.id, fleet.type, records.word(fleet.state, fleet.is_spot_fleet))


def ends_already(fleet: Fleet, terminates: bool) -> bool:
    """Whether it is deleted, or being deleted in that way, already."""
    return fleet.is_deleted and (fleet.terminates or not terminates or fleet.state == "deleted")


def deletable(fleets: list[Fleet]) -> None:
    """Raises InvalidParameterValue where they are more than one request may delete."""
    instant = sum(each.type == "instant" for each in fleets)
    if instant > INSTANT_DELETIONS_MAX or len(fleets) - instant > LASTING_DELETIONS_MAX:
        raise errors.InvalidParameterValue(
            f"At most {INSTANT_DELETIONS_MAX} fleets of type instant and {LASTING_DELETIONS_MAX} of other types can be "
            "deleted in one request"
        )


def undeletable(fleet: Fleet | None, id: str, terminates: bool) -> dict[str, str] | None:
    """Why DeleteFleets does not delete it."""
    if fleet is None and not id.startswith("fleet-"):
        return {"Code": "fleetIdMalformed", "Message": f"The fleet ID {id} is malformed"}
    if fleet is None:
        return {"Code": "fleetIdDoesNotExist", "Message": f"The fleet ID {id} does not exist"}
    if ends_already(fleet, terminates):
        return {"Code": "fleetNotInDeletableState", "Message": f"The fleet {id} is {fleet.state}"}
    if fleet.type == "instant" and not terminates:
        text = "Fleets of type instant are deleted with their instances: NoTerminateInstances is not supported"
        return {"Code": "unexpectedError", "Message": text}
    return None
