"""Which instances may hibernate. Pure. "Prerequisites for EC2 instance hibernation" in the EC2 user guide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.ec2.instances import errors
from kunren.services.ec2.instances.types import InstanceType

MEMORY_MB_MAX = 150 << 10
"""Of a Linux instance, less than this."""
_VOLUMES = ("gp2", "gp3", "io1", "io2")


def can_hibernate(kind: InstanceType) -> bool:
    return kind.memory_mb < MEMORY_MB_MAX


def check_hibernation(kind: InstanceType, root: Mapping[str, Any]) -> None:
    """Whether an instance of that type may be launched for it, with what is asked of its root volume.
    Raises UnsupportedHibernationConfiguration."""
    if not can_hibernate(kind):
        raise errors.UnsupportedHibernationConfiguration(
            f"Hibernation is not supported for the instance type {kind.name}: it has more than 150 GB of memory."
        )
    if not root.get("Encrypted"):
        raise errors.UnsupportedHibernationConfiguration("Hibernation requires the root volume to be encrypted.")
    if root["VolumeType"] not in _VOLUMES:
        raise errors.UnsupportedHibernationConfiguration(
            f"Hibernation is not supported with a root volume of type {root['VolumeType']}."
        )
    if root["VolumeSize"] << 10 <= kind.memory_mb:
        raise errors.UnsupportedHibernationConfiguration(
            "Hibernation requires a root volume that is larger than the memory of the instance "
            f"({kind.memory_mb / 1024:g} GiB)."
        )
