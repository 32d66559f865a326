"""All of ECR together."""

from __future__ import annotations

import asyncio
from typing import Any

from kunren.control.store import Store
from kunren.core.authorization import Statements
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.images.images import Images
from kunren.services.ecr.api import EcrApi
from kunren.services.ecr.blobs import Blobs
from kunren.services.ecr.events import ImageEvents
from kunren.services.ecr.keeping import Keeping
from kunren.services.ecr.model import KINDS, Image, Layer, Repository, TokenKey
from kunren.services.ecr.policy import policy_by_arn
from kunren.services.ecr.pulling import WorldRegistry
from kunren.services.ecr.receiving import Receiving
from kunren.services.ecr.registry.front import RegistryFront
from kunren.services.ecr.replicating import Replicating
from kunren.services.ecr.uploads import LayerUploads
from kunren.settings import Settings


class EcrService:
    """`api` answers calls, `front` is the registries' (a front of the gateway), `receiving` takes layers in on arrival.
    What tasks and functions pull goes through `images`."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, entropy: Entropy, images: Images, call: CallService
    ) -> None:
        store.register(*KINDS)
        self._store, self._entropy = store, entropy
        blobs = Blobs(settings.data_dir / "ecr")
        uploads = LayerUploads(store, clock, entropy, blobs)
        self.api = EcrApi(store, clock, entropy, uploads)
        self.front = RegistryFront(store, clock, uploads, self._secret)
        self.receiving = Receiving(uploads, self.front.claims, self.front.wanted)
        self._keeping = Keeping(store, clock, blobs)
        self.events = ImageEvents(store, clock, call)
        self._replicating = Replicating(store, clock)
        self.api.secret, self.api.changed = self._secret, self._keeping.woken.set
        images.registries.append(WorldRegistry(store, clock, blobs, self._secret))

    def _secret(self) -> str:
        """What tokens are sealed with; made when the first is wanted."""
        found = self._store.snapshot().get(TokenKey, "", "", "key")
        if found is None:
            found = TokenKey(account="", region="", id="key", secret=self._entropy.hex(64))
            with self._store.write() as tx:
                tx.put(found)
        return found.secret

    async def run(self) -> None:
        """Lifecycle policies, what nobody refers to, and copies in other regions. Never returns."""
        await asyncio.gather(self._keeping.run(), self.events.controller.run(), self._replicating.controller.run())

    def digests(self) -> set[str]:
        """Of all that repositories have, hexadecimal."""
        return {each.digest.removeprefix("sha256:") for each in self._store.snapshot().every(Layer)}

    def policy(self, arn: str) -> Statements:
        """Of a repository, for strict mode."""
        return policy_by_arn(self._store.snapshot(), arn)

    def status(self) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repositories, images = (sum(1 for _ in snapshot.every(kind)) for kind in (Repository, Image))
        return {"repositories": repositories, "images": images, "expired": self._keeping.expired}
