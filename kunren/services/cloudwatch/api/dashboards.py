"""Dashboards: kept and given back; nothing draws them here. And tags of alarms and dashboards."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.cloudwatch.api.base import Operations, Params, Result, paged
from kunren.services.cloudwatch.errors import (
    DashboardInvalidInputError,
    DashboardNotFoundError,
    InvalidParameterValueException,
    ResourceNotFoundException,
)
from kunren.services.cloudwatch.model import Alarm, Dashboard

GLOBAL = ""
LIST_PAGE, TAGS_MAX = 1000, 50
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


class DashboardOperations(Operations):
    def put_dashboard(self, ctx: RequestContext, params: Params) -> Result:
        name, body = params["DashboardName"], params["DashboardBody"]
        if _NAME.fullmatch(name) is None:
            raise DashboardInvalidInputError(
                "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, "
                "dash (-) and underscore (_)."
            )
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise DashboardInvalidInputError("The field DashboardBody must be a valid JSON object.")
        if not isinstance(told.get("widgets", []), list):
            raise DashboardInvalidInputError("The field widgets of DashboardBody must be an array.")
        with self._store.write() as tx:
            old = tx.get(Dashboard, ctx.account, GLOBAL, name)
            tags = old.tags if old is not None else tags_from_wire(params.get("Tags"))
            tx.put(
                Dashboard(
                    account=ctx.account, region=GLOBAL, id=name, body=body, modified_at=self._clock.now(), tags=tags
                )
            )
        return {"DashboardValidationMessages": []}

    def get_dashboard(self, ctx: RequestContext, params: Params) -> Result:
        found = self._store.snapshot().get(Dashboard, ctx.account, GLOBAL, params["DashboardName"])
        if found is None:
            raise _no_dashboard(params["DashboardName"])
        return {"DashboardArn": found.arn, "DashboardBody": found.body, "DashboardName": found.id}

    def delete_dashboards(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            for name in params["DashboardNames"]:
                found = tx.get(Dashboard, ctx.account, GLOBAL, name)
                if found is None:
                    raise _no_dashboard(name)
                tx.delete(found)
        return {}

    def list_dashboards(self, ctx: RequestContext, params: Params) -> Result:
        prefix = params.get("DashboardNamePrefix") or ""
        found = [
            each for each in self._store.snapshot().list(Dashboard, ctx.account, GLOBAL) if each.id.startswith(prefix)
        ]
        shown, token = paged(found, params.get("NextToken"), LIST_PAGE, lambda each: each.id)
        entries = [
            {
                "DashboardName": each.id,
                "DashboardArn": each.arn,
                "LastModified": datetime.fromtimestamp(each.modified_at, UTC),
                "Size": len(each.body.encode()),
            }
            for each in shown
        ]
        return {"DashboardEntries": entries, "NextToken": token}

    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> Result:
        found = _tagged(self._store.snapshot(), ctx, params["ResourceARN"])
        return {"Tags": tags_to_wire(found.tags)}

    def tag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["ResourceARN"])
            tags = {**found.tags, **tags_from_wire(params["Tags"])}
            if len(tags) > TAGS_MAX:
                raise InvalidParameterValueException(f"A resource has at most {TAGS_MAX} tags.")
            tx.put(replace(found, tags=tags))
        return {}

    def untag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["ResourceARN"])
            kept = {key: value for key, value in found.tags.items() if key not in params["TagKeys"]}
            tx.put(replace(found, tags=kept))
        return {}


def _tagged(view: Snapshot | Tx, ctx: RequestContext, text: str) -> Alarm | Dashboard:
    """Raises InvalidParameterValueException, ResourceNotFoundException."""
    arn = parse_arn(text)
    if arn is None or arn.service != "cloudwatch":
        raise InvalidParameterValueException(f"The value {text} for parameter ResourceARN is invalid.")
    found: Alarm | Dashboard | None = None
    if arn.resource.startswith("alarm:") and arn.account == ctx.account:
        found = view.get(Alarm, arn.account, arn.region, arn.resource[6:])
    elif arn.resource.startswith("dashboard/") and arn.account == ctx.account:
        found = view.get(Dashboard, arn.account, GLOBAL, arn.resource[10:])
    if found is None:
        raise ResourceNotFoundException(f"The resource {text} was not found.", ResourceId=text)
    return found


def _no_dashboard(name: str) -> DashboardNotFoundError:
    return DashboardNotFoundError(f"Dashboard {name} does not exist")
