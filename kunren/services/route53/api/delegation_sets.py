"""Reusable delegation sets: four name servers that several hosted zones share."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.route53 import name_servers
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import (
    DelegationSetAlreadyCreated,
    DelegationSetAlreadyReusable,
    DelegationSetInUse,
    DelegationSetNotAvailable,
    HostedZoneNotFound,
    LimitsExceeded,
)
from kunren.services.route53.model import CallerReference, DelegationSet, HostedZone
from kunren.services.route53.shapes import bare_id, delegation_set_shape, location, max_items
from kunren.services.route53.store import GLOBAL

DELEGATION_SETS_MAX = 100
DELEGATION_SETS_PER_PAGE = 100


class DelegationSets(Base):
    def create_reusable_delegation_set(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """A new set, or the one of a hosted zone marked as reusable."""
        with self._store.write() as tx:
            reference = f"delegationset/{params['CallerReference']}"
            if tx.get(CallerReference, ctx.account, GLOBAL, reference) is not None:
                raise DelegationSetAlreadyCreated
            if len(tx.list(DelegationSet, ctx.account, GLOBAL)) >= DELEGATION_SETS_MAX:
                raise LimitsExceeded("Limits Exceeded: MAX_REUSABLE_DELEGATION_SETS_BY_OWNER")
            zone = None
            if given := params.get("HostedZoneId"):
                zone = tx.get(HostedZone, ctx.account, GLOBAL, bare_id(given))
                if zone is None:
                    raise HostedZoneNotFound(bare_id(given))
                if zone.delegation_set_id is not None:
                    raise DelegationSetAlreadyReusable
            servers = zone.name_servers if zone is not None else name_servers.choose(self._entropy, ())
            if servers is None:
                raise DelegationSetNotAvailable("a reusable delegation set")
            made = DelegationSet(
                account=ctx.account,
                region=GLOBAL,
                id="N0" + self._entropy.digits(7) + self._entropy.upper(12),
                caller_reference=params["CallerReference"],
                name_servers=servers,
            )
            tx.put(made)
            tx.put(CallerReference(account=ctx.account, region=GLOBAL, id=reference, made=made.id))
            if zone is not None:
                self._records.put_zone(tx, msgspec.structs.replace(zone, delegation_set_id=made.id))
        return {
            "DelegationSet": delegation_set_shape(made.name_servers, made),
            "Location": location(f"/delegationset/{made.id}"),
        }

    def get_reusable_delegation_set(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._delegation_set(self._store.snapshot(), ctx.account, params["Id"])
        return {"DelegationSet": delegation_set_shape(found.name_servers, found)}

    def list_reusable_delegation_sets(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        limit = max_items(params.get("MaxItems"), DELEGATION_SETS_PER_PAGE)
        marker = params.get("Marker") or None
        found = self._store.snapshot().list(DelegationSet, ctx.account, GLOBAL)
        if marker is not None:
            found = [each for each in found if each.id >= bare_id(marker)]
        more = len(found) > limit
        return {
            "DelegationSets": [delegation_set_shape(each.name_servers, each) for each in found[:limit]],
            "Marker": marker,
            "IsTruncated": more,
            "NextMarker": found[limit].id if more else None,
            "MaxItems": str(limit),
        }

    def delete_reusable_delegation_set(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._delegation_set(tx, ctx.account, params["Id"])
            if any(zone.delegation_set_id == found.id for zone in tx.list(HostedZone, ctx.account, GLOBAL)):
                raise DelegationSetInUse(found.id)
            tx.delete(found)
        return {}
