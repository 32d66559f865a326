"""Instance types by their attributes: which ones a set of InstanceRequirements chooses. Pure.

"Specify attributes for instance type selection for EC2 Fleet or Spot Fleet" in the EC2 user guide and
"InstanceRequirements" in the EC2 API reference. The types that Kunren has are virtual, without accelerators and
instance store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from kunren.services.ec2 import errors
from kunren.services.ec2.instances import spot
from kunren.services.ec2.instances.hibernation import can_hibernate
from kunren.services.ec2.instances.types import InstanceType, all_types

Requirements = Mapping[str, Any]
_UNKNOWN = {
    "NetworkInterfaceCount": "numbers of network interfaces",
    "BaselineEbsBandwidthMbps": "bandwidths of EBS",
    "NetworkBandwidthGbps": "bandwidths of networks",
    "BaselinePerformanceFactors": "baseline performances",
    "RequireEncryptionInTransit": "encryption between instances",
}
_HAD_BY_NONE = (
    "AcceleratorTypes", "AcceleratorManufacturers", "AcceleratorNames", "AcceleratorTotalMemoryMiB",
)  # fmt: skip
_OVER_LOWEST_SPOT, _OVER_LOWEST_ON_DEMAND = 100, 20
_MEMORY_RATIO = 1024


def check(needs: Requirements) -> None:
    """Raises MissingParameter, InvalidParameterValue, InvalidParameterCombination, and NotImplemented for attributes
    that Kunren's types do not have."""
    for name in ("VCpuCount", "MemoryMiB"):
        if (needs.get(name) or {}).get("Min") is None:
            raise errors.MissingParameter(f"InstanceRequirements.{name}.Min")
    for name, value in needs.items():
        least, most = (value.get("Min"), value.get("Max")) if isinstance(value, Mapping) else (None, None)
        if (least or 0) < 0 or (most is not None and most < (least or 0)):
            raise errors.InvalidParameterValue(
                f"The Min value of InstanceRequirements.{name} must be 0 or more, and at most its Max value"
            )
    if needs.get("AllowedInstanceTypes") and needs.get("ExcludedInstanceTypes"):
        raise errors.InvalidParameterCombination(
            "AllowedInstanceTypes and ExcludedInstanceTypes can't be specified together"
        )
    if needs.get("SpotMaxPricePercentageOverLowestPrice") and needs.get(
        "MaxSpotPriceAsPercentageOfOptimalOnDemandPrice"
    ):
        raise errors.InvalidParameterCombination(
            "Only one of SpotMaxPricePercentageOverLowestPrice and MaxSpotPriceAsPercentageOfOptimalOnDemandPrice can "
            "be specified"
        )
    for name, what in _UNKNOWN.items():
        if needs.get(name):
            raise errors.NotYet(f"instance types by {what}")


def manufacturer(kind: InstanceType) -> str:
    """Of its processors, in EC2's words."""
    if kind.architecture == "arm64":
        return "amazon-web-services"
    return "amd" if kind.family.endswith("a") else "intel"


def matching(needs: Requirements, architectures: Iterable[str]) -> list[InstanceType]:
    """The types that have the attributes, whatever they cost, by name."""
    if any(needs.get(name) for name in _HAD_BY_NONE) or (needs.get("AcceleratorCount") or {}).get("Min"):
        return []
    if "required" in (needs.get("BareMetal"), needs.get("LocalStorage")) or needs.get("TotalLocalStorageGB"):
        return []
    return [each for each in all_types().values() if each.architecture in architectures and _fits(needs, each)]


def _fits(needs: Requirements, kind: InstanceType) -> bool:
    bursts = needs.get("BurstablePerformance") or "excluded"
    if (bursts == "excluded" and kind.burstable) or (bursts == "required" and not kind.burstable):
        return False
    if (wanted := needs.get("CpuManufacturers")) and manufacturer(kind) not in wanted:
        return False
    if (generations := needs.get("InstanceGenerations")) and "current" not in generations:
        return False
    if (allowed := needs.get("AllowedInstanceTypes")) and not _named(kind, allowed):
        return False
    if needs.get("RequireHibernateSupport") and not can_hibernate(kind):
        return False
    if _named(kind, needs.get("ExcludedInstanceTypes") or ()):
        return False
    return all((
        _within(needs.get("VCpuCount"), kind.vcpus),
        _within(needs.get("MemoryMiB"), kind.memory_mb),
        _within(needs.get("MemoryGiBPerVCpu"), kind.memory_mb / _MEMORY_RATIO / kind.vcpus),
    ))  # fmt: skip


def _named(kind: InstanceType, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(kind.name, each) for each in patterns)


def _within(bounds: Mapping[str, float] | None, value: float) -> bool:
    if bounds is None:
        return True
    least, most = bounds.get("Min"), bounds.get("Max")
    return (least is None or value >= least) and (most is None or value <= most)


def units_of(kind: InstanceType, unit: str | None) -> float:
    """How much an instance counts where the target is in that TargetCapacityUnitType."""
    return {"vcpu": float(kind.vcpus), "memory-mib": float(kind.memory_mb)}.get(unit or "", 1.0)


def affordable(needs: Requirements, found: list[InstanceType], is_spot: bool, unit: str | None) -> list[InstanceType]:
    """Those of the types found that price protection leaves: it goes by what the cheapest of the C, M and R families
    costs, per instance or unit."""

    def on_demand(kind: InstanceType) -> float:
        return kind.price / units_of(kind, unit)

    def as_spot(kind: InstanceType) -> float:
        return spot.usual_price(kind.name) / units_of(kind, unit)

    if not found:
        return []
    if is_spot and (share := needs.get("MaxSpotPriceAsPercentageOfOptimalOnDemandPrice")):
        return [each for each in found if as_spot(each) <= _cheapest(found, on_demand) * share / 100]
    name = "SpotMaxPricePercentageOverLowestPrice" if is_spot else "OnDemandMaxPricePercentageOverLowestPrice"
    over, price = (_OVER_LOWEST_SPOT, as_spot) if is_spot else (_OVER_LOWEST_ON_DEMAND, on_demand)
    if needs.get(name) is not None:
        over = needs[name]
    most = _cheapest(found, price) * (100 + over) / 100
    return [each for each in found if price(each) <= most + 1e-9]


def _cheapest(found: list[InstanceType], price: Callable[[InstanceType], float]) -> float:
    identified = [each for each in found if each.family[0] in "cmr"] or found
    return min(map(price, identified))


def by_market(needs: Requirements, architecture: str, unit: str | None) -> dict[str, frozenset[bool]]:
    """Type → whether it is chosen for On-Demand (False) and Spot Instances (True), without those that are for
    neither."""
    found = matching(needs, (architecture,))
    chosen: dict[str, frozenset[bool]] = {}
    for is_spot in (False, True):
        for each in affordable(needs, found, is_spot, unit):
            chosen[each.name] = chosen.get(each.name, frozenset()) | {is_spot}
    return {name: chosen[name] for name in sorted(chosen)}
