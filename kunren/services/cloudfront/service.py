"""All of CloudFront together: the API's handlers, the edge service, and what joins them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from kunren.control.store import Store
from kunren.core.ca import CertificateAuthority, IssuedCertificate
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError, WireError
from kunren.core.fronts import FrontRequest
from kunren.core.policies import Acting
from kunren.core.sigv4 import BadSignature, Credential
from kunren.dataplane.edge.origin import Origins
from kunren.dataplane.edge.pipeline import Pipeline
from kunren.dataplane.edge.record import Record
from kunren.dataplane.edge.server import EdgeServer
from kunren.dataplane.edge.site import Site
from kunren.services.cloudfront.api import CloudFrontApi
from kunren.services.cloudfront.controllers import DistributionControllers
from kunren.services.cloudfront.key_values.api import KeyValueStoreApi
from kunren.services.cloudfront.key_values.controllers import KeyValueController
from kunren.services.cloudfront.logs.delivery import LogDelivery
from kunren.services.cloudfront.metrics import DistributionMetrics
from kunren.services.cloudfront.model import OriginAccessIdentity
from kunren.services.cloudfront.origin_access.principal import principal
from kunren.services.cloudfront.realtime_logs.delivery import RealtimeDelivery
from kunren.services.cloudfront.vpc_origins.controllers import VpcOriginController
from kunren.services.cloudfront.whereabouts import whereabouts
from kunren.settings import Settings
from kunren.world.addresses import edge_address

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


class CloudFrontService:
    """`api` answers calls; between `start` and `stop` the edge answers requests; `run` keeps both the same."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        ca: CertificateAuthority,
        world: Any,
        envoy: Any,
        dns: Any,
        *,
        resolve: Callable[[str, str], Awaitable[list[str]]],
        call: CallService,
    ) -> None:
        self._store = store
        self._ca = ca
        self._call = call
        self._credential = Credential("ASIA" + entropy.upper(16), entropy.hex(40), entropy.hex(64))
        self.api = CloudFrontApi(store, clock, entropy, call)
        self.key_values_api = KeyValueStoreApi(store, clock, entropy)
        self._key_values = KeyValueController(store, clock)
        edges = {each.name: edge_address(index) for index, each in enumerate(world.spec.places)}
        origins = Origins(
            world, lambda name, place: resolve(name, edges[place]), clock, ca.bundle_path, self._credential
        )
        pipeline = Pipeline(clock, entropy, origins, self._invoke, self._key_values.stores)
        self._vpc_origins = VpcOriginController(store, clock, entropy, world.spec)
        self.logs = LogDelivery(store, clock, entropy, call)
        self.realtime_logs = RealtimeDelivery(store, clock, entropy, call)
        places = whereabouts(world.spec.places)
        self.edge = EdgeServer(settings.run_dir / "edge.sock", pipeline, places, clock, self._observe)
        self.metrics = DistributionMetrics(store, clock, call, self.edge.take_counts)
        self._controllers = DistributionControllers(
            store,
            clock,
            world,
            envoy,
            dns,
            pipeline,
            self._issue,
            str(self.edge.socket_path),
            ipv6=world.spec.ipv6,
        )

    def distribution_asking(self, request: FrontRequest) -> tuple[str, str] | None:
        """The ARN and account of the distribution for which the edge signed a request; None for anybody else's.
        Raises BadSignature."""
        found = principal(self._credential, request)
        return (found.arn, found.account) if found is not None else None

    @property
    def access_key(self) -> str:
        """What the edge signs with."""
        return self._credential.access_key

    def acting(self, request: FrontRequest) -> Acting:
        """For which distribution or origin access identity the edge asks. Raises SignatureDoesNotMatch."""
        try:
            found = principal(self._credential, request)
        except BadSignature:
            found = None
        if found is None:
            raise WireError("SignatureDoesNotMatch", MISMATCH, 403)
        identity = None
        if found.identity is not None:
            identity = self._store.snapshot().get(OriginAccessIdentity, found.account, "", found.identity)
        return Acting(found.account, found.asker(identity.canonical_user if identity is not None else ""), found.known)

    async def start(self) -> None:
        await self.edge.start()

    async def stop(self) -> None:
        await self.edge.stop()
        await self.realtime_logs.stop()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._controllers.run())
            tasks.create_task(self._key_values.run())
            tasks.create_task(self.logs.run())
            tasks.create_task(self.metrics.run())
            tasks.create_task(self._vpc_origins.controller.run())

    async def settled(self) -> None:
        await self._key_values.settled()
        await self._vpc_origins.controller.settled()
        await self._controllers.settled()

    async def sources_changed(self) -> None:
        await self._controllers.sources_changed()

    def status(self) -> dict[str, Any]:
        status = self._controllers.status()
        return {
            **status,
            "realtime_logs": self.realtime_logs.status(),
            "errors": {
                **status["errors"],
                **self._key_values.errors(),
                **self.logs.failures,
                **self.realtime_logs.failures,
                **self._vpc_origins.controller.last_errors,
            },
        }

    def _observe(self, record: Record) -> None:
        self.logs.observe(record)
        self.realtime_logs.observe(record)

    async def _issue(self, names: Sequence[str]) -> IssuedCertificate:
        return await asyncio.to_thread(self._ca.issue, names)

    async def _invoke(self, site: Site, arn: str, event: bytes) -> tuple[bytes, str | None]:
        """A Lambda@Edge function: what it returned, and the kind of error where it failed."""
        try:
            params = {"FunctionName": arn, "Payload": event}
            made = await self._call(site.account, "us-east-1", "lambda", "Invoke", params)
        except AwsError as error:
            return b"", error.code
        return bytes(made.get("Payload") or b""), made.get("FunctionError")
