"""Record sets, changes, and asking what DNS would answer."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core import hosted_zone_ids
from kunren.core.context import RequestContext
from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import FAILURE, answer
from kunren.dataplane.dns.policies import Client
from kunren.services.elbv2.model import LoadBalancer
from kunren.services.route53 import history, rdata
from kunren.services.route53.api.base import Base
from kunren.services.route53.api.protections import protection_id
from kunren.services.route53.changes import CHANGES_MAX, Sets, ZoneView, apply_changes
from kunren.services.route53.dataplane import zone_owner
from kunren.services.route53.errors import InvalidChangeBatch, InvalidInput, NoSuchChange
from kunren.services.route53.model import (
    Change,
    CidrCollection,
    HealthCheck,
    HostedZone,
    OwnerName,
    Protection,
    RecordSet,
)
from kunren.services.route53.shapes import bare_id, change_shape, max_items, record_set_shape
from kunren.services.route53.store import GLOBAL

RECORD_SETS_PER_PAGE = 300
RECORD_SETS_MAX = 10_000
DEFAULT_IPV4_MASK, DEFAULT_IPV6_MASK = 24, 64
_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")


class Records(Base):
    def change_resource_record_sets(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        batch = params["ChangeBatch"]
        if len(batch["Changes"]) > CHANGES_MAX:
            raise InvalidChangeBatch([f"Number of changes limit of {CHANGES_MAX} exceeded."])
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])

            changed = apply_changes(self._view(tx, zone), batch["Changes"])
            zone = self._records.put_sets(tx, zone, changed)
            change = self._records.add_change(tx, zone, batch.get("Comment"))
            history.note(tx, ctx, zone, change, "ChangeResourceRecordSets", batch["Changes"])
        return {"ChangeInfo": change_shape(None, change)}

    def _view(self, tx: Tx, zone: HostedZone) -> ZoneView:
        """What the rules of a change need of the zone."""

        def sets_of(name: bytes) -> Sets:
            owner = tx.get(OwnerName, zone.account, zone.id, names.sort_key(name))
            return owner.record_sets if owner is not None else ()

        def cidr_locations(id: str) -> frozenset[str] | None:
            collection = tx.get(CidrCollection, zone.account, GLOBAL, id)
            return frozenset(collection.blocks.values()) if collection is not None else None

        def protection(name: bytes, rtype: str) -> str | None:
            found = tx.get(Protection, zone.account, zone.id, protection_id(name, rtype))
            return (found.comment or "") if found is not None else None

        return ZoneView(
            id=zone.id,
            name=names.to_wire(zone.name),
            record_set_count=zone.record_set_count,
            record_set_limit=RECORD_SETS_MAX,
            sets_of=sets_of,
            target_exists=self._target_exists,
            health_check_exists=lambda id: tx.get(HealthCheck, zone.account, GLOBAL, id) is not None,
            cidr_locations=cidr_locations,
            private=zone.private,
            protection=protection,
        )

    def _target_exists(self, dns_name: str, zone_id: str) -> bool:
        """Whether a name of AWS's own is there: published already, or a load balancer that is being made."""
        wire = names.to_wire(dns_name)
        if self._dns.zones.named(wire) is not None:
            return True
        snapshot = self._store.snapshot()
        if zone_id in hosted_zone_ids.ALB.values() or zone_id in hosted_zone_ids.NLB.values():
            wanted = dns_name.rstrip(".").lower()
            return any(each.dns_name.lower() == wanted for each in snapshot.every(LoadBalancer))
        return False

    def list_resource_record_sets(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        zone = self._zone(snapshot, ctx.account, params["HostedZoneId"])
        limit = max_items(params.get("MaxItems"), RECORD_SETS_PER_PAGE)
        start = _start(params)
        page: list[dict[str, Any]] = []
        following: dict[str, Any] | None = None
        for owner, record_set in self._in_order(snapshot, zone, start):
            shape = record_set_shape(owner, record_set)
            if len(page) == limit:
                following = shape
                break
            page.append(shape)
        return {
            "ResourceRecordSets": page,
            "IsTruncated": following is not None,
            "NextRecordName": following and following["Name"],
            "NextRecordType": following and following["Type"],
            "NextRecordIdentifier": following and following["SetIdentifier"],
            "MaxItems": str(limit),
        }

    def _in_order(
        self, snapshot: Snapshot, zone: HostedZone, start: tuple[str, str, str]
    ) -> Iterator[tuple[OwnerName, RecordSet]]:
        keys = self._records.names_in_order(zone.account, zone.id)
        for index in range(bisect.bisect_left(keys, start[0]), len(keys)):
            owner = snapshot.get(OwnerName, zone.account, zone.id, keys[index])
            if owner is None:
                continue
            for each in owner.record_sets:
                if (owner.id, each.type, each.set_identifier or "") >= start:
                    yield owner, each

    def get_change(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        change = snapshot.get(Change, ctx.account, GLOBAL, bare_id(params["Id"]))
        if change is None:
            raise NoSuchChange(bare_id(params["Id"]))
        return {"ChangeInfo": change_shape(snapshot, change)}

    def test_dns_answer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """What the zone's name servers answer at this moment, from the very zone that they serve."""
        zone = self._zone(self._store.snapshot(), ctx.account, params["HostedZoneId"])
        if zone.private:
            raise InvalidInput("TestDNSAnswer doesn't support private hosted zones.")
        try:
            name = names.to_wire(params["RecordName"])
        except names.BadName as error:
            raise InvalidInput(f"FATAL problem: {error}") from None
        if not names.is_within(name, names.to_wire(zone.name)):
            raise InvalidInput(f"The record name {names.to_text(name)} is not in the hosted zone {zone.name}")
        zones = self._dns.zones
        served = zones.zones_of(zone_owner(zone.id))
        rtype = rdata.type_number(params["RecordType"])
        client = self._client(params)
        reply = answer(zones, served[0], name, rtype, client, self._entropy) if served else FAILURE
        first = reply.answer[0] if reply.answer else None
        return {
            "Nameserver": self._entropy.choice(zone.name_servers),
            "RecordName": names.to_text(name),
            "RecordType": params["RecordType"],
            "RecordData": [rdata.to_text(first.rtype, each) for each in first.rdatas] if first is not None else [],
            "ResponseCode": _RCODES[reply.rcode],
            "Protocol": "UDP",
        }

    def _client(self, params: dict[str, Any]) -> Client:
        """As whom to ask: a resolver in us-east-1 unless told. Raises InvalidInput."""
        geography = self._dns.geography
        resolver, subnet = params.get("ResolverIP"), params.get("EDNS0ClientSubnetIP")
        if subnet:
            mask = params.get("EDNS0ClientSubnetMask") or (DEFAULT_IPV6_MASK if ":" in subnet else DEFAULT_IPV4_MASK)
            try:
                subnet = str(ip_network(f"{subnet}/{mask}", strict=False))
            except ValueError:
                raise InvalidInput(f"The client subnet {subnet}/{mask} is not valid.") from None
        location = geography.of(subnet or resolver) if subnet or resolver else geography.region("us-east-1")
        return Client(resolver or "", subnet or None, location)


def _start(params: dict[str, Any]) -> tuple[str, str, str]:
    name, rtype = params.get("StartRecordName") or None, params.get("StartRecordType") or None
    identifier = params.get("StartRecordIdentifier") or None
    if name is None and rtype is not None:
        raise InvalidInput("The input is not valid: a record type was specified without a record name.")
    if identifier is not None and rtype is None:
        raise InvalidInput("The input is not valid: a record identifier was specified without a record type.")
    if name is None:
        return ("", "", "")
    try:
        key = names.sort_key(names.to_wire(name))
    except names.BadName as error:
        raise InvalidInput(f"FATAL problem: {error}") from None
    return (key, rtype or "", identifier or "")
