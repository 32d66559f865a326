"""The resources of VPC origins; they are global, in the region ""."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource


class VpcOrigin(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.vpc-origin"

    arn: str
    config: dict[str, Any]
    etag: str
    created_time: float
    modified_time: float
    tags: dict[str, str] = {}


class VpcOriginNetwork(Resource, frozen=True, kw_only=True):
    """What the controller made for it: interfaces by subnet, in the region of what it leads to. Id is the origin's."""

    kind: ClassVar[str] = "cloudfront.vpc-origin-network"

    home: str  # the region
    interfaces: dict[str, str]
