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
def opened(source: Path) -> Iterator[Parts]:
    """Raises OSError, TarError, KeyError, IndexError, TypeError, ValueError where it is no image."""
    if source.is_dir():
        yield _parts(_Files(source, None))
    else:
        with tarfile.open(source) as archive:
            yield _parts(_Files(None, archive))


def _parts(files: _Files) -> Parts:
    if not files.has("index.json"):  # an older `docker save`
        only = json.loads(files.read("manifest.json"))[0]
        config = files.read(only["Config"])
        layers = [_opener(files, each) for each in only["Layers"]]
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        return Parts(digest, config, layers, tuple(only.get("RepoTags") or ()))
    index = json.loads(files.read("index.json"))
    names = {(each.get("annotations") or {}).get("io.containerd.image.name") for each in index["manifests"]}
    if files.has("manifest.json"):  # a newer `docker save` writes both
        names |= {tag for each in json.loads(files.read("manifest.json")) for tag in each.get("RepoTags") or ()}
    digest, manifest = "", index
    while "manifests" in manifest:
        chosen = ours(manifest["manifests"])
        digest = digest or chosen["digest"]
        manifest = json.loads(files.blob(chosen))
    layers = [_opener(files, _path(each["digest"])) for each in manifest["layers"]]
    return Parts(digest, files.blob(manifest["config"]), layers, tuple(sorted(each for each in names if each)))


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
