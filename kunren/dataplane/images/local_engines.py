"""Images that a container engine of this machine has, built there for instance: asked when nobody else has one.

Nothing is pulled, run or changed there: the engine is asked for an image's identity (`GET /images/NAME/json`) and, the
first time, for the image as `docker save` writes it (`GET /images/NAME/get`). These block.

Source: Docker Engine API, "Inspect an image", "Export an image"; Podman answers the same.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import msgspec

from kunren.dataplane.images.archives import MACHINE
from kunren.dataplane.images.reference import Reference
from kunren.dataplane.images.store import BROKEN, Image, ImageStore, NoImage

_API = "/v1.24"
"""The oldest that present engines speak; these two answers have not changed since."""
_SILENT_S = 30.0
_AWS = ".amazonaws.com"


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SILENT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX)
        self.sock.settimeout(_SILENT_S)
        self.sock.connect(str(self._path))


class LocalEngines:
    """`sockets` tells where engines answer now."""

    def __init__(self, store: ImageStore, sockets: Callable[[], Sequence[Path]]) -> None:
        self._store, self._sockets = store, sockets
        self._configs: dict[str, str] = {}
        """By the id that an engine has: some call an image by its manifest, not by its configuration."""

    def image(self, named: str, wanted: Reference) -> Image | None:
        """The image of that name, unpacked; None where no engine has it. A name without a registry is looked for as
        the engine does (Podman's builds are "localhost/NAME"). AWS's registries are this world's: what was only tagged
        for one of them is not there. Raises NoImage where an engine has it and it can't be used."""
        if wanted.registry.endswith(_AWS):
            return None
        for each in self._sockets():
            try:
                told = _inspect(each, named)
            except (OSError, HTTPException, ValueError):
                continue  # no engine, or one that is about to end
            if told is not None:
                return self._taken(each, named, told)
        return None

    def _taken(self, engine: Path, named: str, told: dict[str, Any]) -> Image:
        if told.get("Architecture", MACHINE) != MACHINE:
            raise NoImage(f"image Manifest does not contain descriptor matching platform 'linux/{MACHINE}'")
        id = str(told["Id"]).removeprefix("sha256:")
        image = self._store.get(self._configs.get(id, id))
        if image is None:
            try:
                image = self._exported(engine, f"sha256:{id}")
            except (*BROKEN, HTTPException) as error:
                raise NoImage(f"failed to take {named} out of the engine at {engine}: {error}") from error
            self._configs[id] = image.digest
        digests = (each.rpartition("@")[2] for each in told.get("RepoDigests") or ())
        return msgspec.structs.replace(image, manifest_digest=next(digests, f"sha256:{id}"))

    def _exported(self, engine: Path, id: str) -> Image:
        with tempfile.TemporaryFile(dir=self._store.made()) as file:
            connection = _Connection(engine)
            try:
                answer = _asked(connection, f"{_API}/images/{id}/get")
                if answer.status != 200:
                    raise ValueError(f"it answers {answer.status}")
                shutil.copyfileobj(answer, file, 1 << 20)
            finally:
                connection.close()
            file.flush()
            return self._store.take(Path(f"/proc/self/fd/{file.fileno()}"))


def _inspect(engine: Path, named: str) -> dict[str, Any] | None:
    """None where it has no such image."""
    connection = _Connection(engine)
    try:
        answer = _asked(connection, f"{_API}/images/{named}/json")
        found = json.loads(answer.read())
    finally:
        connection.close()
    return found if answer.status == 200 and isinstance(found, dict) and found.get("Id") else None


def _asked(connection: HTTPConnection, path: str) -> HTTPResponse:
    connection.request("GET", path)
    return connection.getresponse()
