"""Images: DescribeImages, CreateImage from an instance, RegisterImage from snapshots, DeregisterImage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, filters, ids, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged
from kunren.services.ec2.api.image_wire import filters_for, image_to_wire
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.disks import check_device, image_device, performance, size_over
from kunren.services.ec2.instances.image_events import note_image
from kunren.services.ec2.instances.images import AnyImage
from kunren.services.ec2.instances.launcher import Launcher
from kunren.services.ec2.instances.model import Image, ImageDevice, Snapshot, Volume
from kunren.services.ec2.instances.states import state
from kunren.services.ec2.instances.types import MACHINE
from kunren.services.ec2.instances.wire import volumes_of
from kunren.world.agent.volumes import folder_of

_MARKS = "()[]. -/'@_"


class ImageOperations(Ec2Base):
    launcher: Launcher

    async def describe_images(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeImages: those that the account may launch. They are AWS's as far as this machine can be one."""
        self.ensure_region(ctx)
        if params.get("DryRun"):
            raise errors.DryRunOperation()
        snapshot = self.store.snapshot()
        known = await self.launcher.images.usable(snapshot, ctx.account, ctx.region)
        wanted = params.get("ImageIds") or ()
        for each in wanted:
            ids.IMAGE.form.check(each)
        if missing := [each for each in wanted if each not in known]:
            raise refused.ImageNotFound(*missing)
        found = [known[each] for each in sorted(set(wanted) or known)]
        found = [each for each in found if self._listed(each, ctx.account, params)]
        if owners := params.get("Owners"):
            found = [each for each in found if _owned(each, ctx.account, owners)]
        if users := params.get("ExecutableUsers"):
            found = [each for each in found if _executable(each, ctx.account, users)]
        table = filters_for(snapshot, ctx.region)
        found = filters.select(found, params.get("Filters"), table, lambda each: each.tags)
        page, token = paged(found, params, lambda each: each.id, "ImageIds", least=1)
        return {"Images": [image_to_wire(snapshot, ctx.region, each) for each in page], "NextToken": token}

    def _listed(self, image: AnyImage, account: str, params: Params) -> bool:
        """Whether it is in a list of all: what is deprecated owners see there, and others where they ask for it."""
        if image.disabled and not params.get("IncludeDisabled"):
            return False
        asked = image.owner == account or params.get("IncludeDeprecated") or params.get("ImageIds")
        return bool(asked) or image.deprecate_at is None or self.clock.now() < image.deprecate_at

    @operation
    def create_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CreateImage: snapshots of the volumes that the instance has. One that runs is rebooted for it, unless that is
        refused: the files are copied while it is down."""
        if params.get("SnapshotLocation") == "local":
            raise errors.NotYet("snapshots in Local Zones")
        tags = image_tags(params, "image", "snapshot")
        with self.store.write() as tx:
            instance = self.get(tx, ctx, ids.INSTANCE, params["InstanceId"])
            now = state(tx, instance)
            if now not in ("running", "stopped"):
                raise refused.IncorrectInstanceState(f"Instance '{instance.id}' is not 'running' or 'stopped'.")
            image_id = self.entropy.resource_id("ami")
            reboots = now == "running" and not params.get("NoReboot")
            if reboots:
                tx.put(replace(instance, boots=instance.boots + 1, force=False))
            about = f"Created by CreateImage({instance.id}) for {image_id}"
            mappings = {each.get("DeviceName") or "": each for each in params.get("BlockDeviceMappings") or ()}
            devices = []
            for volume in volumes_of(tx, instance):
                mapping = mappings.pop(volume.device or "", {})
                is_root = volume.id == instance.volume_id
                if mapping.get("NoDevice") is not None and not is_root:
                    continue
                taken = self.snapshot_of(tx, volume, about, tags["snapshot"], at_rest=reboots)
                devices.append(_of_volume(volume, taken, mapping.get("Ebs") or {}))
            devices += _added(tx, ctx, mappings)
            _check_devices(devices)
            self.new_image(
                tx, ctx, params, image_id, devices, instance.architecture, tags["image"],
                source_instance_id=instance.id, container_agent=instance.container_agent,
            )  # fmt: skip
            return {"ImageId": image_id}

    @operation
    def register_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """RegisterImage: a snapshot as the root of an image, and further ones as its data volumes."""
        if params.get("ImageLocation"):
            raise errors.NotYet("images in S3")
        tags = image_tags(params, "image")
        root = params.get("RootDeviceName") or "/dev/sda1"
        mappings = {each.get("DeviceName") or "": each for each in params.get("BlockDeviceMappings") or ()}
        if not ((mappings.get(root) or {}).get("Ebs") or {}).get("SnapshotId"):
            raise errors.MissingParameterText("The request must contain a snapshot for the root device")
        architecture = params.get("Architecture") or "i386"
        if architecture != MACHINE:
            raise errors.NotYet(f"images of another architecture than this machine's ({MACHINE})")
        with self.store.write() as tx:
            devices = [image_device(tx, ctx.account, ctx.region, root, mappings.pop(root)["Ebs"])]
            devices += _added(tx, ctx, mappings)
            _check_devices(devices)
            image_id = self.entropy.resource_id("ami")
            image = self.new_image(
                tx, ctx, params, image_id, devices, architecture, tags["image"],
                ena_support=bool(params.get("EnaSupport")), sriov_support=params.get("SriovNetSupport"),
            )  # fmt: skip
            note_image(tx, self.entropy, image, "available", self.clock.now(), ctx.request_id)
            return {"ImageId": image_id}

    @operation
    def deregister_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DeregisterImage. Instances keep running, and what is launched from it now is refused."""
        with self.store.write() as tx:
            image = self.own_image(tx, ctx, params["ImageId"])
            if image.protected:
                raise refused.OperationNotPermitted(
                    f"Deregistration protection is enabled for the AMI {image.id}. Disable it and try again."
                )
            store.forget_token(tx, image)
            tx.delete(image)
            note_image(tx, self.entropy, image, "deregistered", self.clock.now(), ctx.request_id)
            results = []
            for each in image.snapshots if params.get("DeleteAssociatedSnapshots") else ():
                taken = tx.get(Snapshot, ctx.account, ctx.region, each)
                code = "skipped" if taken is None or self.users_of(tx, taken) else "success"
                if taken is not None and code == "success":
                    tx.delete(taken)
                results.append({"SnapshotId": each, "ReturnCode": code})
            return {"Return": True, "DeleteSnapshotResults": results}

    def own_image(self, tx: store.Reader, ctx: RequestContext, id: str) -> Image:
        """The account's image. Raises InvalidAMIID.Malformed and NotFound, and AuthFailure for another's."""
        found = tx.get(Image, ctx.account, ctx.region, id)
        if found is None and any(each.id == id and each.region == ctx.region for each in tx.every(Image)):
            raise errors.AuthFailure(f"Not authorized for image:{id}")
        return found or self.get(tx, ctx, ids.IMAGE, id)

    def snapshot_of(
        self, tx: Tx, volume: Volume, description: str, tags: dict[str, str], *, at_rest: bool = False
    ) -> Snapshot:
        """A snapshot of the volume, `pending` until the files are copied."""
        taken = Snapshot(
            account=volume.account, region=volume.region, id=self.entropy.resource_id("snap"), volume_id=volume.id,
            size_gb=volume.size_gb, started_at=self.clock.now(), description=description, encrypted=volume.encrypted,
            kms_key=volume.kms_key, at_rest=at_rest, tags=tags,
        )  # fmt: skip
        tx.put(taken)
        return taken

    def users_of(self, tx: Tx, taken: Snapshot) -> list[str]:
        return [each.id for each in tx.list(Image, taken.account, taken.region) if taken.id in each.snapshots]

    def new_image(
        self, tx: Tx, ctx: RequestContext, params: Params, id: str, devices: list[ImageDevice], architecture: str,
        tags: dict[str, str], **more: Any,
    ) -> Image:  # fmt: skip
        """The image whose root is the first of the devices. Raises what is wrong with its name."""
        name = params["Name"]
        check_name(tx, ctx, name)
        root, *further = devices
        image = Image(
            account=ctx.account, region=ctx.region, id=id, name=name, snapshot_id=root.snapshot_id or "",
            size_gb=root.size_gb, volume_type=root.volume_type, iops=root.iops, throughput=root.throughput,
            encrypted=root.encrypted, kms_key=root.kms_key, delete_on_termination=root.delete_on_termination,
            further=tuple(further), architecture=architecture, created_at=self.clock.now(), root_device=root.device,
            tags=tags, request_id=ctx.request_id,
            **{"description": params.get("Description"), "imds_support": params.get("ImdsSupport"), **more},
        )  # fmt: skip
        tx.put(image)
        return image


