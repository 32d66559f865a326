"""Volumes: what a request asks of them, as rows. Where their files are, `volumes.py` knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ec2 import errors
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.images import AnyImage, shown_snapshot
from kunren.services.ec2.instances.model import ImageDevice, Snapshot, Volume
from kunren.services.ec2.instances.sharing import may_use
from kunren.services.ec2.model import Subnet
from kunren.services.ec2.store import Reader
from kunren.world.agent.volumes import folder_of

Params = Mapping[str, Any]


class Type(NamedTuple):
    """Sizes in GiB; IOPS where they can be asked for, and how many a GiB allows; `iops` are those without asking."""

    least_gb: int
    most_gb: int
    iops: int | None = None
    least_iops: int = 0
    most_iops: int = 0
    per_gb: int = 0


TYPES = {
    "gp2": Type(1, 16_384),
    "gp3": Type(1, 65_536, 3000, 3000, 80_000, 500),
    "io1": Type(4, 16_384, 100, 100, 64_000, 50),
    "io2": Type(4, 65_536, 100, 100, 256_000, 1000),
    "st1": Type(125, 16_384),
    "sc1": Type(125, 16_384),
    "standard": Type(1, 1024),
}
"""By "Amazon EBS volume types"."""
OWNER = "SnapshotOwner"
"""In what is asked of a volume by an image: the account whose snapshot that is."""
_GP2_MIN, _GP2_MAX = 100, 16_000
_GP3_THROUGHPUT = (125, 2000)


def performance(kind: str, size: int, iops: int | None, throughput: int | None) -> tuple[int | None, int | None]:
    """IOPS and throughput of a volume of that type and size. Raises InvalidParameterValue and -Combination."""
    if kind not in TYPES:
        raise errors.InvalidParameterValue(f"Value ({kind}) for parameter volumeType is invalid.")
    table = TYPES[kind]
    if size > table.most_gb:
        raise errors.InvalidParameterValue(f"Volume of {size}GiB is too large for volume type {kind}")
    if size < table.least_gb:
        raise errors.InvalidParameterValue(f"Volume of {size}GiB is too small for volume type {kind}")
    if kind == "gp2":
        return min(max(3 * size, _GP2_MIN), _GP2_MAX), None
    if iops is not None and not table.most_iops:
        raise errors.InvalidParameterCombination(f"The parameter iops is not supported for {kind} volumes.")
    if iops is not None and not table.least_iops <= iops <= table.most_iops:
        raise errors.InvalidParameterValue(
            f"Volume iops of {iops} is not in the range of {table.least_iops} to {table.most_iops} for volume type "
            f"{kind}"
        )
    if iops is not None and iops > max(table.least_iops, table.per_gb * size):
        raise errors.InvalidParameterCombination(
            f"Iops to volume size ratio of {iops / size:.6f} is too high; maximum is {table.per_gb}"
        )
    if throughput is not None and kind != "gp3":
        raise errors.InvalidParameterCombination(f"The parameter throughput is not supported for {kind} volumes.")
    least, most = _GP3_THROUGHPUT
    if throughput is not None and not least <= throughput <= most:
        raise errors.InvalidParameterValue(f"Throughput of {throughput} MiB/s is not in the range of {least} to {most}")
    return iops or table.iops, throughput or (least if kind == "gp3" else None)


def usable_snapshots(reader: Reader, account: str, region: str) -> list[Snapshot]:
    return [each for each in reader.every(Snapshot) if each.region == region and may_use(each, account)]


def completed(reader: Reader, account: str, region: str, id: str) -> Snapshot:
    """A snapshot that the account may use. Raises InvalidSnapshot.NotFound, IncorrectState."""
    taken = reader.get(Snapshot, account, region, id)
    if taken is None:
        taken = next((each for each in usable_snapshots(reader, account, region) if each.id == id), None)
    if taken is None:
        raise refused.SnapshotNotFound(id)
    if not taken.completed:
        raise refused.IncorrectState(f"Snapshot {id} is not completed")
    return taken


def new_volume(
    tx: Tx, entropy: Entropy, params: Params, *, account: str, region: str, zone: str, at: float,
    tags: dict[str, str], **more: Any,
) -> Volume:  # fmt: skip
    """A volume beside the root ones, as CreateVolume or the Ebs of a mapping asks; its folder is still to be made.
    Raises what is wrong with type, size or snapshot."""
    taken = None
    if id := params.get("SnapshotId"):
        taken = completed(tx, params.get(OWNER) or account, region, id)
    size = params.get("Size") or params.get("VolumeSize") or (taken.size_gb if taken else None)
    if size is None:
        raise errors.MissingParameterText("The request must contain the parameter size/snapshot")
    if taken is not None and size < taken.size_gb:
        raise errors.InvalidParameterValue(
            f"Volume of size {size}GB is smaller than snapshot '{taken.id}', expect size >= {taken.size_gb}GB"
        )
    kind = params.get("VolumeType") or "gp2"
    iops, throughput = performance(kind, size, params.get("Iops"), params.get("Throughput"))
    encrypted = bool(params.get("Encrypted")) or (taken is not None and taken.encrypted)
    if params.get("KmsKeyId") and not encrypted:
        raise refused.InvalidParameterDependency("The parameter KmsKeyId requires the parameter Encrypted to be set.")
    key = params.get("KmsKeyId") or (taken.kms_key if taken else None)
    volume = Volume(
        account=account, region=region, id=entropy.resource_id("vol"), availability_zone=zone, size_gb=size,
        volume_type=kind, created_at=at, iops=iops, throughput=throughput, encrypted=encrypted,
        kms_key=key if encrypted else None, snapshot_id=taken.id if taken else None, made=False,
        tags=tags, **more,
    )  # fmt: skip
    tx.put(volume)
    return volume


def effective(mappings: Sequence[Params], image: AnyImage) -> list[Params]:
    """The block device mappings of a launch: the image's as the request's change them, and what only these have.
    Raises InvalidBlockDeviceMapping."""
    found: dict[str, Params] = {each.device: _asked(image, each) for each in image.devices}
    for mapping in mappings:
        name, ebs = mapping.get("DeviceName") or "", mapping.get("Ebs")
        if mapping.get("VirtualName"):
            continue  # instance store: no type here has any
        if mapping.get("NoDevice") is not None:
            if name != image.root.device:
                found.pop(name, None)
            continue
        before = found.get(name, {})
        if not ebs and not before:
            raise refused.InvalidBlockDeviceMapping(f"The mapping of {name} has neither a volume nor an instance store")
        found[name] = _changed(before, ebs or {}, name == image.root.device)
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in found.items()]


def _asked(image: AnyImage, device: ImageDevice) -> dict[str, Any]:
    owner = {OWNER: image.owner} if device.snapshot_id else {}
    asked = {
        "SnapshotId": device.snapshot_id, "VolumeSize": device.size_gb, "VolumeType": device.volume_type,
        "Iops": device.iops, "Throughput": device.throughput, "DeleteOnTermination": device.delete_on_termination,
        "Encrypted": device.encrypted or None, "KmsKeyId": device.kms_key, **owner,
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value is not None}


def _changed(before: Params, ebs: Params, is_root: bool) -> Params:
    """What the image says of a device, and what the request says of it. Raises InvalidBlockDeviceMapping."""
    if ebs.get("SnapshotId") not in (None, before.get("SnapshotId")):
        if is_root:
            raise refused.InvalidBlockDeviceMapping("snapshotId cannot be modified on root device")
        return ebs
    kept = dict(before)
    if ebs.get("VolumeType") not in (None, before.get("VolumeType")):
        kept.pop("Iops", None)
        kept.pop("Throughput", None)
    given = {name: value for name, value in ebs.items() if value is not None}
    encrypted = {"Encrypted": True} if before.get("Encrypted") else {}
    return {**kept, **given, **encrypted}


def mapped(mappings: Sequence[Params], image: AnyImage) -> tuple[Params, dict[str, Params]]:
    """Of effective mappings the root volume's, and the further ones by device. Raises what is wrong with one."""
    root: Params = {}
    others: dict[str, Params] = {}
    for mapping in mappings:
        name = mapping["DeviceName"]
        if name == image.root.device:
            root = mapping["Ebs"]
            continue
        check_device(name, {folder_of(each): each for each in others})
        others[name] = mapping["Ebs"]
    return root, others


