"""Volumes: made, attached, detached, changed, described, deleted."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.clock import iso_utc
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, store, tagging
from kunren.services.ec2.api.base import Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.api.snapshots import SnapshotOperations
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.disks import check_device, new_volume, performance
from kunren.services.ec2.instances.model import Modification, Volume
from kunren.services.ec2.instances.states import state
from kunren.services.ec2.instances.wire import volumes_of
from kunren.services.ec2.zones import zones_of
from kunren.world.agent.volumes import folder_of


def attachment_to_wire(volume: Volume) -> dict[str, Any]:
    return {
        "VolumeId": volume.id,
        "InstanceId": volume.instance_id,
        "Device": volume.device,
        "State": volume.attachment,
        "AttachTime": volume.attached_at,
        "DeleteOnTermination": volume.delete_on_termination,
    }


def _volume_state(volume: Volume) -> str:
    return "creating" if not volume.made and not volume.instance_id else "in-use" if volume.instance_id else "available"


def volume_to_wire(volume: Volume) -> dict[str, Any]:
    return {
        "VolumeId": volume.id,
        "AvailabilityZone": volume.availability_zone,
        "CreateTime": volume.created_at,
        "Encrypted": volume.encrypted,
        "KmsKeyId": volume.kms_key,
        "Size": volume.size_gb,
        "SnapshotId": volume.snapshot_id or "",
        "State": _volume_state(volume),
        "VolumeType": volume.volume_type,
        "Iops": volume.iops,
        "Throughput": volume.throughput,
        "MultiAttachEnabled": False,
        "Attachments": [attachment_to_wire(volume)] if volume.instance_id else [],
        "Tags": tags_to_wire(volume.tags),
    }


def _modification_to_wire(volume: Volume) -> dict[str, Any]:
    done = volume.modification
    assert done is not None
    shown: dict[str, Any] = {"VolumeId": volume.id, "ModificationState": "completed", "Progress": 100}
    for word, values in (("Original", done.before), ("Target", done.after)):
        size, kind, iops, throughput = values
        shown |= {f"{word}Size": size, f"{word}VolumeType": kind, f"{word}Iops": iops,
                  f"{word}Throughput": throughput, f"{word}MultiAttachEnabled": False}  # fmt: skip
    return {**shown, "StartTime": done.at, "EndTime": done.at}


_VOLUME_FILTERS: dict[str, filters.Getter[Volume]] = {
    "attachment.attach-time": lambda each: iso_utc(each.attached_at) if each.attached_at else None,
    "attachment.delete-on-termination": lambda each: each.delete_on_termination if each.instance_id else None,
    "attachment.device": lambda each: each.device,
    "attachment.instance-id": lambda each: each.instance_id,
    "attachment.status": lambda each: each.attachment if each.instance_id else None,
    "availability-zone": lambda each: each.availability_zone,
    "create-time": lambda each: iso_utc(each.created_at),
    "encrypted": lambda each: each.encrypted,
    "multi-attach-enabled": lambda each: False,
    "size": lambda each: each.size_gb,
    "snapshot-id": lambda each: each.snapshot_id,
    "status": _volume_state,
    "volume-id": lambda each: each.id,
    "volume-type": lambda each: each.volume_type,
}


def _modified(member: str, place: int) -> filters.Getter[Volume]:
    return lambda each: getattr(each.modification, member)[place] if each.modification is not None else None


_MODIFICATION_FILTERS: dict[str, filters.Getter[Volume]] = {
    "modification-state": lambda each: "completed",
    "original-iops": _modified("before", 2),
    "original-size": _modified("before", 0),
    "original-volume-type": _modified("before", 1),
    "start-time": lambda each: iso_utc(each.modification.at) if each.modification is not None else None,
    "target-iops": _modified("after", 2),
    "target-size": _modified("after", 0),
    "target-volume-type": _modified("after", 1),
    "volume-id": lambda each: each.id,
}


class VolumeOperations(SnapshotOperations):
    async def create_volume(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CreateVolume. It is `available` once its files are there."""
        region = self.ensure_region(ctx)
        for member, what in (("OutpostArn", "Outposts"), ("MultiAttachEnabled", "volumes of several instances"),
                             ("SourceVolumeId", "copies of volumes")):  # fmt: skip
            if params.get(member):
                raise errors.NotYet(what)
        zones = {each.id: each.name for each in zones_of(region)}
        zone = str(params.get("AvailabilityZone") or zones.get(params.get("AvailabilityZoneId") or ""))
        if zone not in zones.values():
            raise refused.InvalidZone(params.get("AvailabilityZone") or params.get("AvailabilityZoneId") or "")
        given = await self.launcher.with_key(ctx, params)
        tags = tagging.at_creation(params, "volume")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, Volume)
            if made is not None:
                return volume_to_wire(self.get(tx, ctx, ids.VOLUME, made))
            at = self.clock.now()
            volume = new_volume(
                tx, self.entropy, given, account=ctx.account, region=ctx.region, zone=zone, at=at, tags=tags,
                delete_on_termination=False, **token_of(params),
            )  # fmt: skip
            store.remember_token(tx, volume)
            if params.get("DryRun"):
                raise errors.DryRunOperation()
            return volume_to_wire(volume)

    @operation
    def attach_volume(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """AttachVolume: `attached` once the instance sees it."""
        with self.store.write() as tx:
            volume = self.get(tx, ctx, ids.VOLUME, params["VolumeId"])
            instance = self.get(tx, ctx, ids.INSTANCE, params["InstanceId"])
            if volume.instance_id:
                raise refused.VolumeAttached(volume.id)
            if not volume.made:
                raise refused.IncorrectState(f"{volume.id} is not 'available'.")
            if state(tx, instance) not in ("running", "stopped", "stopping"):
                raise refused.IncorrectState(f"Instance '{instance.id}' is not 'running'.")
            if volume.availability_zone != instance.availability_zone:
                raise refused.ZoneMismatch(volume.id, instance.id)
            has = {folder_of(each.device or ""): each.device or "" for each in volumes_of(tx, instance)}
            check_device(params["Device"], has)
            changed = replace(
                volume, instance_id=instance.id, device=params["Device"], attachment="attaching",
                attached_at=self.clock.now(), delete_on_termination=False,
            )  # fmt: skip
            tx.put(changed)
            return attachment_to_wire(changed)

    @operation
    def detach_volume(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DetachVolume: it is `available` once the instance does not see it any more; while it is mounted there it is
        `busy`, unless that is forced."""
        with self.store.write() as tx:
            volume = self.get(tx, ctx, ids.VOLUME, params["VolumeId"])
            if not volume.instance_id:
                raise refused.IncorrectState(f"Volume '{volume.id}' is in the 'available' state.")
            instance = self.get(tx, ctx, ids.INSTANCE, volume.instance_id)
            named = params.get("InstanceId") or instance.id
            device = params.get("Device") or volume.device
            if named != instance.id or folder_of(device or "") != folder_of(volume.device or ""):
                raise refused.VolumeNotAttached(volume.id, named)
            if volume.id == instance.volume_id and state(tx, instance) != "stopped":
                raise refused.OperationNotPermitted(
                    f"Unable to detach root volume '{volume.id}' from instance '{instance.id}'"
                )
            if volume.id == instance.volume_id:
                raise errors.NotYet("root volumes that are detached")
            changed = replace(volume, attachment="detaching", forced=bool(params.get("Force")))
            tx.put(changed)
            return attachment_to_wire(changed)

    @operation
    def modify_volume(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ModifyVolume. Nothing of a folder depends on it, so it is complete at once."""
        if params.get("MultiAttachEnabled"):
            raise errors.NotYet("volumes of several instances")
        with self.store.write() as tx:
            volume = self.get(tx, ctx, ids.VOLUME, params["VolumeId"])
            size, kind = params.get("Size") or volume.size_gb, params.get("VolumeType") or volume.volume_type
            if size < volume.size_gb:
                raise errors.InvalidParameterValue(
                    f"New size cannot be smaller than existing size. Existing size: {volume.size_gb}, new size: {size}"
                )
            same = kind == volume.volume_type
            kept = (volume.iops, volume.throughput) if same and kind != "gp2" else (None, None)
            iops, throughput = performance(
                kind, size, params.get("Iops") or kept[0], params.get("Throughput") or kept[1]
            )
            before = (volume.size_gb, volume.volume_type, volume.iops, volume.throughput)
            done = Modification(before=before, after=(size, kind, iops, throughput), at=self.clock.now())
            changed = replace(
                volume, size_gb=size, volume_type=kind, iops=iops, throughput=throughput, modification=done
            )
            tx.put(changed)
            return {"VolumeModification": _modification_to_wire(changed)}

    @operation
    def describe_volumes_modifications(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = chosen(self.store.snapshot(), ctx, ids.VOLUME, params, "VolumeIds", _MODIFICATION_FILTERS)
        if missing := [each.id for each in held if each.modification is None and params.get("VolumeIds")]:
            raise refused.NoModification(missing[0])
        changed = [each for each in held if each.modification is not None]
        page, token = paged(changed, params, resource_id, "VolumeIds")
        return {"VolumesModifications": [_modification_to_wire(each) for each in page], "NextToken": token}

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
            store.forget_token(tx, volume)
            tx.delete(volume)