def check_name(reader: store.Reader, ctx: RequestContext, name: str) -> None:
    """Whether a new image may have it. Raises InvalidAMIName.Malformed and Duplicate."""
    allowed = all((each.isascii() and each.isalnum()) or each in _MARKS for each in name)
    if not 3 <= len(name) <= 128 or not allowed:
        raise refused.ImageNameMalformed()
    for each in reader.list(Image, ctx.account, ctx.region):
        if each.name == name:
            raise refused.ImageNameInUse(name, each.id)


def image_tags(params: Params, *kinds: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {each: {} for each in kinds}
    for spec in params.get("TagSpecifications") or ():
        kind = spec.get("ResourceType") or ""
        if kind not in found:
            raise errors.InvalidParameterValue(f"'{kind}' is not a valid taggable resource type for this operation.")
        found[kind] = tagging.merged(found[kind], tagging.checked(spec.get("Tags") or ()))
    return found


def _of_volume(volume: Volume, taken: Snapshot, ebs: Mapping[str, Any]) -> ImageDevice:
    """What an image has of a volume, as its mapping changes it. Raises what is wrong with that."""
    if ebs.get("SnapshotId"):
        raise refused.InvalidBlockDeviceMapping(f"the snapshot of device {volume.device} cannot be specified.")
    size = size_over(volume.device, taken, ebs)
    kind = ebs.get("VolumeType") or volume.volume_type
    same = kind == volume.volume_type and kind != "gp2"
    iops = ebs.get("Iops") or (volume.iops if same else None)
    throughput = ebs.get("Throughput") or (volume.throughput if same else None)
    performance(kind, size, iops, throughput)
    return ImageDevice(
        device=volume.device or "", size_gb=size, volume_type=kind, snapshot_id=taken.id, iops=iops,
        throughput=throughput, encrypted=volume.encrypted, kms_key=volume.kms_key,
        delete_on_termination=volume.delete_on_termination if ebs.get("DeleteOnTermination") is None
        else ebs["DeleteOnTermination"],
    )  # fmt: skip


def _added(tx: Tx, ctx: RequestContext, mappings: Mapping[str, Any]) -> list[ImageDevice]:
    """The devices that only the request's mappings have."""
    return [
        image_device(tx, ctx.account, ctx.region, name, mapping["Ebs"])
        for name, mapping in mappings.items()
        if mapping.get("Ebs") and mapping.get("NoDevice") is None
    ]


def _check_devices(devices: list[ImageDevice]) -> None:
    """Raises InvalidParameterValue where one is no device, or twice the same."""
    names: dict[str | None, str] = {}
    for each in devices[1:]:
        check_device(each.device, names)
        names[folder_of(each.device)] = each.device


def _owned(image: AnyImage, account: str, owners: list[str]) -> bool:
    names = {image.owner} | ({"amazon"} if image.amazons else set()) | ({"self"} if image.owner == account else set())
    return bool(names & set(owners))


def _executable(image: AnyImage, account: str, users: list[str]) -> bool:
    """Whether somebody of these has been permitted to launch it: `all` is everybody, `self` who asks."""
    named = {account if each == "self" else each for each in users}
    return (image.public and "all" in named) or bool(named & set(image.accounts))
