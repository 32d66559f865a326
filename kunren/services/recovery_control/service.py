"""Builds routing control out of its parts; a cluster is DEPLOYED when its five endpoints answer in the world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.recovery_control.cluster_api import ClusterApi
from kunren.services.recovery_control.config_api import ConfigApi
from kunren.services.recovery_control.model import DEPLOYED, KINDS, PENDING, Cluster
from kunren.world.spec import WorldSpec

# "Cluster endpoints" of ARC are in these regions
_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2")


class RecoveryControlService:
    """`serve(region)` returns when the region's endpoints answer."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, serve: Callable[[str], Awaitable[None]]
    ) -> None:
        store.register(*KINDS)
        self._store = store
        self._serve = serve
        there = [each.name for each in spec.regions]
        self.config = ConfigApi(store, clock, entropy, [each for each in _REGIONS if each in there] or there[:5])
        self.cluster = ClusterApi(store, clock)
        self._woken = asyncio.Event()
        self._woken.set()
        self.config.woken = self._woken.set

    async def run(self) -> None:
        """Makes clusters. Never returns."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            for cluster in [each for each in self._store.snapshot().every(Cluster) if each.status == PENDING]:
                for region in cluster.regions:
                    await self._serve(region)
                with self._store.write() as tx:
                    current = tx.get(Cluster, cluster.account, cluster.region, cluster.id)
                    if current is not None:
                        tx.put(msgspec.structs.replace(current, status=DEPLOYED))

    def status(self) -> dict[str, Any]:
        return {"clusters": sum(1 for _ in self._store.snapshot().every(Cluster))}
