"""Builds REST APIs out of their parts: operations, and the kind of API that the front serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.apis.upstream import Link
from kunren.services.apigateway.api import ApiGatewayApi
from kunren.services.apigateway.model import KINDS, RestApi, Stage
from kunren.services.apigateway.serving.functions import Functions
from kunren.services.apigateway.serving.integrating import AskService, Integrations
from kunren.services.apigateway.serving.kind import RestApiKind
from kunren.services.apigateway.serving.metering import Metering
from kunren.services.apigateway.serving.records import Records
from kunren.services.apigateway.vpc_links import VpcLinkController, way_into
from kunren.services.apigatewayv2.service import ApiGatewayV2Service
from kunren.services.lambda_.invoker import Invoker
from kunren.world.spec import WorldSpec


class RestApiService:
    """`api` answers calls, `kind` is served by the front of all APIs, `records` is asked before CloudWatch answers."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, invoker: Invoker, call: CallService,
        ask_service: AskService, shared: ApiGatewayV2Service, serve: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`shared` has the front, custom domains and upstreams; `serve(region)` has a region's API address answered."""
        store.register(*KINDS)
        self._store = store
        self._serve = serve
        self._links = VpcLinkController(store, clock, entropy, spec)
        functions = Functions(store, invoker)
        integrations = Integrations(functions, shared.upstream, ask_service, self._link, clock)
        self.records = Records(store, clock, call)
        metering = Metering(store, clock, shared.throttle)
        self.kind = RestApiKind(store, clock, entropy, functions, integrations, self.records, metering)
        self.api = ApiGatewayApi(store, clock, entropy, call)
        self.api.kind, self.api.domains = self.kind, shared.domains
        shared.front.kinds.append(self.kind)
        shared.domains.stages.append(_has_stage)
        store.subscribe(self._serve_regions, wants=lambda kind: kind == RestApi.kind)

    def start(self) -> None:
        """Serve what the store has."""
        for region in {each.region for each in self._store.snapshot().every(RestApi)}:
            self._serve(region)

    def _serve_regions(self, keys: frozenset[Key]) -> None:
        for region in {key.region for key in keys if key.kind == RestApi.kind}:
            self._serve(region)

    async def run(self) -> None:
        """Keeps VPC links as they are to be. Never returns."""
        await self._links.controller.run()

    async def settled(self) -> None:
        """Return when every VPC link is as its row says."""
        await self._links.controller.settled()

    async def _link(self, account: str, region: str, link: str, url: str) -> Link | None:
        return way_into(self._store.snapshot(), account, region, link)

    def status(self) -> dict[str, Any]:
        return {
            "apis": sum(1 for _ in self._store.snapshot().every(RestApi)),
            "errors": self._links.controller.last_errors,
        }


def _has_stage(view: Snapshot | Tx, account: str, region: str, api_id: str, stage: str) -> bool:
    """Whether a mapping may lead there; one without a stage leaves it to the path."""
    if not stage:
        return view.get(RestApi, account, region, api_id) is not None
    return view.get(Stage, account, region, f"{api_id}/{stage}") is not None
