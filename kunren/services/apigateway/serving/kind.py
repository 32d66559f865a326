"""REST APIs as the front knows them (`ApiKind`): from a request to its stage, its deployment, and its answer."""

from __future__ import annotations

import msgspec

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.apis.interface import ApiIdentity, ApiRequest, ApiResponse
from kunren.services.apigateway.gateway_responses import Refusal, missing_token
from kunren.services.apigateway.model import Deployment, RestApi, Stage
from kunren.services.apigateway.serving import media
from kunren.services.apigateway.serving.answering import answered, refused
from kunren.services.apigateway.serving.authorizing import Authorizers
from kunren.services.apigateway.serving.caching import Caches, slot_of
from kunren.services.apigateway.serving.exchange import Deployed, Exchange
from kunren.services.apigateway.serving.functions import Functions
from kunren.services.apigateway.serving.integrating import Integrations
from kunren.services.apigateway.serving.metering import Metering
from kunren.services.apigateway.serving.records import Records
from kunren.services.apigateway.serving.validation import validate

_DEPLOYED_MAX = 256


class RestApiKind:
    """What the front asks. `answer` is the pipeline itself, for test invocations too."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, functions: Functions, integrations: Integrations,
        records: Records, metering: Metering,
    ) -> None:  # fmt: skip
        self.authorizers = Authorizers(functions, clock)
        self.caches = Caches(clock)
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._functions = functions
        self._integrations = integrations
        self._records = records
        self._metering = metering
        self._apis = {(each.region, each.id): each.account for each in store.snapshot().every(RestApi)}
        self._deployed: dict[Key, Deployed] = {}
        store.subscribe(self._changed, wants=lambda kind: kind in (RestApi.kind, Deployment.kind))

    def _changed(self, keys: frozenset[Key]) -> None:
        snapshot = self._store.snapshot()
        for key in keys:
            if key.kind == Deployment.kind:
                self._deployed.pop(key, None)
            elif key.kind == RestApi.kind and snapshot.by_key(key) is None:
                self._apis.pop((key.region, key.id), None)
            elif key.kind == RestApi.kind:
                self._apis[key.region, key.id] = key.account

    # --- what the front asks --------------------------------------------------------------------------------------

    def find(self, region: str, api_id: str) -> ApiIdentity | None:
        account = self._apis.get((region, api_id))
        return ApiIdentity(account, region, api_id) if account is not None else None

    def stage_of(self, api: ApiIdentity, path: str) -> tuple[str, str]:
        name, slash, rest = path.lstrip("/").partition("/")
        return (name, slash + rest or "/") if self.has_stage(api, name) else ("", path or "/")

    def has_stage(self, api: ApiIdentity, stage: str) -> bool:
        return self._stage(api, stage) is not None

    def _stage(self, api: ApiIdentity, stage: str) -> Stage | None:
        return self._store.snapshot().get(Stage, api.account, api.region, f"{api.id}/{stage}")

    async def handle(self, request: ApiRequest) -> ApiResponse:
        began = self._clock.monotonic()
        if request.domain and not request.stage:  # a mapping without a stage: the path names it
            stage_name, path = self.stage_of(request.api, request.path)
            request = msgspec.structs.replace(request, stage=stage_name, path=path)
        api = self._store.snapshot().get(RestApi, request.api.account, request.api.region, request.api.id)
        stage = self._stage(request.api, request.stage)
        exchange = self._exchange(request, stage) if stage is not None else None
        if api is None or exchange is None or (not request.domain and api.shape["disableExecuteApiEndpoint"]):
            return _forbidden(request)
        exchange.tracing = self._records.traces(exchange)
        response = await self.answer(exchange)
        latency_ms = int((self._clock.monotonic() - began) * 1000)
        self._records.take(exchange, response, latency_ms)
        return response

    def _exchange(self, request: ApiRequest, stage: Stage) -> Exchange | None:
        """By the stage's deployment, or, for its share of the requests, by the canary's."""
        shape = stage.shape
        variables = dict(shape.get("variables") or {})
        deployment, canary = shape["deploymentId"], shape.get("canarySettings")
        chosen = False
        if canary is not None and canary["percentTraffic"] > 0:
            shares = [100.0 - canary["percentTraffic"], canary["percentTraffic"]]
            chosen = self._entropy.weighted([False, True], shares)
        if chosen and canary is not None:
            deployment = canary["deploymentId"]
            variables.update(canary.get("stageVariableOverrides") or {})
        deployed = self._of_deployment(request.api, deployment)
        return Exchange(request, deployed, shape, variables, chosen) if deployed is not None else None

    def _of_deployment(self, api: ApiIdentity, id: str) -> Deployed | None:
        key = Key(Deployment.kind, api.account, api.region, f"{api.id}/{id}")
        found = self._deployed.get(key)
        if found is None:
            row = self._store.snapshot().by_key(key)
            if not isinstance(row, Deployment):
                return None
            if len(self._deployed) >= _DEPLOYED_MAX:
                self._deployed.clear()
            found = self._deployed[key] = Deployed(row.frozen)
        return found

    # --- the pipeline ---------------------------------------------------------------------------------------------

    async def answer(self, exchange: Exchange) -> ApiResponse:
        """From route to response; every refusal becomes a gateway response."""
        exchange.trace_id = exchange.request.headers.get("x-amzn-trace-id") or self._functions.new_trace_id()
        try:
            if exchange.matched is None:
                exchange.matched = exchange.deployed.router.match(exchange.request.method, exchange.request.path)
            if exchange.matched is None:
                raise missing_token()
            key = await self.authorizers.authorize(exchange)
            self._metering.admit(exchange, key)
            response = await self.integrate(exchange)
        except Refusal as refusal:
            response = refused(exchange, refusal)
        return finished(exchange, response)

    async def integrate(self, exchange: Exchange) -> ApiResponse:
        """What comes behind the questions of who asks. Raises Refusal."""
        exchange.request = _uncompressed(exchange)
        validate(exchange)
        slot = slot_of(exchange)
        if slot is None:
            return answered(exchange, await self._integrations.ask(exchange))
        kept = self.caches.look(slot, exchange)
        exchange.cached = kept is not None
        if kept is None:
            kept = answered(exchange, await self._integrations.ask(exchange))
            self.caches.keep(slot, kept)
        return kept


def _forbidden(request: ApiRequest) -> ApiResponse:
    headers = [
        ("Content-Type", "application/json"), ("x-amzn-RequestId", request.id),
        ("x-amzn-ErrorType", "ForbiddenException"),
    ]  # fmt: skip
    return ApiResponse(403, headers, b'{"message":"Forbidden"}')


def _uncompressed(exchange: Exchange) -> ApiRequest:
    """The request without its Content-Encoding, where the API has compression. Raises Refusal."""
    request = exchange.request
    encoding = request.headers.get("content-encoding")
    if encoding is None or exchange.deployed.api.get("minimumCompressionSize") is None:
        return request
    try:
        body = media.uncompressed(request.body, encoding)
    except ValueError:
        raise Refusal("BAD_REQUEST_BODY", "Invalid request body", "BadRequestException") from None
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return msgspec.structs.replace(request, body=body, headers=headers)


def finished(exchange: Exchange, response: ApiResponse) -> ApiResponse:
    """With the headers that every answer has, compressed where the API and the client agree on it."""
    request, least = exchange.request, exchange.deployed.api.get("minimumCompressionSize")
    headers = [
        ("x-amzn-RequestId", request.id),
        ("x-amz-apigw-id", request.id.replace("-", "")[:15] + "="),
        *response.headers,
        *exchange.warnings,
    ]
    names = {name.lower() for name, _ in headers}
    if exchange.integration_latency_ms is not None and "x-amzn-trace-id" not in names:
        headers.append(("X-Amzn-Trace-Id", exchange.trace_id.partition(";")[0]))
    body = response.body
    if least is None or not isinstance(body, bytes) or len(body) < least or "content-encoding" in names:
        return msgspec.structs.replace(response, headers=headers)
    packed = media.compressed(body, request.headers.get("accept-encoding", ""))
    if packed is None:
        return msgspec.structs.replace(response, headers=headers)
    return ApiResponse(response.status, [*headers, ("Content-Encoding", packed[1])], packed[0])
