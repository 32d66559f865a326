"""Layers and configurations as files, by digest: written beside each other while they arrive, named when they are whole
and on disk. Who has which is the store's business. These block.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE_BYTES = 1 << 20


class Blobs:
    """The folder of them; `uploads` below it has what is not whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: Counter[str] = Counter()
        self._naming = threading.Lock()  # a file is not swept while it is given its name

    def path(self, digest: str) -> Path:
        value = digest.removeprefix("sha256:")
        return self._folder / "sha256" / value[:2] / value

    def upload_path(self, upload: str) -> Path:
        return self._folder / "uploads" / upload

    def open(self, upload: str, size: int) -> int:
        """A descriptor to write an upload on, behind its first `size` bytes. Raises OSError."""
        path = self.upload_path(upload)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (0 if size else os.O_CREAT), 0o600)
        if os.fstat(descriptor).st_size < size:
            os.close(descriptor)
            raise OSError(errno.EIO, "the file has lost what it had", str(path))
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)
        return descriptor

    def append(self, upload: str, size: int, data: bytes) -> None:
        """Return when the bytes are on disk behind the first `size`. Raises OSError; then they count for nothing."""
        descriptor = self.open(upload, size)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)

    def digest(self, upload: str, size: int) -> str:
        """Of an upload's first `size` bytes. Raises OSError."""
        found = hashlib.sha256()
        with self.upload_path(upload).open("rb") as file:
            while size > 0 and (piece := file.read(min(size, PIECE_BYTES))):
                found.update(piece)
                size -= len(piece)
        return f"sha256:{found.hexdigest()}"

    def settle(self, upload: str, size: int, digest: str) -> None:
        """Have an upload's first `size` bytes under that digest, on disk. It stays an upload until it is dropped: a
        crash may come before anybody has written down that it is a blob. Raises OSError."""
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = self.open(upload, size)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with self._naming:
            named = self.upload_path(f"{upload}.whole")
            named.unlink(missing_ok=True)
            named.hardlink_to(self.upload_path(upload))
            named.replace(path)
            named.unlink(missing_ok=True)  # still there where the blob was this very file
        for folder in (path.parent, path.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def drop(self, upload: str) -> None:
        self.upload_path(upload).unlink(missing_ok=True)

    @contextmanager
    def held(self, digest: str) -> Iterator[None]:
        """Keep a file from being swept whose row is about to be written."""
        self._held[digest] += 1
        try:
            yield
        finally:
            self._held[digest] -= 1
            if not self._held[digest]:
                del self._held[digest]

    def sweep(self, wanted: Callable[[], Collection[str]]) -> None:
        """Remove what nobody has: of repositories that are gone, of uploads that a crash cut off. `wanted` tells
        digests and uploads as they are now, and is asked again before anything goes. Raises OSError."""
        found = [*self._folder.glob("sha256/??/*"), *self._folder.glob("uploads/*")]
        if not (found := self._unwanted(found, wanted)):
            return
        with self._naming:
            for path in self._unwanted(found, wanted):
                path.unlink(missing_ok=True)

    def _unwanted(self, paths: list[Path], wanted: Callable[[], Collection[str]]) -> list[Path]:
        held = list(self._held)  # asked first: what is let go of meanwhile is wanted by then
        kept = {each.removeprefix("sha256:") for each in (*held, *wanted())}
        return [each for each in paths if each.name not in kept]


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
