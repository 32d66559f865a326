"""HTTP APIs as the front sees them: what answers a request to one of their stages.

Order: CORS preflight, route, throttling, authorization, integration; then CORS headers, the access log and the metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.apis.cors import Cors, is_preflight, preflight_headers, response_headers
from kunren.dataplane.apis.interface import ApiIdentity, ApiRequest, ApiResponse
from kunren.dataplane.apis.throttle import Limit, Throttle
from kunren.services.apigatewayv2.answers import refusal
from kunren.services.apigatewayv2.authorizing import Authorizing
from kunren.services.apigatewayv2.exchange import Exchange
from kunren.services.apigatewayv2.integrating import Integrating
from kunren.services.apigatewayv2.model import DEFAULT, Api, Content, Deployment, Stage
from kunren.services.apigatewayv2.routing import RouteTable

ACCOUNT_LIMIT = Limit(10_000, 5_000)
"""Quota of an account and region: requests a second, and the burst."""
_CORS = {
    "AllowCredentials": "credentials",
    "AllowHeaders": "headers",
    "AllowMethods": "methods",
    "AllowOrigins": "origins",
    "ExposeHeaders": "expose",
    "MaxAge": "max_age_s",
}
_TABLES_MAX = 1_000
Observe = Callable[[Exchange, ApiResponse], None]


class _Served:
    """A deployment, ready to serve."""

    __slots__ = ("content", "cors", "table")

    def __init__(self, content: Content) -> None:
        self.content = content
        self.table = RouteTable(content.routes)
        self.cors = cors_of(content.cors) if content.cors else None


class HttpApis:
    """A kind of API (`kunren.dataplane.apis.interface.ApiKind`). `observe` is told of every exchange that ended."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, throttle: Throttle, authorizing: Authorizing,
        integrating: Integrating, new_trace_id: Callable[[], str], observe: Observe,
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._throttle = throttle
        self._authorizing = authorizing
        self._integrating = integrating
        self._new_trace_id = new_trace_id
        self._observe = observe
        self._apis: dict[tuple[str, str], ApiIdentity] = {}
        self._served: dict[Key, _Served] = {}
        self._read(each.key for each in store.snapshot().every(Api))
        store.subscribe(self._read, wants=lambda kind: kind == Api.kind)

    def _read(self, keys: Any) -> None:
        snapshot = self._store.snapshot()
        for key in keys:
            if key.kind != Api.kind:
                continue
            if snapshot.by_key(key) is None:
                self._apis.pop((key.region, key.id), None)
            else:
                self._apis[key.region, key.id] = ApiIdentity(key.account, key.region, key.id)

    # --- what the front asks

    def find(self, region: str, api_id: str) -> ApiIdentity | None:
        return self._apis.get((region, api_id))

    def stage_of(self, api: ApiIdentity, path: str) -> tuple[str, str]:
        name, slash, rest = path[1:].partition("/")
        if name and name != DEFAULT and self.has_stage(api, name):
            return name, slash + rest or "/"
        return (DEFAULT, path) if self.has_stage(api, DEFAULT) else ("", path)

    def has_stage(self, api: ApiIdentity, stage: str) -> bool:
        return self._stage(api, stage) is not None

    def _stage(self, api: ApiIdentity, name: str) -> Stage | None:
        return self._store.snapshot().get(Stage, api.account, api.region, f"{api.id}/{name}")

    async def handle(self, request: ApiRequest) -> ApiResponse:
        stage = self._stage(request.api, request.stage)
        served = self._deployed(stage) if stage is not None else None
        if stage is None or served is None or (served.content.endpoint_disabled and not request.domain):
            return refusal(404)
        trace_id = request.headers.get("x-amzn-trace-id") or self._new_trace_id()
        request_id = f"{self._entropy.lower(14)}g="  # AWS's are of this form
        exchange = Exchange(
            _renamed(request, request_id), stage, served.content, trace_id, self._clock.monotonic()
        )  # fmt: skip
        response = await self._answer(exchange, served)
        response = _finished(exchange, served, response)
        self._observe(exchange, response)
        return response

    def _deployed(self, stage: Stage) -> _Served | None:
        key = Key(Deployment.kind, stage.account, stage.region, f"{stage.api_id}/{stage.deployment}")
        served = self._served.get(key)
        found = self._store.snapshot().by_key(key)
        if not isinstance(found, Deployment):
            return None
        if served is None or served.content is not found.content:
            served = self._served[key] = _Served(found.content)
            if len(self._served) > _TABLES_MAX:
                del self._served[next(iter(self._served))]
        return served

    async def _answer(self, exchange: Exchange, served: _Served) -> ApiResponse:
        request = exchange.request
        if served.cors is not None and is_preflight(request.method, request.headers):
            return ApiResponse(204, preflight_headers(served.cors, request.headers))
        exchange.route = served.table.choose(request.method, request.path)
        if exchange.route is None:
            return refusal(404)
        if not self._throttle.admits(*limits_of(exchange)):
            return refusal(429)
        refused = await self._authorizing.check(exchange)
        return refused if refused is not None else await self._integrating.answer(exchange)


def limits_of(exchange: Exchange) -> list[tuple[tuple[str, ...], Limit]]:
    """The buckets that a request takes from: the account's, and its route's. A route has what the stage says for all
    routes, but for settings of its own."""
    api, config = exchange.request.api, exchange.stage.config
    found: list[tuple[tuple[str, ...], Limit]] = [((api.account, api.region), ACCOUNT_LIMIT)]
    own = config.get("RouteSettings", {}).get(exchange.route_key, {})
    settings = {**config.get("DefaultRouteSettings", {}), **own}
    if settings.get("ThrottlingRateLimit") is not None or settings.get("ThrottlingBurstLimit") is not None:
        route = (api.account, api.region, api.id, exchange.request.stage, exchange.route_key)
        found.append((route, _limit(settings)))
    return found


def _limit(settings: dict[str, Any]) -> Limit:
    rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
    return Limit(
        ACCOUNT_LIMIT.rate if rate is None else float(rate), ACCOUNT_LIMIT.burst if burst is None else float(burst)
    )


def cors_of(told: dict[str, Any]) -> Cors:
    """An API's CorsConfiguration as rules."""
    fields: dict[str, Any] = {
        _CORS[member]: tuple(value) if isinstance(value, list) else value for member, value in told.items()
    }
    return Cors(**fields)


def _renamed(request: ApiRequest, request_id: str) -> ApiRequest:
    """The request with an id of the form that HTTP APIs give."""
    return msgspec.structs.replace(request, id=request_id)


def _finished(exchange: Exchange, served: _Served, response: ApiResponse) -> ApiResponse:
    """With the id, and with the API's own CORS headers instead of the integration's where it has any."""
    headers = [each for each in response.headers if not each[0].lower().startswith("apigw-")]
    if served.cors is not None and not is_preflight(exchange.request.method, exchange.request.headers):
        headers = [each for each in headers if not each[0].lower().startswith("access-control-")]
        headers += response_headers(served.cors, exchange.request.headers)
    return ApiResponse(response.status, [*headers, ("Apigw-Requestid", exchange.request.id)], response.body)
