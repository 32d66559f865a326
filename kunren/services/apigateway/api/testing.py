"""Test invocations, and what else needs the data plane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.dataplane.apis.interface import ApiIdentity, ApiRequest, ApiResponse
from kunren.services.apigateway.api.methods import MethodOperations
from kunren.services.apigateway.errors import BadRequestException, NotFoundException
from kunren.services.apigateway.freezing import freeze
from kunren.services.apigateway.gateway_responses import Refusal
from kunren.services.apigateway.model import RestApi, Stage
from kunren.services.apigateway.serving.answering import refused
from kunren.services.apigateway.serving.exchange import Deployed, Exchange
from kunren.services.apigateway.serving.kind import RestApiKind, finished
from kunren.services.apigateway.serving.router import Matched

STAGE = "test-invoke-stage"


class TestingOperations(MethodOperations):
    """`kind` is set before anything is asked."""

    kind: RestApiKind

    async def test_invoke_method(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """The method as it is now, without authorization and keys, as the console's test button asks it."""
        snapshot = self._store.snapshot()
        api = self._rest_api(snapshot, ctx, params)
        resource, method = self._method(snapshot, ctx, params)
        if "methodIntegration" not in method:
            raise NotImplementedByKunren("apigateway", "TestInvokeMethod without an integration")
        exchange = self._exchange(ctx, api, params, method["httpMethod"] if method["httpMethod"] != "ANY" else "GET")
        path = exchange.request.path.strip("/").split("/")
        parts = resource.path.strip("/").split("/")
        named = {part.strip("{}+"): value for part, value in zip(parts, path, strict=False) if part.startswith("{")}
        if parts and parts[-1].endswith("+}"):
            named[parts[-1][1:-2]] = "/".join(path[len(parts) - 1 :])
        exchange.matched = Matched(resource.name, resource.path, method, named)
        exchange.trace_id = "Root=1-00000000-000000000000000000000000"
        exchange.tracing = True
        began = self._clock.monotonic()
        exchange.log(f"Starting execution for request: {exchange.request.id}")
        try:
            response = await self.kind.integrate(exchange)
        except Refusal as refusal:
            response = refused(exchange, refusal)
        exchange.log(f"Method completed with status: {response.status}")
        shown = finished(exchange, response)
        return {
            "status": response.status, "latency": int((self._clock.monotonic() - began) * 1000),
            "log": "\n".join(exchange.lines), **_shown(shown),
        }  # fmt: skip

    def _exchange(self, ctx: RequestContext, api: RestApi, params: Mapping[str, Any], method: str) -> Exchange:
        path, _, query = (params.get("pathWithQueryString") or "/").partition("?")
        repeated = {name.lower(): tuple(values) for name, values in (params.get("multiValueHeaders") or {}).items()}
        headers = {name: ", ".join(values) for name, values in repeated.items()}
        headers |= {name.lower(): value for name, value in (params.get("headers") or {}).items()}
        request = ApiRequest(
            api=ApiIdentity(api.account, api.region, api.id), stage=STAGE, method=method,
            host=f"{api.id}.execute-api.{api.region}.amazonaws.com", raw_path=f"/{STAGE}{path}", path=path or "/",
            query=query, headers=headers, body=(params.get("body") or "").encode(), source_ip="test-invoke-source-ip",
            id=self._entropy.uuid(), time=self._clock.now(), repeated=repeated,
        )  # fmt: skip
        deployed = Deployed(freeze(self._store.snapshot(), api))
        variables = dict(params.get("stageVariables") or {})
        return Exchange(request, deployed, {"stageName": STAGE}, variables, False)

    async def test_invoke_authorizer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._rest_api(snapshot, ctx, params)
        exchange = self._exchange(ctx, api, params, "GET")
        exchange.matched = Matched("", "/", {"httpMethod": "GET", "authorizerId": params["authorizerId"]}, {})
        exchange.tracing = True
        began = self._clock.monotonic()
        told = self._authorizer_of(exchange, params["authorizerId"])
        found: dict[str, Any] = {"clientStatus": 200}
        try:
            verdict = await self.kind.authorizers.test(told, exchange)
            found |= {"principalId": verdict.principal, "policy": json.dumps({"Statement": list(verdict.statements)})}
        except Refusal as refusal:
            found["clientStatus"] = refusal.status
        return {**found, "log": "\n".join(exchange.lines), "latency": int((self._clock.monotonic() - began) * 1000)}

    def _authorizer_of(self, exchange: Exchange, id: str) -> dict[str, Any]:
        told: dict[str, Any] | None = exchange.deployed.authorizers.get(id)
        if told is None:
            raise NotFoundException("Invalid Authorizer identifier specified")
        return told

    def flush_stage_cache(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        api = self._rest_api(self._store.snapshot(), ctx, params)
        stage = self._find(self._store.snapshot(), Stage, ctx, f"{api.id}/{params['stageName']}")
        if not stage.shape["cacheClusterEnabled"]:
            raise BadRequestException("Cache cluster is not enabled for this stage")
        self.kind.caches.flush(ctx.account, ctx.region, api.id, stage.name)

    def flush_stage_authorizers_cache(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        snapshot = self._store.snapshot()
        stage = self._find(snapshot, Stage, ctx, f"{self._rest_api(snapshot, ctx, params).id}/{params['stageName']}")
        self.kind.authorizers.forget(params["restApiId"], stage.name)


def _shown(response: ApiResponse) -> dict[str, Any]:
    several: dict[str, list[str]] = {}
    for name, value in response.headers:
        several.setdefault(name, []).append(value)
    body = response.body if isinstance(response.body, bytes) else b""
    return {
        "body": body.decode("utf-8", "replace"), "headers": {name: values[-1] for name, values in several.items()},
        "multiValueHeaders": several,
    }  # fmt: skip
