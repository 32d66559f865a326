"""Task definitions: numbered revisions of what a task's containers are."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import (
    Operations,
    Params,
    Result,
    find_definition,
    own_name,
    page,
    tags_of,
    tags_to_wire,
)
from kunren.services.ecs.definitions import attributes, checks
from kunren.services.ecs.definitions.uses import in_use
from kunren.services.ecs.model import Family, TaskDefinition
from kunren.services.ecs.names import arn

DELETED_MAX = 10


class TaskDefinitionOperations(Operations):
    def register_task_definition(self, ctx: RequestContext, params: Params) -> Result:
        document, tags = checks.checked(params), tags_of(params)
        family = document.pop("family")
        with self._store.write() as tx:
            last = tx.get(Family, ctx.account, ctx.region, family)
            revision = last.last + 1 if last is not None else 1
            tx.put(Family(account=ctx.account, region=ctx.region, id=family, last=revision))
            made = TaskDefinition(
                account=ctx.account, region=ctx.region, id=f"{family}:{revision}", family=family, revision=revision,
                document=document, registered_at=self._clock.now(), tags=tags, registered_by=_caller(ctx),
            )  # fmt: skip
            tx.put(made)
        return {"taskDefinition": definition_to_wire(made), "tags": tags_to_wire(tags)}

    def describe_task_definition(self, ctx: RequestContext, params: Params) -> Result:
        found = find_definition(self._store.snapshot(), ctx, params["taskDefinition"])
        if found is None:
            raise errors.ClientException("Unable to describe task definition.")
        shown: Result = {"taskDefinition": definition_to_wire(found)}
        if "TAGS" in (params.get("include") or ()):
            shown["tags"] = tags_to_wire(found.tags)
        return shown

    def deregister_task_definition(self, ctx: RequestContext, params: Params) -> Result:
        named = own_name(ctx, params["taskDefinition"], "task-definition")
        with self._store.write() as tx:
            found = tx.get(TaskDefinition, ctx.account, ctx.region, named)
            if ":" not in named:
                raise errors.ClientException("Task definition must be specified as family:revision or ARN.")
            if found is None:
                raise errors.ClientException("The specified task definition does not exist.")
            if found.status == "ACTIVE":
                found = replace(found, status="INACTIVE", deregistered_at=self._clock.now())
                tx.put(found)
        return {"taskDefinition": definition_to_wire(found)}

    def delete_task_definitions(self, ctx: RequestContext, params: Params) -> Result:
        if len(params["taskDefinitions"]) > DELETED_MAX:
            raise errors.InvalidParameterException(f"At most {DELETED_MAX} task definitions can be deleted at once.")
        deleted, failures = [], []
        with self._store.write() as tx:
            for named in params["taskDefinitions"]:
                found = tx.get(TaskDefinition, ctx.account, ctx.region, own_name(ctx, named, "task-definition"))
                if found is None:
                    failures.append({"arn": named, "reason": "The specified task definition does not exist."})
                elif found.status == "ACTIVE":
                    failures.append({
                        "arn": arn(found, "task-definition", found.id),
                        "reason": "The specified task definition is still in ACTIVE status. Please deregister the "
                        "target and try again.",
                    })  # fmt: skip
                else:
                    if found.status == "INACTIVE":
                        found = replace(found, status="DELETE_IN_PROGRESS", delete_requested_at=self._clock.now())
                    deleted.append(definition_to_wire(found))
                    if in_use(tx, found):
                        tx.put(found)
                    else:
                        tx.delete(found)
        return {"taskDefinitions": deleted, "failures": failures}

    def list_task_definitions(self, ctx: RequestContext, params: Params) -> Result:
        prefix, status = params.get("familyPrefix"), params.get("status") or "ACTIVE"
        found = [
            each
            for each in self._store.snapshot().list(TaskDefinition, ctx.account, ctx.region)
            if prefix in (None, each.family) and each.status == status
        ]
        down = params.get("sort") == "DESC"
        found.sort(key=lambda each: (each.family, each.revision), reverse=down)
        places = {each.id: f"{place:010d}" for place, each in enumerate(found)}
        chosen, token = page(found, params, lambda each: places[each.id])
        return {"taskDefinitionArns": [arn(each, "task-definition", each.id) for each in chosen], "nextToken": token}

    def list_task_definition_families(self, ctx: RequestContext, params: Params) -> Result:
        prefix, status = params.get("familyPrefix") or "", params.get("status") or "ALL"
        by_family: dict[str, bool] = {}
        for each in self._store.snapshot().list(TaskDefinition, ctx.account, ctx.region):
            by_family[each.family] = by_family.get(each.family, False) or each.status == "ACTIVE"
        found = sorted(
            family
            for family, active in by_family.items()
            if family.startswith(prefix) and (status == "ALL" or active == (status == "ACTIVE"))
        )
        chosen, token = page(found, params, lambda each: each)
        return {"families": chosen, "nextToken": token}


def definition_to_wire(found: TaskDefinition) -> dict[str, Any]:
    shown = {
        "taskDefinitionArn": arn(found, "task-definition", found.id),
        "family": found.family,
        "revision": found.revision,
        "status": found.status,
        **found.document,
        "requiresAttributes": [{"name": each} for each in attributes.required(found.document)],
        "registeredAt": found.registered_at,
        "registeredBy": found.registered_by,
    }
    if found.deregistered_at is not None:
        shown["deregisteredAt"] = found.deregistered_at
    if found.delete_requested_at is not None:
        shown["deleteRequestedAt"] = found.delete_requested_at
    return shown


def _caller(ctx: RequestContext) -> str:
    return ctx.caller.arn if ctx.caller is not None else f"arn:aws:iam::{ctx.account}:root"
