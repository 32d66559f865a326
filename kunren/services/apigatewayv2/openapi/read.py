"""From an OpenAPI 3.0 document to what an HTTP API is made of. Pure; raises BadRequestException.

Developer guide, "Import an OpenAPI definition" and "OpenAPI extensions for API Gateway".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kunren.core import documents
from kunren.services.apigatewayv2.errors import BadRequestException
from kunren.services.apigatewayv2.model import DEFAULT

BODY_BYTES_MAX = 10 * 1024 * 1024
ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
SHARED = "x-amazon-apigateway-integrations"
AUTHORIZER = "x-amazon-apigateway-authorizer"
CORS = "x-amazon-apigateway-cors"
ENDPOINT = "x-amazon-apigateway-endpoint-configuration"
TAG = "x-amazon-apigateway-tag-value"
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
CORS_MEMBERS = {
    "allowOrigins": "AllowOrigins", "allowCredentials": "AllowCredentials", "exposeHeaders": "ExposeHeaders",
    "maxAge": "MaxAge", "allowMethods": "AllowMethods", "allowHeaders": "AllowHeaders",
}  # fmt: skip
INTEGRATION_MEMBERS = {
    "uri": "IntegrationUri", "httpMethod": "IntegrationMethod", "payloadFormatVersion": "PayloadFormatVersion",
    "connectionType": "ConnectionType", "connectionId": "ConnectionId", "timeoutInMillis": "TimeoutInMillis",
    "requestParameters": "RequestParameters", "responseParameters": "ResponseParameters",
    "credentials": "CredentialsArn", "integrationSubtype": "IntegrationSubtype", "description": "Description",
}  # fmt: skip
_AUTHORIZER_MEMBERS = {
    "authorizerUri": "AuthorizerUri", "authorizerPayloadFormatVersion": "AuthorizerPayloadFormatVersion",
    "enableSimpleResponses": "EnableSimpleResponses", "authorizerCredentials": "AuthorizerCredentialsArn",
    "authorizerResultTtlInSeconds": "AuthorizerResultTtlInSeconds",
}  # fmt: skip


_TYPES: dict[str, Any] = {
    "AllowOrigins": [str], "AllowMethods": [str], "AllowHeaders": [str], "ExposeHeaders": [str],
    "AllowCredentials": bool, "EnableSimpleResponses": bool,
    "MaxAge": range(-1, 86_401), "AuthorizerResultTtlInSeconds": range(3_601), "TimeoutInMillis": range(50, 30_001),
    "RequestParameters": {"any": str}, "ResponseParameters": {"any": {"any": str}},
}  # fmt: skip
"""Of members that are no text: a list, a map of any names, or a range of integers."""


class Operation(NamedTuple):
    """A route: its configuration without target and authorizer, the integration's, and the authorizer's name."""

    route: dict[str, Any]
    integration: dict[str, Any] | None
    authorizer: str | None


class Imported(NamedTuple):
    """What a document says. `api` is the API's own configuration, authorizers are by name."""

    api: dict[str, Any]
    tags: dict[str, str]
    operations: list[Operation]
    authorizers: dict[str, dict[str, Any]]
    warnings: list[str]


def parse(body: str) -> dict[str, Any]:
    """The document, which may be JSON or YAML. Raises BadRequestException."""
    if len(body.encode()) > BODY_BYTES_MAX:
        raise BadRequestException("Invalid OpenAPI input: the document is too large.")
    try:
        return documents.parse(body.encode())
    except documents.BadDocument as error:
        raise BadRequestException(f"Invalid OpenAPI input: {error}.") from None


def read(document: Mapping[str, Any], basepath: str) -> Imported:
    """`basepath` says what to do with the path of the first server: ignore, prepend or split."""
    if not str(document.get("openapi", "")).startswith("3.0"):
        raise BadRequestException("Invalid OpenAPI input. Only OpenAPI 3.0 is supported for HTTP APIs.")
    info, paths = _object(document, "info"), _object(document, "paths")
    if not info.get("title"):
        raise BadRequestException("Invalid OpenAPI input: info.title is missing.")
    api: dict[str, Any] = {"Name": str(info["title"])[:128]}
    if info.get("version") not in (None, ""):
        api["Version"] = str(info["version"])[:64]
    if info.get("description"):
        api["Description"] = str(info["description"])[:1024]
    if cors := _members(_object(document, CORS), CORS_MEMBERS):
        api["CorsConfiguration"] = cors
    if _object(document, ENDPOINT).get("disableExecuteApiEndpoint"):
        api["DisableExecuteApiEndpoint"] = True
    components = _object(document, "components")
    authorizers = _authorizers(_object(components, "securitySchemes"))
    warnings: list[str] = []
    prefix = _prefix(document, basepath)
    operations = [
        _operation(document, key, told, components, authorizers, warnings)
        for key, told in _operations(paths, prefix)
    ]  # fmt: skip
    return Imported(api, _tags(document), operations, authorizers, warnings)


