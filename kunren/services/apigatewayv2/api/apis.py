"""APIs, their CORS, and quick create."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.apigatewayv2 import checks, views
from kunren.services.apigatewayv2.api.base import ApiBase, changed_config, config_of, parts_of
from kunren.services.apigatewayv2.domains.state import mappings_to
from kunren.services.apigatewayv2.errors import (
    BadRequestException,
    NotHere,
    TooManyRequestsException,
)
from kunren.services.apigatewayv2.model import DEFAULT, Api, Authorizer, Deployment, Integration, Route, Stage
from kunren.services.apigatewayv2.route_keys import parse_route_key

APIS_MAX = 600
"""Quota: APIs of an account and region."""
MEMBERS = (
    "Name", "Description", "Version", "CorsConfiguration", "DisableExecuteApiEndpoint", "IpAddressType",
)  # fmt: skip
_WEBSOCKET_ONLY = ("ApiKeySelectionExpression", "DisableSchemaValidation")
_SELECTION = "$request.method $request.path"


class ApiOperations(ApiBase):
    def create_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._check_protocol(params)
        with self._store.write() as tx:
            api = self._make(tx, ctx, config_of(params, MEMBERS), params.get("Tags") or {}, quick="Target" in params)
            if params.get("Target"):
                self._quick(tx, api, params)
        return views.api(api)

    def _check_protocol(self, params: dict[str, Any]) -> None:
        """Raises for what is no HTTP API."""
        if params["ProtocolType"] == "WEBSOCKET":
            raise NotHere("WebSocket APIs (apigatewayv2:CreateApi with ProtocolType WEBSOCKET)")
        if params.get("RouteSelectionExpression", _SELECTION) not in (
            _SELECTION, "${request.method} ${request.path}",
        ):  # fmt: skip
            raise BadRequestException(f"Invalid RouteSelectionExpression. It must be {_SELECTION} for HTTP protocol.")
        if "RouteKey" in params and not params.get("Target"):
            raise BadRequestException("RouteKey can only be specified with a Target.")
        for name in _WEBSOCKET_ONLY:
            if params.get(name) not in (None, False, "$request.header.x-api-key"):
                raise BadRequestException(f"{name} is not supported for HTTP protocol Apis")

    def _make(self, tx: Tx, ctx: RequestContext, config: dict[str, Any], tags: dict[str, str], **more: Any) -> Api:
        checks.check_cors(config.get("CorsConfiguration"))
        checks.check_address_type(config)
        checks.check_tags(tags)
        if len(tx.list(Api, ctx.account, ctx.region)) >= APIS_MAX:
            raise TooManyRequestsException("Maximum number of APIs has been reached.")
        api = Api(
            account=ctx.account,
            region=ctx.region,
            id=self._entropy.lower(10),
            config=config,
            created=self._clock.now(),
            tags=dict(tags),
            **more,
        )
        tx.put(api)
        return api

    def _quick(self, tx: Tx, api: Api, params: dict[str, Any]) -> None:
        """Route, integration and default stage of quick create."""
        target, key = params["Target"], params.get("RouteKey") or DEFAULT
        parse_route_key(key)
        is_function = target.startswith("arn:")
        config: dict[str, Any] = {
            "IntegrationType": "AWS_PROXY" if is_function else "HTTP_PROXY",
            "IntegrationUri": target,
            "ConnectionType": "INTERNET",
            "TimeoutInMillis": 30_000,
            "PayloadFormatVersion": "2.0" if is_function else "1.0",
        }
        if not is_function:
            config["IntegrationMethod"] = "ANY"
        if params.get("CredentialsArn"):
            config["CredentialsArn"] = params["CredentialsArn"]
        checks.check_integration(config)
        integration, route = self._new_id(), self._new_id()
        where: dict[str, Any] = {"account": api.account, "region": api.region}
        tx.put(Integration(**where, id=f"{api.id}/{integration}", config=config, managed=True))
        told = {
            "RouteKey": key,
            "Target": f"integrations/{integration}",
            "AuthorizationType": "NONE",
            "ApiKeyRequired": False,
        }
        tx.put(Route(**where, id=f"{api.id}/{route}", config=told, managed=True))
        now = self._clock.now()
        tx.put(
            Stage(
                **where, id=f"{api.id}/{DEFAULT}", config={"AutoDeploy": True}, created=now, updated=now, managed=True
            )
        )
        self._changed(tx, api)

    def update_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            config = changed_config(api.config, params, MEMBERS)
            checks.check_cors(config.get("CorsConfiguration"))
            checks.check_address_type(config)
            self._update_quick(tx, api, params)
            api = msgspec.structs.replace(api, config=config)
            tx.put(api)
            self._changed(tx, api)
        return views.api(api)

    def _update_quick(self, tx: Tx, api: Api, params: dict[str, Any]) -> None:
        """Target, RouteKey and CredentialsArn change what quick create made."""
        told = [name for name in ("Target", "RouteKey", "CredentialsArn") if params.get(name)]
        if not told:
            return
        if not api.quick:
            raise BadRequestException(f"{told[0]} can only be updated for an API that was created with quick create.")
        for integration in (each for each in parts_of(tx, Integration, api) if each.managed):
            changes = {"IntegrationUri": params.get("Target"), "CredentialsArn": params.get("CredentialsArn")}
            config = integration.config | {name: value for name, value in changes.items() if value}
            checks.check_integration(config)
            tx.put(msgspec.structs.replace(integration, config=config))
        if params.get("RouteKey"):
            parse_route_key(params["RouteKey"])
            for route in (each for each in parts_of(tx, Route, api) if each.managed):
                tx.put(msgspec.structs.replace(route, config={**route.config, "RouteKey": params["RouteKey"]}))

    def get_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return views.api(self._api(self._store.snapshot(), ctx, params["ApiId"]))

    def get_apis(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().list(Api, ctx.account, ctx.region)
        shown = self._page(found, params, lambda each: each.id)
        return {**shown, "Items": [views.api(each) for each in shown["Items"]]}

    def delete_api(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            if mappings_to(tx, api.account, api.region, api.id):
                raise BadRequestException(
                    "Deleting APIs with custom domain mappings is not supported. Delete the API mappings first."
                )
            for kind in (Route, Integration, Authorizer, Stage, Deployment):
                for each in parts_of(tx, kind, api):
                    tx.delete(each)
            tx.delete(api)

    def delete_cors_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            config = {name: value for name, value in api.config.items() if name != "CorsConfiguration"}
            api = msgspec.structs.replace(api, config=config)
            tx.put(api)
            self._changed(tx, api)
