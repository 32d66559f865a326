"""The resources of Anycast static IP lists; they are global, in the region ""."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Resource


class AnycastIpList(Resource, frozen=True, kw_only=True):
    """`number` is its place in the address plan (`kunren.world.addresses`)."""

    kind: ClassVar[str] = "cloudfront.anycast-ip-list"

    name: str
    number: int
    addresses: tuple[str, ...]
    etag: str
    modified_time: float
    tags: dict[str, str] = {}


class AnycastIpListStatus(Resource, frozen=True, kw_only=True):
    """Observed: every edge location that serves has the list's addresses. Id is the list's."""

    kind: ClassVar[str] = "cloudfront.anycast-ip-list-status"
    durable: ClassVar[bool] = False
