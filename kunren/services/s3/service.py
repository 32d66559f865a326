"""Builds S3 out of its parts: operations, index and contents, websites, and what works behind the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.zones import NameRecords
from kunren.services.s3.api import S3Api
from kunren.services.s3.bodies import Bodies
from kunren.services.s3.index import Index
from kunren.services.s3.keeping import Keeping
from kunren.services.s3.model import KINDS, Bucket
from kunren.services.s3.notifying import Notifying
from kunren.services.s3.receiving import Receiving
from kunren.services.s3.replicating import Replicating
from kunren.services.s3.website_front import WebsiteFront
from kunren.settings import Settings
from kunren.world.addresses import website_endpoint
from kunren.world.spec import WorldSpec


class Names(Protocol):
    """Where the names of website endpoints are published, so that aliases may lead to them."""

    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int: ...


class S3Service:
    """`api` answers calls, `website` is a front of the gateway, `receiving` takes bodies in on arrival."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, call: CallService,
        dns: Names | None = None, serve: Callable[[str], None] = lambda region: None,
    ) -> None:  # fmt: skip
        """`serve(region)` has the addresses of a region's endpoints answered."""
        store.register(*KINDS)
        folder = settings.data_dir / "s3"
        self._store = store
        self._bodies = Bodies(folder / "bodies")
        self._index = Index(folder / "index.db", self._bodies.remove)
        self._bodies.sweep(self._index.read.bodies())
        self.api = S3Api(
            store, clock, entropy, self._index, self._bodies, lambda name: spec.region(name) is not None, call
        )
        self.api.has_website = self._serve = serve
        if dns is not None:
            dns.publish_names("s3", website_names(spec))
        self.website = WebsiteFront(store, self.api)
        self.receiving = Receiving(self._bodies, lambda: entropy.hex(32))
        self._notifying = Notifying(store, self._index, clock, call)
        self.replicating = Replicating(store, self._index, clock)
        self._keeping = Keeping(store, self._index, clock, self.api)
        self._index.changed += [self._notifying.woken.set, self.replicating.woken.set]

    async def run(self) -> None:
        """Notifications, replication, lifecycle. Never returns."""
        for bucket in self._store.snapshot().every(Bucket):
            if "website" in bucket.settings:
                self._serve(bucket.home)
        await asyncio.gather(self._notifying.run(), self.replicating.run(), self._keeping.run())

    def close(self) -> None:
        self._index.close()

    def status(self) -> dict[str, Any]:
        buckets = sum(1 for _ in self._store.snapshot().every(Bucket))
        return {
            "buckets": buckets,
            "notifications": self._notifying.delivered,
            "replicated": self.replicating.copied,
            "lifecycle_actions": self._keeping.acted,
        }


def website_names(spec: WorldSpec) -> dict[str, NameRecords]:
    """The website endpoints of all regions, in both forms that AWS gives them."""
    return {
        f"s3-website{mark}{region.name}.amazonaws.com": NameRecords(a=(website_endpoint(index),))
        for index, region in enumerate(spec.regions)
        for mark in "-."
    }
