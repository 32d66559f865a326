"""Mixed instances policies: which purchase option is next, and which types are tried for it in which order. Pure.

"Auto Scaling groups with multiple instance types and purchase options" and "Allocation strategies" in the Auto Scaling
user guide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.autoscaling import errors
from kunren.services.autoscaling.model import Member
from kunren.services.ec2.instances import allocation, requirements
from kunren.services.ec2.instances.allocation import Pool
from kunren.services.ec2.instances.types import MACHINE

ON_DEMAND, SPOT = "on-demand", "spot"
_DISTRIBUTION = {
    "OnDemandAllocationStrategy": "prioritized",
    "OnDemandBaseCapacity": 0,
    "OnDemandPercentageAboveBaseCapacity": 100,
    "SpotAllocationStrategy": "lowest-price",
}
_STRATEGIES = {
    "OnDemandAllocationStrategy": ("prioritized", "lowest-price"),
    "SpotAllocationStrategy": (
        "lowest-price", "capacity-optimized", "capacity-optimized-prioritized", "price-capacity-optimized",
    ),
}  # fmt: skip
Market = Callable[[str], tuple[float, float]]
"""Instance type → its Spot price, and how many more there are."""


def complete(policy: Mapping[str, Any], template: Mapping[str, str]) -> dict[str, Any]:
    """The policy as it is kept: with defaults. Raises ValidationError."""
    given = policy.get("InstancesDistribution") or {}
    if given.get("DistributionSegments"):
        raise errors.NotYet("distribution segments of mixed instances policies")
    overrides = [dict(each) for each in policy["LaunchTemplate"].get("Overrides") or ()]
    by_attributes = [each for each in overrides if each.get("InstanceRequirements")]
    found = {**_DISTRIBUTION, **{key: value for key, value in given.items() if value is not None}}
    if by_attributes and not given.get("OnDemandAllocationStrategy"):
        found["OnDemandAllocationStrategy"] = "lowest-price"
    for name, known in _STRATEGIES.items():
        if found[name] not in known:
            raise errors.ValidationError(f"{found[name]} is not a valid {name}")
    if not 0 <= found["OnDemandPercentageAboveBaseCapacity"] <= 100:
        raise errors.ValidationError("OnDemandPercentageAboveBaseCapacity must be between 0 and 100")
    if found["SpotAllocationStrategy"] == "lowest-price":
        found.setdefault("SpotInstancePools", 2)
    for each in by_attributes:
        _check_attributes(each)
    weights = [each.get("WeightedCapacity") for each in overrides]
    if any(weights) and not all(weights):
        raise errors.ValidationError("WeightedCapacity must be specified for all of the overrides, or for none")
    if any(weight and not (weight.isdigit() and 1 <= int(weight) <= 999) for weight in weights):
        raise errors.ValidationError("WeightedCapacity must be a number from 1 to 999")
    spec = {"LaunchTemplateSpecification": dict(template), "Overrides": overrides}
    return {"LaunchTemplate": spec, "InstancesDistribution": found}


def _check_attributes(override: Mapping[str, Any]) -> None:
    """Raises ValidationError, NotImplemented."""
    needs = override["InstanceRequirements"]
    if override.get("InstanceType"):
        raise errors.ValidationError("InstanceType and InstanceRequirements can't be specified together")
    try:
        requirements.check(needs)
    except AwsError as error:
        if error.code == "NotImplemented":
            raise
        raise errors.ValidationError(error.message) from error
    chosen = requirements.by_market(needs, MACHINE, None).values()
    if not all(any(is_spot in markets for markets in chosen) for is_spot in (False, True)):
        raise errors.ValidationError("No instance type has the attributes that InstanceRequirements asks for")


def overrides(policy: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The types that may be launched; {} is the template's own."""
    return list(policy["LaunchTemplate"]["Overrides"]) or [{}] if policy else [{}]


def on_demand_part(policy: Mapping[str, Any] | None, desired: int) -> int:
    """How much of the desired capacity is On-Demand: the base, and of the rest its percentage, rounded up."""
    if policy is None:
        return desired
    told = policy["InstancesDistribution"]
    base = min(told["OnDemandBaseCapacity"], desired)
    return int(base + math.ceil((desired - base) * told["OnDemandPercentageAboveBaseCapacity"] / 100))


def next_market(policy: Mapping[str, Any] | None, desired: int, on_demand: int) -> str:
    """What the next instance is bought as, where so much capacity is On-Demand."""
    return ON_DEMAND if on_demand < on_demand_part(policy, desired) or policy is None else SPOT


def in_order(policy: Mapping[str, Any] | None, market: str, spot: Market, price: Callable[[str], float],
             held: Sequence[Member]) -> list[dict[str, Any]]:  # fmt: skip
    """The overrides in the order in which they are tried. `price` is that of On-Demand; `held` are the Spot Instances
    that there are in the zone."""
    listed = [one for each in overrides(policy) for one in _types_of(each, market)]
    if policy is None or listed == [{}]:
        return listed
    told = policy["InstancesDistribution"]
    if market == ON_DEMAND:
        costs = [price(each["InstanceType"]) / _weight(each) for each in listed]
        pools = [Pool(cost, math.inf, priority) for priority, cost in enumerate(costs)]
        chosen = allocation.in_order(told["OnDemandAllocationStrategy"], pools, [0] * len(pools))
        return [listed[each] for each in chosen]
    prices = [spot(each["InstanceType"]) for each in listed]
    pools = [
        Pool(cost / _weight(each), room, priority)
        for priority, (each, (cost, room)) in enumerate(zip(listed, prices, strict=True))
    ]
    counts = [_count(held, each["InstanceType"]) for each in listed]
    spread = told.get("SpotInstancePools") or 1
    return [listed[each] for each in allocation.in_order(told["SpotAllocationStrategy"], pools, counts, spread)]


def _types_of(override: dict[str, Any], market: str) -> list[dict[str, Any]]:
    """The override once for each type that its attributes choose."""
    if not (needs := override.get("InstanceRequirements")):
        return [override]
    rest = {name: value for name, value in override.items() if name != "InstanceRequirements"}
    chosen = requirements.by_market(needs, MACHINE, None)
    return [{**rest, "InstanceType": name} for name, markets in chosen.items() if (market == SPOT) in markets]


def _count(held: Iterable[Member], instance_type: str) -> int:
    return sum(each.instance_type == instance_type for each in held)


def _weight(override: Mapping[str, Any]) -> int:
    return int(override.get("WeightedCapacity") or 1)


def weight(override: Mapping[str, Any]) -> int | None:
    """What an instance of it counts; None where it counts one because nobody said so."""
    return _weight(override) if override.get("WeightedCapacity") else None
