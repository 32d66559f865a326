"""Container images for functions: unpacked from an OCI layout or from what `docker save` and its like write.

There is no registry of images here. `kunren image add NAME:TAG PATH` unpacks one into the state folder; a function's
ImageUri finds it by what stands behind the registry's host. An image is known by the digest of its configuration, so
that the same image added twice is one, and a function keeps the image that it was made from when the name moves on.
Sources: OCI image-spec (image-layout.md, layer.md), Docker's image tarball.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import msgspec

from kunren.settings import Settings

UNPACKED_BYTES_MAX = 10 << 30
"""Lambda developer guide, "Lambda quotas": container image code package size, uncompressed."""
MOUNT_POINTS = ("dev/", "proc/", "sys/", "tmp/", "etc/hosts", "etc/resolv.conf", "etc/kunren/ca-bundle.pem")
"""What a worker finds laid over the image's own, folders with a slash."""
_URI = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/([^:@]+)(?::([\w.-]+)|@sha256:([0-9a-f]{64}))?")
_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]*(:[\w][\w.-]*)?")
_LINKS_MAX = 40


def images_folder(settings: Settings) -> Path:
    return settings.data_dir / "lambda" / "images"


class NoImage(Exception):
    """What was given is no image that can be had; the text says why."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An unpacked image: `root` is its file system."""

    digest: str
    root: str
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = "/"
    environment: dict[str, str] = {}


