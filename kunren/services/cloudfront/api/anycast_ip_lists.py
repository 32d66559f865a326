"""Anycast static IP lists: desired state only; `controllers.py` has edge locations answer on their addresses."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.tags import tags_from_wire
from kunren.services.cloudfront.anycast_ip_lists import rules
from kunren.services.cloudfront.anycast_ip_lists.model import AnycastIpList, AnycastIpListStatus
from kunren.services.cloudfront.api.base import Base, matched, page
from kunren.services.cloudfront.errors import (
    CannotDeleteEntityWhileInUse,
    EntityAlreadyExists,
    EntityLimitExceeded,
    InvalidArgument,
    NotHere,
)
from kunren.world.addresses import ANYCAST_LISTS_MAX, anycast_list

COUNTS = (3, 21)


class AnycastIpLists(Base):
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService = nobody_answers) -> None:
        super().__init__(store, clock, entropy, call)
        store.register(AnycastIpList, AnycastIpListStatus)

    def create_anycast_ip_list(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _check_addresses(params)
        if params["IpCount"] not in COUNTS:
            raise InvalidArgument("The parameter IpCount must be 3 or 21.")
        with self._store.write() as tx:
            if any(each.name == params["Name"] for each in tx.list(AnycastIpList, ctx.account, "")):
                raise EntityAlreadyExists
            taken = {each.number for each in tx.every(AnycastIpList)}
            number = next((each for each in range(ANYCAST_LISTS_MAX) if each not in taken), None)
            if number is None:
                raise EntityLimitExceeded
            made = AnycastIpList(
                account=ctx.account,
                region="",
                id="aip_" + self._entropy.lower(22),
                name=params["Name"],
                number=number,
                addresses=anycast_list(number, params["IpCount"]),
                etag=self._new_id(),
                modified_time=self._clock.now(),
                tags=tags_from_wire((params.get("Tags") or {}).get("Items")),
            )
            tx.put(made)
            return {"AnycastIpList": rules.shown(tx, made), "ETag": made.etag}

    def get_anycast_ip_list(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = rules.find(snapshot, ctx.account, params["Id"])
        return {"AnycastIpList": rules.shown(snapshot, found), "ETag": found.etag}

    def list_anycast_ip_lists(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        listed, members = page(snapshot.list(AnycastIpList, ctx.account, ""), params, lambda each: each.id)
        items = [{**rules.summary(snapshot, each), "ETag": each.etag} for each in listed]
        marks = {"Marker": params.get("Marker") or "", "IsTruncated": "NextMarker" in members}
        return {"AnycastIpLists": {**marks, **members, **({"Items": items} if items else {})}}

    def update_anycast_ip_list(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """There is nothing to change but the address type, of which there is one."""
        _check_addresses(params)
        with self._store.write() as tx:
            before = rules.find(tx, ctx.account, params["Id"])
            matched(params.get("IfMatch"), before.etag)
            after = msgspec.structs.replace(before, etag=self._new_id(), modified_time=self._clock.now())
            tx.put(after)
            return {"AnycastIpList": rules.shown(tx, after), "ETag": after.etag}

    def delete_anycast_ip_list(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = rules.find(tx, ctx.account, params["Id"])
            matched(params.get("IfMatch"), found.etag)
            if rules.distributions_of(tx, ctx.account, found.id):
                raise CannotDeleteEntityWhileInUse
            tx.delete(found)
            status = tx.get(AnycastIpListStatus, ctx.account, "", found.id)
            if status is not None:
                tx.delete(status)


def _check_addresses(params: dict[str, Any]) -> None:
    if params.get("IpAddressType") not in (None, "ipv4"):
        raise NotHere("Kunren's anycast IP lists have IPv4 addresses alone: pass ipv4 as IpAddressType.")
    if params.get("IpamCidrConfigs"):
        raise NotHere("Kunren has no IPAM pools: leave IpamCidrConfigs out.")
