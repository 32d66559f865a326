"""Layers on their way in: rows and files of uploads, and how one becomes a layer.

What an upload has is what was acknowledged: bytes behind that count for nothing, so that a broken connection, a full
disk or a crash leaves an upload that can be resumed. Its digest is counted along while it arrives, and from the file
where that was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ecr.blobs import Blobs
from kunren.services.ecr.errors import (
    EmptyUploadException,
    InvalidLayerException,
    InvalidLayerPartException,
    NotWritten,
    RepositoryNotFoundException,
    UploadNotFoundException,
)
from kunren.services.ecr.model import Layer, LayerUpload, Repository, within

if TYPE_CHECKING:
    import hashlib

T = TypeVar("T")
LAYER_BYTES_MAX = 52_000 * 1024**2
"""Amazon ECR service quotas: "Layer size", 52,000 MiB."""


class LayerUploads:
    """One part of an upload arrives at a time, and none while it is completed (`busy`)."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, blobs: Blobs) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy
        self.blobs = blobs
        self.busy: set[str] = set()
        self._counted: dict[str, tuple[int, hashlib._Hash]] = {}  # by upload: how far, and the digest until there

    def start(self, repository: Repository) -> LayerUpload:
        upload = LayerUpload(
            account=repository.account, region=repository.region, id=self._entropy.uuid(), repository=repository.id,
            started_at=self._clock.now(),
        )  # fmt: skip
        with self._store.write() as tx:
            tx.put(upload)
        return upload

    def find(self, account: str, region: str, repository: str, id: str) -> LayerUpload:
        """Raises UploadNotFoundException."""
        found = self._store.snapshot().get(LayerUpload, account, region, id.lower())
        if found is None or found.repository != repository:
            raise UploadNotFoundException(
                f"The upload with ID '{id}' cannot be found for the repository with name '{repository}' in the "
                f"registry with id '{account}'"
            )
        return found

    def cancel(self, upload: LayerUpload) -> None:
        with self._store.write() as tx:
            tx.delete(upload)
        self._forget(upload)

    def _forget(self, upload: LayerUpload) -> None:
        self._counted.pop(upload.id, None)
        self.blobs.drop(upload.id)

    # --- bytes ----------------------------------------------------------------------------------------------------

    def counted(self, upload: LayerUpload) -> hashlib._Hash | None:
        """The digest of what it has, to go on from; None where it has to be counted from the file."""
        import hashlib

        if not upload.size:
            return hashlib.sha256()
        size, digest = self._counted.get(upload.id, (-1, None))
        return digest.copy() if digest is not None and size == upload.size else None

    async def append(self, upload: LayerUpload, data: bytes, short: bool) -> LayerUpload:
        """Raises InvalidLayerPartException where another part is arriving, NotWritten."""
        if upload.id in self.busy:
            raise InvalidLayerPartException("Another part of this upload is being received")
        digest = self.counted(upload)

        def write() -> None:
            self.blobs.append(upload.id, upload.size, data)
            if digest is not None:
                digest.update(data)

        try:
            with self._alone(upload) as done:
                await done(write)
                return self.grown(upload, len(data), digest, short)
        except OSError as error:
            raise NotWritten(str(error)) from None

    @contextmanager
    def _alone(self, upload: LayerUpload) -> Iterator[Callable[[Callable[[], T]], Awaitable[T]]]:
        """Nothing else happens to its file meanwhile: also not when who waits goes away, until the thread has ended.
        Gives what runs something in a thread."""
        self.busy.add(upload.id)
        running: list[asyncio.Future[Any]] = []

        def done(work: Callable[[], T]) -> Awaitable[T]:
            running[:] = [asyncio.get_running_loop().run_in_executor(None, work)]
            return asyncio.shield(running[0])

        try:
            yield done
        finally:
            if running and not running[0].done():
                running[0].add_done_callback(lambda ended: self._left(upload, ended))
            else:
                self.busy.discard(upload.id)

    def _left(self, upload: LayerUpload, ended: asyncio.Future[Any]) -> None:
        self.busy.discard(upload.id)
        if not ended.cancelled():
            ended.exception()  # nobody waits for it any more

    def grown(
        self, upload: LayerUpload, size: int, digest: hashlib._Hash | None, short: bool = False
    ) -> LayerUpload:  # fmt: skip
        """So many bytes more are on disk. Raises UploadNotFoundException where it has ended meanwhile."""
        with self._store.write() as tx:
            current = tx.get(LayerUpload, upload.account, upload.region, upload.id)
            if current is None:
                self.blobs.drop(upload.id)
                raise UploadNotFoundException(f"The upload with ID '{upload.id}' has ended")
            changed = msgspec.structs.replace(current, size=upload.size + size, short=current.short or short)
            tx.put(changed)
        if digest is not None:
            self._counted[upload.id] = (changed.size, digest)
        return changed

    # --- the end --------------------------------------------------------------------------------------------------

    async def complete(self, upload: LayerUpload, wanted: str) -> Layer:
        """The layer, once it is on disk and its row is. Raises EmptyUploadException, InvalidLayerException, NotWritten,
        RepositoryNotFoundException."""
        if not upload.size:
            raise EmptyUploadException(
                f"Layer upload with id '{upload.id}' cannot be completed because no layer parts have been uploaded"
            )
        if upload.id in self.busy:
            raise InvalidLayerException(f"Layer upload with id '{upload.id}' is receiving a part or being completed")
        digest = self.counted(upload)
        try:
            with self._alone(upload) as done:
                if digest is not None:
                    found = f"sha256:{digest.hexdigest()}"
                else:
                    found = await done(lambda: self.blobs.digest(upload.id, upload.size))
                if found != wanted:
                    raise InvalidLayerException(
                        f"The layer digest '{wanted}' does not match the digest '{found}' that was calculated"
                    )
                with self.blobs.held(found):
                    await done(lambda: self.blobs.settle(upload.id, upload.size, found))
                    layer = self._taken(upload, found)
                    await self._store.durable()
                self._forget(upload)
        except OSError as error:
            raise NotWritten(str(error)) from None
        return layer

    def _taken(self, upload: LayerUpload, digest: str) -> Layer:
        with self._store.write() as tx:
            if tx.get(LayerUpload, upload.account, upload.region, upload.id) is None:
                raise UploadNotFoundException(f"The upload with ID '{upload.id}' has ended")
            tx.delete(upload)
            if tx.get(Repository, upload.account, upload.region, upload.repository) is None:
                raise RepositoryNotFoundException(upload.repository, upload.account)
            layer = Layer(
                account=upload.account, region=upload.region, id=within(upload.repository, digest),
                repository=upload.repository, digest=digest, size=upload.size, pushed_at=self._clock.now(),
            )  # fmt: skip
            tx.put(layer)
        return layer
