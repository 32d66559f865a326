"""Layers on their way in: whatever is asked at once, swept meanwhile or cut off, a layer's file is what its digest says."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.services.ecr.blobs import Blobs
from kunren.services.ecr.errors import InvalidLayerException, InvalidLayerPartException, NotWritten
from kunren.services.ecr.keeping import Keeping
from kunren.services.ecr.model import KINDS, Layer, LayerUpload, Repository
from kunren.services.ecr.uploads import LayerUploads

CONTENT = b"a layer" * 100_000
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
REPOSITORY = Repository(account="1", region="r", id="web", created_at=0.0, encryption={})


class Registry:
    def __init__(self, folder):
        self.store = Store(None)
        self.store.register(*KINDS)
        with self.store.write() as tx:
            tx.put(REPOSITORY)
        self.blobs = Blobs(folder)
        self.uploads = LayerUploads(self.store, SystemClock(), Entropy(), self.blobs)
        self.keeping = Keeping(self.store, SystemClock(), self.blobs)

    async def uploaded(self):
        return await self.uploads.append(self.uploads.start(REPOSITORY), CONTENT, short=False)

    def whole(self):
        return hashlib.sha256(self.blobs.path(DIGEST).read_bytes()).hexdigest() == DIGEST.removeprefix("sha256:")


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path)


def test_an_upload_that_is_completed_twice_at_once_is_a_layer_once(registry):
    async def run():
        upload = await registry.uploaded()
        return await asyncio.gather(
            registry.uploads.complete(upload, DIGEST), registry.uploads.complete(upload, DIGEST),
            registry.uploads.append(upload, b"more", short=False), return_exceptions=True,
        )  # fmt: skip

    layer, again, part = asyncio.run(run())
    assert isinstance(layer, Layer) and layer.size == len(CONTENT)
    assert isinstance(again, InvalidLayerException) and isinstance(part, InvalidLayerPartException)
    assert registry.whole() and not registry.uploads.busy


def test_a_crash_between_file_and_row_leaves_the_upload(registry):
    async def run():
        upload = await registry.uploaded()
        registry.blobs.settle(upload.id, upload.size, DIGEST)
        after = LayerUploads(registry.store, SystemClock(), Entropy(), registry.blobs)  # knows no digest any more
        await registry.keeping._sweep()
        assert not registry.blobs.path(DIGEST).exists()
        await after.complete(upload, DIGEST)
        await registry.keeping._sweep()

    asyncio.run(run())
    assert registry.whole()
    assert not list(registry.blobs.upload_path("x").parent.iterdir())


def test_what_came_since_the_sweep_began_stays(registry):
    """The sweep asks again before it removes anything."""
    asked = []

    async def run():
        upload = await registry.uploaded()
        layer = await registry.uploads.complete(await registry.uploaded(), DIGEST)

        def wanted():
            asked.append(1)
            return {layer.digest, upload.id} if len(asked) > 1 else set()

        registry.blobs.sweep(wanted)
        assert registry.blobs.upload_path(upload.id).exists()

    asyncio.run(run())
    assert registry.whole() and len(asked) == 2


def test_an_upload_whose_client_left_is_busy_until_its_bytes_are_written(registry, monkeypatch):
    async def run():
        writing = asyncio.Event()
        loop, append = asyncio.get_running_loop(), registry.blobs.append
        going_on = asyncio.Event()

        def slow(*told):
            loop.call_soon_threadsafe(writing.set)
            asyncio.run_coroutine_threadsafe(going_on.wait(), loop).result(60)
            append(*told)

        monkeypatch.setattr(registry.blobs, "append", slow)
        upload = registry.uploads.start(REPOSITORY)
        left = asyncio.create_task(registry.uploads.append(upload, b"other", short=False))
        await writing.wait()
        left.cancel()
        await asyncio.wait([left])
        with pytest.raises(InvalidLayerPartException):
            await registry.uploads.append(upload, CONTENT, short=False)
        going_on.set()
        while registry.uploads.busy:
            await asyncio.sleep(0.001)
        monkeypatch.setattr(registry.blobs, "append", append)
        await registry.uploads.complete(await registry.uploads.append(upload, CONTENT, short=False), DIGEST)

    asyncio.run(run())
    assert registry.whole()


def test_a_file_that_lost_what_was_acknowledged_is_no_layer(registry):
    async def run():
        upload = await registry.uploaded()
        registry.blobs.upload_path(upload.id).unlink()
        with pytest.raises(NotWritten):
            await registry.uploads.complete(upload, DIGEST)

    asyncio.run(run())
    assert not registry.blobs.path(DIGEST).exists()
    assert next(registry.store.snapshot().every(LayerUpload)).size == len(CONTENT)
