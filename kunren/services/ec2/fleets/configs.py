"""What a fleet asks for, read: how much of what, and the pools that it may be launched from. Pure on a snapshot.

"Create an EC2 Fleet" and "Use instance weighting" in the EC2 user guide. A Spot Fleet's request is brought to the same
form by `kunren.services.ec2.fleets.spot_requests`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_values
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2 import default_vpc, errors, store
from kunren.services.ec2.fleets.errors import InvalidFleetConfig
from kunren.services.ec2.fleets.model import Fleet
from kunren.services.ec2.instances import requirements, templates
from kunren.services.ec2.instances.types import MACHINE, all_types
from kunren.services.ec2.model import Subnet
from kunren.services.ec2.store import Reader

Params = dict[str, Any]
SPOT_STRATEGIES = (
    "lowest-price", "diversified", "capacity-optimized", "capacity-optimized-prioritized", "price-capacity-optimized",
)  # fmt: skip
STRATEGIES = {
    "lowestPrice": "lowest-price", "capacityOptimized": "capacity-optimized",
    "capacityOptimizedPrioritized": "capacity-optimized-prioritized",
    "priceCapacityOptimized": "price-capacity-optimized",
}  # fmt: skip
"""By the names that Spot Fleets have for them; EC2 Fleets take those, too ("AWS::EC2::EC2Fleet SpotOptionsRequest")."""
ON_DEMAND_STRATEGIES = ("lowest-price", "prioritized")
TARGET_MAX = 10_000
UNITS_MAX = 2_000_000_000
_OF_LAUNCH = (
    "InstanceType", "ImageId", "Placement", "KeyName", "BlockDeviceMappings", "IamInstanceProfile", "MetadataOptions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    on_demand: float
    spot: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A type in a place that a fleet may launch: `launch` is what RunInstances would be asked. `max_price` is the most
    that is paid per unit and hour, None the On-Demand price; `markets` whether it is for On-Demand (False) and for Spot
    Instances (True)."""

    launch: Params
    template: Params
    override: Params
    instance_type: str
    zone: str
    weight: float
    priority: float
    max_price: float | None
    markets: frozenset[bool] = frozenset({False, True})


def target(capacity: Params) -> Target:
    """What TargetCapacitySpecification says: what neither part names is of the default type. Raises
    InvalidParameterValue."""
    total = capacity["TotalTargetCapacity"]
    most = TARGET_MAX if capacity.get("TargetCapacityUnitType") in (None, "units") else UNITS_MAX
    if not 0 <= total <= most:
        raise errors.InvalidParameterValue(f"TotalTargetCapacity must be between 0 and {most}")
    on_demand, spot = capacity.get("OnDemandTargetCapacity"), capacity.get("SpotTargetCapacity")
    if (on_demand or 0) < 0 or (spot or 0) < 0 or (on_demand or 0) + (spot or 0) > total:
        raise errors.InvalidParameterValue(
            "The sum of OnDemandTargetCapacity and SpotTargetCapacity may not exceed TotalTargetCapacity"
        )
    if (capacity.get("DefaultTargetCapacityType") or "on-demand") == "spot":
        return Target(on_demand or 0, total - (on_demand or 0))
    return Target(total - (spot or 0), spot or 0)


def retargeted(before: Params, given: Params) -> Params:
    """TargetCapacitySpecification as ModifyFleet leaves it: with a new total alone, the part that is not of the default
    type stays, as far as it fits."""
    kept = {name: before.get(name) for name in ("DefaultTargetCapacityType", "TargetCapacityUnitType")}
    of_spot = kept["DefaultTargetCapacityType"] == "spot"
    named = "OnDemandTargetCapacity" if of_spot else "SpotTargetCapacity"
    if not any(given.get(name) is not None for name in ("OnDemandTargetCapacity", "SpotTargetCapacity")):
        kept[named] = min(before.get(named) or 0, max(0, given["TotalTargetCapacity"]))
    return {**kept, **{name: value for name, value in given.items() if value is not None}}


def options(request: Params, part: str) -> Params:
    """SpotOptions or OnDemandOptions with its AllocationStrategy, without what is not said."""
    told = {key: value for key, value in (request.get(part) or {}).items() if value is not None}
    strategy = told.get("AllocationStrategy") or "lowest-price"
    return {**told, "AllocationStrategy": STRATEGIES.get(strategy, strategy)}


def price(text: str | None) -> float | None:
    """Raises InvalidParameterValue."""
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < math.inf:
        raise errors.InvalidParameterValue(f"Invalid spot instance price: {text}")
    return found


