"""From an HTTP API to an OpenAPI 3.0 document. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.core.clock import iso_utc
from kunren.services.apigatewayv2.model import DEFAULT, Api, Content
from kunren.services.apigatewayv2.openapi.read import (
    ANY,
    AUTHORIZER,
    CORS,
    CORS_MEMBERS,
    ENDPOINT,
    INTEGRATION,
    INTEGRATION_MEMBERS,
)
from kunren.services.apigatewayv2.route_keys import parse_route_key

_AUTHORIZER = {
    "AuthorizerUri": "authorizerUri", "AuthorizerPayloadFormatVersion": "authorizerPayloadFormatVersion",
    "EnableSimpleResponses": "enableSimpleResponses", "AuthorizerCredentialsArn": "authorizerCredentials",
    "AuthorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
}  # fmt: skip
_SIGV4 = "sigv4"


def document(api: Api, content: Content, stage: str, *, extensions: bool) -> dict[str, Any]:
    """`stage` is where the API is served; `extensions` whether what is AWS's own is written too."""
    host = f"https://{api.id}.execute-api.{api.region}.amazonaws.com"
    made: dict[str, Any] = {
        "openapi": "3.0.1",
        "info": {"title": api.config["Name"], "version": api.config.get("Version") or iso_utc(api.created)},
        "servers": [
            {"url": f"{host}/{{basePath}}", "variables": {"basePath": {"default": "" if stage == DEFAULT else stage}}}
        ],
        "paths": _paths(content, extensions=extensions),
    }
    if api.config.get("Description"):
        made["info"]["description"] = api.config["Description"]
    if schemes := _schemes(content, extensions=extensions):
        made["components"] = {"securitySchemes": schemes}
    if extensions:
        if content.cors:
            names = {member: name for name, member in CORS_MEMBERS.items()}
            made[CORS] = {names[member]: value for member, value in content.cors.items() if value is not None}
        if content.endpoint_disabled:
            made[ENDPOINT] = {"disableExecuteApiEndpoint": True}
        made["x-amazon-apigateway-importexport-version"] = "1.0"
    return made


def text(made: Mapping[str, Any], output: str) -> bytes:
    """As JSON or YAML."""
    import yaml

    if output == "JSON":
        return json.dumps(made, indent=2).encode()
    return bytes(yaml.safe_dump(made, sort_keys=False, allow_unicode=True, encoding="utf-8"))


def _paths(content: Content, *, extensions: bool) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for config in sorted(content.routes.values(), key=lambda each: str(each["RouteKey"])):
        key = parse_route_key(config["RouteKey"])
        path = f"/{DEFAULT}" if key.path == DEFAULT else key.path
        method = ANY if key.method in ("", "ANY") else key.method.lower()
        operation: dict[str, Any] = {"responses": {"default": {"description": f"Default response for {key.path}"}}}
        if config.get("OperationName"):
            operation["operationId"] = config["OperationName"]
        variables = [each.strip("{}").rstrip("+") for each in key.segments if each.startswith("{")]
        if variables and key.method:
            operation["parameters"] = [
                {"name": each, "in": "path", "required": True, "schema": {"type": "string"}} for each in variables
            ]
        if (scheme := _scheme(config, content)) is not None:
            operation["security"] = [{scheme: config.get("AuthorizationScopes", [])}]
        integration = content.integrations.get(config.get("Target", "").partition("/")[2])
        if extensions and integration is not None:
            operation[INTEGRATION] = _integration(integration)
        paths.setdefault(path, {})[method] = operation
    return paths


def _scheme(route: Mapping[str, Any], content: Content) -> str | None:
    if route["AuthorizationType"] == "AWS_IAM":
        return _SIGV4
    found = content.authorizers.get(route.get("AuthorizerId", ""))
    return str(found["Name"]) if found is not None else None


def _integration(config: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": config["IntegrationType"].lower()}
    made |= {name: config[member] for name, member in INTEGRATION_MEMBERS.items() if member in config}
    if config["IntegrationType"] == "AWS_PROXY" and not config.get("IntegrationSubtype"):
        made["httpMethod"] = "POST"
    if "TlsConfig" in config:
        made["tlsConfig"] = {"serverNameToVerify": config["TlsConfig"].get("ServerNameToVerify", "")}
    return made


def _schemes(content: Content, *, extensions: bool) -> dict[str, Any]:
    schemes: dict[str, Any] = {}
    if any(each["AuthorizationType"] == "AWS_IAM" for each in content.routes.values()):
        schemes[_SIGV4] = {
            "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
        }  # fmt: skip
    for config in content.authorizers.values():
        is_jwt = config["AuthorizerType"] == "JWT"
        scheme: dict[str, Any] = (
            {"type": "oauth2"} if is_jwt else {"type": "apiKey", "name": "Authorization", "in": "header"}
        )
        told: dict[str, Any] = {"type": config["AuthorizerType"].lower()}
        told |= {name: config[member] for member, name in _AUTHORIZER.items() if member in config}
        if config.get("IdentitySource"):
            told["identitySource"] = ",".join(config["IdentitySource"])
        if is_jwt:
            given = config["JwtConfiguration"]
            told["jwtConfiguration"] = {"issuer": given["Issuer"], "audience": given.get("Audience", [])}
        if extensions:
            scheme[AUTHORIZER] = told
        schemes[config["Name"]] = scheme
    return schemes
