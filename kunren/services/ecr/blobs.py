"""Layers and configurations as files, by digest: written beside each other while they arrive, named when they are whole
and on disk. Who has which is the store's business. These block.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE_BYTES = 1 << 20


class Blobs:
    """The folder of them; `uploads` below it has what is not whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: Counter[str] = Counter()

    def path(self, digest: str) -> Path:
        value = digest.removeprefix("sha256:")
        return self._folder / "sha256" / value[:2] / value

    def upload_path(self, upload: str) -> Path:
        return self._folder / "uploads" / upload

    def open(self, upload: str, size: int) -> int:
        """A descriptor to write an upload on, behind its first `size` bytes. Raises OSError."""
        path = self.upload_path(upload)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
        """Have an upload's first `size` bytes under that digest, on disk. Raises OSError."""
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = self.open(upload, size)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.upload_path(upload).replace(path)
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

    def sweep(self, digests: Iterable[str], uploads: Iterable[str]) -> None:
        """Remove what nobody has: of repositories that are gone, of uploads that a crash cut off."""
        kept = {each.removeprefix("sha256:") for each in (*digests, *self._held)}
        for path in self._folder.glob("sha256/??/*"):
            if path.name not in kept:
                path.unlink(missing_ok=True)
        running = set(uploads)
        for path in self._folder.glob("uploads/*"):
            if path.name not in running:
                path.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
