"""Versions of an app: where its resources come from, what they are, what was published."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.services.resiliencehub import views
from kunren.services.resiliencehub.api.base import Base, Params, paged
from kunren.services.resiliencehub.discovery import Unresolved
from kunren.services.resiliencehub.errors import ConflictException, ValidationException, missing
from kunren.services.resiliencehub.model import DRAFT, App, AppVersion

_HERE = ("ResourceGroup", "Terraform", "Resource")


class Versions(Base):
    async def import_resources_to_draft_app_version(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("eksSources"):
            raise ValidationException("Kunren has no EKS clusters yet.")
        arns, states = params.get("sourceArns") or [], params.get("terraformSources") or []
        given = [_group(each) for each in arns] + [_terraform(each["s3StateFileUrl"]) for each in states]
        if not given:
            raise ValidationException("At least one source must be specified.")
        replaces = params.get("importStrategy") == "ReplaceAll"
        self._change_draft(ctx, params, lambda draft: _with(replace(draft, mappings=()) if replaces else draft, given))
        draft = await self._resolve(ctx, params["appArn"], DRAFT)
        status = "Failed" if draft.failure else "Success"
        return {
            "appArn": params["appArn"], "appVersion": DRAFT, "status": status, "sourceArns": arns,
            "terraformSources": states, "eksSources": [],
        }  # fmt: skip

    def describe_draft_app_version_resources_import_status(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        draft = self.version(self.app(self.store.snapshot(), ctx, params["appArn"]), DRAFT)
        shown = {"appArn": params["appArn"], "appVersion": DRAFT, "statusChangeTime": draft.created}
        if draft.failure:
            return {**shown, "status": "Failed", "errorMessage": draft.failure}
        return {**shown, "status": "Success"}

    def add_draft_app_version_resource_mappings(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        given = params["resourceMappings"]
        for each in given:
            if each["mappingType"] not in _HERE:
                raise ValidationException(f"Kunren has no inputs of the type {each['mappingType']} yet.")
        self._change_draft(ctx, params, lambda draft: _with(draft, given))
        return {"appArn": params["appArn"], "appVersion": DRAFT, "resourceMappings": given}

    def remove_draft_app_version_resource_mappings(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        members = ("resourceGroupNames", "terraformSourceNames", "resourceNames")
        gone = {name for member in members for name in params.get(member) or ()}
        self._change_draft(ctx, params, lambda draft: _without(draft, lambda each: views.name_of(each) in gone))
        return {"appArn": params["appArn"], "appVersion": DRAFT}

    def list_app_version_resource_mappings(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        version = self._version(ctx, params)
        found, more = paged(version.mappings, params, lambda each: each["physicalResourceId"]["identifier"])
        return {"resourceMappings": found, **more}

    def list_app_input_sources(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        version = self._version(ctx, params)
        every = [*version.resources, *version.unsupported]
        listed = [
            views.input_source(each, sum(one.source == views.name_of(each) for one in every))
            for each in version.mappings
        ]
        found, more = paged(listed, params, lambda each: each["sourceName"])
        return {"appInputSources": found, **more}

    def delete_app_input_source(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        wanted = params.get("sourceArn") or (params.get("terraformSource") or {}).get("s3StateFileUrl")
        draft = self.version(self.app(self.store.snapshot(), ctx, params["appArn"]), DRAFT)
        held = [each for each in draft.mappings if each["physicalResourceId"]["identifier"] == wanted]
        if not held:
            raise missing("AppInputSource", str(wanted))
        count = sum(one.source == views.name_of(held[0]) for one in draft.resources)
        self._change_draft(ctx, params, lambda now: _without(now, held.__contains__))
        return {"appArn": params["appArn"], "appInputSource": views.input_source(held[0], count)}

    # -- resolving ---------------------------------------------------------------------------------------------------

    async def resolve_app_version_resources(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        resolved = await self._resolve(ctx, params["appArn"], params["appVersion"])
        return self._resolution(params, resolved)

    def describe_app_version_resources_resolution_status(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._resolution(params, self._version(ctx, params))

    def _resolution(self, params: Params, version: AppVersion) -> dict[str, Any]:
        shown = {
            "appArn": params["appArn"], "appVersion": version.version, "resolutionId": version.resolution_id or "none",
            "status": "Failed" if version.failure else "Success",
        }  # fmt: skip
        return {**shown, "errorMessage": version.failure[:500]} if version.failure else shown

    async def _resolve(self, ctx: RequestContext, app_arn: str, wanted: str) -> AppVersion:
        """Look up what a version consists of now."""
        version = self.version(self.app(self.store.snapshot(), ctx, app_arn), wanted)
        changed: dict[str, Any] = {"resolution_id": self.entropy.uuid(), "failure": ""}
        try:
            found = await self.discovery.resolve(version.mappings, ctx.account, ctx.region)
        except Unresolved as error:
            changed["failure"] = str(error)
        else:
            changed |= {"resources": found.resources, "unsupported": found.unsupported}
        with self.store.write() as tx:
            app = self.app(tx, ctx, app_arn)
            resolved = replace(self.version(app, version.version), **changed)
            tx.put(_put(app, resolved))
        return resolved

    def list_app_version_resources(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        version = self._version(ctx, params)
        found, more = paged(version.resources, params, lambda each: each.identifier)
        shown = {"physicalResources": [views.physical(each) for each in found]}
        return {**shown, "resolutionId": version.resolution_id or "none", **more}

    def list_unsupported_app_version_resources(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        version = self._version(ctx, params)
        found, more = paged(version.unsupported, params, lambda each: each.identifier)
        shown = {"unsupportedResources": [views.unsupported(each) for each in found]}
        return {**shown, "resolutionId": version.resolution_id or "none", **more}

    def list_app_version_app_components(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        version = self._version(ctx, params)
        found, more = paged(views.components_of(version.resources), params, lambda each: each["name"])
        return {"appArn": params["appArn"], "appVersion": version.version, "appComponents": found, **more}

    # -- versions ----------------------------------------------------------------------------------------------------

    def publish_app_version(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            app = self.app(tx, ctx, params["appArn"])
            name = params.get("versionName") or ""
            if name and any(each.name == name for each in app.versions):
                raise ConflictException(f"App version with name {name} already exists", resourceId=name)
            number = len(app.versions)
            draft = self.version(app, DRAFT)
            version = replace(draft, version=str(number), name=name, identifier=number, created=self.clock.now())
            tx.put(replace(app, versions=(*app.versions, version)))
        shown = {"appArn": app.id, "appVersion": version.version, "identifier": number}
        return {**shown, "versionName": name} if name else shown

    def list_app_versions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        app = self.app(self.store.snapshot(), ctx, params["appArn"])
        found, more = paged(app.versions, params, lambda each: f"{each.identifier:09d}")
        return {"appVersions": [views.version(each) for each in found], **more}

    def describe_app_version(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"appArn": params["appArn"], "appVersion": self._version(ctx, params).version}

    def describe_app_version_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        version = self._version(ctx, params)
        return {"appArn": params["appArn"], "appVersion": version.version, "appTemplateBody": views.template(version)}

    def put_draft_app_version_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """What it says of resources that were found is kept as it is; it names none that were not."""
        body = params["appTemplateBody"]
        try:
            given = json.loads(body)
            named = {each["logicalResourceId"]["identifier"] for each in given.get("resources") or ()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValidationException("The template body is not valid.") from error
        draft = self.version(self.app(self.store.snapshot(), ctx, params["appArn"]), DRAFT)
        unknown = named - {each.logical for each in (*draft.resources, *draft.unsupported)}
        if unknown:
            raise ValidationException(f"The template names resources that no input has: {', '.join(sorted(unknown))}.")
        self._change_draft(ctx, params, lambda now: replace(now, template=body))
        return {"appArn": params["appArn"], "appVersion": DRAFT}

    # -- help --------------------------------------------------------------------------------------------------------

    def _version(self, ctx: RequestContext, params: Params) -> AppVersion:
        return self.version(self.app(self.store.snapshot(), ctx, params["appArn"]), params["appVersion"])

    def _change_draft(self, ctx: RequestContext, params: Params, change: Callable[[AppVersion], AppVersion]) -> None:
        with self.store.write() as tx:
            app = self.app(tx, ctx, params["appArn"])
            tx.put(_put(app, change(self.version(app, DRAFT))))


def _put(app: App, version: AppVersion) -> App:
    versions = tuple(version if each.version == version.version else each for each in app.versions)
    return replace(app, versions=versions)


def _with(draft: AppVersion, given: list[dict[str, Any]]) -> AppVersion:
    named = {each["physicalResourceId"]["identifier"] for each in given}
    kept = [each for each in draft.mappings if each["physicalResourceId"]["identifier"] not in named]
    return replace(draft, mappings=(*kept, *given))


def _without(draft: AppVersion, gone: Callable[[dict[str, Any]], bool]) -> AppVersion:
    sources = {views.name_of(each) for each in draft.mappings if gone(each)}
    return replace(
        draft,
        mappings=tuple(each for each in draft.mappings if not gone(each)),
        resources=tuple(each for each in draft.resources if each.source not in sources),
        unsupported=tuple(each for each in draft.unsupported if each.source not in sources),
    )


def _group(arn: str) -> dict[str, Any]:
    """Raises ValidationException for a source that is no resource group."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "resource-groups":
        raise ValidationException(f"{arn} is not a resource group; Kunren has no other sources with an ARN yet.")
    name = parsed.resource.rpartition("/")[2]
    where = {"identifier": arn, "type": "Arn", "awsAccountId": parsed.account, "awsRegion": parsed.region}
    return {"mappingType": "ResourceGroup", "resourceGroupName": name, "physicalResourceId": where}


def _terraform(url: str) -> dict[str, Any]:
    where = {"identifier": url, "type": "Native"}
    return {"mappingType": "Terraform", "terraformSourceName": url, "physicalResourceId": where}
