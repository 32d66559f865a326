"""Tags of hosted zones. Health checks have none yet, since there are none."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import InvalidInput, NoSuchHealthCheck
from kunren.services.route53.model import HostedZone

TAGS_MAX = 50


class Tags(Base):
    def change_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if not params.get("AddTags") and not params.get("RemoveTagKeys"):
            raise InvalidInput("At least one of AddTags and RemoveTagKeys must be specified.")
        with self._store.write() as tx:
            zone = self._tagged(tx, ctx.account, params["ResourceType"], params["ResourceId"])
            tags = {key: value for key, value in zone.tags.items() if key not in (params.get("RemoveTagKeys") or ())}
            tags.update(tags_from_wire(params.get("AddTags")))
            if len(tags) > TAGS_MAX:
                raise InvalidInput(f"The number of tags exceeds the limit of {TAGS_MAX}.")
            self._records.put_zone(tx, msgspec.structs.replace(zone, tags=tags))
        return {}

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        zone = self._tagged(self._store.snapshot(), ctx.account, params["ResourceType"], params["ResourceId"])
        return {"ResourceTagSet": _tag_set(zone)}

    def list_tags_for_resources(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        zones = [self._tagged(snapshot, ctx.account, params["ResourceType"], each) for each in params["ResourceIds"]]
        return {"ResourceTagSets": [_tag_set(zone) for zone in zones]}

    def _tagged(self, reader: Snapshot | Tx, account: str, resource_type: str, given: str) -> HostedZone:
        if resource_type != "hostedzone":
            raise NoSuchHealthCheck(given)
        return self._zone(reader, account, given)


def _tag_set(zone: HostedZone) -> dict[str, Any]:
    return {"ResourceType": "hostedzone", "ResourceId": zone.id, "Tags": tags_to_wire(zone.tags)}
