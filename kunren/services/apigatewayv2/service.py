"""All of API Gateway that HTTP APIs need and REST APIs share, put together: state, front, what stands behind it.

`ApiGatewayV2Service(...)`, then `start()` and `run()` as a long-lived task. A further kind of API adds itself to
`front.kinds` and `domains.stages`, and takes `functions`, `throttle`, `issuers`, `upstream` and `observing` from here.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.apis.front import ApiFront
from kunren.dataplane.apis.issuers import Issuers
from kunren.dataplane.apis.throttle import Throttle
from kunren.dataplane.apis.upstream import Resolve, Upstream, UpstreamWorld
from kunren.services.apigatewayv2.api import ApiGatewayV2Api
from kunren.services.apigatewayv2.authorizing import Authorizing
from kunren.services.apigatewayv2.domains.model import RESOURCES as DOMAIN_RESOURCES
from kunren.services.apigatewayv2.domains.served import Names, ServedDomains
from kunren.services.apigatewayv2.domains.state import DomainState
from kunren.services.apigatewayv2.functions import Functions, Invoker
from kunren.services.apigatewayv2.http_apis import HttpApis
from kunren.services.apigatewayv2.integrating import Integrating
from kunren.services.apigatewayv2.model import RESOURCES, Api, Stage
from kunren.services.apigatewayv2.observing import Observing
from kunren.services.apigatewayv2.vpc_links import VpcLinkController
from kunren.world.spec import WorldSpec


class ApiGatewayV2Service:
    """`invoker` is Lambda's; `contexts(server_name)` has TLS contexts for AWS's own names; `serve(region)` has the
    region's API address answered; `trust` is the world's certificate bundle."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, call: CallService, *, invoker: Invoker,
        world: UpstreamWorld, dns: Names, resolve: Resolve, trust: Path,
        contexts: Callable[[str | None], ssl.SSLContext], serve: Callable[[str], None],
    ) -> None:  # fmt: skip
        store.register(*RESOURCES, *DOMAIN_RESOURCES)
        self._store = store
        self._serve = serve
        self.functions = Functions(store, invoker)
        self.upstream = Upstream(world, resolve, clock, trust)
        self.issuers = Issuers(self.upstream, clock)
        self.throttle = Throttle(clock)
        self.observing = Observing(clock, call)
        self.authorizing = Authorizing(clock, self.functions, self.issuers)
        self.domains = DomainState(store, clock, entropy)
        self.domains.stages.append(_has_stage)
        self.api = ApiGatewayV2Api(store, clock, entropy, call, self.domains, self.authorizing.forget)
        self.served = ServedDomains(store, spec, dns, contexts, serve)
        self.front = ApiFront(clock, entropy)
        self.front.domains = self.served
        integrating = Integrating(store, clock, self.functions, self.upstream, call)
        self.front.kinds.append(
            HttpApis(store, clock, entropy, self.throttle, self.authorizing, integrating, self.functions.new_trace_id,
                     self.observing.note)
        )  # fmt: skip
        self.vpc_links = VpcLinkController(store, clock, entropy, spec)
        store.subscribe(self._serve_regions, wants=lambda kind: kind == Api.kind)

    def _serve_regions(self, keys: frozenset[Key]) -> None:
        for region in {key.region for key in keys if key.kind == Api.kind}:
            self._serve(region)

    def start(self) -> None:
        """Serve what the store has."""
        self.served.start()
        for region in {each.region for each in self._store.snapshot().every(Api)}:
            self._serve(region)

    async def run(self) -> None:
        """Never returns."""
        await self.vpc_links.controller.run()

    async def settled(self) -> None:
        """Return when every VPC link is as its row says."""
        await self.vpc_links.controller.settled()

    def status(self) -> dict[str, Any]:
        counts = self._store.snapshot().counts()
        return {
            "apis": counts.get(Api.kind, 0),
            "requests": self.front.requests,
            "errors": self.vpc_links.controller.last_errors,
        }


def _has_stage(view: Snapshot | Tx, account: str, region: str, api_id: str, stage: str) -> bool:
    return view.get(Stage, account, region, f"{api_id}/{stage}") is not None
