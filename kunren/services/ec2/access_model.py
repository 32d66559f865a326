"""The resources of VPC Block Public Access."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Resource


class PublicAccess(Resource, frozen=True, kw_only=True):
    """VPC Block Public Access of the account in the region. The id is always "default"."""

    kind: ClassVar[str] = "ec2.public-access"

    mode: str  # "off", "block-bidirectional", "block-ingress"
    updated: float  # AWS time


class PublicAccessExclusion(Resource, frozen=True, kw_only=True):
    """A VPC, or one subnet of it, for which less is blocked."""

    kind: ClassVar[str] = "ec2.public-access-exclusion"

    vpc_id: str
    subnet_id: str | None
    mode: str  # "allow-bidirectional" or "allow-egress"
    created: float  # AWS time
    updated: float | None = None
    tags: dict[str, str] = {}