def image_device(tx: Tx, account: str, region: str, name: str, ebs: Params) -> ImageDevice:
    """A device of an image that is made, as a block device mapping asks. Raises what is wrong with it."""
    taken = completed(tx, account, region, ebs["SnapshotId"]) if ebs.get("SnapshotId") else None
    if taken is not None and taken.account != account:
        raise refused.SnapshotNotFound(taken.id)  # one that is shared has to be copied first: its owner may delete it
    size = size_over(name, taken, ebs) if taken else ebs.get("VolumeSize")
    if not size:
        raise errors.MissingParameterText("The request must contain the parameter size or snapshotId")
    kind = ebs.get("VolumeType") or "gp2"
    performance(kind, size, ebs.get("Iops"), ebs.get("Throughput"))
    return ImageDevice(
        device=name, size_gb=size, volume_type=kind, snapshot_id=taken.id if taken else None, iops=ebs.get("Iops"),
        throughput=ebs.get("Throughput"), encrypted=taken.encrypted if taken else bool(ebs.get("Encrypted")),
        kms_key=taken.kms_key if taken else ebs.get("KmsKeyId"),
        delete_on_termination=ebs.get("DeleteOnTermination", True) is not False,
    )  # fmt: skip


def size_over(name: str | None, taken: Snapshot, ebs: Params) -> int:
    """The size, in GB, of an image's device that has the snapshot. Raises InvalidBlockDeviceMapping."""
    if ebs.get("Encrypted") is not None:
        raise refused.InvalidBlockDeviceMapping(
            f"the encrypted flag cannot be specified since device {name} has a snapshot specified."
        )
    size: int = ebs.get("VolumeSize") or taken.size_gb
    if size < taken.size_gb:
        raise refused.InvalidBlockDeviceMapping(
            f"Volume of size {size}GB is smaller than snapshot '{taken.id}', expect size >= {taken.size_gb}GB"
        )
    return size


