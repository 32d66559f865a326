"""The registries of this world for whoever starts containers on this machine (`kunren.dataplane.images`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.dataplane.images.images import Credentials, NotFound
from kunren.dataplane.images.reference import Reference
from kunren.services.ecr.blobs import Blobs
from kunren.services.ecr.caching import cache
from kunren.services.ecr.errors import EcrError
from kunren.services.ecr.pushing import Place, by_digest, by_tag, layer_of, repository_at
from kunren.services.ecr.registry.asked import registry_of
from kunren.services.ecr.registry.pulls import pulled
from kunren.services.ecr.tokens import BadToken, Expired, verify


class WorldRegistry:
    """`kunren.dataplane.images.images.Registry`. Without credentials it is Kunren itself that asks."""

    def __init__(self, store: Store, clock: Clock, blobs: Blobs, secret: Callable[[], str]) -> None:
        self._store, self._clock, self._blobs, self._secret = store, clock, blobs, secret

    def serves(self, registry: str) -> bool:
        return registry_of(registry) is not None

    async def manifest(self, reference: Reference, credentials: Credentials | None) -> tuple[str, bytes]:
        if credentials is not None:
            try:
                verify(self._secret(), credentials.password, self._clock.now())
            except (BadToken, Expired):
                raise NotFound("pull access denied, repository does not exist or may require authorization: "
                               "authorization failed: no basic auth credentials") from None  # fmt: skip
        with self._store.write() as tx:
            cache(tx, _place(reference), reference.digest or reference.tag, self._clock.now())
            try:
                repository = repository_at(tx, _place(reference))
            except EcrError:
                raise NotFound("not found") from None
            digest = reference.digest
            image = by_digest(tx, repository, digest) if digest else by_tag(tx, repository, reference.tag)
            if image is None:
                raise NotFound("not found")
            pulled(tx, image, self._clock.now())
        return image.digest, image.manifest.encode()

    async def blob(self, reference: Reference, digest: str) -> Path:
        snapshot = self._store.snapshot()
        try:
            layer = layer_of(snapshot, repository_at(snapshot, _place(reference)), digest)
        except EcrError:
            layer = None
        if layer is None:
            raise NotFound("not found")
        return self._blobs.path(digest)


def _place(reference: Reference) -> Place:
    found = registry_of(reference.registry)
    assert found is not None
    return Place(*found, reference.repository)
