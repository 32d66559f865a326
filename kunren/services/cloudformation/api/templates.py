"""Templates: what stacks were made from, and what can be said of a template before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.cloudformation import modules, parameters, structure
from kunren.services.cloudformation.api.base import Base, Params, Result
from kunren.services.cloudformation.api.stack_sets import set_named
from kunren.services.cloudformation.errors import ChangeSetNotFoundException, ValidationError
from kunren.services.cloudformation.model import ChangeSet
from kunren.services.cloudformation.schemas import schema
from kunren.services.cloudformation.template import parse
from kunren.services.cloudformation.transforms import transforms_of


class Templates(Base):
    def get_template(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self.store.snapshot()
        if name := params.get("ChangeSetName"):
            of = self.stack(snapshot, ctx, params["StackName"]).id if params.get("StackName") else None
            held = [
                each
                for each in snapshot.list(ChangeSet, ctx.account, ctx.region)
                if name in (each.arn, each.name) and of in (None, each.stack)
            ]
            if not held:
                raise ChangeSetNotFoundException(f"ChangeSet [{name}] does not exist")
            revision = json.loads(held[0].revision)
            text, processed = revision["template"], revision["processed"]
        else:
            if not params.get("StackName"):
                raise ValidationError("StackName is required if ChangeSetName is not specified.")
            stack = self.stack(snapshot, ctx, params["StackName"])
            found = self.revision_of(snapshot, stack, stack.target)
            if found is None:
                return {"TemplateBody": "", "StagesAvailable": ["Original", "Processed"]}
            text, processed = found.template, found.processed
        if params.get("TemplateStage", "Original") == "Processed" and expands(parse(text)):
            text = processed
        return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}

    async def validate_template(self, ctx: RequestContext, params: Params) -> Result:
        parsed = readable(parse(await self.template_text(ctx, params)))
        shown = [parameters.summary(name, each) for name, each in (parsed.get("Parameters") or {}).items()]
        keys = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
        found: Result = {
            "Parameters": [{key: each[key] for key in keys if key in each} for each in shown],
            "DeclaredTransforms": transforms_of(parsed),
        }
        needed, types = structure.capabilities(parsed)
        if expands(parsed):
            needed = [*needed, "CAPABILITY_AUTO_EXPAND"]
        found["Capabilities"] = needed
        if types:
            found["CapabilitiesReason"] = f"The following resource(s) require capabilities: [{', '.join(types)}]"
        return {**found, **({"Description": parsed["Description"]} if "Description" in parsed else {})}

    async def get_template_summary(self, ctx: RequestContext, params: Params) -> Result:
        if name := params.get("StackName"):
            stack = self.stack(self.store.snapshot(), ctx, name)
            revision = self.revision_of(self.store.snapshot(), stack, stack.target)
            text = revision.template if revision is not None else "{}"
        elif name := params.get("StackSetName"):
            text = set_named(self.store.snapshot(), ctx, name).template
        else:
            text = await self.template_text(ctx, params)
        parsed = readable(parse(text))
        needed, types = structure.capabilities(parsed)
        found: Result = {
            "Parameters": [parameters.summary(name, each) for name, each in (parsed.get("Parameters") or {}).items()],
            "ResourceTypes": sorted({each["Type"] for each in parsed["Resources"].values()}),
            "DeclaredTransforms": transforms_of(parsed),
            "Capabilities": needed,
            "ResourceIdentifierSummaries": _identifiers(parsed["Resources"]),
        }
        if types:
            found["CapabilitiesReason"] = f"The following resource(s) require capabilities: [{', '.join(types)}]"
        if "Metadata" in parsed:
            found["Metadata"] = json.dumps(parsed["Metadata"])
        if "AWSTemplateFormatVersion" in parsed:
            found["Version"] = str(parsed["AWSTemplateFormatVersion"])
        return {**found, **({"Description": parsed["Description"]} if "Description" in parsed else {})}


def expands(template: Mapping[str, Any]) -> bool:
    """Whether what is processed is another template: it has transforms or modules."""
    return bool(transforms_of(template) or modules.used(template))


def readable(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template, checked; of one with transforms or modules, which are not carried out here, its parameters and
    those of its resources that are resources already. Raises ValidationError."""
    if not expands(template):
        structure.check_sections(template)
        return dict(template)
    parameters.check_declared(template.get("Parameters") or {})
    stated = template.get("Resources")
    plain = {
        logical: each
        for logical, each in (stated if isinstance(stated, dict) else {}).items()
        if isinstance(each, dict) and isinstance(each.get("Type"), str) and isinstance(each.get("Properties", {}), dict)
    }
    return {**template, "Resources": plain}


def _identifiers(resources: dict[str, dict[str, str]]) -> list[Result]:
    by_type: dict[str, list[str]] = {}
    for logical, each in resources.items():
        by_type.setdefault(each["Type"], []).append(logical)
    found = ((type, names, schema(type)) for type, names in sorted(by_type.items()))
    return [
        {"ResourceType": type, "LogicalResourceIds": names, "ResourceIdentifiers": list(published.primary)}
        for type, names, published in found
        if published is not None
    ]
