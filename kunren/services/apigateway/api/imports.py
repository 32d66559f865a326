"""APIs from definitions, and definitions of APIs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.apigateway import policies
from kunren.services.apigateway.api.deployments import DeploymentOperations
from kunren.services.apigateway.api.methods import MethodOperations, check_integration, check_method, new_integration
from kunren.services.apigateway.api.parts import PartOperations
from kunren.services.apigateway.api.resources import RESOURCES_MAX, check_place
from kunren.services.apigateway.api.rest_apis import check_rest_api, endpoint_configuration, execute_arn
from kunren.services.apigateway.errors import BadRequestException, LimitExceededException
from kunren.services.apigateway.model import (
    Authorizer,
    Deployment,
    DocumentationPart,
    GatewayResponse,
    Model,
    PathResource,
    RequestValidator,
    RestApi,
    Stage,
)
from kunren.services.apigateway.openapi.definition import Definition
from kunren.services.apigateway.openapi.document import parse
from kunren.services.apigateway.openapi.read import read
from kunren.services.apigateway.openapi.write import write
from kunren.services.apigateway.schemas import check_schema

_REPLACED = (PathResource, Model, RequestValidator, Authorizer, GatewayResponse, DocumentationPart)
_BASE_PATHS = ("ignore", "prepend", "split")


def _read(body: bytes) -> Definition:
    return read(parse(body))


class ImportOperations(DeploymentOperations, MethodOperations, PartOperations):
    async def import_rest_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        told = params.get("parameters") or {}
        definition = await asyncio.to_thread(_read, bytes(params["body"]))
        if not definition.name:
            raise BadRequestException("Invalid OpenAPI input: the title is missing")
        types = told.get("endpointConfigurationTypes")
        configuration = {"types": types.split(",")} if types else definition.settings.get("endpointConfiguration")
        with self._store.write() as tx:
            api = self._new_rest_api(tx, ctx, {"name": definition.name, "endpointConfiguration": configuration})
            self._begin(tx, api)
            api = self._apply(tx, ctx, api, definition, params)
        return {**api.shape, **_warned(definition)}

    async def put_rest_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        mode = params.get("mode") or "merge"
        self._rest_api(self._store.snapshot(), ctx, params)
        definition = await asyncio.to_thread(_read, bytes(params["body"]))
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            if mode == "overwrite":
                self._delete_parts(tx, api, _REPLACED)
                self._begin(tx, api)
                cleared = ("description", "version", "binaryMediaTypes", "minimumCompressionSize", "policy")
                kept = {name: value for name, value in api.shape.items() if name not in cleared}
                api = self._put(tx, api, {**kept, "name": definition.name or api.shape["name"]})
            api = self._apply(tx, ctx, api, definition, params)
        return {**api.shape, **_warned(definition)}

    def _apply(
        self, tx: Tx, ctx: RequestContext, api: RestApi, definition: Definition, params: Mapping[str, Any]
    ) -> RestApi:
        """Write all that a definition says. Raises, so that nothing of it stays, where it can't be."""
        try:
            return self._written(tx, ctx, api, definition, params)
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # a number where a text must be, and such
            raise BadRequestException(f"Invalid OpenAPI input: {error!r}") from None

    def _written(
        self, tx: Tx, ctx: RequestContext, api: RestApi, definition: Definition, params: Mapping[str, Any]
    ) -> RestApi:
        if params.get("failOnWarnings") and definition.warnings:
            raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(definition.warnings))
        api = self._apply_settings(tx, api, definition)
        names = {
            "authorizerId": self._apply_authorizers(tx, api, definition),
            "requestValidatorId": self._apply_validators(tx, api, definition),
        }
        for name, model in definition.models.items():
            schema = model["schema"].replace(
                '"$ref": "models/', f'"$ref": "https://apigateway.amazonaws.com/restapis/{api.id}/models/'
            )
            check_schema(schema)
            self._new_model(tx, api, {**model, "name": name, "schema": schema})
        for kind, response in definition.responses.items():
            self._put_gateway_response(tx, api, {**response, "responseType": kind})
        for part in definition.documentation:
            self._new_documentation_part(tx, api, part)
        self._apply_paths(tx, ctx, api, definition, names, _prefix(definition, params))
        return api

    def _apply_settings(self, tx: Tx, api: RestApi, definition: Definition) -> RestApi:
        shape = dict(api.shape)
        told_of_it = {"description": definition.description, "version": definition.version}
        shape |= {name: value for name, value in told_of_it.items() if value is not None}
        shape |= {name: each for name, each in definition.settings.items() if name != "endpointConfiguration"}
        if told := definition.settings.get("endpointConfiguration"):
            shape["endpointConfiguration"] = endpoint_configuration(told)
        if shape.get("policy"):
            shape["policy"] = policies.checked(shape["policy"], execute_arn(api.account, api.region, api.id))
        check_rest_api(shape)
        return self._put(tx, api, shape)

    def _apply_authorizers(self, tx: Tx, api: RestApi, definition: Definition) -> dict[str, str]:
        """The ids of authorizers by their names."""
        existing = {each.shape["name"]: each for each in self._parts(tx, Authorizer, api)}
        ids = {}
        for name, told in definition.authorizers.items():
            if name in existing:
                tx.delete(existing[name])
            ids[name] = self._new_authorizer(tx, api, told)["id"]
        return ids

    def _apply_validators(self, tx: Tx, api: RestApi, definition: Definition) -> dict[str, str]:
        existing = {each.shape.get("name"): each.name for each in self._parts(tx, RequestValidator, api)}
        return {
            name: existing.get(name) or self._new_validator(tx, api, {**told, "name": name})["id"]
            for name, told in definition.validators.items()
        }

    def _apply_paths(
        self, tx: Tx, ctx: RequestContext, api: RestApi, definition: Definition, names: Mapping[str, Any], prefix: str
    ) -> None:
        resources = {each.path: each for each in self._resources(tx, api).values()}
        children: dict[str, list[PathResource]] = {}
        for each in resources.values():
            children.setdefault(each.parent, []).append(each)
        for path, methods in definition.paths.items():
            resource = resources["/"]
            for part in filter(None, (prefix + path).split("/")):
                below = resource.path.rstrip("/") + "/" + part
                if below not in resources:
                    check_place(resource, children.get(resource.name, ()), part)
                    resources[below] = self._new_resource(tx, api, resource, part)
                    children.setdefault(resource.name, []).append(resources[below])
                    if len(resources) > RESOURCES_MAX + 1:
                        raise LimitExceededException("Maximum number of resources for this API has been reached")
                resource = resources[below]
            made = {name: self._imported(ctx, tx, resource, each, names) for name, each in methods.items()}
            placed = msgspec.structs.replace(resource, methods={**resource.methods, **made})
            resources[placed.path] = placed
            tx.put(placed)

    def _imported(
        self, ctx: RequestContext, tx: Tx, resource: PathResource, told: dict[str, Any], names: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A method of a definition with ids for names, checked as PutMethod and PutIntegration check."""
        method = dict(told)
        for member, ids in names.items():
            if member in method:
                method[member] = ids[method[member]]
        check_method(method)
        if (integration := method.get("methodIntegration")) is not None:
            made = {**new_integration(integration, resource.name), **integration}
            check_integration(made)
            self._check_link(tx, ctx, made)
            for status in made.get("integrationResponses") or {}:
                method.setdefault("methodResponses", {}).setdefault(status, {"statusCode": status})
            method["methodIntegration"] = made
        return method

    # --- exports --------------------------------------------------------------------------------------------------

    def get_export(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._rest_api(snapshot, ctx, params)
        stage = self._find(snapshot, Stage, ctx, f"{api.id}/{params['stageName']}")
        deployment = self._find(snapshot, Deployment, ctx, f"{api.id}/{stage.shape['deploymentId']}")
        kind, accepts = params["exportType"], params.get("accepts") or "application/json"
        if kind not in ("swagger", "oas30"):
            raise BadRequestException(f"No API exporter for type '{kind}'")
        if accepts not in ("application/json", "application/yaml"):
            raise BadRequestException(f"Invalid export format specified: {accepts}")
        extensions = [each.strip() for each in (params.get("parameters") or {}).get("extensions", "").split(",")]
        document = write(api, stage, deployment.frozen, kind == "oas30", extensions)
        as_json = accepts == "application/json"
        text = json.dumps(document, indent=2) if as_json else yaml.safe_dump(document, sort_keys=False)
        name = f"{kind}_{deployment.shape['createdDate']:.0f}.{'json' if as_json else 'yaml'}"
        return {
            "contentType": accepts, "contentDisposition": f'attachment; filename="{name}"', "body": text.encode()
        }  # fmt: skip

    def import_documentation_parts(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        definition = _read(bytes(params["body"]))
        if params.get("failOnWarnings") and definition.warnings:
            raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(definition.warnings))
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            existing = {json.dumps(each.shape["location"]): each for each in self._parts(tx, DocumentationPart, api)}
            if params.get("mode") == "overwrite":
                for each in existing.values():
                    tx.delete(each)
                existing = {}
            ids = [self._new_documentation_part(tx, api, part)["id"] for part in definition.documentation]
        return {"ids": ids, "warnings": definition.warnings}


def _prefix(definition: Definition, params: Mapping[str, Any]) -> str:
    told = params.get("parameters") or {}
    mode = told.get("basepath") or told.get("basePath") or "ignore"
    if mode not in _BASE_PATHS:
        raise BadRequestException(
            f"Invalid base path mode specified: {mode}. Must be one of: [{', '.join(_BASE_PATHS)}]"
        )
    base = definition.base_path.strip("/")
    if mode == "ignore" or not base:
        return ""
    return f"/{base}" if mode == "prepend" else "/" + base.partition("/")[2] if "/" in base else ""


def _warned(definition: Definition) -> dict[str, Any]:
    return {"warnings": definition.warnings} if definition.warnings else {}