class ImageStore:
    """The images of one state folder: `names.json`, and one folder for each image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> dict[str, str]:
        """Digests, by name and tag."""
        try:
            return dict(json.loads((self._folder / "names.json").read_text()))
        except FileNotFoundError:
            return {}

    def add(self, name: str, source: Path) -> Image:
        """Unpack an image and call it that. Blocks. Raises NoImage."""
        if not _NAME.fullmatch(name):
            raise NoImage(f"{name} is no name of an image: write it as my/function:tag")
        try:
            with _opened(source) as files:
                image = self._unpack(files)
        except (OSError, KeyError, IndexError, TypeError, ValueError, tarfile.TarError) as error:
            raise NoImage(f"{source} is no image that can be read: {error!r}") from error
        names = {**self.names(), _tagged(name): image.digest}
        written = self._folder / "names.json.new"
        written.write_text(json.dumps(names, indent=1, sort_keys=True))
        written.replace(self._folder / "names.json")
        return image

    def find(self, uri: str) -> Image:
        """The image that an ImageUri means. Raises NoImage."""
        parts = _URI.fullmatch(uri)
        if parts is None:
            raise NoImage(f"Source image {uri} is not valid. Provide a valid source image.")
        digest = parts[3] or self.names().get(f"{parts[1]}:{parts[2] or 'latest'}", "")
        found = self.get(digest) if digest else None
        if found is None:
            wanted = f"{parts[1]}:{parts[2] or 'latest'}"
            advice = f"Here it is added by `kunren image add {wanted} PATH`."
            raise NoImage(f"Source image {uri} does not exist. Provide a valid source image. {advice}")
        return found

    def get(self, digest: str) -> Image | None:
        try:
            return msgspec.json.decode((self._folder / digest / "image.json").read_bytes(), type=Image)
        except FileNotFoundError:
            return None

    def _unpack(self, files: _Files) -> Image:
        config, layers = _manifest(files)
        digest = hashlib.sha256(config).hexdigest()
        if (known := self.get(digest)) is not None:
            return known
        folder = self._folder / f"{digest}.new"
        shutil.rmtree(folder, ignore_errors=True)
        root = folder / "root"
        root.mkdir(parents=True)
        size = 0
        for layer in layers:
            with files.open(layer) as packed, _unzipped(packed) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
                size = _apply(tar, root, size)
        for place in MOUNT_POINTS:
            _make_mount_point(root, place)
        told = json.loads(config).get("config") or {}
        image = Image(
            digest=digest,
            root=str(self._folder / digest / "root"),
            entry_point=tuple(told.get("Entrypoint") or ()),
            command=tuple(told.get("Cmd") or ()),
            working_directory=told.get("WorkingDir") or "/",
            environment=dict(each.split("=", 1) for each in told.get("Env") or ()),
        )
        (folder / "image.json").write_bytes(msgspec.json.encode(image))
        folder.rename(self._folder / digest)
        return image


# What an image is read from


class _Files:
    """The files of an image, in a folder or in a tar archive."""

    def __init__(self, folder: Path | None, archive: tarfile.TarFile | None) -> None:
        self._folder, self._archive = folder, archive

    def has(self, path: str) -> bool:
        if self._folder is not None:
            return (self._folder / path).is_file()
        assert self._archive is not None
        return path in self._archive.getnames()

    def open(self, path: str) -> IO[bytes]:
        if ".." in PurePosixPath(path).parts or path.startswith("/"):
            raise ValueError(f"a path that leads out: {path}")
        if self._folder is not None:
            return (self._folder / path).open("rb")
        assert self._archive is not None
        found = self._archive.extractfile(path)
        if found is None:
            raise ValueError(f"{path} is no file")
        return found

    def read(self, path: str) -> bytes:
        with self.open(path) as file:
            return file.read()


@contextmanager
def _opened(source: Path) -> Iterator[_Files]:
    if source.is_dir():
        yield _Files(source, None)
    else:
        with tarfile.open(source) as archive:
            yield _Files(None, archive)


def _manifest(files: _Files) -> tuple[bytes, list[str]]:
    """The configuration, and the paths of the layers, the lowest first."""
    if not files.has("index.json"):  # an older `docker save`
        only = json.loads(files.read("manifest.json"))[0]
        return files.read(only["Config"]), list(only["Layers"])
    found = json.loads(files.read("index.json"))
    while "manifests" in found:
        found = json.loads(files.read(_blob(_ours(found["manifests"]))))
    return files.read(_blob(found["config"])), [_blob(each) for each in found["layers"]]


def _ours(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    wanted = [each for each in manifests if (each.get("platform") or {}).get("architecture", machine) == machine]
    if not wanted:
        raise ValueError(f"it has nothing for {machine}")
    return wanted[0]


def _blob(described: dict[str, Any]) -> str:
    kind, _, digest = described["digest"].partition(":")
    if described.get("mediaType", "").endswith("zstd"):
        raise ValueError("its layers are compressed by zstd, which Python cannot read: use gzip")
    return f"blobs/{kind}/{digest}"


def _unzipped(packed: IO[bytes]) -> IO[bytes]:
    magic = packed.read(2)
    packed.seek(0)
    return gzip.open(packed) if magic == b"\x1f\x8b" else packed  # type: ignore[return-value]


# Layers


def _apply(tar: tarfile.TarFile, root: Path, size: int) -> int:
    """Lay one layer over what is there; the size of all files until now. Devices are left out: the worker sees the
    machine's own."""
    for member in tar:
        parts = [each for each in PurePosixPath(member.name).parts if each not in ("/", ".")]
        if not parts:
            continue
        folder, name = _inside(root, parts[:-1]), parts[-1]
        if name == ".wh..wh..opq":
            for each in folder.iterdir() if folder.is_dir() else ():
                _remove(each)
        elif name.startswith(".wh."):
            _remove(folder / name.removeprefix(".wh."))
        else:
            size += member.size
            if size > UNPACKED_BYTES_MAX:
                raise ValueError(f"it is larger than {UNPACKED_BYTES_MAX} bytes")
            folder.mkdir(parents=True, exist_ok=True)
            _put(tar, member, root, folder / name)
    return size


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path, place: Path) -> None:
    if member.isdir():
        if place.is_symlink() or not place.is_dir():
            _remove(place)
            place.mkdir()
        place.chmod(member.mode & 0o777 | 0o700)  # ours to change, whatever the image says
        return
    _remove(place)
    if member.issym():
        place.symlink_to(member.linkname)
    elif member.islnk():
        os.link(_inside(root, PurePosixPath(member.linkname).parts), place, follow_symlinks=False)
    elif member.isfile():
        source = tar.extractfile(member)
        assert source is not None
        with place.open("xb") as file:
            shutil.copyfileobj(source, file)
        place.chmod(member.mode & 0o777 | 0o400)


def _inside(root: Path, parts: Iterator[str] | list[str] | tuple[str, ...]) -> Path:
    """Where a path of the image leads to, links followed as if its root were the machine's."""
    done: list[str] = []
    pending = list(parts)
    links = 0
    while pending:
        part = pending.pop(0)
        here = root.joinpath(*done, part)
        if part in ("", ".", "/"):
            continue
        if part == "..":
            done = done[:-1]
        elif here.is_symlink() and (links := links + 1) <= _LINKS_MAX:
            target = str(here.readlink())
            done = [] if target.startswith("/") else done
            pending = [*target.split("/"), *pending]
        else:
            done.append(part)
    return root.joinpath(*done)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _make_mount_point(root: Path, place: str) -> None:
    parts = place.rstrip("/").split("/")
    found = _inside(root, parts[:-1]) / parts[-1]
    found.parent.mkdir(parents=True, exist_ok=True)
    wanted = found.is_dir() if place.endswith("/") else found.is_file()
    if found.is_symlink() or not wanted:
        _remove(found)
        if place.endswith("/"):
            found.mkdir()
        else:
            found.touch()


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"
