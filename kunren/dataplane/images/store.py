"""Unpacked images of one state folder, each once, and the names of those that were loaded from files.

An image is known by the digest of its configuration: the same image loaded twice, or pulled too, is one. Nothing is
unpacked in place: half of one is never seen.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from kunren.dataplane.images import layers
from kunren.dataplane.images.archives import opened
from kunren.dataplane.images.reference import BadReference, parse
from kunren.settings import Settings

MOUNT_POINTS = ("dev/", "proc/", "sys/", "tmp/", "run/", "etc/hosts", "etc/resolv.conf", "etc/kunren/ca-bundle.pem")
"""What programs find laid over the image's own, folders with a slash."""
BROKEN = (
    OSError, EOFError, KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError, tarfile.TarError,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What reading an image raises that is none."""


def images_folder(settings: Settings) -> Path:
    """Where a Kunren keeps its images; from before there was a registry they are taken over."""
    folder, before = settings.data_dir / "images", settings.data_dir / "lambda" / "images"
    if before.is_dir() and not folder.exists():
        before.rename(folder)
    return folder


class NoImage(Exception):
    """What was given is no image that can be had; the text says why."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An unpacked image. `root` is its file system, which all its users share and nobody changes; `digest` is that of
    its configuration and `manifest_digest` the one that references have. Members are as the OCI image-spec's config.md
    has them; `health_check` is Docker's, durations in nanoseconds."""

    digest: str
    root: str
    manifest_digest: str = ""
    size: int = 0
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = "/"
    environment: dict[str, str] = {}
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    stop_signal: str = ""
    health_check: dict[str, Any] = {}
    architecture: str = ""


class Loaded(msgspec.Struct, frozen=True):
    """A name's image: the digest of its configuration (hexadecimal), and the one that references have."""

    config: str
    digest: str


class ImageStore:
    """`names.json`, and one folder for each image. The command line and the daemon use it side by side. It blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> dict[str, Loaded]:
        """What was loaded, by whole name (`docker.io/library/nginx:latest`)."""
        try:
            found: dict[str, Any] = json.loads((self._folder / "names.json").read_text())
        except FileNotFoundError:
            return {}
        return {
            str(parse(name)): Loaded(each, f"sha256:{each}") if isinstance(each, str) else Loaded(**each)
            for name, each in found.items()
        }

    def load(self, source: Path, name: str | None = None) -> dict[str, Image]:
        """Unpack an image, and call it so, or unpack all that are there, and call them as the file does. By whole name.
        Raises NoImage."""
        try:
            given = [str(parse(name))] if name is not None else []
        except BadReference:
            raise NoImage(f"{name} is no name of an image: write it as my/function:tag") from None
        names: dict[str, Loaded] = {}
        images: dict[str, Image] = {}
        try:
            with self._alone("names"), opened(source) as found:
                if given and len(found) > 1:
                    raise NoImage(f"{source} has {len(found)} images, so it can't be loaded with --name")
                for parts in found:
                    own = given or [str(parse(each)) for each in parts.names]
                    if not own:
                        raise NoImage(f"{source} gives the image no name: give it one with --name")
                    image = self.unpack(parts.config, parts.layers)
                    loaded = Loaded(image.digest, parts.digest)
                    names |= dict.fromkeys(own, loaded)
                    images |= dict.fromkeys(own, self._of(loaded, image))
                self._write(self.names() | names)
        except BROKEN as error:
            raise NoImage(f"{source} is no image that can be read: {error!r}") from error
        return images

    def made(self) -> Path:
        """The folder, which is there now."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def take(self, source: Path) -> Image:
        """Unpack the one image of a file, and call it nothing. Raises what is in `BROKEN`."""
        with opened(source) as found:
            return self.unpack(found[0].config, found[0].layers)

    @contextmanager
    def _alone(self, what: str, wait: bool = True) -> Iterator[None]:
        """No other process or thread does the same meanwhile. Raises BlockingIOError where one does and none waits."""
        with (self.made() / f"{what}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield

    def _write(self, names: Mapping[str, Loaded]) -> None:
        written = self._folder / "names.json.new"
        written.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(names.items()))), indent=1))
        written.replace(self._folder / "names.json")

    def forget(self, name: str) -> bool:
        """Take a name away; the image stays for those who use it (`sweep`). False where nothing is called so."""
        with self._alone("names"):
            names = self.names()
            if names.pop(str(parse(name)), None) is None:
                return False
            self._write(names)
        return True

    def sweep(self, used: Collection[str]) -> None:
        """Remove the images that no name means and that are not among the `used` (by the digests of their
        configurations), and what a crash left half unpacked. Only while nothing runs that was made from an image. What
        can't be removed now, because something is being loaded for instance, stays until the next time."""
        if not self._folder.is_dir():
            return
        with suppress(OSError, ValueError), self._alone("names", wait=False):
            kept = {"names", *used, *(each.config for each in self.names().values())}
            for path in self._folder.iterdir():
                if path.suffix == ".lock" and path.stem not in kept:
                    path.unlink(missing_ok=True)
                elif path.is_dir() and path.name not in kept:
                    gone = path if path.suffix == ".new" else path.rename(path.with_suffix(".new"))
                    shutil.rmtree(gone, ignore_errors=True)

    def loaded(self, text: str) -> Image | None:
        """The image that was loaded under a name, or has that digest. Raises BadReference."""
        reference = parse(text)
        names = self.names()
        if reference.digest is None:
            found = names.get(str(reference))
        else:
            digest = reference.digest
            known = (each for each in names.values() if digest in (each.digest, f"sha256:{each.config}"))
            found = next(known, None)
        image = self.get(found.config) if found is not None else None
        return self._of(found, image) if found is not None and image is not None else None

    @staticmethod
    def _of(loaded: Loaded, image: Image) -> Image:
        return msgspec.structs.replace(image, manifest_digest=loaded.digest)

    def get(self, digest: str) -> Image | None:
        """By the digest of its configuration, without "sha256:"."""
        try:
            found = msgspec.json.decode((self._folder / digest / "image.json").read_bytes(), type=Image)
        except FileNotFoundError:
            return None
        return msgspec.structs.replace(found, root=str(self._folder / digest / "root"))

    def unpack(self, config: bytes, opening: Sequence[Callable[[], IO[bytes]]]) -> Image:
        """The image with that configuration and those layers, the lowest first; at once where it is there already.
        The layers have to be those that the configuration names. Raises what is in `BROKEN`."""
        digest = hashlib.sha256(config).hexdigest()
        if (known := self.get(digest)) is not None:
            return known
        told = json.loads(config)
        with self._alone(digest):
            return self.get(digest) or self._unpacked(digest, told, opening)

    def _unpacked(self, digest: str, told: Mapping[str, Any], opening: Sequence[Callable[[], IO[bytes]]]) -> Image:
        diff_ids = (told.get("rootfs") or {}).get("diff_ids") or []
        if len(diff_ids) != len(opening):
            raise ValueError(f"its configuration names {len(diff_ids)} layers, and it has {len(opening)}")
        folder = self._folder / f"{digest}.new"
        shutil.rmtree(folder, ignore_errors=True)
        root = folder / "root"
        root.mkdir(parents=True)
        try:
            size = 0
            for each, diff_id in zip(opening, diff_ids, strict=True):
                with each() as packed:
                    size = layers.apply(packed, diff_id, root, size)
            for place in MOUNT_POINTS:
                _make_mount_point(root, place)
            image = described(digest, str(self._folder / digest / "root"), size, told)
            (folder / "image.json").write_bytes(msgspec.json.encode(image))
            folder.rename(self._folder / digest)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return image


def described(digest: str, root: str, size: int, told: Mapping[str, Any]) -> Image:
    """An image by its configuration. Raises what is in `BROKEN`."""
    config = told.get("config") or {}
    return Image(
        digest=digest,
        root=root,
        size=size,
        entry_point=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        working_directory=config.get("WorkingDir") or "/",
        environment=dict(each.split("=", 1) for each in config.get("Env") or ()),
        user=config.get("User") or "",
        exposed_ports=tuple(config.get("ExposedPorts") or ()),
        volumes=tuple(config.get("Volumes") or ()),
        labels=config.get("Labels") or {},
        stop_signal=config.get("StopSignal") or "",
        health_check=config.get("Healthcheck") or {},
        architecture=told.get("architecture") or "",
    )


def _make_mount_point(root: Path, place: str) -> None:
    parts = place.rstrip("/").split("/")
    found = layers.inside(root, parts[:-1]) / parts[-1]
    found.parent.mkdir(parents=True, exist_ok=True)
    wanted = found.is_dir() if place.endswith("/") else found.is_file()
    if found.is_symlink() or not wanted:
        layers.remove(found)
        if place.endswith("/"):
            found.mkdir()
        else:
            found.touch()
