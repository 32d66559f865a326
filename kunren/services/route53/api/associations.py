"""VPCs of private hosted zones: associate, disassociate, authorize other accounts, list by VPC."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core import pagination
from kunren.core.context import RequestContext
from kunren.services.route53 import associations
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import (
    InvalidInput,
    InvalidPaginationToken,
    InvalidVPCId,
    LastVPCAssociation,
    NoSuchHostedZone,
    NotAuthorizedException,
    PublicZoneVPCAssociation,
    TooManyVPCAssociationAuthorizations,
    VPCAssociationAuthorizationNotFound,
    VPCAssociationNotFound,
)
from kunren.services.route53.model import AssociatedVpc, HostedZone, VpcAuthorization
from kunren.services.route53.shapes import bare_id, change_shape, max_items

AUTHORIZATIONS_PER_ZONE_MAX = 1000
AUTHORIZATIONS_PER_PAGE = 50
ZONES_PER_PAGE = 100


class Associations(Base):
    def associate_vpc_with_hosted_zone(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """By the VPC's owner; where the zone is another account's, that account has authorized it before."""
        with self._store.write() as tx:
            zone = self._private_zone(tx, params["HostedZoneId"])
            vpc = associations.find_vpc(tx, params["VPC"])
            authorized = tx.get(VpcAuthorization, zone.account, zone.id, vpc.id) is not None
            if vpc.account != ctx.account or (zone.account != ctx.account and not authorized):
                raise NotAuthorizedException(vpc.id, vpc.region)
            associations.check_conflict(tx, vpc, zone.name)
            associations.check_room(zone)
            return self._changed(tx, ctx, zone, (*zone.vpcs, vpc), params.get("Comment"))

    def disassociate_vpc_from_hosted_zone(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """By the owner of either. The VPC may be gone meanwhile."""
        with self._store.write() as tx:
            zone = self._private_zone(tx, params["HostedZoneId"])
            vpc_id, region = params["VPC"].get("VPCId") or "", params["VPC"].get("VPCRegion") or ""
            vpc = next((each for each in zone.vpcs if each.id == vpc_id and each.region == region), None)
            if vpc is None or ctx.account not in (zone.account, vpc.account):
                associations.find_vpc(tx, params["VPC"])
                raise VPCAssociationNotFound(vpc_id, region, zone.id)
            left = tuple(each for each in zone.vpcs if each != vpc)
            if not left:
                raise LastVPCAssociation(vpc_id, region, zone.id)
            return self._changed(tx, ctx, zone, left, params.get("Comment"))

    def _private_zone(self, reader: Snapshot | Tx, given: str) -> HostedZone:
        """A private zone of whatever account."""
        zone = next((each for each in reader.every(HostedZone) if each.id == bare_id(given)), None)
        if zone is None:
            raise NoSuchHostedZone(bare_id(given))
        if not zone.private:
            raise PublicZoneVPCAssociation(zone.id)
        return zone

    def _changed(
        self, tx: Tx, ctx: RequestContext, zone: HostedZone, vpcs: tuple[AssociatedVpc, ...], comment: str | None
    ) -> dict[str, Any]:
        zone = msgspec.structs.replace(zone, vpcs=vpcs, version=zone.version + 1)
        self._records.put_zone(tx, zone)
        return {"ChangeInfo": change_shape(None, self._records.add_change(tx, zone, comment, ctx.account))}

    def create_vpc_association_authorization(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])
            if not zone.private:
                raise InvalidInput(f"Hosted zone {zone.id} is a public hosted zone and can't be associated with a VPC.")
            vpc = associations.find_vpc(tx, params["VPC"])
            if len(tx.list(VpcAuthorization, zone.account, zone.id)) >= AUTHORIZATIONS_PER_ZONE_MAX:
                raise TooManyVPCAssociationAuthorizations(zone.id)
            tx.put(VpcAuthorization(account=zone.account, region=zone.id, id=vpc.id, vpc_region=vpc.region))
        return {"HostedZoneId": zone.id, "VPC": {"VPCRegion": vpc.region, "VPCId": vpc.id}}

    def delete_vpc_association_authorization(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])
            vpc_id, region = params["VPC"].get("VPCId") or "", params["VPC"].get("VPCRegion") or ""
            found = tx.get(VpcAuthorization, zone.account, zone.id, vpc_id)
            if found is None or found.vpc_region != region:
                raise VPCAssociationAuthorizationNotFound(vpc_id, region)
            tx.delete(found)
        return {}

    def list_vpc_association_authorizations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        zone = self._zone(snapshot, ctx.account, params["HostedZoneId"])
        limit = max_items(params.get("MaxResults"), AUTHORIZATIONS_PER_PAGE)
        try:
            page, token = pagination.page(
                snapshot.list(VpcAuthorization, zone.account, zone.id),
                params.get("NextToken"),
                limit,
                lambda each: each.id,
            )
        except pagination.InvalidToken:
            raise InvalidPaginationToken from None
        return {
            "HostedZoneId": zone.id,
            "NextToken": token,
            "VPCs": [{"VPCRegion": each.vpc_region, "VPCId": each.id} for each in page],
        }

    def list_hosted_zones_by_vpc(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """All private zones that the caller's VPC is associated with, other accounts' too, by name."""
        snapshot = self._store.snapshot()
        limit = max_items(params.get("MaxItems"), ZONES_PER_PAGE)
        try:
            vpc = associations.own_vpc(snapshot, ctx.account, params)
        except InvalidVPCId as error:  # not among the operation's own errors
            raise InvalidInput(error.message) from None
        zones = sorted(associations.zones_of_vpc(snapshot, vpc.id), key=lambda zone: zone.id)
        try:
            page, token = pagination.page(zones, params.get("NextToken"), limit, lambda zone: zone.id)
        except pagination.InvalidToken:
            raise InvalidPaginationToken from None
        return {
            "HostedZoneSummaries": [
                {"HostedZoneId": zone.id, "Name": zone.name, "Owner": {"OwningAccount": zone.account}} for zone in page
            ],
            "MaxItems": str(limit),
            "NextToken": token,
        }
