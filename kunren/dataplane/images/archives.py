"""Images in files: an OCI layout (a folder, or a tar archive of one), or what `docker save` and its like write.

Source: OCI image-spec (image-layout.md, image-index.md), Docker's image tarball.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from kunren.dataplane.images.layers import Header

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
"""This machine's architecture as images call it."""
_MANIFEST_BYTES_MAX = 4 << 20


class Parts(NamedTuple):
    """What an image is made of: its configuration, and how to open its layers, the lowest first. `digest` is its
    manifest's, or that of its configuration where it has none; `names` are those that the file gives it."""

    digest: str
    config: bytes
    layers: Sequence[Callable[[], IO[bytes]]]
    names: tuple[str, ...] = ()


class _Files:
    """The files of an image, in a folder or in a tar archive."""

    def __init__(self, folder: Path | None, archive: tarfile.TarFile | None) -> None:
        self._folder, self._archive = folder, archive
        self._members = {each.name.removeprefix("./"): each for each in archive.getmembers()} if archive else {}

    def has(self, path: str) -> bool:
        return (self._folder / path).is_file() if self._folder is not None else path in self._members

    def open(self, path: str) -> IO[bytes]:
        if ".." in PurePosixPath(path).parts or path.startswith("/"):
            raise ValueError(f"a path that leads out: {path}")
        if self._folder is not None:
            return (self._folder / path).open("rb")
        assert self._archive is not None
        found = self._archive.extractfile(self._members[path])
        if found is None:
            raise ValueError(f"{path} is no file")
        return found

    def read(self, path: str) -> bytes:
        with self.open(path) as file:
            found = file.read(_MANIFEST_BYTES_MAX + 1)
        if len(found) > _MANIFEST_BYTES_MAX:
            raise ValueError(f"{path} is too large")
        return found

    def blob(self, described: Mapping[str, Any]) -> bytes:
        """Raises ValueError where it is not what it is called."""
        content = self.read(_path(described["digest"]))
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != described["digest"]:
            raise ValueError(f"{described['digest']} is damaged")
        return content


@contextmanager
def opened(source: Path) -> Iterator[list[Parts]]:
    """The images that are in it, one at least. Raises what is in `kunren.dataplane.images.store.BROKEN` where
    it is no image."""
    if source.is_dir():
        yield _all(_Files(source, None))
    else:
        with tarfile.open(source, tarinfo=Header) as archive:
            yield _all(_Files(None, archive))


def _all(files: _Files) -> list[Parts]:
    saved = json.loads(files.read("manifest.json")) if files.has("manifest.json") else []
    if files.has("index.json"):
        found = _indexed(files, {each["Config"]: each.get("RepoTags") or () for each in saved})
    else:  # an older `docker save`
        found = [_saved(files, each) for each in saved]
    if not found:
        raise ValueError("it has no image")
    return found


def _saved(files: _Files, told: Mapping[str, Any]) -> Parts:
    config = files.read(told["Config"])
    layers = [_opener(files, each) for each in told["Layers"]]
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    return Parts(digest, config, layers, tuple(told.get("RepoTags") or ()))


def _indexed(files: _Files, tags: Mapping[str, Sequence[str]]) -> list[Parts]:
    """Of each name one, whatever platforms there are of it. `tags` are those that a newer `docker save` tells beside
    the index, by the configuration's path."""
    named: dict[str, list[Mapping[str, Any]]] = {}
    for each in json.loads(files.read("index.json"))["manifests"]:
        named.setdefault((each.get("annotations") or {}).get("io.containerd.image.name") or "", []).append(each)
    found: dict[str, Parts] = {}
    for name, described in named.items():
        one = _followed(files, described)
        known = found.get(one.digest, one)
        names = {*known.names, *tags.get(_path(f"sha256:{hashlib.sha256(one.config).hexdigest()}"), ()), name} - {""}
        found[one.digest] = one._replace(names=tuple(sorted(names)))
    return list(found.values())


def _followed(files: _Files, described: Sequence[Mapping[str, Any]]) -> Parts:
    """Through indexes within indexes."""
    digest = ""
    manifest: dict[str, Any] = {"manifests": described}
    while "manifests" in manifest:
        chosen = ours(manifest["manifests"])
        digest = digest or chosen["digest"]
        manifest = json.loads(files.blob(chosen))
    layers = [_opener(files, _path(each["digest"])) for each in manifest["layers"]]
    return Parts(digest, files.blob(manifest["config"]), layers)


def _opener(files: _Files, path: str) -> Callable[[], IO[bytes]]:
    return lambda: files.open(path)


def ours(manifests: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of an index, the manifest for this machine. Raises ValueError where there is none."""
    for each in manifests:
        platform = each.get("platform") or {}
        if platform.get("architecture", MACHINE) == MACHINE and platform.get("os", "linux") == "linux":
            return each
    raise ValueError(f"it has nothing for linux/{MACHINE}")


def _path(digest: str) -> str:
    kind, _, value = digest.partition(":")
    return f"blobs/{kind}/{value}"
