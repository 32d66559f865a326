"""Volumes and snapshots, as far as instances need them: described, taken, deleted. Volumes are made with instances."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, tagging
from kunren.services.ec2.api.base import Params, chosen, operation, paged, resource_id
from kunren.services.ec2.api.images import ImageOperations
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.model import Snapshot, Volume


def volume_to_wire(volume: Volume) -> dict[str, Any]:
    attachment = {
        "VolumeId": volume.id,
        "InstanceId": volume.instance_id,
        "Device": volume.device,
        "State": "attached",
        "AttachTime": volume.attached_at,
        "DeleteOnTermination": volume.delete_on_termination,
    }
    return {
        "VolumeId": volume.id,
        "AvailabilityZone": volume.availability_zone,
        "CreateTime": volume.created_at,
        "Encrypted": volume.encrypted,
        "KmsKeyId": volume.kms_key,
        "Size": volume.size_gb,
        "SnapshotId": volume.snapshot_id or "",
        "State": "in-use" if volume.instance_id else "available",
        "VolumeType": volume.volume_type,
        "Iops": volume.iops,
        "Throughput": volume.throughput,
        "MultiAttachEnabled": False,
        "Attachments": [attachment] if volume.instance_id else [],
        "Tags": tags_to_wire(volume.tags),
    }


def snapshot_to_wire(taken: Snapshot) -> dict[str, Any]:
    return {
        "SnapshotId": taken.id,
        "VolumeId": taken.volume_id,
        "OwnerId": taken.account,
        "VolumeSize": taken.size_gb,
        "StartTime": taken.started_at,
        "Description": taken.description,
        "Encrypted": taken.encrypted,
        "Progress": "100%" if taken.completed else "",
        "State": _state(taken),
        "StateMessage": taken.failure,
        "StorageTier": "standard",
        "Tags": tags_to_wire(taken.tags),
    }


def _state(taken: Snapshot) -> str:
    return "error" if taken.failure else "completed" if taken.completed else "pending"


_VOLUME_FILTERS: dict[str, filters.Getter[Volume]] = {
    "attachment.attach-time": lambda each: None,
    "attachment.delete-on-termination": lambda each: each.delete_on_termination if each.instance_id else None,
    "attachment.device": lambda each: each.device,
    "attachment.instance-id": lambda each: each.instance_id,
    "attachment.status": lambda each: "attached" if each.instance_id else None,
    "availability-zone": lambda each: each.availability_zone,
    "encrypted": lambda each: each.encrypted,
    "size": lambda each: each.size_gb,
    "snapshot-id": lambda each: each.snapshot_id,
    "status": lambda each: "in-use" if each.instance_id else "available",
    "volume-id": lambda each: each.id,
    "volume-type": lambda each: each.volume_type,
}
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


class VolumeOperations(ImageOperations):
    @operation
    def describe_volumes(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = chosen(self.store.snapshot(), ctx, ids.VOLUME, params, "VolumeIds", _VOLUME_FILTERS)
        page, token = paged(held, params, resource_id, "VolumeIds")
        return {"Volumes": [volume_to_wire(each) for each in page], "NextToken": token}

    @operation
    def delete_volume(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            volume = self.get(tx, ctx, ids.VOLUME, params["VolumeId"])
            if volume.instance_id:
                raise refused.VolumeInUse(volume.id, volume.instance_id)
            tx.delete(volume)

    @operation
    def create_snapshot(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("OutpostArn"):
            raise errors.NotYet("Outposts")
        tags = tagging.at_creation(params, "snapshot")
        with self.store.write() as tx:
            volume = self.get(tx, ctx, ids.VOLUME, params["VolumeId"])
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
        held = chosen(self.store.snapshot(), ctx, ids.SNAPSHOT, params, "SnapshotIds", _SNAPSHOT_FILTERS)
        if owners := params.get("OwnerIds"):
            held = [each for each in held if {"self", each.account} & set(owners)]
        page, token = paged(held, params, resource_id, "SnapshotIds")
        return {"Snapshots": [snapshot_to_wire(each) for each in page], "NextToken": token}