def candidates(reader: Reader, ctx: RequestContext, fleet: Fleet) -> list[Candidate]:
    """Raises the errors of a template, type, subnet or zone that there is not, and InvalidFleetConfig."""
    found: list[Candidate] = []
    for config in fleet.request["LaunchTemplateConfigs"]:
        own = [
            each
            for override in config.get("Overrides") or [{}]
            for each in _of_override(reader, ctx, fleet, config, override)
        ]
        if not fleet.is_spot_fleet and len({(each.instance_type, each.zone) for each in own}) < len(own):
            if any(each.override.get("InstanceRequirements") for each in own):
                raise errors.InvalidParameterValue(
                    "Two or more of your InstanceRequirements structures include overlapping values. Ensure that there "
                    "is no overlap, and try again."
                )
            raise InvalidFleetConfig("The fleet configuration contains duplicate instance pools.")
        found += own
    if not found:
        raise errors.InvalidParameterValue("No instance type has the attributes that InstanceRequirements asks for")
    return found


def _of_override(
    reader: Reader, ctx: RequestContext, fleet: Fleet, config: Params, override: Params
) -> Iterator[Candidate]:
    own = {name: override[name] for name in _OF_LAUNCH if override.get(name)}
    named = config.get("LaunchTemplateSpecification") or {}
    launch = {**(config.get("Launch") or {}), **own, "MinCount": 1, "MaxCount": 1, "OwnTags": _tags_of(fleet)}
    if tags := fleet.request.get("LaunchTags"):
        launch["TagSpecifications"] = tags
    unit = fleet.request["TargetCapacitySpecification"].get("TargetCapacityUnitType")
    needs = override.get("InstanceRequirements")
    if not needs and named and not override.get("InstanceType"):
        needs = templates.requirements(reader, ctx, named)
    if not needs and unit not in (None, "units"):
        raise errors.InvalidParameterValue("TargetCapacityUnitType is only supported with InstanceRequirements")
    if not needs:
        yield from _of_type(reader, ctx, launch, named, override)
        return
    for name, markets in requirements.by_market(needs, MACHINE, unit).items():
        weight = requirements.units_of(all_types()[name], unit)
        of_type = {"WeightedCapacity": weight, **override}
        for each in _of_type(reader, ctx, {**launch, "InstanceType": name}, named, of_type):
            yield with_values(each, markets=markets, override=override)


def _of_type(
    reader: Reader, ctx: RequestContext, launch: Params, named: Params, override: Params
) -> Iterator[Candidate]:
    if named:
        launch = templates.merged(reader, ctx, {**launch, "LaunchTemplate": named})
    launch.pop("InstanceMarketOptions", None)
    kind = all_types().get(launch.get("InstanceType") or "")
    if kind is None:
        raise errors.InvalidParameterValue(f"Invalid value '{launch.get('InstanceType') or ''}' for InstanceType.")
    priority = override.get("Priority")
    for subnet in _subnets(reader, ctx, launch, override):
        placed = {**launch, "SubnetId": subnet.id}
        if interfaces := placed.get("NetworkInterfaces"):
            placed["NetworkInterfaces"] = [{**interfaces[0], "SubnetId": subnet.id}, *interfaces[1:]]
            del placed["SubnetId"]
        yield Candidate(
            placed, named, override, kind.name, subnet.availability_zone,
            float(override.get("WeightedCapacity") or 1), math.inf if priority is None else float(priority),
            price(override.get("MaxPrice")),
        )  # fmt: skip


def _listed(text: str) -> list[str]:
    """The values that an override lists in one text."""
    return text.replace(" ", "").split(",")


def _check_zones(subnets: Sequence[Subnet], override: Params) -> None:
    """Raises InvalidFleetConfig where a subnet is not in the zones that the override names besides."""
    zones = override.get("AvailabilityZone") or override.get("AvailabilityZoneId") or ""
    for each in subnets:
        if zones and not {each.availability_zone, each.availability_zone_id} & set(_listed(zones)):
            raise InvalidFleetConfig(
                f"The specified Subnet: {each.id} cannot be used with the specified Availability Zone: {zones}."
            )


def _tags_of(fleet: Fleet) -> dict[str, str]:
    return {"aws:ec2spot:fleet-request-id" if fleet.is_spot_fleet else "aws:ec2:fleet-id": fleet.id}


def _subnets(reader: Reader, ctx: RequestContext, launch: Params, override: Params) -> list[Subnet]:
    """Where instances may be: each named subnet, or the default one of the named zone, or of each zone."""
    interfaces = launch.get("NetworkInterfaces") or [{}]
    named = override.get("SubnetId") or launch.get("SubnetId") or interfaces[0].get("SubnetId")
    if named:
        found = [store.find_subnet(reader, ctx.account, ctx.region, each) for each in _listed(named)]
        _check_zones(found, override)
        return found
    vpc = default_vpc.default_vpc(reader, ctx.account, ctx.region)
    subnets = [each for each in store.subnets_of(reader, vpc) if each.default_for_az] if vpc is not None else []
    zones = override.get("AvailabilityZone") or (launch.get("Placement") or {}).get("AvailabilityZone")
    if zones:
        subnets = [each for each in subnets if each.availability_zone in _listed(zones)]
    if ids := override.get("AvailabilityZoneId"):
        subnets = [each for each in subnets if each.availability_zone_id in _listed(ids)]
    if not subnets:
        raise errors.InvalidParameterValue("There is no default subnet where the fleet is to launch: name a SubnetId")
    return subnets
