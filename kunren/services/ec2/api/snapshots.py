"""Snapshots: taken of volumes, copied to other regions, shared with other accounts, described, deleted."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, tagging
from kunren.services.ec2.api.base import Params, operation, paged, resource_id, tags_of
from kunren.services.ec2.api.images import ImageOperations
from kunren.services.ec2.default_vpc import known_region
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances import sharing
from kunren.services.ec2.instances.disks import completed, usable_snapshots
from kunren.services.ec2.instances.model import NO_VOLUME, Snapshot

_PERMISSION = "createVolumePermission"


def snapshot_to_wire(taken: Snapshot) -> dict[str, Any]:
    return {
        "SnapshotId": taken.id,
        "VolumeId": taken.volume_id,
        "OwnerId": taken.account,
        "VolumeSize": taken.size_gb,
        "StartTime": taken.started_at,
        "Description": taken.description,
        "Encrypted": taken.encrypted,
        "KmsKeyId": taken.kms_key,
        "Progress": "100%" if taken.completed else "",
        "State": _state(taken),
        "StateMessage": taken.failure,
        "StorageTier": "standard",
        "Tags": tags_to_wire(taken.tags),
    }


def _state(taken: Snapshot) -> str:
    return "error" if taken.failure else "completed" if taken.completed else "pending"


_SNAPSHOT_FILTERS: dict[str, filters.Getter[Snapshot]] = {
    "description": lambda each: each.description,
    "encrypted": lambda each: each.encrypted,
    "owner-alias": lambda each: None,
    "owner-id": lambda each: each.account,
    "progress": lambda each: "100%" if each.completed else "",
    "snapshot-id": lambda each: each.id,
    "status": _state,
    "storage-tier": lambda each: "standard",
    "volume-id": lambda each: each.volume_id,
    "volume-size": lambda each: each.size_gb,
}


def _no_user(value: str, _: str) -> AwsError:
    return errors.InvalidParameterValue(f"Invalid user id: {value}")


class SnapshotOperations(ImageOperations):
    @operation
    def create_snapshot(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("OutpostArn"):
            raise errors.NotYet("Outposts")
        tags = tagging.at_creation(params, "snapshot")
        with self.store.write() as tx:
            volume = self.get(tx, ctx, ids.VOLUME, params["VolumeId"])
            if not volume.made:
                raise refused.IncorrectState(f"Volume '{volume.id}' is in the 'creating' state.")
            return snapshot_to_wire(self.snapshot_of(tx, volume, params.get("Description") or "", tags))

    @operation
    def delete_snapshot(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            taken = self.get(tx, ctx, ids.SNAPSHOT, params["SnapshotId"])
            if users := self.users_of(tx, taken):
                raise refused.SnapshotInUse(taken.id, users[0])
            tx.delete(taken)

    @operation
    def describe_snapshots(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeSnapshots: those that the account may make volumes of."""
        known = {each.id: each for each in usable_snapshots(self.store.snapshot(), ctx.account, ctx.region)}
        wanted = params.get("SnapshotIds") or ()
        if missing := [each for each in dict.fromkeys(wanted) if each not in known]:
            for each in missing:
                ids.SNAPSHOT.form.check(each)
            raise refused.SnapshotNotFound(*missing)
        held = [known[each] for each in sorted(set(wanted) or known)]
        if owners := params.get("OwnerIds"):
            named = {ctx.account if each == "self" else each for each in owners}
            held = [each for each in held if each.account in named]
        if users := params.get("RestorableByUserIds"):
            named = {ctx.account if each == "self" else each for each in users}
            held = [
                each for each in held if named & {each.account, *each.accounts} or (each.everyones and "all" in named)
            ]
        held = filters.select(held, params.get("Filters"), _SNAPSHOT_FILTERS, tags_of)
        page, token = paged(held, params, resource_id, "SnapshotIds")
        return {"Snapshots": [snapshot_to_wire(each) for each in page], "NextToken": token}

    async def copy_snapshot(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CopySnapshot: `pending` until the files are copied."""
        self.ensure_region(ctx)
        for member, what in (("DestinationOutpostArn", "Outposts"), ("DestinationAvailabilityZone", "Local Zones")):
            if params.get(member):
                raise errors.NotYet(what)
        tags = tagging.at_creation(params, "snapshot")
        region, id = known_region(self.spec, params["SourceRegion"]).name, params["SourceSnapshotId"]
        ids.SNAPSHOT.form.check(id)
        source = completed(self.store.snapshot(), ctx.account, region, id)
        key = await self.launcher.key_of_copy(ctx, params, source.encrypted)
        with self.store.write() as tx:
            taken = Snapshot(
                account=ctx.account, region=ctx.region, id=self.entropy.resource_id("snap"), volume_id=NO_VOLUME,
                size_gb=source.size_gb, started_at=self.clock.now(), description=params.get("Description") or "",
                encrypted=key is not None, kms_key=key, copied_from=id, tags=tags,
            )  # fmt: skip
            tx.put(taken)
            if params.get("DryRun"):
                raise errors.DryRunOperation()
            return {"SnapshotId": taken.id, "Tags": tags_to_wire(tags)}

    @operation
    def describe_snapshot_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        taken = self.get(self.store.snapshot(), ctx, ids.SNAPSHOT, params["SnapshotId"])
        if params["Attribute"] != _PERMISSION:
            return {"SnapshotId": taken.id, "ProductCodes": []}
        return {"SnapshotId": taken.id, "CreateVolumePermissions": sharing.to_wire(taken)}

    @operation
    def modify_snapshot_attribute(self, ctx: RequestContext, params: Params) -> None:
        """ModifySnapshotAttribute: who may make volumes of it, and copy images that have it."""
        if params.get("Attribute") not in (None, _PERMISSION):
            raise errors.InvalidParameterValue(f"Value ({params['Attribute']}) for parameter attribute is invalid.")
        added, removed = sharing.asked(params, "CreateVolumePermission", "GroupNames")
        with self.store.write() as tx:
            taken = self.get(tx, ctx, ids.SNAPSHOT, params["SnapshotId"])
            if taken.encrypted and any(each.get("Group") == "all" for each in added):
                raise errors.InvalidParameterValue("Encrypted snapshots cannot be shared publicly")
            tx.put(sharing.changed(taken, added, removed, _no_user))

    @operation
    def reset_snapshot_attribute(self, ctx: RequestContext, params: Params) -> None:
        """ResetSnapshotAttribute: nobody but the owner may use it."""
        if params["Attribute"] != _PERMISSION:
            raise errors.InvalidParameterValue(f"Value ({params['Attribute']}) for parameter attribute is invalid.")
        with self.store.write() as tx:
            taken = self.get(tx, ctx, ids.SNAPSHOT, params["SnapshotId"])
            tx.put(replace(taken, accounts=(), everyones=False))
