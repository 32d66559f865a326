"""Methods of resources, their integrations and responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.apigateway import tables
from kunren.services.apigateway.api.base import given
from kunren.services.apigateway.api.resources import ResourceOperations
from kunren.services.apigateway.errors import BadRequestException, ConflictException, NotFoundException
from kunren.services.apigateway.model import METHODS, Authorizer, Model, PathResource, RequestValidator, VpcLink
from kunren.services.apigateway.patching import patched

TIMEOUT_MIN_MS, TIMEOUT_MAX_MS = 50, 29_000
_REQUEST_PARAMETER = re.compile(
    r"method\.request\.(querystring|path|header|multivaluequerystring|multivalueheader)\..+"
)
_RESPONSE_PARAMETER = re.compile(r"method\.response\.(header|multivalueheader)\..+")
_INTEGRATION_PARAMETER = re.compile(
    r"integration\.request\.(querystring|path|header|multivalueheader|multivaluequerystring)\..+"
)
_STATUS = re.compile(r"[1-5]\d\d")
INTEGRATION_MEMBERS = (
    "type", "uri", "connectionType", "connectionId", "credentials", "requestParameters", "requestTemplates",
    "passthroughBehavior", "cacheNamespace", "cacheKeyParameters", "contentHandling", "timeoutInMillis", "tlsConfig",
    "integrationTarget",
)  # fmt: skip


def check_method(method: Mapping[str, Any]) -> None:
    """Raises BadRequestException."""
    if method["authorizationType"] not in tables.AUTHORIZATION_TYPES:
        raise BadRequestException(
            "Invalid authorization type specified. Must be one of: [" + ", ".join(tables.AUTHORIZATION_TYPES) + "]"
        )
    if method["authorizationType"] in ("CUSTOM", "COGNITO_USER_POOLS") and not method.get("authorizerId"):
        raise BadRequestException("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or "
                                  "COGNITO_USER_POOLS requires a valid authorizer.")  # fmt: skip
    for name in method.get("requestParameters") or {}:
        if not _REQUEST_PARAMETER.fullmatch(name):
            raise BadRequestException(
                f"Invalid mapping expression specified: {name}. Request parameters should start with "
                "'method.request.{location}.{name}'"
            )


def check_response_parameters(parameters: Mapping[str, Any] | None) -> None:
    for name in parameters or {}:
        if not _RESPONSE_PARAMETER.fullmatch(name):
            raise BadRequestException(f"Invalid mapping expression parameter specified: {name}")


def check_status(status: str) -> str:
    if not _STATUS.fullmatch(status):
        raise BadRequestException(f"Invalid status code specified: {status}")
    return status


def check_integration(told: Mapping[str, Any]) -> None:
    """Raises BadRequestException, and NotImplemented for what is not here."""
    kind, uri = told["type"], told.get("uri") or ""
    if kind != "MOCK" and not told.get("httpMethod"):
        raise BadRequestException("Enumeration value for HttpMethod must be non-empty")
    if kind in ("HTTP", "HTTP_PROXY"):
        _check_url(uri, told)
    elif kind in ("AWS", "AWS_PROXY"):
        _check_action(kind, uri, told)
    timeout = told.get("timeoutInMillis")
    if timeout is not None and not TIMEOUT_MIN_MS <= timeout <= TIMEOUT_MAX_MS:
        raise BadRequestException(f"Timeout should be between {TIMEOUT_MIN_MS} ms and {TIMEOUT_MAX_MS} ms")
    behavior = told.get("passthroughBehavior")
    if behavior not in (None, *tables.PASSTHROUGH):
        raise BadRequestException(
            "Invalid Passthrough Behavior specified. Must be one of: [" + ", ".join(tables.PASSTHROUGH) + "]"
        )
    for name, value in (told.get("requestParameters") or {}).items():
        if not _INTEGRATION_PARAMETER.fullmatch(name) or not value:
            raise BadRequestException(f"Invalid mapping expression specified: {name}")
    if (told.get("tlsConfig") or {}).get("insecureSkipVerification"):
        raise NotImplementedByKunren("apigateway", "tlsConfig insecureSkipVerification")
    if told.get("integrationTarget"):
        raise NotImplementedByKunren("apigateway", "integrationTarget")
    if told.get("responseTransferMode") == "STREAM":
        raise NotImplementedByKunren("apigateway", "responseTransferMode STREAM")


def _check_url(uri: str, told: Mapping[str, Any]) -> None:
    if not re.match(r"https?://[^\s/]+|\$\{stageVariables\.|https?://\$\{", uri):
        raise BadRequestException("Invalid HTTP endpoint specified for URI")
    if told.get("connectionType") == "VPC_LINK" and not told.get("connectionId"):
        raise BadRequestException("VpcLink ID must be specified for connectionType VPC_LINK")


def _check_action(kind: str, uri: str, told: Mapping[str, Any]) -> None:
    arn = parse_arn(uri)
    if arn is None or not uri.startswith("arn:aws:apigateway:"):
        raise BadRequestException("Invalid ARN specified in the request")
    if not (arn.resource.startswith(("path/", "action/"))):
        raise BadRequestException("AWS ARN for integration must contain path or action")
    service = arn.account.rpartition(".")[2]
    if kind == "AWS_PROXY" and service not in ("lambda", "firehose"):
        raise BadRequestException(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
        )
    if service != "lambda" and not told.get("credentials"):
        raise BadRequestException("Role ARN must be specified for AWS integrations")


class MethodOperations(ResourceOperations):
    # --- methods --------------------------------------------------------------------------------------------------

    def put_method(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["httpMethod"]
        if name not in METHODS:
            raise BadRequestException(
                "Invalid HttpMethod specified. Valid options are " + ",".join(sorted((*METHODS,)))
            )
        method = {
            "httpMethod": name,
            "apiKeyRequired": bool(params.get("apiKeyRequired")),
            **given(
                params, "authorizationType", "authorizerId", "operationName", "requestParameters", "requestModels",
                "requestValidatorId", "authorizationScopes",
            ),
        }  # fmt: skip
        check_method(method)
        with self._store.write() as tx:
            resource = self._resource(tx, ctx, params)
            if name in resource.methods:
                raise ConflictException("Method already exists for this resource")
            self._check_references(tx, ctx, params, method)
            self._put_method(tx, resource, method)
        return method

    def _check_references(self, tx: Tx, ctx: RequestContext, params: Mapping[str, Any], method: dict[str, Any]) -> None:
        api = params["restApiId"]
        validator = method.get("requestValidatorId")
        if validator and tx.get(RequestValidator, ctx.account, ctx.region, f"{api}/{validator}") is None:
            raise BadRequestException("Invalid Request Validator identifier specified")
        authorizer = method.get("authorizerId")
        if authorizer and tx.get(Authorizer, ctx.account, ctx.region, f"{api}/{authorizer}") is None:
            raise BadRequestException("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or "
                                      "COGNITO_USER_POOLS requires a valid authorizer.")  # fmt: skip
        for model in (method.get("requestModels") or {}).values():
            if tx.get(Model, ctx.account, ctx.region, f"{api}/{model}") is None:
                raise BadRequestException(f"Invalid model identifier specified: {model}")

    def _put_method(self, tx: Tx, resource: PathResource, method: dict[str, Any]) -> None:
        tx.put(msgspec.structs.replace(resource, methods={**resource.methods, method["httpMethod"]: method}))

    def _method(self, view: Any, ctx: RequestContext, params: Mapping[str, Any]) -> tuple[PathResource, dict[str, Any]]:
        resource = self._resource(view, ctx, params)
        method = resource.methods.get(params["httpMethod"])
        if method is None:
            raise NotFoundException("Invalid Method identifier specified")
        return resource, method

    def get_method(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._method(self._store.snapshot(), ctx, params)[1]

    def update_method(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            resource, method = self._method(tx, ctx, params)
            changed = patched(method, params.get("patchOperations"), tables.METHOD)
            for name in ("authorizerId", "requestValidatorId", "operationName"):
                if changed.get(name) == "":
                    del changed[name]
            if changed["authorizationType"] in ("NONE", "AWS_IAM"):
                changed.pop("authorizerId", None)
            check_method(changed)
            self._check_references(tx, ctx, params, changed)
            self._put_method(tx, resource, changed)
        return changed

    def delete_method(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            resource, _ = self._method(tx, ctx, params)
            kept = {name: each for name, each in resource.methods.items() if name != params["httpMethod"]}
            tx.put(msgspec.structs.replace(resource, methods=kept))

    # --- method responses -----------------------------------------------------------------------------------------

    def put_method_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        status = check_status(params["statusCode"])
        response = {"statusCode": status, **given(params, "responseParameters", "responseModels")}
        check_response_parameters(response.get("responseParameters"))
        with self._store.write() as tx:
            resource, method = self._method(tx, ctx, params)
            if status in method.get("methodResponses", {}):
                raise ConflictException("Response already exists for this resource")
            self._check_models(tx, ctx, params, response)
            responses = {**method.get("methodResponses", {}), status: response}
            self._put_method(tx, resource, {**method, "methodResponses": responses})
        return response

    def _check_models(self, tx: Tx, ctx: RequestContext, params: Mapping[str, Any], response: dict[str, Any]) -> None:
        for model in (response.get("responseModels") or {}).values():
            if tx.get(Model, ctx.account, ctx.region, f"{params['restApiId']}/{model}") is None:
                raise BadRequestException(f"Invalid model identifier specified: {model}")

    def _method_response(self, view: Any, ctx: RequestContext, params: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        resource, method = self._method(view, ctx, params)
        response = method.get("methodResponses", {}).get(params["statusCode"])
        if response is None:
            raise NotFoundException("Invalid Response status code specified")
        return resource, method, response

    def get_method_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._method_response(self._store.snapshot(), ctx, params)[2]
        return found

    def update_method_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            resource, method, response = self._method_response(tx, ctx, params)
            changed = patched(response, params.get("patchOperations"), tables.METHOD_RESPONSE)
            check_response_parameters(changed.get("responseParameters"))
            self._check_models(tx, ctx, params, changed)
            responses = {**method["methodResponses"], params["statusCode"]: changed}
            self._put_method(tx, resource, {**method, "methodResponses": responses})
        return changed

    def delete_method_response(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            resource, method, _ = self._method_response(tx, ctx, params)
            kept = {code: each for code, each in method["methodResponses"].items() if code != params["statusCode"]}
            self._put_method(tx, resource, _with(method, "methodResponses", kept))

    # --- integrations ---------------------------------------------------------------------------------------------

    def put_integration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            resource, method = self._method(tx, ctx, params)
            integration = {
                **new_integration(params, resource.name),
                **given({"httpMethod": params.get("integrationHttpMethod")}, "httpMethod"),
                **given({"r": method.get("methodIntegration", {}).get("integrationResponses")}, "r"),
            }
            if "r" in integration:
                integration["integrationResponses"] = integration.pop("r")
            check_integration({**integration, **given(params, "responseTransferMode")})
            self._check_link(tx, ctx, integration)
            self._put_method(tx, resource, {**method, "methodIntegration": integration})
        return integration

    def _check_link(self, tx: Tx, ctx: RequestContext, integration: Mapping[str, Any]) -> None:
        link = integration.get("connectionId") or ""
        if integration.get("connectionType") == "VPC_LINK" and "${" not in link:
            self._find(tx, VpcLink, ctx, link)

    def _integration(self, view: Any, ctx: RequestContext, params: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        resource, method = self._method(view, ctx, params)
        integration = method.get("methodIntegration")
        if integration is None:
            raise NotFoundException("Invalid Integration identifier specified")
        return resource, method, integration

    def get_integration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._integration(self._store.snapshot(), ctx, params)[2]
        return found

    def update_integration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            resource, method, integration = self._integration(tx, ctx, params)
            changed = patched(integration, params.get("patchOperations"), tables.INTEGRATION)
            if changed.get("contentHandling") == "":
                del changed["contentHandling"]
            check_integration(changed)
            self._check_link(tx, ctx, changed)
            self._put_method(tx, resource, {**method, "methodIntegration": changed})
        return changed

    def delete_integration(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            resource, method, _ = self._integration(tx, ctx, params)
            self._put_method(tx, resource, {k: v for k, v in method.items() if k != "methodIntegration"})

    # --- integration responses ------------------------------------------------------------------------------------

    def put_integration_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        status = check_status(params["statusCode"])
        response = {
            "statusCode": status,
            **given(params, "selectionPattern", "responseParameters", "responseTemplates", "contentHandling"),
        }
        check_response_parameters(response.get("responseParameters"))
        _check_pattern(response)
        with self._store.write() as tx:
            resource, method, integration = self._integration(tx, ctx, params)
            if status not in method.get("methodResponses", {}):
                raise NotFoundException("Invalid Response status code specified")
            _check_declared(method, response)
            self._put_responses(tx, resource, method, {**integration.get("integrationResponses", {}), status: response})
        return response

    def _put_responses(self, tx: Tx, resource: PathResource, method: dict[str, Any], responses: dict[str, Any]) -> None:
        integration = _with(method["methodIntegration"], "integrationResponses", responses)
        self._put_method(tx, resource, {**method, "methodIntegration": integration})

    def _integration_response(self, view: Any, ctx: RequestContext, params: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        resource, method, integration = self._integration(view, ctx, params)
        if params["statusCode"] not in integration.get("integrationResponses", {}):
            raise NotFoundException("Invalid Response status code specified")
        return resource, method, integration["integrationResponses"]

    def get_integration_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._integration_response(self._store.snapshot(), ctx, params)[2][params["statusCode"]]
        return found

    def update_integration_response(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            resource, method, responses = self._integration_response(tx, ctx, params)
            changed = patched(
                responses[params["statusCode"]], params.get("patchOperations"), tables.INTEGRATION_RESPONSE
            )
            if changed.get("contentHandling") == "":
                del changed["contentHandling"]
            check_response_parameters(changed.get("responseParameters"))
            _check_pattern(changed)
            _check_declared(method, changed)
            self._put_responses(tx, resource, method, {**responses, params["statusCode"]: changed})
        return changed

    def delete_integration_response(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            resource, method, responses = self._integration_response(tx, ctx, params)
            kept = {code: each for code, each in responses.items() if code != params["statusCode"]}
            self._put_responses(tx, resource, method, kept)


def new_integration(params: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """An integration with its defaults."""
    return {
        "passthroughBehavior": "WHEN_NO_MATCH", "timeoutInMillis": TIMEOUT_MAX_MS, "cacheNamespace": namespace,
        "cacheKeyParameters": [], **given(params, *INTEGRATION_MEMBERS),
    }  # fmt: skip


def _with(shape: Mapping[str, Any], name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """With a map that is not shown when it is empty."""
    kept = {key: each for key, each in shape.items() if key != name}
    return {**kept, name: dict(value)} if value else kept


def _check_pattern(response: Mapping[str, Any]) -> None:
    try:
        re.compile(response.get("selectionPattern") or "")
    except re.error:
        raise BadRequestException("Invalid selection pattern specified") from None


def _check_declared(method: Mapping[str, Any], response: Mapping[str, Any]) -> None:
    """A response's mappings lead to headers that the method's response declares."""
    declared = method["methodResponses"].get(response["statusCode"], {}).get("responseParameters") or {}
    for name in response.get("responseParameters") or {}:
        if name not in declared:
            raise BadRequestException(f"Invalid mapping expression parameter specified: {name}")
