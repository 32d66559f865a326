"""The whole lambda service, put together: runtime, invoker, deployment, event queue, load balancer bridge, operations.

`LambdaService(...)`, then `await start()`, `run()` as a long-lived task, and `await stop()` at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.images.images import Images
from kunren.dataplane.images.store import ImageStore, images_folder
from kunren.dataplane.runtime.elb_bridge import ElbBridge
from kunren.dataplane.runtime.environment import Credentials, usual_credentials
from kunren.dataplane.runtime.host import FunctionHost
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.services.lambda_.api import LambdaApi
from kunren.services.lambda_.capacity.fleets import Fleets
from kunren.services.lambda_.capacity.model import CAPACITY_RESOURCES
from kunren.services.lambda_.code import CodeStore
from kunren.services.lambda_.deploy import Deployer
from kunren.services.lambda_.destinations import Destinations
from kunren.services.lambda_.downloads import Downloads
from kunren.services.lambda_.durable.engine import DurableEngine
from kunren.services.lambda_.durable.model import DURABLE_RESOURCES
from kunren.services.lambda_.events import EventQueue
from kunren.services.lambda_.images import FunctionImages
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.log_delivery import LogDelivery
from kunren.services.lambda_.model import RESOURCES, Function, PublishedVersion
from kunren.services.lambda_.networks import FunctionNetworks
from kunren.services.lambda_.packages import Packages
from kunren.services.lambda_.provisioning import Provisioner
from kunren.services.lambda_.sources.poller import Poller
from kunren.services.lambda_.sources.queues import QueueSource
from kunren.services.lambda_.urls import FunctionUrls
from kunren.settings import Settings
from kunren.world.spec import WorldSpec
from kunren.world.worldfile import DEFAULT_WORLD


class LambdaService:
    """`applied` waits until a network interface is live. `trust` are the environment variables that name the world's
    certificate bundle to functions; `call` reaches other services."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        host: FunctionHost,
        *,
        applied: Callable[[str], Awaitable[None]],
        spec: WorldSpec = DEFAULT_WORLD,
        call: CallService = nobody_answers,
        trust: Mapping[str, str] | None = None,
        credentials: Credentials = usual_credentials,
        environment_limit: int = 64,
        images: Images | None = None,
    ) -> None:
        store.register(*RESOURCES, *DURABLE_RESOURCES, *CAPACITY_RESOURCES)
        self._store = store
        self.logs = LogDelivery(call)
        self.runtime = FunctionRuntime(
            host=host,
            clock=clock,
            entropy=entropy,
            folder=settings.data_dir / "lambda" / "workers",
            log_folder=settings.log_dir / "lambda",
            trust=trust,
            log_sink=self.logs.take,
            credentials=credentials,
            environment_limit=environment_limit,
        )
        self.logs.flush = self.runtime.logs.flush
        self.invoker = Invoker(store, self.runtime, clock, entropy, call)
        self.metrics = self.invoker.metrics
        self.invoker.durable = self._durable = DurableEngine(store, self.invoker, clock, entropy)
        self.urls = FunctionUrls(store, self.invoker, clock, entropy)
        self.bridge = ElbBridge(settings, self.invoker)
        code = CodeStore(settings.data_dir / "lambda")
        found = FunctionImages(images or Images(ImageStore(images_folder(settings))))
        self.downloads = Downloads(code, clock, entropy)
        sources = {"sqs": QueueSource(call)}
        self.api = LambdaApi(store, clock, entropy, self.invoker, Packages(code, found, call), self.downloads, sources)
        self._networks = FunctionNetworks(store, clock, entropy, spec, self.runtime, applied)
        self._deployer = Deployer(store, self.runtime, code, found, self._networks, clock)
        self._fleets = Fleets(store, self.runtime, clock)
        self._provisioner = Provisioner(store, self.runtime, clock)
        self._poller = Poller(store, self.invoker, clock, sources)
        self._events = EventQueue(store, self.invoker, clock, Destinations(call, clock, entropy))

    async def start(self) -> None:
        """Open the bridge's socket. Raises OSError."""
        await self.bridge.start()

    async def run(self) -> None:
        """Deploy functions and work off events until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deployer.run(), name="lambda-deployer")
            group.create_task(self._networks.controller.run(), name="lambda-networks")
            group.create_task(self._provisioner.controller.run(), name="lambda-provisioner")
            group.create_task(self._fleets.controller.run(), name="lambda-fleets")
            group.create_task(self._events.run(), name="lambda-events")
            group.create_task(self._poller.run(), name="lambda-poller")
            group.create_task(self._durable.run(), name="lambda-durable")

    def images_used(self) -> set[str]:
        """The digests of the configurations of images that functions and their versions are, hexadecimal."""
        snapshot = self._store.snapshot()
        configured = (*snapshot.every(Function), *snapshot.every(PublishedVersion))
        return {each.image.config or each.image.digest for each in configured if each.image is not None}

    async def settled(self) -> None:
        """Return when every function is deployed as its row says."""
        await self._deployer.controller.settled()

    async def stop(self) -> None:
        await self.bridge.stop()
        await self.runtime.stop()

    def status(self) -> dict[str, Any]:
        """For `kunren status`."""
        return {
            **self.runtime.status(),
            "events": self._events.status(),
            "durable": self._durable.status(),
            "bridge": self.bridge.status(),
        }
