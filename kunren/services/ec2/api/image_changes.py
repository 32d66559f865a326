"""What is done with images that there are: CopyImage, and their attributes, such as who may launch them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, ids, store
from kunren.services.ec2.api.base import Params, operation, token_of
from kunren.services.ec2.api.image_wire import devices_to_wire, protection
from kunren.services.ec2.api.images import ImageOperations, image_tags
from kunren.services.ec2.default_vpc import known_region
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances import sharing
from kunren.services.ec2.instances.image_events import note_image
from kunren.services.ec2.instances.images import AnyImage, own, state_of
from kunren.services.ec2.instances.model import NO_VOLUME, Image, ImageDevice, Snapshot

_ORGANIZATIONS = ("OrganizationArns", "OrganizationalUnitArns", "OrganizationArn", "OrganizationalUnitArn")


class ImageChangeOperations(ImageOperations):
    async def copy_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CopyImage: `pending` until the snapshots' files are copied. Launch permissions are not."""
        self.ensure_region(ctx)
        for member, what in (("DestinationOutpostArn", "Outposts"), ("DestinationAvailabilityZone", "Local Zones"),
                             ("DestinationAvailabilityZoneId", "Local Zones")):  # fmt: skip
            if params.get(member):
                raise errors.NotYet(what)
        tags = image_tags(params, "image", "snapshot")
        region = known_region(self.spec, params["SourceRegion"]).name
        image = await self._to_copy(ctx, region, params["SourceImageId"])
        encrypted = bool(params.get("Encrypted"))
        key = await self.launcher.key_of_copy(ctx, params, any(each.encrypted for each in image.devices))
        with self.store.write() as tx:
            if params.get("ClientToken") and (made := self.replay(tx, ctx, params, Image)) is not None:
                return {"ImageId": made}
            id = self.entropy.resource_id("ami")
            kept = image.tags if params.get("CopyImageTags") else {}
            devices = [
                self._copied(tx, ctx, image, each, id, encrypted, key, tags["snapshot"]) for each in image.devices
            ]
            made_image = self.new_image(
                tx, ctx, params, id, devices, image.architecture, {**kept, **tags["image"]},
                imds_support=image.imds_support, ena_support=image.ena_support, sriov_support=image.sriov_support,
                source_image_id=image.id, source_image_region=region,
                container_agent=image.container_agent, **token_of(params),
            )  # fmt: skip
            store.remember_token(tx, made_image)
            if params.get("DryRun"):
                raise errors.DryRunOperation()
            return {"ImageId": id}

    async def _to_copy(self, ctx: RequestContext, region: str, id: str) -> AnyImage:
        """Raises InvalidAMIID.NotFound, .Malformed and .Unavailable, InvalidRequest."""
        snapshot = self.store.snapshot()
        ids.IMAGE.form.check(id)
        image = await self.launcher.images.find(snapshot, ctx.account, region, id)
        if image is None:
            raise refused.ImageNotFound(id)
        taken = [snapshot.get(Snapshot, image.owner, region, each.snapshot_id or "") for each in image.devices]
        if any(each is not None and not sharing.may_use(each, ctx.account) for each in taken):
            raise refused.InvalidRequest("You do not have permission to access the storage of this ami")
        if state_of(snapshot, region, image)[0] != "available":
            raise refused.ImageUnavailable(id)
        return image

    def _copied(
        self, tx: Tx, ctx: RequestContext, image: AnyImage, device: ImageDevice, id: str, encrypted: bool,
        key: str | None, tags: dict[str, str],
    ) -> ImageDevice:  # fmt: skip
        encrypted = encrypted or device.encrypted
        of_machine = image.amazons and device is image.root
        if device.snapshot_id is None and not of_machine:
            return replace(device, encrypted=encrypted, kms_key=key if encrypted else None)
        source = device.snapshot_id or f"snap-{image.id[4:]}"
        now = self.clock.now()
        taken = Snapshot(
            account=ctx.account, region=ctx.region, id=self.entropy.resource_id("snap"), volume_id=NO_VOLUME,
            size_gb=device.size_gb, started_at=now, encrypted=encrypted, kms_key=key if encrypted else None,
            copied_from=device.snapshot_id, of_machine=of_machine, tags=tags,
            description=f"Copied for DestinationAmi {id} from SourceAmi {image.id} for SourceSnapshot {source}. "
            f"Task created on {int(now * 1000):,}.",
        )  # fmt: skip
        tx.put(taken)
        return replace(device, snapshot_id=taken.id, encrypted=encrypted, kms_key=taken.kms_key)

    @operation
    def describe_image_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeImageAttribute, for the image's owner."""
        image, wanted = self.own_image(self.store.snapshot(), ctx, params["ImageId"]), params["Attribute"]
        found: dict[str, Any] = {
            "description": {"Description": {"Value": image.description} if image.description else {}},
            "launchPermission": {"LaunchPermissions": sharing.to_wire(image)},
            "blockDeviceMapping": {"BlockDeviceMappings": devices_to_wire(own(image))},
            "productCodes": {"ProductCodes": []},
            "imdsSupport": {"ImdsSupport": {"Value": image.imds_support} if image.imds_support else {}},
            "sriovNetSupport": {"SriovNetSupport": {"Value": image.sriov_support} if image.sriov_support else {}},
            "deregistrationProtection": {"DeregistrationProtection": {"Value": protection(image)}},
            "kernel": {"KernelId": {}},
            "ramdisk": {"RamdiskId": {}},
            "bootMode": {"BootMode": {}},
            "tpmSupport": {"TpmSupport": {}},
        }
        if wanted not in found:
            raise errors.NotYet(f"attribute {wanted} of images")
        return {"ImageId": image.id, **found[wanted]}

    @operation
    def modify_image_attribute(self, ctx: RequestContext, params: Params) -> None:
        """ModifyImageAttribute: description, IMDS support, or who may launch it."""
        attribute = params.get("Attribute")
        with self.store.write() as tx:
            image = self.own_image(tx, ctx, params["ImageId"])
            if params.get("Description") is not None:
                tx.put(replace(image, description=params["Description"].get("Value")))
            elif attribute == "description":
                tx.put(replace(image, description=params.get("Value")))
            elif params.get("ImdsSupport") is not None or attribute == "imdsSupport":
                value = (params.get("ImdsSupport") or {}).get("Value") or params.get("Value")
                if value != "v2.0":
                    raise errors.InvalidParameterValue(f"Value ({value}) for parameter imdsSupport is invalid.")
                tx.put(replace(image, imds_support=value))
            elif params.get("LaunchPermission") is not None or attribute == "launchPermission":
                _refuse_organizations(params)
                added, removed = sharing.asked(params, "LaunchPermission", "UserGroups")
                tx.put(sharing.changed(image, added, removed, refused.ImageAttributeItem))
            else:
                raise errors.InvalidParameterCombination("The request must contain exactly one attribute to modify")

    @operation
    def reset_image_attribute(self, ctx: RequestContext, params: Params) -> None:
        """ResetImageAttribute: nobody but the owner may launch the image."""
        if params["Attribute"] != "launchPermission":
            raise errors.InvalidParameterValue(f"Value ({params['Attribute']}) for parameter attribute is invalid.")
        with self.store.write() as tx:
            image = self.own_image(tx, ctx, params["ImageId"])
            tx.put(replace(image, accounts=(), everyones=False))

    @operation
    def enable_image_deregistration_protection(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("WithCooldown"):
            raise errors.NotYet("a cooldown of deregistration protection")
        return self._protected(ctx, params["ImageId"], True)

    @operation
    def disable_image_deregistration_protection(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._protected(ctx, params["ImageId"], False)

    @operation
    def disable_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DisableImage: nobody may launch it, and it is shared with nobody any more."""
        with self.store.write() as tx:
            image = self.own_image(tx, ctx, params["ImageId"])
            if not image.disabled and state_of(tx, ctx.region, own(image))[0] != "available":
                raise refused.ImageUnavailable(image.id)
            if not image.disabled:
                tx.put(replace(image, disabled=True, accounts=(), everyones=False))
                note_image(tx, self.entropy, image, "disabled", self.clock.now(), ctx.request_id)
            return {"Return": True}

    @operation
    def enable_image(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            image = self.own_image(tx, ctx, params["ImageId"])
            if image.disabled:
                tx.put(replace(image, disabled=False))
                note_image(tx, self.entropy, image, "available", self.clock.now(), ctx.request_id)
            return {"Return": True}

    @operation
    def enable_image_deprecation(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """EnableImageDeprecation: to the minute; others than the owner don't find it in lists from then on."""
        at = params["DeprecateAt"]
        seconds = at.timestamp() if isinstance(at, datetime) else float(at)
        if seconds < self.clock.now():
            raise errors.InvalidParameterValue("The deprecation date and time can't be in the past.")
        with self.store.write() as tx:
            tx.put(replace(self.own_image(tx, ctx, params["ImageId"]), deprecate_at=round(seconds / 60) * 60.0))
            return {"Return": True}

    @operation
    def disable_image_deprecation(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            tx.put(replace(self.own_image(tx, ctx, params["ImageId"]), deprecate_at=None))
            return {"Return": True}

    def _protected(self, ctx: RequestContext, id: str, on: bool) -> dict[str, Any]:
        with self.store.write() as tx:
            tx.put(replace(self.own_image(tx, ctx, id), protected=on))
            return {"Return": "true"}


def _refuse_organizations(params: Params) -> None:
    """Raises NotImplemented."""
    told = params.get("LaunchPermission") or {}
    named = [params, *(told.get("Add") or ()), *(told.get("Remove") or ())]
    if any(each.get(name) for each in named for name in _ORGANIZATIONS):
        raise errors.NotYet("images that are shared with organizations")
