"""Images as the API shows them, and the filters of DescribeImages."""

from __future__ import annotations

from typing import Any

from kunren.core.clock import iso_utc
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import filters, store
from kunren.services.ec2.instances.images import AnyImage, shown_snapshot, state_of
from kunren.services.ec2.instances.model import Image, ImageDevice


def devices_to_wire(image: AnyImage) -> list[dict[str, Any]]:
    return [{"DeviceName": each.device, "Ebs": _ebs(image, each)} for each in image.devices]


def _ebs(image: AnyImage, device: ImageDevice) -> dict[str, Any]:
    return {
        "DeleteOnTermination": device.delete_on_termination,
        "SnapshotId": shown_snapshot(image, device),
        "VolumeSize": device.size_gb,
        "VolumeType": device.volume_type,
        "Iops": device.iops,
        "Throughput": device.throughput,
        "Encrypted": device.encrypted,
    }


def image_to_wire(reader: store.Reader, region: str, image: AnyImage) -> dict[str, Any]:
    state, why = state_of(reader, region, image)
    return {
        "ImageId": image.id,
        "Name": image.name,
        "Description": image.description,
        "OwnerId": image.owner,
        "ImageOwnerAlias": _alias(image),
        "ImageLocation": _location(image),
        "Architecture": image.architecture,
        "CreationDate": iso_utc(image.created_at),
        "Public": image.public,
        "State": state,
        "StateReason": {"Code": "Client.InternalError", "Message": why} if why else None,
        "ImageType": "machine",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "EnaSupport": image.ena_support,
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "RootDeviceName": image.root.device,
        "RootDeviceType": "ebs",
        "SriovNetSupport": image.sriov_support,
        "ImdsSupport": image.imds_support,
        "SourceInstanceId": image.source_instance_id,
        "SourceImageId": image.source_image_id,
        "SourceImageRegion": image.source_image_region,
        "DeregistrationProtection": protection(image),
        "DeprecationTime": iso_utc(image.deprecate_at) if image.deprecate_at is not None else None,
        "PublicSsmParameterName": image.parameter,
        "BlockDeviceMappings": devices_to_wire(image),
        "Tags": tags_to_wire(image.tags),
    }


def _alias(image: AnyImage) -> str | None:
    return "amazon" if image.amazons else None


def _location(image: AnyImage) -> str:
    return f"{_alias(image) or image.owner}/{image.name}"


def protection(image: AnyImage | Image) -> str:
    return "enabled-without-cooldown" if image.protected else "disabled"


def filters_for(reader: store.Reader, region: str) -> dict[str, filters.Getter[AnyImage]]:
    def of_devices(member: str) -> filters.Getter[AnyImage]:
        def values(image: AnyImage) -> list[str | None]:
            found = [_ebs(image, each)[member] for each in image.devices]
            return [str(each).lower() if isinstance(each, bool | int) else each for each in found]

        return values

    def state(image: AnyImage) -> tuple[str, str | None]:
        return state_of(reader, region, image)

    return {
        "architecture": lambda each: each.architecture,
        "block-device-mapping.delete-on-termination": of_devices("DeleteOnTermination"),
        "block-device-mapping.device-name": lambda each: [device.device for device in each.devices],
        "block-device-mapping.encrypted": of_devices("Encrypted"),
        "block-device-mapping.snapshot-id": of_devices("SnapshotId"),
        "block-device-mapping.volume-size": of_devices("VolumeSize"),
        "block-device-mapping.volume-type": of_devices("VolumeType"),
        "creation-date": lambda each: iso_utc(each.created_at),
        "description": lambda each: each.description,
        "ena-support": lambda each: each.ena_support,
        "free-tier-eligible": lambda each: each.amazons,
        "hypervisor": lambda each: "xen",
        "image-allowed": lambda each: True,
        "image-id": lambda each: each.id,
        "image-type": lambda each: "machine",
        "is-public": lambda each: each.public,
        "kernel-id": lambda each: None,
        "manifest-location": _location,
        "name": lambda each: each.name,
        "owner-alias": _alias,
        "owner-id": lambda each: each.owner,
        "platform": lambda each: None,
        "product-code": lambda each: None,
        "product-code.type": lambda each: None,
        "ramdisk-id": lambda each: None,
        "root-device-name": lambda each: each.root.device,
        "root-device-type": lambda each: "ebs",
        "source-image-id": lambda each: each.source_image_id,
        "source-image-region": lambda each: each.source_image_region,
        "source-instance-id": lambda each: each.source_instance_id,
        "sriov-net-support": lambda each: each.sriov_support,
        "state": lambda each: state(each)[0],
        "state-reason-code": lambda each: "Client.InternalError" if state(each)[1] else None,
        "state-reason-message": lambda each: state(each)[1],
        "virtualization-type": lambda each: "hvm",
    }
