"""What belongs to an API beside its resources: models, validators, authorizers, gateway responses, documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.apigateway import tables
from kunren.services.apigateway.api.base import Base, given, id_of, paged, shape_of
from kunren.services.apigateway.errors import BadRequestException, ConflictException, NotFoundException
from kunren.services.apigateway.gateway_responses import DEFAULT_STATUS, TYPES, default_response
from kunren.services.apigateway.model import (
    Authorizer,
    DocumentationPart,
    DocumentationVersion,
    GatewayResponse,
    Model,
    PathResource,
    RequestValidator,
    RestApi,
    Stage,
)
from kunren.services.apigateway.patching import patched
from kunren.services.apigateway.schemas import check_schema, flattened, sample

_MODEL_NAME = re.compile(r"[a-zA-Z0-9]+")
_RESPONSE_PARAMETER = re.compile(r"gatewayresponse\.(header|path|querystring)\..+")
_FUNCTION_URI = re.compile(r"arn:aws:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/.+/invocations")
TTL_DEFAULT_S, TTL_MAX_S = 300, 3600


def check_authorizer(shape: Mapping[str, Any]) -> None:
    """Raises BadRequestException, and NotImplemented for what is not here."""
    kind = shape["type"]
    if kind in ("COGNITO_USER_POOLS", "JWT"):
        raise NotImplementedByKunren("apigateway", f"authorizers of type {kind}")
    if kind not in ("TOKEN", "REQUEST"):
        raise BadRequestException(f"Invalid authorizer type specified: {kind}")
    uri = shape.get("authorizerUri") or ""
    if not _FUNCTION_URI.fullmatch(uri):
        raise BadRequestException("Invalid Authorizer URI: " + uri + ". Authorizer URI should be a valid API Gateway "
                                  "ARN that represents a Lambda function invocation.")  # fmt: skip
    ttl = shape.get("authorizerResultTtlInSeconds")
    if ttl is not None and not 0 <= ttl <= TTL_MAX_S:
        raise BadRequestException(f"Authorizer result TTL must be between 0 and {TTL_MAX_S} seconds")
    if kind == "REQUEST" and not shape.get("identitySource") and ttl != 0:
        raise BadRequestException("Identity source is required when caching is enabled for a REQUEST authorizer")
    for source in filter(None, re.split(r"\s*,\s*", shape.get("identitySource") or "")):
        if not re.fullmatch(r"method\.request\.(header|querystring)\..+|stageVariables\..+|context\..+", source):
            raise BadRequestException(f"Invalid mapping expression specified: {source}")
    try:
        re.compile(shape.get("identityValidationExpression") or "")
    except re.error:
        raise BadRequestException("Invalid identity validation expression specified") from None


class PartOperations(Base):
    # --- models ---------------------------------------------------------------------------------------------------

    def create_model(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["name"]
        if not _MODEL_NAME.fullmatch(name):
            raise BadRequestException("Model name must be alphanumeric: " + name)
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            if tx.get(Model, ctx.account, ctx.region, f"{api.id}/{name}") is not None:
                raise ConflictException("Model name already exists for this REST API")
            return self._new_model(tx, api, params)

    def _new_model(self, tx: Tx, api: RestApi, params: Mapping[str, Any]) -> dict[str, Any]:
        schema = params.get("schema")
        if schema:
            check_schema(schema)
        shape = {"id": self._id(), **given(params, "name", "description", "schema", "contentType")}
        tx.put(Model(account=api.account, region=api.region, id=f"{api.id}/{params['name']}", shape=shape))
        return shape

    def get_model(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._part(snapshot, Model, ctx, params, params["modelName"]).shape
        if not params.get("flatten"):
            return found
        models = {each.name: each.shape for each in self._parts(snapshot, Model, self._rest_api(snapshot, ctx, params))}
        return {**found, "schema": flattened(found.get("schema") or "{}", models)}

    def get_models(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return paged(self._parts(snapshot, Model, self._rest_api(snapshot, ctx, params)), params, shape_of, id_of)

    def get_model_template(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._part(self._store.snapshot(), Model, ctx, params, params["modelName"]).shape
        return {"value": sample(found.get("schema") or "{}")}

    def update_model(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._part(tx, Model, ctx, params, params["modelName"])
            shape = patched(row.shape, params.get("patchOperations"), tables.MODEL)
            if shape.get("schema"):
                check_schema(shape["schema"])
            return self._put(tx, row, shape).shape

    def delete_model(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._part(tx, Model, ctx, params, params["modelName"])
            for resource in tx.list(PathResource, ctx.account, ctx.region):
                if resource.id.startswith(params["restApiId"] + "/") and _uses_model(resource, row.name):
                    raise ConflictException(
                        f"Cannot delete model '{row.name}', is referenced in method request: {resource.path}"
                    )
            tx.delete(row)

    # --- request validators ---------------------------------------------------------------------------------------

    def create_request_validator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            return self._new_validator(tx, self._rest_api(tx, ctx, params), params)

    def _new_validator(self, tx: Tx, api: RestApi, params: Mapping[str, Any]) -> dict[str, Any]:
        shape = {
            "id": self._id(), **given(params, "name"),
            "validateRequestBody": bool(params.get("validateRequestBody")),
            "validateRequestParameters": bool(params.get("validateRequestParameters")),
        }  # fmt: skip
        tx.put(RequestValidator(account=api.account, region=api.region, id=f"{api.id}/{shape['id']}", shape=shape))
        return shape

    def get_request_validator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._part(self._store.snapshot(), RequestValidator, ctx, params, params["requestValidatorId"]).shape

    def get_request_validators(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        rows = self._parts(snapshot, RequestValidator, self._rest_api(snapshot, ctx, params))
        return paged(rows, params, shape_of, id_of)

    def update_request_validator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._part(tx, RequestValidator, ctx, params, params["requestValidatorId"])
            shape = patched(row.shape, params.get("patchOperations"), tables.REQUEST_VALIDATOR)
            return self._put(tx, row, shape).shape

    def delete_request_validator(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._part(tx, RequestValidator, ctx, params, params["requestValidatorId"])
            self._check_unused(tx, ctx, params, "requestValidatorId", row.name)
            tx.delete(row)

    def _check_unused(self, tx: Tx, ctx: RequestContext, params: Mapping[str, Any], member: str, name: str) -> None:
        for resource in tx.list(PathResource, ctx.account, ctx.region):
            if not resource.id.startswith(params["restApiId"] + "/"):
                continue
            for method in resource.methods.values():
                if method.get(member) == name:
                    what = "authorizer" if member == "authorizerId" else "request validator"
                    raise ConflictException(
                        f"Cannot delete {what} '{name}', is referenced in method: {resource.path}/"
                        f"{method['httpMethod']}"
                    )

    # --- authorizers ----------------------------------------------------------------------------------------------

    def create_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            return self._new_authorizer(tx, self._rest_api(tx, ctx, params), params)

    def _new_authorizer(self, tx: Tx, api: RestApi, params: Mapping[str, Any]) -> dict[str, Any]:
        if any(each.shape["name"] == params["name"] for each in self._parts(tx, Authorizer, api)):
            raise ConflictException("Authorizer name must be unique. Authorizer " + params["name"] + " already exists "
                                    "in this RestApi.")  # fmt: skip
        shape: dict[str, Any] = {
            "id": self._id(),
            "authType": "custom",
            "authorizerResultTtlInSeconds": TTL_DEFAULT_S,
            **given(
                params, "name", "type", "authType", "authorizerUri", "authorizerCredentials", "identitySource",
                "identityValidationExpression", "authorizerResultTtlInSeconds", "providerARNs",
            ),
        }  # fmt: skip
        if shape["type"] == "TOKEN":
            shape.setdefault("identitySource", "method.request.header.Authorization")
        check_authorizer(shape)
        tx.put(Authorizer(account=api.account, region=api.region, id=f"{api.id}/{shape['id']}", shape=shape))
        return shape

    def get_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._part(self._store.snapshot(), Authorizer, ctx, params, params["authorizerId"]).shape

    def get_authorizers(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return paged(self._parts(snapshot, Authorizer, self._rest_api(snapshot, ctx, params)), params, shape_of, id_of)

    def update_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._part(tx, Authorizer, ctx, params, params["authorizerId"])
            shape = patched(row.shape, params.get("patchOperations"), tables.AUTHORIZER)
            for name in ("identitySource", "identityValidationExpression", "authorizerCredentials"):
                if shape.get(name) == "":
                    del shape[name]
            check_authorizer(shape)
            return self._put(tx, row, shape).shape

    def delete_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._part(tx, Authorizer, ctx, params, params["authorizerId"])
            self._check_unused(tx, ctx, params, "authorizerId", row.name)
            tx.delete(row)

    # --- gateway responses ----------------------------------------------------------------------------------------

    def put_gateway_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            return self._put_gateway_response(tx, self._rest_api(tx, ctx, params), params)

    def _put_gateway_response(self, tx: Tx, api: RestApi, params: Mapping[str, Any]) -> dict[str, Any]:
        kind = params["responseType"]
        shape = {
            "responseType": kind,
            **given({"statusCode": params.get("statusCode") or DEFAULT_STATUS.get(kind)}, "statusCode"),
            "responseParameters": params.get("responseParameters") or {},
            "responseTemplates": params.get("responseTemplates") or default_response(kind)["responseTemplates"],
            "defaultResponse": False,
        }
        _check_gateway_response(shape)
        tx.put(GatewayResponse(account=api.account, region=api.region, id=f"{api.id}/{kind}", shape=shape))
        return shape

    def _gateway_response(self, view: Any, ctx: RequestContext, params: Mapping[str, Any]) -> dict[str, Any]:
        api, kind = self._rest_api(view, ctx, params), params["responseType"]
        row = view.get(GatewayResponse, ctx.account, ctx.region, f"{api.id}/{kind}")
        return row.shape if row is not None else default_response(kind)

    def get_gateway_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._gateway_response(self._store.snapshot(), ctx, params)

    def get_gateway_responses(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        self._rest_api(snapshot, ctx, params)
        return paged(
            TYPES, params, lambda kind: self._gateway_response(snapshot, ctx, {**params, "responseType": kind}),
            lambda kind: kind,
        )  # fmt: skip

    def update_gateway_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            shape = self._gateway_response(tx, ctx, params)
            changed = patched(shape, params.get("patchOperations"), tables.GATEWAY_RESPONSE)
            changed = {"responseParameters": {}, "responseTemplates": {}, **changed}
            return self._put_gateway_response(tx, self._rest_api(tx, ctx, params), changed)

    def delete_gateway_response(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            row = tx.get(GatewayResponse, ctx.account, ctx.region, f"{api.id}/{params['responseType']}")
            if row is None:
                raise NotFoundException("Gateway response type not defined on api")
            tx.delete(row)

    # --- documentation --------------------------------------------------------------------------------------------

    def create_documentation_part(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            return self._new_documentation_part(tx, self._rest_api(tx, ctx, params), params)

    def _new_documentation_part(self, tx: Tx, api: RestApi, params: Mapping[str, Any]) -> dict[str, Any]:
        _check_properties(params["properties"])
        location = _location(params["location"])
        if any(each.shape["location"] == location for each in self._parts(tx, DocumentationPart, api)):
            raise ConflictException("Documentation part already exists for the specified location: " + str(location))
        shape = {"id": self._id(), "location": location, "properties": params["properties"]}
        tx.put(DocumentationPart(account=api.account, region=api.region, id=f"{api.id}/{shape['id']}", shape=shape))
        return shape

    def get_documentation_part(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._part(self._store.snapshot(), DocumentationPart, ctx, params, params["documentationPartId"]).shape

    def get_documentation_parts(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        kind, path, name = params.get("type"), params.get("path"), params.get("nameQuery")
        rows = [
            each
            for each in self._parts(snapshot, DocumentationPart, self._rest_api(snapshot, ctx, params))
            if kind in (None, each.shape["location"]["type"])
            and path in (None, each.shape["location"].get("path"))
            and (name is None or name in (each.shape["location"].get("name") or ""))
        ]
        return paged(rows, params, shape_of, id_of)

    def update_documentation_part(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._part(tx, DocumentationPart, ctx, params, params["documentationPartId"])
            shape = patched(row.shape, params.get("patchOperations"), tables.DOCUMENTATION_PART)
            _check_properties(shape["properties"])
            return self._put(tx, row, shape).shape

    def delete_documentation_part(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.delete(self._part(tx, DocumentationPart, ctx, params, params["documentationPartId"]))

    def create_documentation_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        version = params["documentationVersion"]
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            id = f"{api.id}/{version}"
            if tx.get(DocumentationVersion, ctx.account, ctx.region, id) is not None:
                raise ConflictException(f"Documentation version {version} already exists for this API")
            shape = {"version": version, "createdDate": self._now(), **given(params, "description")}
            if stage_name := params.get("stageName"):
                stage = self._part(tx, Stage, ctx, params, stage_name)
                self._put(tx, stage, {**stage.shape, "documentationVersion": version})
            tx.put(DocumentationVersion(account=api.account, region=api.region, id=id, shape=shape))
        return shape

    def get_documentation_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        version = params["documentationVersion"]
        return self._part(self._store.snapshot(), DocumentationVersion, ctx, params, version).shape

    def get_documentation_versions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        rows = self._parts(snapshot, DocumentationVersion, self._rest_api(snapshot, ctx, params))
        return paged(rows, params, shape_of, id_of)

    def update_documentation_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._part(tx, DocumentationVersion, ctx, params, params["documentationVersion"])
            return self._put(
                tx, row, patched(row.shape, params.get("patchOperations"), tables.DOCUMENTATION_VERSION)
            ).shape

    def delete_documentation_version(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.delete(self._part(tx, DocumentationVersion, ctx, params, params["documentationVersion"]))


def _uses_model(resource: PathResource, name: str) -> bool:
    return any(name in (method.get("requestModels") or {}).values() for method in resource.methods.values())


def _check_gateway_response(shape: Mapping[str, Any]) -> None:
    status = shape.get("statusCode")
    if status is not None and not re.fullmatch(r"[1-5]\d\d", status):
        raise BadRequestException(f"Invalid status code specified: {status}")
    for name in shape["responseParameters"]:
        if not _RESPONSE_PARAMETER.fullmatch(name):
            raise BadRequestException(f"Invalid response parameter specified: {name}")


def _check_properties(text: str) -> None:
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise BadRequestException("Documentation part properties must be a valid JSON object")


def _location(told: Mapping[str, Any]) -> dict[str, Any]:
    """A location with the defaults of its type."""
    found = given(told, "type", "path", "method", "statusCode", "name")
    if told["type"] in ("API", "AUTHORIZER", "MODEL"):
        return found
    found.setdefault("path", "/")
    if told["type"] != "RESOURCE":
        found.setdefault("method", "*")
    if told["type"].startswith("RESPONSE"):
        found.setdefault("statusCode", "*")
    return found
