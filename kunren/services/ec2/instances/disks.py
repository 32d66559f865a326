"""Root volumes: what a launch asks of them, and where their files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ec2 import errors
from kunren.services.ec2.instances.images import AnyImage
from kunren.services.ec2.instances.model import Volume
from kunren.services.ec2.model import Subnet

TYPES = {"gp2": None, "gp3": 3000, "io1": 100, "io2": 100, "standard": None, "st1": None, "sc1": None}
"""Volume types and the IOPS that they have where none are asked for."""
SIZE_MAX_GB = 65_536
_BASELINE_MIN, _BASELINE_MAX = 100, 16_000


def folder(home: Path, id: str) -> Path:
    """Where a volume's or snapshot's files are; `home` is the folder of all disks."""
    return home / id


def root_of(
    tx: Tx, entropy: Entropy, params: Mapping[str, Any], image: AnyImage, *, instance_id: str, subnet: Subnet,
    at: float, tags: dict[str, str],
) -> Volume:  # fmt: skip
    """The root volume of a new instance, as image and block device mappings say. Raises NotYet for further volumes, and
    what is wrong with a mapping."""
    ebs: Mapping[str, Any] = {}
    for mapping in params.get("BlockDeviceMappings") or ():
        name = mapping.get("DeviceName")
        if mapping.get("VirtualName") or mapping.get("NoDevice") is not None:
            continue  # instance store and suppressed devices: the image has none
        if name != image.root_device:
            raise errors.NotYet(f"volumes beside the root device {image.root_device}")
        ebs = mapping.get("Ebs") or {}
    size = ebs.get("VolumeSize") or image.size_gb
    kind = ebs.get("VolumeType") or image.volume_type
    if size < image.size_gb:
        raise errors.InvalidParameterValue(
            f"Volume of size {size}GB is smaller than snapshot '{image.snapshot_id or 'snap-' + image.id[4:]}', expect "
            f"size >= {image.size_gb}GB"
        )
    if kind not in TYPES:
        raise errors.InvalidParameterValue(f"Value ({kind}) for parameter volumeType is invalid.")
    if size > SIZE_MAX_GB:
        raise errors.InvalidParameterValue(f"Volume of {size}GiB is too large for volume type {kind}")
    baseline = min(max(3 * size, _BASELINE_MIN), _BASELINE_MAX) if kind == "gp2" else TYPES[kind]
    volume = Volume(
        account=subnet.account,
        region=subnet.region,
        id=entropy.resource_id("vol"),
        availability_zone=subnet.availability_zone,
        size_gb=size,
        volume_type=kind,
        created_at=at,
        iops=ebs.get("Iops") or baseline,
        throughput=ebs.get("Throughput") or (125 if kind == "gp3" else None),
        encrypted=bool(ebs.get("Encrypted")),
        kms_key=ebs.get("KmsKeyId"),
        snapshot_id=ebs.get("SnapshotId") or image.snapshot_id,
        instance_id=instance_id,
        device=image.root_device,
        attached_at=at,
        delete_on_termination=ebs.get("DeleteOnTermination", True),
        tags=tags,
    )
    tx.put(volume)
    return volume
