"""All of Cloud Map together."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.servicediscovery.api import ServiceDiscoveryApi
from kunren.services.servicediscovery.controller import NamespaceController
from kunren.services.servicediscovery.model import KINDS, Instance, Namespace


class ServiceDiscoveryService:
    """`api` answers calls, `run` keeps the namespaces' hosted zones."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        store.register(*KINDS)
        self._store = store
        self.api = ServiceDiscoveryApi(store, clock, entropy, call)
        self._namespaces = NamespaceController(store, clock, call)

    async def run(self) -> None:
        await self._namespaces.controller.run()

    async def settled(self) -> None:
        await self._namespaces.controller.settled()

    def status(self) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        namespaces, instances = (sum(1 for _ in snapshot.every(kind)) for kind in (Namespace, Instance))
        return {"namespaces": namespaces, "instances": instances, "errors": self._namespaces.controller.last_errors}
