"""Protections of record sets: while there is one, nothing of that name and type changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kunren.core import pagination
from kunren.core.context import RequestContext
from kunren.dataplane.dns import names
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import (
    InvalidInput,
    InvalidPaginationToken,
    InvalidResourceRecordSetProtectionBatch,
    LimitsExceeded,
    ProtectionAlreadyExists,
)
from kunren.services.route53.model import HostedZone, Protection
from kunren.services.route53.shapes import max_items

PER_REQUEST_MAX = 100
PER_PAGE = 300
PER_ZONE_MAX = 1000  # AWS has a quota, and does not say which


def protection_id(name: bytes, rtype: str) -> str:
    return f"{names.sort_key(name)} {rtype}"


class Protections(Base):
    def create_resource_record_set_protections(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])
            entries = params["Protections"]
            ids = _checked(zone, entries)
            present = {each.id for each in tx.list(Protection, zone.account, zone.id)}
            known = [each for id, each in zip(ids, entries, strict=True) if id in present]
            if known:
                failed = [_problem(each, "ProtectionAlreadyExists", "A protection already exists.") for each in known]
                raise (
                    ProtectionAlreadyExists(failed)
                    if len(known) == len(entries)
                    else InvalidResourceRecordSetProtectionBatch(failed)
                )
            if len(present) + len(ids) > PER_ZONE_MAX:
                raise LimitsExceeded(f"Limits Exceeded: {zone.id} can't have more than {PER_ZONE_MAX} protections.")
            for id, each in zip(ids, entries, strict=True):
                tx.put(Protection(account=zone.account, region=zone.id, id=id, comment=each.get("Comment")))
        return {}

    def delete_resource_record_set_protections(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])
            entries = params["Protections"]
            found = [tx.get(Protection, zone.account, zone.id, id) for id in _checked(zone, entries)]
            failed = [
                _problem(each, "ProtectionNotFound", "No protection exists.")
                for each, present in zip(entries, found, strict=True)
                if present is None
            ]
            if failed:
                raise InvalidResourceRecordSetProtectionBatch(failed)
            for present in found:
                assert present is not None
                tx.delete(present)
        return {}

    def list_resource_record_set_protections(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        zone = self._zone(snapshot, ctx.account, params["HostedZoneId"])
        name, rtype = params.get("StartRecordName"), params.get("StartRecordType")
        if rtype and not name:
            raise InvalidInput("StartRecordType needs StartRecordName.")
        try:
            start = protection_id(names.to_wire(name), rtype or "") if name else ""
        except names.BadName as error:
            raise InvalidInput(f"FATAL problem: {error}") from None
        found = snapshot.list(Protection, zone.account, zone.id)
        token = params.get("NextToken")
        if not token:
            found = [each for each in found if each.id >= start]
        limit = max_items(params.get("MaxResults"), PER_PAGE)
        try:
            page, token = pagination.page(found, token, limit, lambda each: each.id)
        except pagination.InvalidToken:
            raise InvalidPaginationToken from None
        return {"ResourceRecordSetProtections": [_shape(each) for each in page], "NextToken": token}


def _shape(protection: Protection) -> dict[str, Any]:
    key, _, rtype = protection.id.rpartition(" ")
    return {
        "RecordName": names.to_text(names.from_sort_key(key)),
        "RecordType": rtype,
        "Comment": protection.comment,
    }


def _checked(zone: HostedZone, entries: Sequence[dict[str, Any]]) -> list[str]:
    """The ids of what a request names. Raises InvalidInput and InvalidResourceRecordSetProtectionBatch."""
    if len(entries) > PER_REQUEST_MAX:
        raise InvalidInput(f"A request can't have more than {PER_REQUEST_MAX} protections.")
    ids: list[str] = []
    failed = []
    for each in entries:
        try:
            name = names.to_wire(each["RecordName"])
        except names.BadName as error:
            failed.append(_problem(each, "InvalidInput", f"FATAL problem: {error}"))
            continue
        id = protection_id(name, each["RecordType"])
        if not names.is_within(name, names.to_wire(zone.name)):
            failed.append(_problem(each, "InvalidInput", f"The name is not in the hosted zone {zone.name}"))
        elif id in ids:
            failed.append(_problem(each, "InvalidInput", "The name and type appear more than once in the request."))
        ids.append(id)
    if failed:
        raise InvalidResourceRecordSetProtectionBatch(failed)
    return ids


def _problem(entry: dict[str, Any], code: str, message: str) -> dict[str, str]:
    return {"RecordName": entry["RecordName"], "RecordType": entry["RecordType"], "Code": code, "Message": message}
