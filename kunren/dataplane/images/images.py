"""From a reference to a root file system: what was loaded from a file, what a registry of this world has, or what a
container engine of this machine has.

An image is unpacked once, however many ask for it. Refuses to know what a repository or a task is; registries are
given (`registries`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from kunren.dataplane.images.archives import MACHINE, ours
from kunren.dataplane.images.reference import HUB, BadReference, Reference, parse
from kunren.dataplane.images.store import BROKEN, Image, ImageStore, NoImage
from kunren.world import container_engines

if TYPE_CHECKING:
    from kunren.dataplane.images.local_engines import LocalEngines

_CONFIG_BYTES_MAX = 8 << 20


class Credentials(NamedTuple):
    """As a registry's basic authentication has them."""

    username: str
    password: str


class CannotPull(Exception):
    """An image can't be had; `str` is what ECS says behind "CannotPullContainerError: "."""


class NotFound(Exception):
    """What a registry does not have, in the words of who pulls ("not found", "401 Unauthorized", ...)."""


class Registry(Protocol):
    """A registry of this world."""

    def serves(self, registry: str) -> bool:
        """Whether that host is its own."""
        ...

    async def manifest(self, reference: Reference, credentials: Credentials | None) -> tuple[str, bytes]:
        """A manifest's digest and text. Raises NotFound."""
        ...

    async def blob(self, reference: Reference, digest: str) -> Path:
        """The file of a layer or a configuration that the repository has. Raises NotFound."""
        ...


class Images:
    """`registries` may grow later; what was loaded from a file goes before them, and the machine's own engines come
    last, for names that are of none of these registries."""

    def __init__(
        self, store: ImageStore, engine_sockets: Callable[[], Sequence[Path]] = container_engines.sockets
    ) -> None:
        self.store, self._engine_sockets = store, engine_sockets
        self._engines: LocalEngines | None = None
        self.registries: list[Registry] = []
        self._unpacking: dict[str, asyncio.Lock] = {}
        self._unpackers = ThreadPoolExecutor(2, "unpacking")  # it takes long: others' threads are left alone

    async def rootfs(self, reference: str, credentials: Credentials | None = None) -> Image:
        """The image, unpacked on this machine. Raises CannotPull."""
        try:
            wanted = parse(reference)
            loaded = await asyncio.to_thread(self.store.loaded, reference)
        except BadReference as error:
            raise CannotPull(str(error)) from None
        if loaded is not None:
            return loaded
        registry = next((each for each in self.registries if each.serves(wanted.registry)), None)
        try:
            if registry is None:
                if (local := await self._of_an_engine(reference, wanted)) is not None:
                    return local
                raise NotFound("not found" if wanted.registry != HUB else "pull access denied, repository does not "
                               "exist or may require authorization")  # fmt: skip
            return await self._pulled(registry, wanted, credentials)
        except NotFound as error:
            advice = "" if registry is not None else f" (here: kunren image load FILE --name {reference})"
            raise CannotPull(
                f"pull image manifest has been retried 1 time(s): failed to resolve ref {wanted}: {wanted}: "
                f"{error}{advice}"
            ) from None

    async def _of_an_engine(self, reference: str, wanted: Reference) -> Image | None:
        if not self._engine_sockets():
            return None
        if self._engines is None:
            from kunren.dataplane.images.local_engines import LocalEngines

            self._engines = LocalEngines(self.store, self._engine_sockets)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._unpackers, self._engines.image, reference, wanted
            )
        except NoImage as error:
            raise CannotPull(str(error)) from error

    async def _pulled(self, registry: Registry, wanted: Reference, credentials: Credentials | None) -> Image:
        digest, text = await registry.manifest(wanted, credentials)
        manifest = _read(text, wanted)
        if "manifests" in manifest:
            try:
                chosen = ours(manifest["manifests"])["digest"]
            except ValueError:
                raise CannotPull(
                    "image Manifest does not contain descriptor matching platform 'linux/"
                    f"{MACHINE}'"
                ) from None  # fmt: skip
            _, text = await registry.manifest(wanted._replace(digest=chosen), credentials)
            manifest = _read(text, wanted)
        if "manifests" in manifest:
            raise CannotPull(f"image {wanted} is an index of indexes")
        async with self._unpacking.setdefault(manifest["config"]["digest"], asyncio.Lock()):
            image = await self._unpacked(registry, wanted, manifest)
        return msgspec.structs.replace(image, manifest_digest=digest)

    async def _unpacked(self, registry: Registry, wanted: Reference, manifest: Mapping[str, Any]) -> Image:
        known = await asyncio.to_thread(self.store.get, manifest["config"]["digest"].removeprefix("sha256:"))
        if known is not None:
            return known
        config = await registry.blob(wanted, manifest["config"]["digest"])
        files = [await registry.blob(wanted, each["digest"]) for each in manifest["layers"]]
        try:
            text = await asyncio.to_thread(_configuration, config, manifest["config"]["digest"])
            return await asyncio.get_running_loop().run_in_executor(
                self._unpackers, self.store.unpack, text, [_opener(each) for each in files]
            )
        except OSError as error:
            raise CannotPull(
                f"failed to register layer: {error.strerror or error}: {error.filename or ''}".rstrip(": ")
            ) from error
        except BROKEN as error:
            raise CannotPull(f"failed to extract layer: {error}") from error


def _read(text: bytes, wanted: Reference) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict) or not ("manifests" in found or {"config", "layers"} <= found.keys()):
        raise CannotPull(f"image {wanted} has no layers that could be run")
    return found


def _configuration(file: Path, digest: str) -> bytes:
    """Raises OSError, ValueError."""
    with file.open("rb") as opened:
        found = opened.read(_CONFIG_BYTES_MAX + 1)
    if len(found) > _CONFIG_BYTES_MAX:
        raise ValueError("its configuration is too large")
    if f"sha256:{hashlib.sha256(found).hexdigest()}" != digest:
        raise ValueError("its configuration is damaged")
    return found


def _opener(file: Path) -> Callable[[], IO[bytes]]:
    return lambda: file.open("rb")
