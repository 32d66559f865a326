"""What a registry answers is taken for what it is: nothing is used that is not what its digest says."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from kunren.dataplane.images.images import CannotPull, Images
from kunren.dataplane.images.store import ImageStore, NoImage
from kunren.services.lambda_.images import FunctionImages


class Registry:
    """Manifests by reference's digest or tag, and blobs as files by digest."""

    def __init__(self, folder):
        self._folder = folder
        self.manifests: dict[str, dict] = {}

    def serves(self, registry):
        return registry == "registry.test"

    def blob_of(self, content):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        (self._folder / digest).write_bytes(content)
        return {"digest": digest, "size": len(content), "mediaType": "x"}

    async def manifest(self, reference, credentials):
        found = self.manifests[reference.digest or reference.tag]
        return reference.digest or "sha256:0", json.dumps(found).encode()

    async def blob(self, reference, digest):
        return self._folder / digest


@pytest.fixture
def registry(tmp_path):
    (tmp_path / "blobs").mkdir()
    return Registry(tmp_path / "blobs")


@pytest.fixture
def pull(tmp_path, registry):
    images = Images(ImageStore(tmp_path / "images"))
    images.registries.append(registry)
    return lambda: asyncio.run(images.rootfs("registry.test/it:1"))


def test_what_a_registry_gives_has_to_be_what_was_asked_for(registry, pull):
    config = registry.blob_of(b'{"rootfs": {"diff_ids": []}, "config": {"Cmd": ["x"]}}')
    registry.manifests["1"] = {"config": config, "layers": []}
    assert pull().command == ("x",)
    other = registry.blob_of(b'{"rootfs": {"diff_ids": []}}')
    (registry._folder / other["digest"]).write_bytes(b'{"rootfs": {"diff_ids": []}, "config": {"Cmd": ["y"]}}')
    registry.manifests["1"] = {"config": other, "layers": []}
    with pytest.raises(CannotPull, match="configuration is damaged"):
        pull()
    huge = registry.blob_of(b"")
    with (registry._folder / huge["digest"]).open("wb") as file:
        file.truncate(1 << 40)
    registry.manifests["1"] = {"config": huge, "layers": []}
    with pytest.raises(CannotPull, match="too large"):
        pull()


def test_an_index_of_indexes_is_no_image(registry, pull):
    inner = f"sha256:{'0' * 64}"
    registry.manifests["1"] = registry.manifests[inner] = {"manifests": [{"digest": inner}]}
    with pytest.raises(CannotPull, match="index of indexes"):
        pull()


def test_a_function_s_image_has_a_name(tmp_path):
    found = FunctionImages(Images(ImageStore(tmp_path)))
    with pytest.raises(NoImage, match="does not exist"):
        asyncio.run(found.find("123456789012.dkr.ecr.us-east-1.amazonaws.com/UPPER:1"))
