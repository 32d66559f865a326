"""VPC origins: desired state only; `vpc_origins/controllers.py` makes their interfaces."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Store
from kunren.core.arn import build_arn
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.tags import tags_from_wire
from kunren.services.cloudfront.api.base import API, Base, Reader, matched, page
from kunren.services.cloudfront.errors import (
    CannotDeleteEntityWhileInUse,
    CannotUpdateEntityWhileInUse,
    EntityAlreadyExists,
    EntityLimitExceeded,
)
from kunren.services.cloudfront.vpc_origins import rules
from kunren.services.cloudfront.vpc_origins.model import VpcOrigin, VpcOriginNetwork

ORIGINS_MAX = 25  # Quotas, per account
_DEFAULTS = {"OriginSslProtocols": {"Quantity": 1, "Items": ["TLSv1.2"]}, "IpAddressType": "ipv4"}


class VpcOrigins(Base):
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService = nobody_answers) -> None:
        super().__init__(store, clock, entropy, call)
        store.register(VpcOrigin, VpcOriginNetwork)

    def create_vpc_origin(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        config = {**_DEFAULTS, **params["VpcOriginEndpointConfig"]}
        with self._store.write() as tx:
            existing = tx.list(VpcOrigin, ctx.account, "")
            if any(each.config["Name"] == config["Name"] for each in existing):
                raise EntityAlreadyExists
            if len(existing) >= ORIGINS_MAX:
                raise EntityLimitExceeded
            rules.check(tx, ctx.account, config)
            identity = "vo_" + self._entropy.lower(22)
            now = self._clock.now()
            made = VpcOrigin(
                account=ctx.account,
                region="",
                id=identity,
                arn=build_arn("cloudfront", "", ctx.account, f"vpcorigin/{identity}"),
                config=config,
                etag=self._new_id(),
                created_time=now,
                modified_time=now,
                tags=tags_from_wire((params.get("Tags") or {}).get("Items")),
            )
            tx.put(made)
            return {**_shown(tx, made), "Location": f"{API}/vpc-origin/{identity}"}

    def get_vpc_origin(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return _shown(snapshot, rules.find(snapshot, ctx.account, params["Id"]))

    def list_vpc_origins(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        shown, members = page(snapshot.list(VpcOrigin, ctx.account, ""), params, lambda each: each.id)
        items = [_summary(snapshot, each) for each in shown]
        listed = {"Marker": params.get("Marker") or "", "IsTruncated": "NextMarker" in members, **members}
        return {"VpcOriginList": {**listed, **({"Items": items} if items else {})}}

    def update_vpc_origin(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        config = {**_DEFAULTS, **params["VpcOriginEndpointConfig"]}
        with self._store.write() as tx:
            before = rules.find(tx, ctx.account, params["Id"])
            matched(params.get("IfMatch"), before.etag)
            if rules.distributions_of(tx, ctx.account, before.id):
                raise CannotUpdateEntityWhileInUse
            rules.check(tx, ctx.account, config)
            after = msgspec.structs.replace(before, config=config, etag=self._new_id(), modified_time=self._clock.now())
            tx.put(after)
            return _shown(tx, after)

    def delete_vpc_origin(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = rules.find(tx, ctx.account, params["Id"])
            matched(params.get("IfMatch"), found.etag)
            if rules.distributions_of(tx, ctx.account, found.id):
                raise CannotDeleteEntityWhileInUse
            shown = _shown(tx, found)
            tx.delete(found)
            return shown


def _shown(reader: Reader, origin: VpcOrigin) -> dict[str, Any]:
    shown = {
        "Id": origin.id,
        "Arn": origin.arn,
        "AccountId": origin.account,
        "Status": rules.status(reader, origin),
        "CreatedTime": origin.created_time,
        "LastModifiedTime": origin.modified_time,
        "VpcOriginEndpointConfig": origin.config,
    }
    return {"VpcOrigin": shown, "ETag": origin.etag}


def _summary(reader: Reader, origin: VpcOrigin) -> dict[str, Any]:
    return {
        "Id": origin.id,
        "Name": origin.config["Name"],
        "Status": rules.status(reader, origin),
        "CreatedTime": origin.created_time,
        "LastModifiedTime": origin.modified_time,
        "Arn": origin.arn,
        "AccountId": origin.account,
        "OriginEndpointArn": origin.config["Arn"],
        "IpAddressType": origin.config["IpAddressType"],
    }
