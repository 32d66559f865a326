"""From a document to a definition.

"OpenAPI extensions for API Gateway", "Working with API Gateway extensions to OpenAPI". What a document says that an API
has no place for becomes a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kunren.services.apigateway.errors import BadRequestException
from kunren.services.apigateway.openapi.definition import Definition
from kunren.services.apigateway.openapi.document import followed

PREFIX = "x-amazon-apigateway-"
_VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
_ANY = f"{PREFIX}any-method"
_PLACES = {"query": "querystring", "path": "path", "header": "header"}
_MODEL_NAME = re.compile(r"[^a-zA-Z0-9]")
_INTEGRATION = (
    "uri", "credentials", "requestParameters", "requestTemplates", "cacheNamespace", "cacheKeyParameters",
    "contentHandling", "timeoutInMillis", "connectionType", "connectionId", "tlsConfig", "integrationTarget",
)  # fmt: skip


def read(document: dict[str, Any]) -> Definition:
    """Raises BadRequestException."""
    try:
        return _Reader(document).read()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadRequestException(f"Invalid OpenAPI input: {error!r}") from None
    except RecursionError:
        raise BadRequestException("Invalid OpenAPI input: the document is nested too deeply") from None


class _Reader:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.newer = "openapi" in document
        self.found = Definition()
        self.components = document.get("components") or {}

    def read(self) -> Definition:
        document, found = self.document, self.found
        info = document.get("info") or {}
        if not isinstance(info, dict):
            raise BadRequestException("Invalid OpenAPI input: info is no object")
        found.name, found.description = str(info.get("title") or ""), info.get("description")
        found.version = str(info["version"]) if info.get("version") is not None else None
        found.base_path = self._base_path()
        self._settings()
        schemas = self.components.get("schemas") if self.newer else document.get("definitions")
        for name, schema in (schemas or {}).items():
            self._model(name, schema)
        for name, scheme in self._schemes().items():
            self._authorizer(name, scheme)
        for name, told in (document.get(f"{PREFIX}request-validators") or {}).items():
            found.validators[name] = {
                "validateRequestBody": bool(told.get("validateRequestBody")),
                "validateRequestParameters": bool(told.get("validateRequestParameters")),
            }
        paths = document.get("paths")
        if not isinstance(paths, dict):
            raise BadRequestException("Invalid OpenAPI input: paths is missing or no object")
        for path, item in paths.items():
            if not path.startswith("x-"):
                self._path(path, followed(document, item) or {})
        return found

    # --- the API as a whole ---------------------------------------------------------------------------------------

    def _base_path(self) -> str:
        if not self.newer:
            return str(self.document.get("basePath") or "")
        server: Mapping[str, Any] = next(iter(self.document.get("servers") or ()), {})
        url = str(server.get("url") or "")
        for name, variable in (server.get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(variable.get("default") or ""))
        return "/" + re.sub(r"^https?://[^/]*/?", "", url).lstrip("/") if url else ""

    def _settings(self) -> None:
        told, into = self.document, self.found.settings
        for name, member in (
            ("binary-media-types", "binaryMediaTypes"), ("api-key-source", "apiKeySource"),
            ("minimum-compression-size", "minimumCompressionSize"), ("policy", "policy"),
        ):  # fmt: skip
            if (value := told.get(PREFIX + name)) is not None:
                into[member] = value
        if "policy" in into and not isinstance(into["policy"], str):
            into["policy"] = json.dumps(into["policy"])
        server: Mapping[str, Any] = next(iter(told.get("servers") or ()), {})
        configuration = told.get(f"{PREFIX}endpoint-configuration") or server.get(f"{PREFIX}endpoint-configuration")
        if isinstance(configuration, dict):
            if "disableExecuteApiEndpoint" in configuration:
                into["disableExecuteApiEndpoint"] = bool(configuration["disableExecuteApiEndpoint"])
            if configuration.get("types"):
                into["endpointConfiguration"] = {"types": list(configuration["types"])}
        for kind, response in (told.get(f"{PREFIX}gateway-responses") or {}).items():
            status = response.get("statusCode")
            self.found.responses[kind] = {
                **({"statusCode": str(status)} if status is not None else {}),
                "responseParameters": response.get("responseParameters") or {},
                "responseTemplates": response.get("responseTemplates") or {},
            }
        for part in (told.get(f"{PREFIX}documentation") or {}).get("documentationParts") or ():
            self.found.documentation.append(
                {"location": part["location"], "properties": json.dumps(part["properties"])}
            )

    def _model(self, name: str, schema: Any) -> None:
        clean = _MODEL_NAME.sub("", name)
        if clean != name:
            self.found.warnings.append(f"Invalid format for model name {name}. Model name must be alphanumeric.")
        self.found.models[clean] = {"contentType": "application/json", "schema": json.dumps(self._schema(schema))}
        if isinstance(schema, dict) and schema.get("description"):
            self.found.models[clean]["description"] = schema["description"]

    def _schema(self, value: Any) -> Any:
        """A schema whose references lead to models."""
        if isinstance(value, list):
            return [self._schema(each) for each in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("$ref"), str):
            return {"$ref": "models/" + _MODEL_NAME.sub("", value["$ref"].rpartition("/")[2])}
        made = {
            name: self._schema(each)
            for name, each in value.items()
            if name not in ("example", "discriminator", "xml", "externalDocs", "nullable", "deprecated", "examples")
            and not name.startswith("x-")
        }
        if value.get("nullable") is True and isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        return made

    # --- who may ask ----------------------------------------------------------------------------------------------

    def _schemes(self) -> dict[str, Any]:
        told = self.components.get("securitySchemes") if self.newer else self.document.get("securityDefinitions")
        return {name: followed(self.document, each) for name, each in (told or {}).items()}

    def _authorizer(self, name: str, scheme: Mapping[str, Any]) -> None:
        told = scheme.get(f"{PREFIX}authorizer")
        if told is None:
            return
        kind = str(told.get("type") or "token").upper()
        found = {
            "name": name, "type": kind, "authType": scheme.get(f"{PREFIX}authtype") or "custom",
            **{each: told[each] for each in (
                "authorizerUri", "authorizerCredentials", "identitySource", "identityValidationExpression",
                "authorizerResultTtlInSeconds", "providerARNs",
            ) if told.get(each) is not None},
        }  # fmt: skip
        if kind == "TOKEN":
            found.setdefault("identitySource", f"method.request.header.{scheme.get('name') or 'Authorization'}")
        self.found.authorizers[name] = found

    def _security(self, operation: Mapping[str, Any], method: dict[str, Any]) -> None:
        method["authorizationType"] = "NONE"
        auth = operation.get(f"{PREFIX}auth")
        if isinstance(auth, dict) and auth.get("type"):
            method["authorizationType"] = str(auth["type"]).upper()
        schemes = self._schemes()
        for requirement in operation.get("security", self.document.get("security")) or ():
            for name, scopes in requirement.items():
                scheme = schemes.get(name)
                if scheme is None:
                    self.found.warnings.append(f"Ignoring security requirement {name}, which is not defined")
                    continue
                if name in self.found.authorizers:
                    cognito = self.found.authorizers[name]["type"] == "COGNITO_USER_POOLS"
                    method["authorizationType"] = "COGNITO_USER_POOLS" if cognito else "CUSTOM"
                    method["authorizerId"] = name
                    if scopes:
                        method["authorizationScopes"] = list(scopes)
                elif str(scheme.get(f"{PREFIX}authtype", "")).lower() == "awssigv4":
                    method["authorizationType"] = "AWS_IAM"
                elif scheme.get("type") == "apiKey" and str(scheme.get("name", "")).lower() == "x-api-key":
                    method["apiKeyRequired"] = True
        method.setdefault("apiKeyRequired", False)

    # --- paths ----------------------------------------------------------------------------------------------------

    def _path(self, path: str, item: Mapping[str, Any]) -> None:
        if not path.startswith("/") or not isinstance(item, dict):
            raise BadRequestException(f"Invalid OpenAPI input: the path {path} is not as it must be")
        methods = self.found.paths.setdefault(path, {})
        common = [followed(self.document, each) for each in item.get("parameters") or ()]
        for verb, operation in item.items():
            if verb in _VERBS or verb == _ANY:
                name = "ANY" if verb == _ANY else verb.upper()
                methods[name] = self._method(path, name, operation or {}, common)

    def _method(self, path: str, name: str, operation: Mapping[str, Any], common: list[Any]) -> dict[str, Any]:
        method: dict[str, Any] = {"httpMethod": name}
        self._security(operation, method)
        if operation.get("operationId"):
            method["operationName"] = operation["operationId"]
        own = [followed(self.document, each) for each in operation.get("parameters") or ()]
        parameters = {(each.get("in"), each.get("name")): each for each in (*common, *own)}
        required = {
            f"method.request.{_PLACES[place]}.{each}": bool(told.get("required"))
            for (place, each), told in parameters.items()
            if place in _PLACES
        }
        if required:
            method["requestParameters"] = required
        models = self._request_models(operation, parameters)
        if models:
            method["requestModels"] = models
        validator = operation.get(f"{PREFIX}request-validator") or self.document.get(f"{PREFIX}request-validator")
        if validator:
            if validator not in self.found.validators:
                raise BadRequestException(f"Invalid OpenAPI input: the request validator {validator} is not defined")
            method["requestValidatorId"] = validator
        responses = dict(self._responses(operation))
        if responses:
            method["methodResponses"] = responses
        told = operation.get(f"{PREFIX}integration")
        if told is not None:
            if not isinstance(told, dict):
                raise BadRequestException(
                    f"Unable to parse API definition because of a malformed integration at path {path}."
                )
            method["methodIntegration"] = self._integration(told, path)
        return method

    def _request_models(self, operation: Mapping[str, Any], parameters: Mapping[Any, Any]) -> dict[str, str]:
        if self.newer:
            body = followed(self.document, operation.get("requestBody") or {})
            return dict(self._content_models(body.get("content") or {}))
        schema = next((each.get("schema") for (place, _), each in parameters.items() if place == "body"), None)
        if schema is None:
            return {}
        consumes = operation.get("consumes") or self.document.get("consumes") or ["application/json"]
        name = self._named(schema)
        return dict.fromkeys(consumes, name)

    def _content_models(self, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for kind, told in content.items():
            if isinstance(told, dict) and told.get("schema") is not None:
                yield kind, self._named(told["schema"])

    def _named(self, schema: Any) -> str:
        """The model of a schema: the one it refers to, or a new one."""
        if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            name = _MODEL_NAME.sub("", schema["$ref"].rpartition("/")[2])
            if name not in self.found.models:
                raise BadRequestException(f"Invalid OpenAPI input: the model {name} is not defined")
            return name
        written = json.dumps(self._schema(schema))
        for name, model in self.found.models.items():
            if name.startswith("MODEL") and model["schema"] == written:
                return name
        name = f"MODEL{len(self.found.models):06x}"
        self.found.models[name] = {"contentType": "application/json", "schema": written}
        return name

    def _responses(self, operation: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for status, told in (operation.get("responses") or {}).items():
            if not re.fullmatch(r"[1-5]\d\d", status):
                if status != "default":
                    self.found.warnings.append(f"Ignoring response {status}, which is no status code")
                continue
            response = followed(self.document, told) or {}
            found: dict[str, Any] = {"statusCode": status}
            headers = {f"method.response.header.{name}": False for name in response.get("headers") or {}}
            if headers:
                found["responseParameters"] = headers
            if self.newer:
                models = dict(self._content_models(response.get("content") or {}))
            elif response.get("schema") is not None:
                produces = operation.get("produces") or self.document.get("produces") or ["application/json"]
                name = self._named(response["schema"])
                models = dict.fromkeys(produces, name)
            else:
                models = {}
            if models:
                found["responseModels"] = models
            yield status, found

    def _integration(self, told: Mapping[str, Any], path: str) -> dict[str, Any]:
        kind = str(told.get("type") or "").upper()
        if kind not in ("HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK"):
            raise BadRequestException(
                f"Unable to parse API definition because of a malformed integration at path {path}."
            )
        found: dict[str, Any] = {"type": kind}
        if told.get("httpMethod"):
            method = str(told["httpMethod"]).upper()
            found["httpMethod"] = "ANY" if method == _ANY.upper() else method
        found |= {name: told[name] for name in _INTEGRATION if told.get(name) is not None}
        for name in ("contentHandling", "connectionType"):
            if name in found:
                found[name] = str(found[name]).upper()
        if told.get("passthroughBehavior"):
            found["passthroughBehavior"] = str(told["passthroughBehavior"]).upper()
        for name, value in (found.get("requestTemplates") or {}).items():
            if not isinstance(value, str):
                found["requestTemplates"][name] = json.dumps(value)
        responses = {}
        for pattern, response in (told.get("responses") or {}).items():
            status = str(response["statusCode"])
            made: dict[str, Any] = {"statusCode": status}
            if pattern != "default":
                made["selectionPattern"] = pattern
            for name in ("responseParameters", "responseTemplates", "contentHandling"):
                if response.get(name) is not None:
                    made[name] = response[name]
            responses[status] = made
        if responses:
            found["integrationResponses"] = responses
        return found
