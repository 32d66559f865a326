"""Blobs: reading them whole or in part, uploading them at once or in chunks, mounting them from another repository."""

from __future__ import annotations

import re

import msgspec

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.fronts import FrontAnswer
from kunren.dataplane.images.reference import DIGEST
from kunren.services.ecr.errors import LayersUnavailable
from kunren.services.ecr.model import Layer, LayerUpload, Repository, within
from kunren.services.ecr.pushing import layer_of, repository_at
from kunren.services.ecr.receiving import Arriving, Discarded
from kunren.services.ecr.registry.answers import Refusal, empty, pieces
from kunren.services.ecr.registry.asked import Asked
from kunren.services.ecr.uploads import LayerUploads

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})(?:/.*)?")


class BlobAnswers:
    """`get` and `upload` answer. All raise EcrError, Refusal."""

    def __init__(self, store: Store, clock: Clock, uploads: LayerUploads) -> None:
        self._store, self._clock, self._uploads = store, clock, uploads

    # --- reading --------------------------------------------------------------------------------------------------

    def get(self, asked: Asked) -> FrontAnswer:
        digest = asked.path.rest
        if asked.request.method not in ("GET", "HEAD"):
            raise Refusal(405, "UNSUPPORTED", "The operation is unsupported.")
        if not DIGEST.fullmatch(digest):
            raise Refusal(400, "DIGEST_INVALID", f"Invalid digest '{digest}'")
        repository = repository_at(self._store.snapshot(), asked.path.place)
        layer = layer_of(self._store.snapshot(), repository, digest)
        if layer is None:
            raise LayersUnavailable(digest, repository.id, repository.account)
        headers = [
            ("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest), ("ETag", f'"{digest}"'),
            ("Accept-Ranges", "bytes"),
        ]  # fmt: skip
        start, size, status = 0, layer.size, 200
        if (wanted := _range(asked.request.headers.get("range", ""), layer.size)) is not None:
            start, size = wanted
            if size <= 0:
                raise Refusal(416, "BLOB_UNKNOWN", "The range is not satisfiable",
                              [("Content-Range", f"bytes */{layer.size}")])  # fmt: skip
            status = 206
            headers.append(("Content-Range", f"bytes {start}-{start + size - 1}/{layer.size}"))
        headers.append(("Content-Length", str(size)))
        answer = empty(status, headers)
        if asked.request.method == "HEAD" or not size:
            return answer
        return answer._replace(body=pieces(self._uploads.blobs.path(digest), start, size))

    # --- uploading ------------------------------------------------------------------------------------------------

    def wanted(self, asked: Asked) -> LayerUpload | None:
        """The upload that a body goes to. Raises as `upload` does; None where it goes nowhere."""
        repository = repository_at(self._store.snapshot(), asked.path.place)
        if asked.request.method == "POST":
            return self._uploads.start(repository) if asked.query.get("digest") and not asked.path.rest else None
        upload = self._uploads.find(*asked.path.place, asked.path.rest)
        _check_order(asked, upload)
        return upload

    async def upload(self, asked: Asked) -> FrontAnswer:
        method, rest = asked.request.method, asked.path.rest
        repository = repository_at(self._store.snapshot(), asked.path.place)
        if method == "POST" and not rest:
            return await self._begin(asked, repository)
        if method not in ("PATCH", "PUT", "GET", "DELETE"):
            raise Refusal(405, "UNSUPPORTED", "The operation is unsupported.")
        upload = self._uploads.find(*asked.path.place, rest)
        if method == "GET":
            return empty(204, _progress(asked, upload))
        if method == "DELETE":
            self._uploads.cancel(upload)
            await self._store.durable()
            return empty(204, [])
        if asked.request.upload is None:
            _check_order(asked, upload)
        else:
            upload = await self._received(asked, upload)
        if method == "PUT":
            return await self._finish(asked, upload)
        await self._store.durable()
        return empty(202, _progress(asked, upload))

    async def _begin(self, asked: Asked, repository: Repository) -> FrontAnswer:
        if asked.query.get("mount") and (found := self._mounted(asked, repository)) is not None:
            await self._store.durable()
            return empty(201, _there(asked, found))
        if asked.query.get("digest") and isinstance(asked.request.upload, Arriving):
            return await self._finish(asked, await asked.request.upload.received())
        upload = self._uploads.start(repository)
        await self._store.durable()
        return empty(202, _progress(asked, upload))

    def _mounted(self, asked: Asked, repository: Repository) -> Layer | None:
        """The layer that another repository of this registry has, as this one's."""
        digest, source = asked.query["mount"], asked.query.get("from", "")
        with self._store.write() as tx:
            found = tx.get(Layer, repository.account, repository.region, within(source, digest))
            if found is None:
                return None
            mine = msgspec.structs.replace(
                found, id=within(repository.id, digest), repository=repository.id, pushed_at=self._clock.now()
            )
            tx.put(mine)
        return mine

    async def _received(self, asked: Asked, upload: LayerUpload) -> LayerUpload:
        arrived = asked.request.upload
        if isinstance(arrived, Arriving):
            return await arrived.received()
        assert isinstance(arrived, Discarded)
        _check_order(asked, upload)
        raise Refusal(400, "BLOB_UPLOAD_INVALID", "Another part of this upload is being received")

    async def _finish(self, asked: Asked, upload: LayerUpload) -> FrontAnswer:
        digest = asked.query.get("digest", "")
        if not DIGEST.fullmatch(digest):
            raise Refusal(400, "DIGEST_INVALID", f"Invalid digest '{digest}'")
        return empty(201, _there(asked, await self._uploads.complete(upload, digest)))


def _check_order(asked: Asked, upload: LayerUpload) -> None:
    """A chunk begins where the upload ends. Raises Refusal."""
    found = _CONTENT_RANGE.fullmatch(asked.request.headers.get("content-range", ""))
    if found is not None and int(found[1]) != upload.size:
        raise Refusal(416, "BLOB_UPLOAD_INVALID", "The layer part is out of order", _progress(asked, upload))


def _progress(asked: Asked, upload: LayerUpload) -> list[tuple[str, str]]:
    return [
        ("Location", f"{asked.base}/{upload.repository}/blobs/uploads/{upload.id}"),
        ("Range", f"0-{max(upload.size - 1, 0)}"),
        ("Docker-Upload-UUID", upload.id),
        ("Content-Length", "0"),
    ]


def _there(asked: Asked, layer: Layer) -> list[tuple[str, str]]:
    return [
        ("Location", f"{asked.base}/{layer.repository}/blobs/{layer.digest}"),
        ("Docker-Content-Digest", layer.digest),
        ("Content-Length", "0"),
    ]


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Start and size of the one range that a header asks for; None: the whole. A size of 0: it lies outside."""
    found = _RANGE.fullmatch(text.strip())
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        start = max(0, size - int(found[2]))
        return start, size - start
    start, last = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
    return start, max(0, last - start + 1)
