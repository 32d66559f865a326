"""From a deployed API to a document ("Export a REST API from API Gateway")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kunren.services.apigateway.model import RestApi, Stage
from kunren.services.apigateway.openapi.read import PREFIX

_RESPONSE = ("statusCode", "responseParameters", "responseTemplates")
_PLACES = {"querystring": "query", "path": "path", "header": "header"}


def write(
    api: RestApi, stage: Stage, frozen: Mapping[str, Any], newer: bool, extensions: Sequence[str]
) -> dict[str, Any]:
    """Swagger 2.0, or OpenAPI 3.0 (`newer`). `extensions` are integrations, authorizers, apigateway (all), or none."""
    everything = "apigateway" in extensions
    writer = _Writer(
        frozen, newer, everything or "integrations" in extensions, everything or "authorizers" in extensions
    )
    version = api.shape.get("version") or datetime.fromtimestamp(api.shape["createdDate"], UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    info = {"title": api.shape["name"], "version": version}
    if api.shape.get("description"):
        info["description"] = api.shape["description"]
    host = f"{api.id}.execute-api.{api.region}.amazonaws.com"
    paths = {each["path"]: writer.path(each) for each in sorted(frozen["resources"], key=lambda each: each["path"])}
    document: dict[str, Any]
    if newer:
        base_path = {"default": f"/{stage.shape['stageName']}"}
        server = {"url": f"https://{host}/{{basePath}}", "variables": {"basePath": base_path}}
        document = {"openapi": "3.0.1", "info": info, "servers": [server], "paths": paths}
        document["components"] = {
            name: told for name, told in (("schemas", writer.schemas()), ("securitySchemes", writer.schemes())) if told
        }
    else:
        document = {
            "swagger": "2.0", "info": info, "host": host, "basePath": f"/{stage.shape['stageName']}",
            "schemes": ["https"], "paths": paths,
        }  # fmt: skip
        for name, told in (("securityDefinitions", writer.schemes()), ("definitions", writer.schemas())):
            if told:
                document[name] = told
    if everything:
        document |= writer.settings()
    return document


class _Writer:
    def __init__(self, frozen: Mapping[str, Any], newer: bool, integrations: bool, authorizers: bool) -> None:
        self._frozen = frozen
        self._newer = newer
        self._integrations = integrations
        self._authorizers = authorizers
        self._used: set[str] = set()

    def path(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        return {
            f"{PREFIX}any-method" if name == "ANY" else name.lower(): self._operation(resource["path"], method)
            for name, method in sorted(resource["methods"].items())
        }

    def _operation(self, path: str, method: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if method.get("operationName"):
            found["operationId"] = method["operationName"]
        parameters = self._parameters(path, method)
        models = method.get("requestModels") or {}
        if not self._newer:
            if models:
                found["consumes"] = sorted(models)
                name = next(iter(models.values()))
                parameters.append({"in": "body", "name": name, "required": True, "schema": self._reference(name)})
            produces = {
                k for each in (method.get("methodResponses") or {}).values() for k in each.get("responseModels") or {}
            }
            found["produces"] = sorted(produces) or ["application/json"]
        if parameters:
            found["parameters"] = parameters
        if self._newer and models:
            content = {kind: {"schema": self._reference(name)} for kind, name in models.items()}
            found["requestBody"] = {"content": content, "required": True}
        found["responses"] = {
            status: self._response(each) for status, each in sorted((method.get("methodResponses") or {}).items())
        } or {"default": {"description": "Default response"}}
        if security := self._security(method):
            found["security"] = security
        if self._integrations:
            found[f"{PREFIX}integration"] = integration(method["methodIntegration"])
            if name := self._frozen["validators"].get(method.get("requestValidatorId") or "", {}).get("name"):
                found[f"{PREFIX}request-validator"] = name
        return found

    def _parameters(self, path: str, method: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = []
        told = dict(method.get("requestParameters") or {})
        for name in re.findall(r"\{([^{}]+?)\+?\}", path):
            told.setdefault(f"method.request.path.{name}", True)
        for expression, required in told.items():
            place, _, name = expression.removeprefix("method.request.").partition(".")
            if place not in _PLACES:
                continue
            kind: dict[str, Any] = {"schema": {"type": "string"}} if self._newer else {"type": "string"}
            needed = {"required": True} if required or place == "path" else {}
            found.append({"name": name, "in": _PLACES[place], **needed, **kind})
        return found

    def _response(self, response: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"description": f"{response['statusCode']} response"}
        kind: dict[str, Any] = {"schema": {"type": "string"}} if self._newer else {"type": "string"}
        headers = {name.split(".", 3)[3]: kind for name in response.get("responseParameters") or {}}
        if headers:
            found["headers"] = headers
        models = response.get("responseModels") or {}
        if models and self._newer:
            found["content"] = {each: {"schema": self._reference(name)} for each, name in models.items()}
        elif models:
            found["schema"] = self._reference(next(iter(models.values())))
        return found

    def _reference(self, model: str) -> dict[str, str]:
        self._used.add(model)
        return {"$ref": f"#/{'components/schemas' if self._newer else 'definitions'}/{model}"}

    def schemas(self) -> dict[str, Any]:
        """The models that are used, and those that these lead to."""
        where = "components/schemas" if self._newer else "definitions"
        found: dict[str, Any] = {}
        waiting = sorted(self._used)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            text = (self._frozen["models"].get(name) or {}).get("schema") or "{}"
            waiting += re.findall(r"/models/([a-zA-Z0-9]+)", text)
            schema = json.loads(
                re.sub(r"https://apigateway\.amazonaws\.com/restapis/[^/\"]+/models/", f"#/{where}/", text)
            )
            schema.pop("$schema", None)
            found[name] = schema
        return dict(sorted(found.items()))

    def _security(self, method: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if method["authorizationType"] == "AWS_IAM":
            found.append({"sigv4": []})
        authorizer = self._frozen["authorizers"].get(method.get("authorizerId") or "")
        if authorizer is not None and self._authorizers:
            found.append({authorizer["name"]: list(method.get("authorizationScopes") or [])})
        if method.get("apiKeyRequired"):
            found.append({"api_key": []})
        return found

    def schemes(self) -> dict[str, Any]:
        methods = [each for resource in self._frozen["resources"] for each in resource["methods"].values()]
        found: dict[str, Any] = {}
        if any(each.get("apiKeyRequired") for each in methods):
            found["api_key"] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
        if any(each["authorizationType"] == "AWS_IAM" for each in methods):
            found["sigv4"] = {
                "type": "apiKey", "name": "Authorization", "in": "header", f"{PREFIX}authtype": "awsSigv4",
            }  # fmt: skip
        if self._authorizers:
            for each in self._frozen["authorizers"].values():
                source = (each.get("identitySource") or "").partition(",")[0]
                told = {name: value for name, value in each.items() if name not in ("id", "name", "authType")}
                found[each["name"]] = {
                    "type": "apiKey",
                    "name": source.rpartition(".")[2] if each["type"] == "TOKEN" else "Unused",
                    "in": "header",
                    f"{PREFIX}authtype": each.get("authType") or "custom",
                    f"{PREFIX}authorizer": {**told, "type": each["type"].lower()},
                }
        return found

    def settings(self) -> dict[str, Any]:
        api = self._frozen["api"]
        named = (
            ("binary-media-types", api.get("binaryMediaTypes")),
            ("minimum-compression-size", api.get("minimumCompressionSize")),
            ("policy", json.loads(api["policy"]) if api.get("policy") else None),
            ("api-key-source", api.get("apiKeySource") if api.get("apiKeySource") != "HEADER" else None),
            ("gateway-responses", {
                kind: {name: each[name] for name in _RESPONSE if each.get(name)}
                for kind, each in self._frozen["responses"].items()
            }),
            ("request-validators", {
                each.get("name") or each["id"]: {
                    name: each[name] for name in ("validateRequestBody", "validateRequestParameters")
                }
                for each in self._frozen["validators"].values()
            }),
        )  # fmt: skip
        return {PREFIX + name: value for name, value in named if value not in (None, {}, [])}


def integration(told: Mapping[str, Any]) -> dict[str, Any]:
    """An integration as the extension writes it."""
    found = {
        name: value
        for name, value in told.items()
        if name not in ("type", "passthroughBehavior", "integrationResponses", "cacheNamespace", "cacheKeyParameters")
    }
    found["type"] = told["type"].lower()
    if told.get("passthroughBehavior"):
        found["passthroughBehavior"] = told["passthroughBehavior"].lower()
    responses = {}
    for each in (told.get("integrationResponses") or {}).values():
        responses[each.get("selectionPattern") or "default"] = {
            name: value for name, value in each.items() if name != "selectionPattern"
        }
    if responses:
        found["responses"] = responses
    return found
