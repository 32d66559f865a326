"""Bodies of layers as they arrive at the registry: counted and written while they come, never held in memory.

`kunren.core.uploads`. Whether a body is wanted is looked at before it is read: of one that is not, nothing is kept.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kunren.core.aws_chunked import Unframing
from kunren.core.errors import WireError
from kunren.services.ecr.blobs import write_all
from kunren.services.ecr.errors import InvalidLayerPartException, NotWritten
from kunren.services.ecr.model import LayerUpload
from kunren.services.ecr.uploads import LAYER_BYTES_MAX, LayerUploads

if TYPE_CHECKING:
    import hashlib

WORK_BYTES = 1 << 20
WAITING_BYTES = 4 << 20


class Discarded:
    """A body that nobody wants: it is read, so that the client sees the answer, and forgotten."""

    def feed(self, piece: bytes, resume: Callable[[], None]) -> bool:
        return False

    def end(self) -> None:
        pass

    def abandon(self) -> None:
        pass

    def framing(self) -> Unframing:
        raise WireError("IncompleteBody", "The body has no framing")

    async def read(self) -> bytes:
        return b""


class Arriving(Discarded):
    """One part of an upload, on its way into the upload's file behind what that has."""

    def __init__(self, uploads: LayerUploads, upload: LayerUpload) -> None:
        self._uploads = uploads
        self._upload = upload
        self._digest: hashlib._Hash | None = uploads.counted(upload)
        self._waiting: list[bytes] = []
        self._waiting_bytes = self._size = 0
        self._descriptor: int | None = None
        self._working = self._ended = self._over = self._kept = False
        self._failure: Exception | None = None
        self._resume: Callable[[], None] | None = None
        self._complete = asyncio.Event()
        uploads.busy.add(upload.id)

    def feed(self, piece: bytes, resume: Callable[[], None]) -> bool:
        if self._failure is not None:
            return False
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)
        self._size += len(piece)
        if self._upload.size + self._size > LAYER_BYTES_MAX:
            self._failure = InvalidLayerPartException(f"A layer may have {LAYER_BYTES_MAX} bytes at most")
            return False
        if self._waiting_bytes >= WORK_BYTES:
            self._work()
        if self._waiting_bytes < WAITING_BYTES:
            return False
        self._resume = resume
        return True

    def end(self) -> None:
        self._ended = True
        self._work()
        if not self._working:
            self._complete.set()

    def abandon(self) -> None:
        self._over = True
        if not self._working:
            self._close()

    async def read(self) -> bytes:
        """What arrived is on disk: `received`."""
        await self.received()
        return b""

    async def received(self) -> LayerUpload:
        """The upload with all that arrived, on disk. Raises EcrError; then it has what it had before."""
        await self._complete.wait()
        try:
            if self._failure is not None:
                raise self._failure
            if self._descriptor is not None:
                await asyncio.to_thread(os.fsync, self._descriptor)
                self._kept = True
        except OSError as error:
            raise NotWritten(str(error)) from None
        finally:
            self._close()
        return self._uploads.grown(self._upload, self._size, self._digest) if self._size else self._upload

    def _work(self) -> None:
        if self._working or not self._waiting or self._failure is not None:
            return
        self._working = True
        batch, self._waiting = b"".join(self._waiting), []
        self._waiting_bytes = 0
        asyncio.get_running_loop().run_in_executor(None, self._take, batch).add_done_callback(self._taken)

    def _take(self, batch: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = self._uploads.blobs.open(self._upload.id, self._upload.size)
        write_all(self._descriptor, batch)
        if self._digest is not None:
            self._digest.update(batch)

    def _taken(self, done: asyncio.Future[None]) -> None:
        self._working = False
        if not done.cancelled() and (error := done.exception()) is not None:
            self._failure = NotWritten(str(error))
            self._waiting.clear()
            self._waiting_bytes = 0
        if self._over:
            self._close()
            return
        if self._resume is not None and self._waiting_bytes < WAITING_BYTES:
            resume, self._resume = self._resume, None
            resume()
        if self._waiting and (self._ended or self._waiting_bytes >= WORK_BYTES):
            self._work()
        if self._ended and not self._working:
            self._complete.set()

    def _close(self) -> None:
        self._uploads.busy.discard(self._upload.id)
        if self._descriptor is not None:
            if not self._kept:
                os.ftruncate(self._descriptor, self._upload.size)
            os.close(self._descriptor)
            self._descriptor = None


Wanted = Callable[[str, str, Mapping[str, str]], LayerUpload | None]
"""By method, target and headers: the upload that a body belongs to; None where it is not wanted. Raises EcrError."""


class Receiving:
    """Which requests' bodies are taken in on arrival (`kunren.core.uploads.Uploads`): those for uploads of layers."""

    def __init__(self, uploads: LayerUploads, claims: Callable[[str, str], bool], wanted: Wanted) -> None:
        self._uploads = uploads
        self._claims = claims
        self._wanted = wanted

    def begin(self, method: str, target: str, headers: Mapping[str, str]) -> Discarded | None:
        if method not in ("PATCH", "PUT", "POST") or "/blobs/uploads/" not in target:
            return None
        if not self._claims(headers.get("host", ""), target):
            return None
        upload = self._wanted(method, target, headers)
        if upload is None or upload.id in self._uploads.busy:
            return Discarded()
        return Arriving(self._uploads, upload)
