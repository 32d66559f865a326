"""Images: DescribeImages, CreateImage from an instance, RegisterImage from a snapshot, DeregisterImage."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Tx
from kunren.core.clock import iso_utc
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.images import AnyImage, built_in, own
from kunren.services.ec2.instances.launcher import Launcher
from kunren.services.ec2.instances.model import Image, Instance, Snapshot, Volume
from kunren.services.ec2.instances.types import MACHINE
from kunren.services.ec2.instances.wire import volumes_of


def state_of(reader: store.Reader, account: str, region: str, image: AnyImage) -> tuple[str, str | None]:
    """`available` once the snapshot's files are there."""
    if image.snapshot_id is None:
        return "available", None
    taken = reader.get(Snapshot, account, region, image.snapshot_id)
    if taken is None:
        return "failed", "The snapshot is gone"
    if taken.failure:
        return "failed", taken.failure
    return ("available" if taken.completed else "pending"), None


class ImageOperations(Ec2Base):
    launcher: Launcher

    async def describe_images(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeImages: the account's own, and AWS's that this machine can be."""
        self.ensure_region(ctx)
        if params.get("DryRun"):
            raise errors.DryRunOperation()
        snapshot = self.store.snapshot()
        public = await self.launcher.images.public(ctx.account, ctx.region)
        mine = built_in(ctx.region)
        known = {mine.id: mine, **public}
        known |= {each.id: own(each) for each in snapshot.list(Image, ctx.account, ctx.region)}
        wanted = params.get("ImageIds") or ()
        for each in wanted:
            ids.IMAGE.form.check(each)
        if missing := [each for each in wanted if each not in known]:
            raise refused.ImageNotFound(*missing)
        found = [known[each] for each in sorted(set(wanted) or known)]
        if owners := params.get("Owners"):
            found = [each for each in found if _owned(each, ctx.account, owners)]
        if users := params.get("ExecutableUsers"):
            allowed = "all" in users
            found = [
                each for each in found if (each.public and allowed) or (each.owner == ctx.account and "self" in users)
            ]
        table = _filters(snapshot, ctx)
        found = filters.select(found, params.get("Filters"), table, lambda each: each.tags)
        page, token = paged(found, params, lambda each: each.id, "ImageIds", least=1)
        return {"Images": [_to_wire(snapshot, ctx, each) for each in page], "NextToken": token}

    @operation
    def create_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CreateImage: the root volume's files as they are now. An instance is not rebooted for it."""
        if params.get("BlockDeviceMappings"):
            raise errors.NotYet("block device mappings of images")
        tags = _tags(params, "image", "snapshot")
        with self.store.write() as tx:
            instance = self.get(tx, ctx, ids.INSTANCE, params["InstanceId"])
            if instance.wanted == "terminated":
                raise refused.IncorrectInstanceState(f"Instance '{instance.id}' is not 'running' or 'stopped'.")
            if len(volumes_of(tx, instance)) > 1:
                raise errors.NotYet("images of instances that have further volumes")
            volume = self.get(tx, ctx, ids.VOLUME, instance.volume_id)
            about = f"Created by CreateImage({instance.id}) for "
            image_id = self.entropy.resource_id("ami")
            taken = self.snapshot_of(tx, volume, about + image_id, tags["snapshot"])
            self._new(
                tx, ctx, params, image_id, taken, instance.root_device, instance.architecture, tags["image"],
                source=instance,
            )  # fmt: skip
            return {"ImageId": image_id}

    @operation
    def register_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """RegisterImage: a snapshot as the root of an image."""
        if params.get("ImageLocation"):
            raise errors.NotYet("images in S3")
        tags = _tags(params, "image")
        root = params.get("RootDeviceName") or "/dev/sda1"
        mappings = params.get("BlockDeviceMappings") or ()
        at_root = [
            each for each in mappings if each.get("DeviceName") == root and (each.get("Ebs") or {}).get("SnapshotId")
        ]
        if not at_root:
            raise errors.MissingParameterText("The request must contain a snapshot for the root device")
        if len(mappings) > 1:
            raise errors.NotYet("further volumes of images")
        architecture = params.get("Architecture") or "i386"
        if architecture != MACHINE:
            raise errors.NotYet(f"images of another architecture than this machine's ({MACHINE})")
        with self.store.write() as tx:
            taken = self.get(tx, ctx, ids.SNAPSHOT, at_root[0]["Ebs"]["SnapshotId"])
            if not taken.completed:
                raise errors.InvalidParameterValue(f"Snapshot {taken.id} is not completed")
            image_id = self.entropy.resource_id("ami")
            self._new(tx, ctx, params, image_id, taken, root, architecture, tags["image"])
            return {"ImageId": image_id}

    @operation
    def deregister_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            image = self.get(tx, ctx, ids.IMAGE, params["ImageId"])
            tx.delete(image)
            results = []
            if params.get("DeleteAssociatedSnapshots"):
                taken = tx.get(Snapshot, ctx.account, ctx.region, image.snapshot_id)
                if taken is not None and self.users_of(tx, taken) == []:
                    tx.delete(taken)
                    results = [{"SnapshotId": taken.id, "ReturnCode": "success"}]
            return {"Return": True, "DeleteSnapshotResults": results}

    def snapshot_of(self, tx: Tx, volume: Volume, description: str, tags: dict[str, str]) -> Snapshot:
        """A snapshot of the volume, `pending` until the files are copied."""
        taken = Snapshot(
            account=volume.account, region=volume.region, id=self.entropy.resource_id("snap"), volume_id=volume.id,
            size_gb=volume.size_gb, started_at=self.clock.now(), description=description, encrypted=volume.encrypted,
            tags=tags,
        )  # fmt: skip
        tx.put(taken)
        return taken

    def users_of(self, tx: Tx, taken: Snapshot) -> list[str]:
        return [each.id for each in tx.list(Image, taken.account, taken.region) if each.snapshot_id == taken.id]

    def _new(
        self, tx: Tx, ctx: RequestContext, params: Params, id: str, taken: Snapshot, root: str, architecture: str,
        tags: dict[str, str], source: Instance | None = None,
    ) -> None:  # fmt: skip
        name = params["Name"]
        if not 3 <= len(name) <= 128:
            raise errors.InvalidParameterValue(
                f"Value ({name}) for parameter name is invalid. AMI names must be between 3 and 128 characters long"
            )
        for each in tx.list(Image, ctx.account, ctx.region):
            if each.name == name:
                raise refused.ImageNameInUse(name, each.id)
        image = Image(
            account=ctx.account, region=ctx.region, id=id, name=name, snapshot_id=taken.id, size_gb=taken.size_gb,
            volume_type="gp3", architecture=architecture, created_at=self.clock.now(), root_device=root,
            description=params.get("Description"), source_instance_id=source.id if source else None,
            imds_support=params.get("ImdsSupport"), tags=tags,
        )  # fmt: skip
        tx.put(image)


def _tags(params: Params, *kinds: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {each: {} for each in kinds}
    for spec in params.get("TagSpecifications") or ():
        kind = spec.get("ResourceType") or ""
        if kind not in found:
            raise errors.InvalidParameterValue(f"'{kind}' is not a valid taggable resource type for this operation.")
        found[kind] = tagging.merged(found[kind], tagging.checked(spec.get("Tags") or ()))
    return found


def _owned(image: AnyImage, account: str, owners: list[str]) -> bool:
    names = {image.owner, "amazon"} if image.public else {image.owner, "self"}
    return bool(names & set(owners))


def _to_wire(reader: store.Reader, ctx: RequestContext, image: AnyImage) -> dict[str, Any]:
    state, why = state_of(reader, ctx.account, ctx.region, image)
    ebs = {
        "DeleteOnTermination": True,
        "SnapshotId": image.snapshot_id or f"snap-{image.id[4:]}",
        "VolumeSize": image.size_gb,
        "VolumeType": image.volume_type,
        "Encrypted": False,
    }
    return {
        "ImageId": image.id,
        "Name": image.name,
        "Description": image.description,
        "OwnerId": image.owner,
        "ImageOwnerAlias": "amazon" if image.public else None,
        "ImageLocation": f"{'amazon' if image.public else image.owner}/{image.name}",
        "Architecture": image.architecture,
        "CreationDate": iso_utc(image.created_at),
        "Public": image.public,
        "State": state,
        "StateReason": {"Code": "Client.InternalError", "Message": why} if why else None,
        "ImageType": "machine",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "EnaSupport": True,
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "RootDeviceName": image.root_device,
        "RootDeviceType": "ebs",
        "SriovNetSupport": "simple",
        "ImdsSupport": image.imds_support,
        "SourceInstanceId": image.source_instance_id,
        "PublicSsmParameterName": image.parameter,
        "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": ebs}],
        "Tags": tags_to_wire(image.tags),
    }


