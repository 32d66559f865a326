"""Hosted zones."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.dataplane.dns import names
from kunren.services.route53 import associations, history, name_servers
from kunren.services.route53.api.base import Base
from kunren.services.route53.api.features import ADVANCED
from kunren.services.route53.errors import (
    ConflictingDomainExists,
    DelegationSetNotAvailable,
    HostedZoneAlreadyExists,
    HostedZoneNotEmpty,
    InvalidDomainName,
    InvalidInput,
    TooManyHostedZones,
)
from kunren.services.route53.model import (
    CallerReference,
    DelegationSet,
    HostedZone,
    KeySigningKey,
    OwnerName,
    Protection,
    RecordSet,
)
from kunren.services.route53.shapes import (
    bare_id,
    change_shape,
    delegation_set_shape,
    features_shape,
    hosted_zone_shape,
    location,
    max_items,
    vpc_shape,
)
from kunren.services.route53.store import GLOBAL

ZONES_MAX = 500
ZONES_PER_PAGE = 100
NS_TTL_S = 172_800
SOA_TTL_S = 900
REQUIRED_RECORD_SETS = 2


class HostedZones(Base):
    def create_hosted_zone(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("ChangeGuardrails"):
            raise NotImplementedByKunren("route53", "CreateHostedZone with ChangeGuardrails")
        config = params.get("HostedZoneConfig") or {}
        given = params.get("VPC")
        if config.get("PrivateZone") and not given:
            raise InvalidInput("When you're creating a private hosted zone, you must specify a VPC.")
        if given and params.get("DelegationSetId"):
            raise InvalidInput("A reusable delegation set can't be used with a private hosted zone.")
        if params.get("EnablePublicDNSFallback") and not given:
            raise InvalidInput("Public DNS fallback is supported only for private hosted zones.")
        name = _domain(params["Name"])
        tier = config.get("HostedZoneTier") or "STANDARD"
        with self._store.write() as tx:
            reference = f"hostedzone/{params['CallerReference']}"
            if tx.get(CallerReference, ctx.account, GLOBAL, reference) is not None:
                raise HostedZoneAlreadyExists
            if self._store.snapshot().count(HostedZone, ctx.account, GLOBAL) >= ZONES_MAX:
                raise TooManyHostedZones
            vpc = associations.own_vpc(tx, ctx.account, given) if given else None
            if vpc is not None:
                associations.check_conflict(tx, vpc, names.to_text(name))
                reusable, servers = None, name_servers.PRIVATE
            else:
                reusable, servers = self._servers(tx, ctx.account, name, params.get("DelegationSetId"))
            zone = HostedZone(
                account=ctx.account,
                region=GLOBAL,
                id=self._records.new_zone_id(tx, ctx.account),
                name=names.to_text(name),
                caller_reference=params["CallerReference"],
                name_servers=servers,
                created=self._clock.now(),
                comment=config.get("Comment"),
                delegation_set_id=reusable.id if reusable is not None else None,
                vpcs=(vpc,) if vpc is not None else (),
                tier=tier,
                history_since=self._clock.now() if tier == ADVANCED else None,
                public_dns_fallback=bool(params.get("EnablePublicDNSFallback")),
            )
            self._records.put_zone(tx, zone)
            tx.put(_apex(zone, name))
            tx.put(CallerReference(account=ctx.account, region=GLOBAL, id=reference, made=zone.id))
            change = self._records.add_change(tx, zone)
            history.note(tx, ctx, zone, change, "CreateHostedZone", ())
        return {
            "HostedZone": hosted_zone_shape(zone),
            "ChangeInfo": change_shape(None, change),
            "DelegationSet": delegation_set_shape(servers, reusable) if vpc is None else None,
            "VPC": vpc_shape(vpc) if vpc is not None else None,
            "Location": location(f"/hostedzone/{zone.id}"),
        }

    def _servers(
        self, tx: Tx, account: str, name: bytes, set_id: str | None
    ) -> tuple[DelegationSet | None, tuple[str, ...]]:
        public = (zone for zone in tx.every(HostedZone) if not zone.private)
        conflicting = [zone for zone in public if _conflict(names.to_wire(zone.name), name)]
        if set_id:
            reusable = self._delegation_set(tx, account, set_id)
            if any(set(zone.name_servers) & set(reusable.name_servers) for zone in conflicting):
                raise ConflictingDomainExists(
                    f"The domain {names.to_text(name)} conflicts with a hosted zone that the delegation set "
                    f"{reusable.id} serves already."
                )
            return reusable, reusable.name_servers
        servers = name_servers.choose(self._entropy, [zone.name_servers for zone in conflicting])
        if servers is None:
            raise DelegationSetNotAvailable(names.to_text(name))
        return None, servers

    def get_hosted_zone(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        zone = self._zone(snapshot, ctx.account, params["Id"])
        reusable = None
        if zone.delegation_set_id is not None:
            reusable = snapshot.get(DelegationSet, ctx.account, GLOBAL, zone.delegation_set_id)
        return {
            "HostedZone": {**hosted_zone_shape(zone), "Features": features_shape(snapshot, zone)},
            "DelegationSet": delegation_set_shape(zone.name_servers, reusable) if not zone.private else None,
            "VPCs": [vpc_shape(each) for each in zone.vpcs] or None,
        }

    def get_hosted_zone_count(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"HostedZoneCount": self._store.snapshot().count(HostedZone, ctx.account, GLOBAL)}

    def list_hosted_zones(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        limit = max_items(params.get("MaxItems"), ZONES_PER_PAGE)
        zones = snapshot.list(HostedZone, ctx.account, GLOBAL)
        if set_id := params.get("DelegationSetId"):
            reusable = self._delegation_set(snapshot, ctx.account, set_id)
            zones = [zone for zone in zones if zone.delegation_set_id == reusable.id]
        if params.get("HostedZoneType") == "PrivateHostedZone":
            zones = [zone for zone in zones if zone.private]
        marker = params.get("Marker") or None
        if marker is not None:
            zones = [zone for zone in zones if zone.id >= bare_id(marker)]
        more = len(zones) > limit
        return {
            "HostedZones": [hosted_zone_shape(zone) for zone in zones[:limit]],
            "Marker": marker,
            "IsTruncated": more,
            "NextMarker": zones[limit].id if more else None,
            "MaxItems": str(limit),
        }

    def list_hosted_zones_by_name(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        limit = max_items(params.get("MaxItems"), ZONES_PER_PAGE)
        dns_name, zone_id = params.get("DNSName") or None, params.get("HostedZoneId") or None
        if zone_id is not None and dns_name is None:
            raise InvalidInput("The HostedZoneId parameter can be specified only together with DNSName.")
        zones = sorted(self._all(ctx.account), key=_by_name)
        if dns_name is not None:
            start = (names.sort_key(_domain(dns_name)), bare_id(zone_id or ""))
            zones = [zone for zone in zones if _by_name(zone) >= start]
        following = zones[limit] if len(zones) > limit else None
        return {
            "HostedZones": [hosted_zone_shape(zone) for zone in zones[:limit]],
            "DNSName": dns_name,
            "HostedZoneId": zone_id,
            "IsTruncated": following is not None,
            "NextDNSName": following.name if following is not None else None,
            "NextHostedZoneId": following.id if following is not None else None,
            "MaxItems": str(limit),
        }

    def _all(self, account: str) -> list[HostedZone]:
        snapshot: Snapshot = self._store.snapshot()
        return snapshot.list(HostedZone, account, GLOBAL)

    def delete_hosted_zone(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["Id"])
            if zone.record_set_count > REQUIRED_RECORD_SETS or tx.list(Protection, zone.account, zone.id):
                raise HostedZoneNotEmpty
            if tx.list(KeySigningKey, zone.account, zone.id):
                raise HostedZoneNotEmpty("DNSSEC Key Signing Keys")
            self._records.delete_zone(tx, zone)
            change = self._records.add_change(tx, zone)
        return {"ChangeInfo": change_shape(None, change)}

    def update_hosted_zone_comment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """Without a comment, the one there is goes."""
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["Id"])
            zone = msgspec.structs.replace(zone, comment=params.get("Comment") or None)
            self._records.put_zone(tx, zone)
        return {"HostedZone": hosted_zone_shape(zone)}


def _domain(text: str) -> bytes:
    try:
        name = names.to_wire(text)
    except names.BadName as error:
        raise InvalidDomainName(f"FATAL problem: {error}") from None
    if name == names.ROOT:
        raise InvalidDomainName("FATAL problem: DomainNameEmpty (Domain name is empty) encountered with '.'")
    return name


def _conflict(one: bytes, other: bytes) -> bool:
    return names.is_within(one, other) or names.is_within(other, one)


def _by_name(zone: HostedZone) -> tuple[str, str]:
    return names.sort_key(names.to_wire(zone.name)), zone.id


def _apex(zone: HostedZone, name: bytes) -> OwnerName:
    """The NS and SOA records that every zone begins with (developer guide, "NS and SOA records")."""
    soa = f"{zone.name_servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    return OwnerName(
        account=zone.account,
        region=zone.id,
        id=names.sort_key(name),
        record_sets=(
            RecordSet(type="NS", ttl=NS_TTL_S, values=tuple(f"{each}." for each in zone.name_servers)),
            RecordSet(type="SOA", ttl=SOA_TTL_S, values=(soa,)),
        ),
    )
