"""Placement groups: CreatePlacementGroup, DescribePlacementGroups, DeletePlacementGroup, ModifyInstancePlacement."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances import placement
from kunren.services.ec2.instances.model import PlacementGroup
from kunren.services.ec2.instances.states import state
from kunren.services.ec2.instances.types import all_types

_FILTERS: dict[str, filters.Getter[PlacementGroup]] = {
    "group-name": lambda each: each.name,
    "group-arn": lambda each: _arn(each),
    "spread-level": lambda each: each.spread_level,
    "state": lambda each: "available",
    "strategy": lambda each: each.strategy,
}


class PlacementGroupOperations(Ec2Base):
    @operation
    def create_placement_group(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        name, strategy, count = params.get("GroupName"), params.get("Strategy"), params.get("PartitionCount")
        if not name:
            raise errors.MissingParameter("groupName")
        if not 1 <= len(name) <= 255:
            raise errors.InvalidParameterValue(f"Value ({name}) for parameter groupName is invalid.")
        if params.get("SpreadLevel") == "host" or params.get("LinkedGroupId"):
            raise errors.NotYet("Outposts and linked placement groups")
        strategy = strategy or "cluster"
        if count is not None and strategy != "partition":
            raise errors.InvalidParameterCombination("PartitionCount requires the strategy partition.")
        if count is not None and not 1 <= count <= placement.PARTITIONS_MAX:
            raise errors.InvalidParameterValue(
                f"Value ({count}) for parameter partitionCount is invalid. It must be from 1 to "
                f"{placement.PARTITIONS_MAX}."
            )
        tags = tagging.at_creation(params, "placement-group")
        with self.store.write() as tx:
            held = tx.list(PlacementGroup, ctx.account, ctx.region)
            if any(each.name == name for each in held):
                raise refused.PlacementGroupDuplicate(name)
            if len(held) >= self.limits.placement_groups:
                raise refused.PlacementGroupLimitExceeded(self.limits.placement_groups)
            made = PlacementGroup(
                account=ctx.account, region=ctx.region, id=self.entropy.resource_id("pg"), name=name, strategy=strategy,
                partitions=(count or 2) if strategy == "partition" else None,
                spread_level="rack" if strategy == "spread" else None, tags=tags,
            )  # fmt: skip
            tx.put(made)
        return {"PlacementGroup": _to_wire(made)}

    @operation
    def describe_placement_groups(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = self.store.snapshot().list(PlacementGroup, ctx.account, ctx.region)
        names, wanted = params.get("GroupNames") or (), params.get("GroupIds") or ()
        for each in (*names, *wanted):
            if not any(each in (group.name, group.id) for group in held):
                raise refused.PlacementGroupUnknown(each)
        if names or wanted:
            held = [each for each in held if each.name in names or each.id in wanted]
        found = filters.select(held, params.get("Filters"), _FILTERS, lambda each: each.tags)
        return {"PlacementGroups": [_to_wire(each) for each in sorted(found, key=lambda each: each.name)]}

    @operation
    def delete_placement_group(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            found = placement.named(tx, ctx.account, ctx.region, {"GroupName": params["GroupName"]})
            if found is None:
                raise errors.MissingParameter("groupName")
            if placement.members(tx, found):
                raise refused.PlacementGroupInUse(found.name)
            tx.delete(found)

    @operation
    def modify_instance_placement(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ModifyInstancePlacement of a stopped instance: its group, none where GroupName is "", and its partition."""
        for member in ("Affinity", "HostId", "HostResourceGroupArn"):
            if params.get(member):
                raise errors.NotYet("dedicated hosts")
        with self.store.write() as tx:
            instance = self.get(tx, ctx, ids.INSTANCE, params["InstanceId"])
            if state(tx, instance) != "stopped":
                raise refused.IncorrectInstanceState(f"The instance '{instance.id}' is not in the 'stopped' state.")
            if params.get("GroupName") == "" and not params.get("GroupId"):
                instance = replace(instance, placement_group=None, partition=None)
            elif (group := placement.named(tx, ctx.account, ctx.region, params)) is not None:
                there = [each for each in placement.members(tx, group) if each.id != instance.id]
                placement.check(group, there, all_types()[instance.instance_type], instance.availability_zone)
                (partition,) = placement.partitions(group, there, params.get("PartitionNumber"), 1)
                instance = replace(instance, placement_group=group.id, partition=partition)
            tx.put(replace(instance, tenancy=params.get("Tenancy") or instance.tenancy))
        return {"Return": True}


def _arn(group: PlacementGroup) -> str:
    return build_arn("ec2", group.region, group.account, f"placement-group/{group.name}")


def _to_wire(group: PlacementGroup) -> dict[str, Any]:
    return {
        "GroupName": group.name,
        "GroupId": group.id,
        "GroupArn": _arn(group),
        "State": "available",
        "Strategy": group.strategy,
        "PartitionCount": group.partitions,
        "SpreadLevel": group.spread_level,
        "Tags": tags_to_wire(group.tags),
    }