def _filters(reader: store.Reader, ctx: RequestContext) -> dict[str, filters.Getter[AnyImage]]:
    return {
        "architecture": lambda each: each.architecture,
        "block-device-mapping.delete-on-termination": lambda each: True,
        "block-device-mapping.device-name": lambda each: each.root_device,
        "block-device-mapping.snapshot-id": lambda each: each.snapshot_id or f"snap-{each.id[4:]}",
        "block-device-mapping.volume-size": lambda each: each.size_gb,
        "block-device-mapping.volume-type": lambda each: each.volume_type,
        "creation-date": lambda each: iso_utc(each.created_at),
        "description": lambda each: each.description,
        "ena-support": lambda each: True,
        "hypervisor": lambda each: "xen",
        "image-id": lambda each: each.id,
        "image-type": lambda each: "machine",
        "is-public": lambda each: each.public,
        "name": lambda each: each.name,
        "owner-alias": lambda each: "amazon" if each.public else None,
        "owner-id": lambda each: each.owner,
        "platform": lambda each: None,
        "root-device-name": lambda each: each.root_device,
        "root-device-type": lambda each: "ebs",
        "source-instance-id": lambda each: each.source_instance_id,
        "state": lambda each: state_of(reader, ctx.account, ctx.region, each)[0],
        "virtualization-type": lambda each: "hvm",
    }
