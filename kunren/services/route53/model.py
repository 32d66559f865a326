"""The route53 service's resources. The service is global: hosted zones live in the region "".

Records are kept by owner name, one resource for all record sets of a name, scoped by account and hosted zone (which
takes the region's place in the key): what a change must look at is what has that name, and nothing grows with the zone.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource


class AssociatedVpc(msgspec.Struct, frozen=True, kw_only=True):
    """A VPC whose resolver answers from a private hosted zone; `account` is the VPC's owner."""

    id: str
    region: str
    account: str


class HostedZone(Resource, frozen=True, kw_only=True):
    """`id` is bare ("Z…"). `version` rises with every change of the records or the VPCs; DNS reports which one it
    serves. A zone with VPCs is private, and was from the start."""

    kind: ClassVar[str] = "route53.hosted-zone"

    name: str  # with trailing dot, lower case, unusual bytes as \ooo
    caller_reference: str
    name_servers: tuple[str, ...]
    created: float
    comment: str | None = None
    delegation_set_id: str | None = None
    version: int = 1
    record_set_count: int = 2
    tags: dict[str, str] = {}
    vpcs: tuple[AssociatedVpc, ...] = ()

    @property
    def private(self) -> bool:
        return bool(self.vpcs)


class VpcAuthorization(Resource, frozen=True, kw_only=True):
    """The zone's owner lets another account associate one of its VPCs. `region` is the hosted zone's id, `id` the
    VPC's."""

    kind: ClassVar[str] = "route53.vpc-authorization"

    vpc_region: str


class AliasTarget(msgspec.Struct, frozen=True, kw_only=True):
    hosted_zone_id: str
    dns_name: str
    evaluate_target_health: bool


class RecordSet(msgspec.Struct, frozen=True, kw_only=True):
    """Values as they were given; `ttl` and `values` are empty on an alias."""

    type: str
    set_identifier: str | None = None
    weight: int | None = None
    ttl: int | None = None
    values: tuple[str, ...] = ()
    alias: AliasTarget | None = None


class OwnerName(Resource, frozen=True, kw_only=True):
    """All record sets of one name, sorted by type and set identifier. `region` is the hosted zone's id, `id` the
    name's sort key (`kunren.dataplane.dns.names.sort_key`), so that ids in order are names in Route 53's order."""

    kind: ClassVar[str] = "route53.owner-name"

    record_sets: tuple[RecordSet, ...]


class Change(Resource, frozen=True, kw_only=True):
    """A change is INSYNC when the zone's served version has reached `version`, or the zone is served no more. It
    belongs to who asked for it; `zone_account` is the zone's owner where that is another."""

    kind: ClassVar[str] = "route53.change"

    zone_id: str
    version: int
    submitted_at: float
    comment: str | None = None
    zone_account: str | None = None


class CallerReference(Resource, frozen=True, kw_only=True):
    """A reference that was used; it stays used when what it made is deleted."""

    kind: ClassVar[str] = "route53.caller-reference"

    made: str  # the id it was used for


class DelegationSet(Resource, frozen=True, kw_only=True):
    """A reusable delegation set."""

    kind: ClassVar[str] = "route53.delegation-set"

    caller_reference: str
    name_servers: tuple[str, ...]


class ServedZone(Resource, frozen=True, kw_only=True):
    """Observed: the version of a hosted zone that the name servers answer from."""

    kind: ClassVar[str] = "route53.served-zone"
    durable: ClassVar[bool] = False

    version: int