def check_device(name: str, taken: Mapping[str | None, str]) -> str:
    """The folder's name for a device. `taken` are those that the instance has. Raises InvalidParameterValue."""
    folder = folder_of(name)
    if folder is None:
        raise errors.InvalidParameterValue(
            f"Value ({name}) for parameter device is invalid. {name} is not a valid EBS device name."
        )
    if folder in taken:
        raise errors.InvalidParameterValue(
            f"Invalid value '{name}' for unixDevice. Attachment point {name} is already in use"
        )
    return folder


def root_of(
    tx: Tx, entropy: Entropy, ebs: Params, image: AnyImage, *, instance_id: str, subnet: Subnet, at: float,
    tags: dict[str, str],
) -> Volume:  # fmt: skip
    """The root volume of a new instance, as image and its mapping say. Raises what is wrong with that."""
    size = ebs["VolumeSize"]
    kind = ebs["VolumeType"]
    if size < image.root.size_gb:
        raise errors.InvalidParameterValue(
            f"Volume of size {size}GB is smaller than snapshot '{shown_snapshot(image, image.root)}', expect "
            f"size >= {image.root.size_gb}GB"
        )
    iops, throughput = performance(kind, size, ebs.get("Iops"), ebs.get("Throughput"))
    volume = Volume(
        account=subnet.account,
        region=subnet.region,
        id=entropy.resource_id("vol"),
        availability_zone=subnet.availability_zone,
        size_gb=size,
        volume_type=kind,
        created_at=at,
        iops=iops,
        throughput=throughput,
        encrypted=bool(ebs.get("Encrypted")),
        kms_key=ebs.get("KmsKeyId"),
        snapshot_id=image.root.snapshot_id,
        instance_id=instance_id,
        device=image.root.device,
        attached_at=at,
        delete_on_termination=ebs.get("DeleteOnTermination", True),
        tags=tags,
    )
    tx.put(volume)
    return volume
