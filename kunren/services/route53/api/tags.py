"""Tags of hosted zones, health checks and their sources."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import InvalidInput, NoSuchHealthCheck
from kunren.services.route53.model import HealthCheck, HealthCheckSource, HostedZone
from kunren.services.route53.source_errors import NoSuchHealthCheckSource
from kunren.services.route53.store import GLOBAL

TAGS_MAX = 50
Tagged: TypeAlias = HostedZone | HealthCheck | HealthCheckSource
_TYPES = {HostedZone: "hostedzone", HealthCheck: "healthcheck", HealthCheckSource: "healthchecksource"}


class Tags(Base):
    def change_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if not params.get("AddTags") and not params.get("RemoveTagKeys"):
            raise InvalidInput("At least one of AddTags and RemoveTagKeys must be specified.")
        with self._store.write() as tx:
            found = self._tagged(tx, ctx.account, params["ResourceType"], params["ResourceId"])
            tags = {key: value for key, value in found.tags.items() if key not in (params.get("RemoveTagKeys") or ())}
            tags.update(tags_from_wire(params.get("AddTags")))
            if len(tags) > TAGS_MAX:
                raise InvalidInput(f"The number of tags exceeds the limit of {TAGS_MAX}.")
            tx.put(msgspec.structs.replace(found, tags=tags))
        return {}

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._tagged(self._store.snapshot(), ctx.account, params["ResourceType"], params["ResourceId"])
        return {"ResourceTagSet": _tag_set(found)}

    def list_tags_for_resources(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = [self._tagged(snapshot, ctx.account, params["ResourceType"], each) for each in params["ResourceIds"]]
        return {"ResourceTagSets": [_tag_set(each) for each in found]}

    def _tagged(self, reader: Snapshot | Tx, account: str, resource_type: str, given: str) -> Tagged:
        if resource_type == "hostedzone":
            return self._zone(reader, account, given)
        if resource_type == "healthchecksource":
            source = reader.get(HealthCheckSource, account, GLOBAL, given)
            if source is None:
                raise NoSuchHealthCheckSource(given)
            return source
        check = reader.get(HealthCheck, account, GLOBAL, given)
        if check is None:
            raise NoSuchHealthCheck(given)
        return check


def _tag_set(found: Tagged) -> dict[str, Any]:
    return {"ResourceType": _TYPES[type(found)], "ResourceId": found.id, "Tags": tags_to_wire(found.tags)}
