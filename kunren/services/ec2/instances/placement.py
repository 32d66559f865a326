"""Placement groups: which one a launch names, and how many instances it takes there. Pure.

Source: Amazon EC2 user guide, "Placement strategies for your placement groups".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kunren.services.ec2 import errors
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.model import Instance, PlacementGroup
from kunren.services.ec2.instances.types import InstanceType
from kunren.services.ec2.store import Reader

SPREAD_MAX = 7
"""Running instances of a spread group in each zone."""
PARTITIONS_MAX = 7


def named(reader: Reader, account: str, region: str, placement: dict[str, Any]) -> PlacementGroup | None:
    """The group that a Placement names. Raises InvalidPlacementGroup.Unknown, InvalidParameterCombination."""
    name, id = placement.get("GroupName"), placement.get("GroupId")
    if name and id:
        raise errors.InvalidParameterCombination("You may specify either GroupName or GroupId, but not both.")
    if not (name or id):
        if placement.get("PartitionNumber"):
            raise errors.InvalidParameterCombination("PartitionNumber requires a placement group.")
        return None
    held = reader.list(PlacementGroup, account, region)
    found = next((each for each in held if name == each.name or id == each.id), None)
    if found is None:
        raise refused.PlacementGroupUnknown(name or id or "")
    return found


def group_of(reader: Reader, instance: Instance) -> PlacementGroup | None:
    if instance.placement_group is None:
        return None
    return reader.get(PlacementGroup, instance.account, instance.region, instance.placement_group)


def members(reader: Reader, group: PlacementGroup) -> list[Instance]:
    """The instances that are placed there, the stopped ones too."""
    held = reader.list(Instance, group.account, group.region)
    return [each for each in held if each.placement_group == group.id and each.wanted != "terminated"]


def room(group: PlacementGroup, there: Sequence[Instance], zone: str, count: int) -> int:
    """How many of so many may start there."""
    if group.strategy != "spread":
        return count
    running = sum(each.wanted == "running" and each.availability_zone == zone for each in there)
    return min(count, max(0, SPREAD_MAX - running))


def check(group: PlacementGroup, there: Sequence[Instance], kind: InstanceType, zone: str) -> None:
    """Whether instances of that type can be there. Raises InvalidParameterCombination."""
    if group.strategy == "cluster":
        if kind.burstable:
            raise errors.InvalidParameterCombination(
                f"Placement groups may not be used with instances of type '{kind.name}'."
            )
        if any(each.availability_zone != zone for each in there):
            raise errors.InvalidParameterCombination(
                f"The placement group '{group.name}' is in another Availability Zone than {zone}."
            )


def partitions(group: PlacementGroup, there: Sequence[Instance], asked: int | None, count: int) -> list[int | None]:
    """The partition of each of so many new instances: the asked one, or those that have the fewest. Raises
    InvalidParameterValue, InvalidParameterCombination."""
    if group.partitions is None:
        if asked:
            raise errors.InvalidParameterCombination(
                "PartitionNumber can be specified for placement groups of the strategy partition only."
            )
        return [None] * count
    if asked is not None and not 1 <= asked <= group.partitions:
        raise errors.InvalidParameterValue(
            f"Value ({asked}) for parameter PartitionNumber is invalid. It must be from 1 to {group.partitions}."
        )
    filled = Counter(each.partition for each in there)
    chosen: list[int | None] = []
    for _ in range(count):
        least = asked or min(range(1, group.partitions + 1), key=lambda number: (filled[number], number))
        filled[least] += 1
        chosen.append(least)
    return chosen
