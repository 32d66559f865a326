"""What ECR does by the clock: lifecycle policies, previews of them, and taking away what nobody refers to.

"Images expire within 24 hours" after they meet a policy: here within an hour (AWS time), and at once after the policy
was put. Layers that no image has, and uploads that nobody goes on with, go after a day.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.services.ecr.blobs import Blobs
from kunren.services.ecr.lifecycle import DAY_S, due, parse
from kunren.services.ecr.model import (
    COMPLETE,
    IN_PROGRESS,
    Image,
    Layer,
    LayerUpload,
    Preview,
    Repository,
)
from kunren.services.ecr.pushing import by_digest, images_of, remove

log = logging.getLogger(__name__)

EVERY_S = 3600
UNUSED_S = DAY_S


class Keeping:
    """`run` lives until it is cancelled; `woken` says that something may be due."""

    def __init__(self, store: Store, clock: Clock, blobs: Blobs) -> None:
        self._store, self._clock, self._blobs = store, clock, blobs
        self.woken = asyncio.Event()
        self.expired = 0

    async def run(self) -> None:
        while True:
            self.woken.clear()
            self.preview()
            self.expire()
            self.forget_unused()
            await self._store.durable()
            await self._sweep()
            if any(each is not None for each in (self._some(Repository), self._some(Layer))):
                await self._wait()
            else:
                await self.woken.wait()

    def _some(self, kind: type[Repository | Layer]) -> Repository | Layer | None:
        return next(iter(self._store.snapshot().every(kind)), None)

    async def _wait(self) -> None:
        """Until it is woken, or the hour is over."""
        timer = self._clock.call_later(EVERY_S, self.woken.set)
        try:
            await self.woken.wait()
        finally:
            timer.cancel()

    def preview(self) -> None:
        with self._store.write() as tx:
            for each in [each for each in tx.every(Preview) if each.status == IN_PROGRESS]:
                repository = tx.get(Repository, each.account, each.region, each.id)
                images = images_of(tx, repository) if repository is not None else []
                found = due(parse(each.policy), images, self._clock.now())
                told = tuple((one.image.digest, one.priority) for one in found)
                tx.put(msgspec.structs.replace(each, status=COMPLETE, found=told))

    def expire(self) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            for repository in [each for each in tx.every(Repository) if each.lifecycle is not None]:
                assert repository.lifecycle is not None
                if repository.evaluated_at is not None and now - repository.evaluated_at < EVERY_S:
                    continue
                for each in due(parse(repository.lifecycle), images_of(tx, repository), now):
                    if by_digest(tx, repository, each.image.digest) is not None:
                        remove(tx, each.image, now)
                        self.expired += 1
                tx.put(msgspec.structs.replace(repository, evaluated_at=now))

    def forget_unused(self) -> None:
        before = self._clock.now() - UNUSED_S
        with self._store.write() as tx:
            used = {
                (each.account, each.region, each.repository, blob) for each in tx.every(Image) for blob in each.blobs
            }
            for layer in list(tx.every(Layer)):
                key = (layer.account, layer.region, layer.repository, layer.digest)
                if layer.pushed_at < before and key not in used:
                    tx.delete(layer)
            for upload in list(tx.every(LayerUpload)):
                if upload.started_at < before:
                    tx.delete(upload)

    async def _sweep(self) -> None:
        try:
            await asyncio.to_thread(self._blobs.sweep, self._wanted)
        except OSError as error:
            log.warning("unused layers stay on disk until the next try: %s", error)

    def _wanted(self) -> set[str]:
        snapshot = self._store.snapshot()
        digests = {each.digest for each in snapshot.every(Layer)}
        return digests | {each.id for each in snapshot.every(LayerUpload)}
