"""Tags of groups."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.autoscaling import checks, errors, views
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged
from kunren.services.autoscaling.model import Group


class TagOperations(Operations):
    def create_or_update_tags(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            for each in params["Tags"]:
                group = find(tx, ctx, each.get("ResourceId") or "")
                kept, propagated = checks.tags([each])
                others = tuple(key for key in group.propagated if key not in kept)
                tx.put(replace(group, tags={**group.tags, **kept}, propagated=tuple(sorted((*others, *propagated)))))
        return {}

    def delete_tags(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            for each in params["Tags"]:
                group = find(tx, ctx, each.get("ResourceId") or "")
                left = {key: value for key, value in group.tags.items() if key != each["Key"]}
                tx.put(replace(group, tags=left, propagated=tuple(key for key in group.propagated if key in left)))
        return {}

    def describe_tags(self, ctx: RequestContext, params: Params) -> Result:
        groups = self._store.snapshot().list(Group, ctx.account, ctx.region)
        found = [tag for group in groups for tag in views.tags(group)]
        members = {"auto-scaling-group": "ResourceId", "key": "Key", "value": "Value"}
        for wanted in params.get("Filters") or ():
            member = members.get(wanted.get("Name") or "")
            if member is None:
                raise errors.NotYet(f"filter {wanted.get('Name')} of tags")
            found = [each for each in found if each[member] in (wanted.get("Values") or ())]
        page, token = paged(found, params, lambda each: f"{each['ResourceId']}\0{each['Key']}", 50)
        return {"Tags": page, "NextToken": token}
