"""The registry of types, as far as it can be read: AWS's own resource types that stacks can have here."""

from __future__ import annotations

import json

from kunren.core.context import RequestContext
from kunren.services.cloudformation.api.base import Params, Result
from kunren.services.cloudformation.api.modules import Modules
from kunren.services.cloudformation.errors import TypeNotFoundException, ValidationError
from kunren.services.cloudformation.hooks import VERSION
from kunren.services.cloudformation.model import Hook
from kunren.services.cloudformation.resources import TYPES
from kunren.services.cloudformation.schemas import Schema, schema

PAGE = 100


class Types(Modules):
    def list_types(self, ctx: RequestContext, params: Params) -> Result:
        """ListTypes. Private ones are modules, and none of third parties'."""
        filters = params.get("Filters") or {}
        if params.get("Type") == "MODULE" and params.get("Visibility", "PRIVATE") == "PRIVATE":
            prefix, size = filters.get("TypeNamePrefix", ""), params.get("MaxResults") or PAGE
            held = [each for each in self.summaries(ctx) if each["TypeName"].startswith(prefix)]
            chosen, token = self.paged(held, params, size, lambda each: each["TypeName"])
            return {"TypeSummaries": chosen, **token}
        if params.get("Type") == "HOOK" and params.get("Visibility", "PRIVATE") == "PRIVATE":
            held = [_hook(each) for each in self.store.snapshot().list(Hook, ctx.account, ctx.region)]
            held = [each for each in held if each["TypeName"].startswith(filters.get("TypeNamePrefix", ""))]
            chosen, token = self.paged(held, params, params.get("MaxResults") or PAGE, lambda each: each["TypeName"])
            return {"TypeSummaries": chosen, **token}
        own = params.get("Visibility", "PRIVATE") == "PRIVATE" or params.get("Type", "RESOURCE") != "RESOURCE"
        aws = filters.get("Category", "AWS_TYPES") == "AWS_TYPES"
        prefix = filters.get("TypeNamePrefix", "")
        names = [] if own or not aws else [each for each in sorted(TYPES) if each.startswith(prefix)]
        size = params.get("MaxResults") or PAGE
        chosen, token = self.paged([each for each in names if schema(each)], params, size, lambda each: each)
        shown = [
            {"Type": "RESOURCE", "TypeName": each, "TypeArn": _arn(ctx, each), "IsActivated": True} for each in chosen
        ]
        return {"TypeSummaries": shown, **token}

    def describe_type(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeType: the schema, as AWS publishes it."""
        name, arn = params.get("TypeName"), params.get("Arn")
        if not name and not arn:
            raise ValidationError("Either Arn, or Type and TypeName must be specified")
        if params.get("Type") == "MODULE" or ":type/module/" in str(arn):
            return self.described(ctx, params)
        name = name or str(arn).rpartition("/")[2].replace("-", "::")
        if params.get("Type") == "HOOK" or ":type/hook/" in str(arn):
            found = self.store.snapshot().get(Hook, ctx.account, ctx.region, name)
            if found is None:
                raise TypeNotFoundException(f"The type '{name}' cannot be found.")
            shown = {**_hook(found), "Arn": found.arn, "DeprecatedStatus": "LIVE", "Visibility": "PRIVATE"}
            return {key: each for key, each in shown.items() if key != "TypeArn"}
        published = schema(name) if name in TYPES else None
        if published is None:
            raise TypeNotFoundException(f"The type '{name}' cannot be found.")
        document = published.document
        return {
            "Arn": _arn(ctx, name),
            "Type": "RESOURCE",
            "TypeName": name,
            "Description": document.get("description", ""),
            "Schema": json.dumps(document),
            "ProvisioningType": _provisioning(published),
            "DeprecatedStatus": "LIVE",
            "Visibility": "PUBLIC",
        }


def _hook(hook: Hook) -> Result:
    """A Lambda hook as a type."""
    return {
        "Type": "HOOK",
        "TypeName": hook.id,
        "TypeArn": hook.arn,
        "DefaultVersionId": VERSION,
        "OriginalTypeName": hook.original,
        "IsActivated": True,
    }


def _provisioning(published: Schema) -> str:
    handlers = published.document.get("handlers") or {}
    if not handlers:
        return "NON_PROVISIONABLE"
    return "FULLY_MUTABLE" if "update" in handlers else "IMMUTABLE"


def _arn(ctx: RequestContext, name: str) -> str:
    return f"arn:aws:cloudformation:{ctx.region}::type/resource/{name.replace('::', '-')}"