def _operations(paths: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, item in paths.items():
        if not isinstance(item, dict):
            raise BadRequestException(f"Invalid OpenAPI input: the path {path} is no object.")
        for method, told in item.items():
            if method not in (*METHODS, ANY) or not isinstance(told, dict):
                continue
            if path == f"/{DEFAULT}":
                yield DEFAULT, told
            else:
                yield f"{'ANY' if method == ANY else method.upper()} {prefix}{path}", told


def _operation(
    document: Mapping[str, Any], key: str, told: Mapping[str, Any], components: Mapping[str, Any],
    authorizers: Mapping[str, Any], warnings: list[str],
) -> Operation:  # fmt: skip
    route: dict[str, Any] = {"RouteKey": key, "AuthorizationType": "NONE", "ApiKeyRequired": False}
    if told.get("operationId"):
        route["OperationName"] = str(told["operationId"])[:64]
    security = told.get("security", document.get("security"))
    authorizer = None
    for each in security if isinstance(security, list) else ():
        for name, scopes in each.items() if isinstance(each, dict) else ():
            scheme = _object(_object(components, "securitySchemes"), name)
            if scheme.get("x-amazon-apigateway-authtype") == "awsSigv4":
                route["AuthorizationType"] = "AWS_IAM"
            elif name in authorizers:
                is_jwt = authorizers[name]["AuthorizerType"] == "JWT"
                authorizer, route["AuthorizationType"] = name, "JWT" if is_jwt else "CUSTOM"
                if scopes and is_jwt:
                    route["AuthorizationScopes"] = [str(scope) for scope in scopes]
            else:
                warnings.append(f"Ignoring security scheme {name} of {key}: it names no authorizer.")
    integration = _integration(key, told.get(INTEGRATION), components)
    if integration is None:
        warnings.append(f"No integration is defined for {key}.")
    return Operation(route, integration, authorizer)


def _integration(key: str, told: Any, components: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(told, dict):
        return None
    if "$ref" in told:
        where = f"#/components/{SHARED}/"
        reference = str(told["$ref"])
        told = _object(components, SHARED).get(reference.removeprefix(where))
        if not reference.startswith(where) or not isinstance(told, dict) or "$ref" in told:
            raise BadRequestException(f"Invalid OpenAPI input: {reference} of {key} names no integration.")
    config: dict[str, Any] = {
        "IntegrationType": str(told.get("type", "")).upper(),
        **_members(told, INTEGRATION_MEMBERS),
    }
    if isinstance(told.get("tlsConfig"), dict):
        config["TlsConfig"] = _members(told["tlsConfig"], {"serverNameToVerify": "ServerNameToVerify"})
    if config["IntegrationType"] == "AWS_PROXY" and not config.get("IntegrationSubtype"):
        config.pop("IntegrationMethod", None)
    return config


def _authorizers(schemes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, scheme in schemes.items():
        told = scheme.get(AUTHORIZER) if isinstance(scheme, dict) else None
        if not isinstance(told, dict):
            continue
        kind = str(told.get("type", "")).upper()
        if kind not in ("JWT", "REQUEST"):
            raise BadRequestException(f"Invalid OpenAPI input: the authorizer {name} has the type {kind!r}.")
        config: dict[str, Any] = {"AuthorizerType": kind, "Name": name[:128], **_members(told, _AUTHORIZER_MEMBERS)}
        source = told.get("identitySource")
        given = source if isinstance(source, list) else str(source).split(",") if source else []
        config["IdentitySource"] = [str(each).strip() for each in given]
        if kind == "JWT":
            jwt = _object(told, "jwtConfiguration")
            audience = jwt.get("audience") or []
            config["JwtConfiguration"] = {
                "Issuer": str(jwt.get("issuer", "")),
                "Audience": [str(each) for each in (audience if isinstance(audience, list) else [audience])],
            }
        found[name] = config
    return found


def _prefix(document: Mapping[str, Any], basepath: str) -> str:
    """What comes before every path: the path of the first server, as `basepath` says."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    url = str(first.get("url", ""))
    variables = first.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    path = urlsplit(url).path.strip("/")
    if basepath == "ignore" or not path:
        return ""
    if basepath == "split":
        path = path.partition("/")[2]
    return f"/{path}" if path else ""


def _tags(document: Mapping[str, Any]) -> dict[str, str]:
    listed = document.get("tags")
    return {
        str(each["name"]): str(each[TAG])
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and each.get("name") and TAG in each
    }


def _object(within: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object; an empty one where it is not there. Raises BadRequestException."""
    found = within.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadRequestException(f"Invalid OpenAPI input: {name} is no object.")
    return found


def _members(told: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Members by their names in the API, of the types that they have there. Raises BadRequestException."""
    return {
        member: _typed(member, told[name], _TYPES.get(member, str))
        for name, member in names.items()
        if told.get(name) is not None
    }


def _typed(member: str, value: Any, wanted: Any) -> Any:
    if wanted is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # YAML's 2.0 is a number
    if isinstance(wanted, range):
        fits = isinstance(value, int) and not isinstance(value, bool) and value in wanted
    else:
        fits = isinstance(value, type(wanted) if isinstance(wanted, list | dict) else wanted)
    if not fits:
        raise BadRequestException(f"Invalid OpenAPI input: {member} is not as it must be.")
    if isinstance(wanted, list):
        return [_typed(member, each, str) for each in value]
    if isinstance(wanted, dict):
        return {str(name): _typed(member, each, wanted["any"]) for name, each in value.items()}
    return value
