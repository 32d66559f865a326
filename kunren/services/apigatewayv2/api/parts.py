"""Routes, integrations and authorizers."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.apigatewayv2 import checks, views
from kunren.services.apigatewayv2.api.base import ApiBase, changed_config, config_of, parts_of, replaced
from kunren.services.apigatewayv2.errors import (
    BadRequestException,
    ConflictException,
    TooManyRequestsException,
)
from kunren.services.apigatewayv2.model import Api, Authorizer, Integration, Route, Stage, VpcLink
from kunren.services.apigatewayv2.route_keys import parse_route_key, shape

ROUTES_MAX, INTEGRATIONS_MAX, AUTHORIZERS_MAX, SCOPES_MAX = 300, 300, 10, 10
"""Quotas of an API."""
_ROUTE = (
    "RouteKey", "Target", "AuthorizationType", "AuthorizerId", "AuthorizationScopes", "OperationName", "ApiKeyRequired",
)  # fmt: skip
_ROUTE_WEBSOCKET = (
    "ModelSelectionExpression", "RequestModels", "RequestParameters", "RouteResponseSelectionExpression",
)  # fmt: skip
_INTEGRATION = (
    "IntegrationType", "IntegrationUri", "IntegrationMethod", "IntegrationSubtype", "ConnectionType", "ConnectionId",
    "CredentialsArn", "Description", "PayloadFormatVersion", "RequestParameters", "ResponseParameters",
    "TimeoutInMillis", "TlsConfig",
)  # fmt: skip
_INTEGRATION_WEBSOCKET = (
    "ContentHandlingStrategy", "PassthroughBehavior", "RequestTemplates", "TemplateSelectionExpression",
)  # fmt: skip
_AUTHORIZER = (
    "AuthorizerType", "Name", "AuthorizerUri", "AuthorizerCredentialsArn", "AuthorizerPayloadFormatVersion",
    "AuthorizerResultTtlInSeconds", "EnableSimpleResponses", "IdentitySource", "JwtConfiguration",
    "IdentityValidationExpression",
)  # fmt: skip
CACHED_S = 300


class PartOperations(ApiBase):
    # --- routes

    def create_route(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            route = self._add_route(tx, api, _route_config(params))
            self._changed(tx, api)
        return views.route(route)

    def _add_route(self, tx: Tx, api: Api, config: dict[str, Any]) -> Route:
        self._check_route(tx, api, "", config)
        if len(parts_of(tx, Route, api)) >= ROUTES_MAX:
            raise TooManyRequestsException("Maximum number of Routes for this Api has been reached.")
        made = Route(account=api.account, region=api.region, id=f"{api.id}/{self._new_id()}", config=config)
        tx.put(made)
        return made

    def _check_route(self, tx: Tx, api: Api, own_id: str, config: dict[str, Any]) -> None:
        key = parse_route_key(config["RouteKey"])
        for each in parts_of(tx, Route, api):
            if each.own_id != own_id and shape(parse_route_key(each.config["RouteKey"])) == shape(key):
                raise ConflictException(f"Route with key {config['RouteKey']} already exists for this API")
        if config.get("Target"):
            where, _, integration = config["Target"].partition("/")
            if where != "integrations" or not integration:
                raise BadRequestException("Invalid Target. It must be of the form integrations/{integrationId}")
            self._part(tx, Integration, api, integration)
        if len(config.get("AuthorizationScopes", ())) > SCOPES_MAX:
            raise BadRequestException(f"A route has {SCOPES_MAX} authorization scopes at most")
        self._check_authorization(tx, api, config)

    def _check_authorization(self, tx: Tx, api: Api, config: dict[str, Any]) -> None:
        kind, authorizer_id = config["AuthorizationType"], config.get("AuthorizerId")
        if kind in ("NONE", "AWS_IAM"):
            if authorizer_id:
                raise BadRequestException(f"AuthorizerId can not be set for AuthorizationType {kind}")
            return
        if not authorizer_id:
            raise BadRequestException(f"AuthorizerId must be specified for AuthorizationType {kind}")
        found = self._part(tx, Authorizer, api, authorizer_id)
        if (found.config["AuthorizerType"] == "JWT") != (kind == "JWT"):
            raise BadRequestException(f"The authorizer {authorizer_id} can not be used with AuthorizationType {kind}")
        if kind == "CUSTOM" and config.get("AuthorizationScopes"):
            raise BadRequestException("AuthorizationScopes are only supported for JWT authorizers")

    def update_route(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            route = self._part(tx, Route, api, params["RouteId"])
            _refuse_websocket(params, _ROUTE_WEBSOCKET)
            config = changed_config(route.config, params, _ROUTE)
            if params.get("AuthorizationType") in ("NONE", "AWS_IAM") and not params.get("AuthorizerId"):
                config.pop("AuthorizerId", None)
            if config.get("AuthorizerId") == "":
                del config["AuthorizerId"]
            self._check_route(tx, api, route.own_id, config)
            self._rename_settings(tx, api, route.config["RouteKey"], config["RouteKey"])
            route = replaced(route, config=config)
            tx.put(route)
            self._changed(tx, api)
        return views.route(route)

    def _rename_settings(self, tx: Tx, api: Api, before: str, after: str | None) -> None:
        """A route's settings in stages go where its key goes."""
        for stage in parts_of(tx, Stage, api):
            settings = stage.config.get("RouteSettings", {})
            if before in settings and before != after:
                left = {key: value for key, value in settings.items() if key != before}
                if after is not None:
                    left[after] = settings[before]
                tx.put(replaced(stage, config={**stage.config, "RouteSettings": left}))

    def get_route(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return views.route(self._part(snapshot, Route, self._api(snapshot, ctx, params["ApiId"]), params["RouteId"]))

    def get_routes(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._page(parts_of(snapshot, Route, self._api(snapshot, ctx, params["ApiId"])), params, _own_id)
        return {**found, "Items": [views.route(each) for each in found["Items"]]}

    def delete_route(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            route = self._part(tx, Route, api, params["RouteId"])
            self._rename_settings(tx, api, route.config["RouteKey"], None)
            tx.delete(route)
            self._changed(tx, api)

    # --- integrations

    def create_integration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            _refuse_websocket(params, _INTEGRATION_WEBSOCKET)
            made = self._add_integration(tx, api, config_of(params, _INTEGRATION))
            self._changed(tx, api)
        return views.integration(made)

    def _add_integration(self, tx: Tx, api: Api, told: dict[str, Any]) -> Integration:
        config = {"ConnectionType": "INTERNET", "TimeoutInMillis": 30_000, **told}
        if config["IntegrationType"] == "HTTP_PROXY" or config.get("IntegrationSubtype"):
            config.setdefault("PayloadFormatVersion", "1.0")
        self._check_integration(tx, api, config)
        if len(parts_of(tx, Integration, api)) >= INTEGRATIONS_MAX:
            raise TooManyRequestsException("Maximum number of Integrations for this Api has been reached.")
        made = Integration(account=api.account, region=api.region, id=f"{api.id}/{self._new_id()}", config=config)
        tx.put(made)
        return made

    def _check_integration(self, tx: Tx, api: Api, config: dict[str, Any]) -> None:
        checks.check_integration(config)
        link = config.get("ConnectionId", "") if config["ConnectionType"] == "VPC_LINK" else ""
        if link and "${" not in link and tx.get(VpcLink, api.account, api.region, link) is None:
            raise BadRequestException(f"Invalid VpcLink identifier specified {link}")

    def update_integration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            found = self._part(tx, Integration, api, params["IntegrationId"])
            _refuse_websocket(params, _INTEGRATION_WEBSOCKET)
            config = changed_config(found.config, params, _INTEGRATION)
            for name in ("RequestParameters", "ResponseParameters"):  # an empty value takes a parameter away
                if params.get(name):
                    merged = {**found.config.get(name, {}), **params[name]}
                    config[name] = {key: value for key, value in merged.items() if value not in ("", {})}
            self._check_integration(tx, api, config)
            found = replaced(found, config=config)
            tx.put(found)
            self._changed(tx, api)
        return views.integration(found)

    def get_integration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._api(snapshot, ctx, params["ApiId"])
        return views.integration(self._part(snapshot, Integration, api, params["IntegrationId"]))

    def get_integrations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        parts = parts_of(snapshot, Integration, self._api(snapshot, ctx, params["ApiId"]))
        found = self._page(parts, params, _own_id)
        return {**found, "Items": [views.integration(each) for each in found["Items"]]}

    def delete_integration(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            found = self._part(tx, Integration, api, params["IntegrationId"])
            users = [each for each in parts_of(tx, Route, api) if each.config.get("Target", "").endswith(found.own_id)]
            if users:
                raise ConflictException(
                    f"Cannot delete Integration '{found.own_id}'. It is the target of the routes "
                    f"{', '.join(each.own_id for each in users)}."
                )
            tx.delete(found)
            self._changed(tx, api)

    # --- authorizers

    def create_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            made = self._add_authorizer(tx, api, config_of(params, _AUTHORIZER))
            self._changed(tx, api)
        return views.authorizer(made)

    def _add_authorizer(self, tx: Tx, api: Api, config: dict[str, Any]) -> Authorizer:
        if config["AuthorizerType"] == "REQUEST":
            config.setdefault("AuthorizerResultTtlInSeconds", CACHED_S if config.get("IdentitySource") else 0)
            config.setdefault("EnableSimpleResponses", False)
        checks.check_authorizer(config)
        existing = parts_of(tx, Authorizer, api)
        if any(each.config["Name"] == config["Name"] for each in existing):
            raise BadRequestException("Authorizer name must be unique. Authorizer with this name already exists.")
        if len(existing) >= AUTHORIZERS_MAX:
            raise TooManyRequestsException("Maximum number of Authorizers for this Api has been reached.")
        made = Authorizer(account=api.account, region=api.region, id=f"{api.id}/{self._entropy.lower(6)}",
                          config=config)  # fmt: skip
        tx.put(made)
        return made

    def update_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            found = self._part(tx, Authorizer, api, params["AuthorizerId"])
            config = changed_config(found.config, params, _AUTHORIZER)
            checks.check_authorizer(config)
            found = replaced(found, config=config)
            tx.put(found)
            self._changed(tx, api)
        return views.authorizer(found)

    def get_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._api(snapshot, ctx, params["ApiId"])
        return views.authorizer(self._part(snapshot, Authorizer, api, params["AuthorizerId"]))

    def get_authorizers(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        parts = parts_of(snapshot, Authorizer, self._api(snapshot, ctx, params["ApiId"]))
        found = self._page(parts, params, _own_id)
        return {**found, "Items": [views.authorizer(each) for each in found["Items"]]}

    def delete_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            found = self._part(tx, Authorizer, api, params["AuthorizerId"])
            users = [each for each in parts_of(tx, Route, api) if each.config.get("AuthorizerId") == found.own_id]
            if users:
                raise ConflictException(
                    f"Cannot delete authorizer '{found.own_id}', is referenced in route: {users[0].own_id}"
                )
            tx.delete(found)
            self._changed(tx, api)


def _route_config(params: dict[str, Any]) -> dict[str, Any]:
    _refuse_websocket(params, _ROUTE_WEBSOCKET)
    return {"AuthorizationType": "NONE", "ApiKeyRequired": False, **config_of(params, _ROUTE)}


def _refuse_websocket(params: dict[str, Any], members: tuple[str, ...]) -> None:
    for name in members:
        if params.get(name):
            raise BadRequestException(f"{name} is not supported for HTTP protocol Apis")


def _own_id(part: Any) -> str:
    return str(part.own_id)
