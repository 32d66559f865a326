"""What can be done: actions and types of resources; and the tags of templates and experiments."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.services.fis import errors, views
from kunren.services.fis.api.base import Base, Params, paged
from kunren.services.fis.catalog import ACTIONS, RESOURCE_TYPES
from kunren.services.fis.model import Experiment, ExperimentTemplate


class Catalogue(Base):
    def list_actions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        found, more = paged([ACTIONS[id] for id in sorted(ACTIONS)], params, "actions", lambda each: each.id)
        return {"actions": [views.action(each, ctx.region, ctx.account, whole=False) for each in found], **more}

    def get_action(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params["id"] not in ACTIONS:
            raise errors.ResourceNotFoundException(f"Action {params['id']} does not exist.")
        return {"action": views.action(ACTIONS[params["id"]], ctx.region, ctx.account, whole=True)}

    def list_target_resource_types(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        every = [RESOURCE_TYPES[id] for id in sorted(RESOURCE_TYPES)]
        found, more = paged(every, params, "targetResourceTypes", lambda each: each.id)
        listed = [{"resourceType": each.id, "description": each.description} for each in found]
        return {"targetResourceTypes": listed, **more}

    def get_target_resource_type(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params["resourceType"] not in RESOURCE_TYPES:
            raise errors.ResourceNotFoundException(f"Resource type {params['resourceType']} does not exist.")
        return {"targetResourceType": views.resource_type(RESOURCE_TYPES[params["resourceType"]])}

    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"tags": self._tagged(self.store.snapshot(), ctx, params["resourceArn"]).tags}

    def tag_resource(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self._tagged(tx, ctx, params["resourceArn"])
            tx.put(replace(found, tags={**found.tags, **params["tags"]}))
        return {}

    def untag_resource(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        gone = params.get("tagKeys") or ()
        with self.store.write() as tx:
            found = self._tagged(tx, ctx, params["resourceArn"])
            tx.put(replace(found, tags={key: value for key, value in found.tags.items() if key not in gone}))
        return {}

    def _tagged(self, reader: Snapshot | Tx, ctx: RequestContext, arn: str) -> ExperimentTemplate | Experiment:
        parsed = parse_arn(arn)
        kind, _, id = (parsed.resource if parsed is not None else "").partition("/")
        if kind == "experiment-template":
            return self.template(reader, ctx, id)
        if kind == "experiment":
            return self.experiment(reader, ctx, id)
        raise errors.ResourceNotFoundException(f"The resource {arn} does not exist.")
