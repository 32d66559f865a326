"""Contents of objects as files: written beside each other while they arrive, named only when they are whole and on
disk, read in pieces. Who refers to which is the index's business.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

from kunren.services.s3.model import Segment

PIECE_BYTES = 1024 * 1024


class Bodies:
    """The folder of contents. A body that is being read stays until it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reading: Counter[str] = Counter()
        self._leaving: set[str] = set()

    def path(self, body: str) -> Path:
        return self._folder / body[:2] / body

    def create(self, body: str) -> int:
        """A file descriptor to write a new body. Raises OSError."""
        path = self.path(body)
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def settle(self, body: str, descriptor: int) -> None:
        """Return when the body is on disk under its name; closes it. Raises OSError."""
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(self.path(body).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, bodies: Iterable[str]) -> None:
        for each in bodies:
            if self._reading[each]:
                self._leaving.add(each)
            else:
                self.path(each).unlink(missing_ok=True)

    def sweep(self, known: Iterable[str]) -> None:
        """Remove what no object has: uploads that a crash cut off."""
        kept = set(known)
        for path in self._folder.glob("??/*"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def hold(self, bodies: Iterable[str]) -> None:
        self._reading.update(bodies)

    def release(self, bodies: Iterable[str]) -> None:
        for each in bodies:
            self._reading[each] -= 1
            if self._reading[each] <= 0:
                del self._reading[each]
                if each in self._leaving:
                    self._leaving.discard(each)
                    self.path(each).unlink(missing_ok=True)


class Stored:
    """The content of an object, or a range of it: pieces by `async for`, or all at once by `bytes()`."""

    def __init__(
        self, bodies: Bodies, small: Callable[[str], bytes | None], segments: Sequence[Segment], start: int, size: int
    ) -> None:
        """`small` gives contents that lie in the index. `start` and `size` are in bytes of the whole."""
        self._bodies = bodies
        self._small = small
        self._ranges = list(_ranges(segments, start, size))
        self._names = [each.body for each, _, _ in self._ranges]

    def __bytes__(self) -> bytes:
        pieces = []
        for body, start, size in self._ranges:
            small = self._small(body.body)
            pieces.append(self._read(body.body, start, size) if small is None else small[start : start + size])
        return b"".join(pieces)

    @property
    def is_small(self) -> bool:
        """Whether no file has to be read for it."""
        return all(self._small(each) is not None for each in self._names)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._bodies.hold(self._names)
        try:
            for body, start, size in self._ranges:
                small = self._small(body.body)
                if small is not None:
                    yield small[start : start + size]
                    continue
                while size > 0:
                    piece = await asyncio.to_thread(self._read, body.body, start, min(size, PIECE_BYTES))
                    if not piece:
                        raise OSError(f"the content {body.body} is shorter than it was")
                    yield piece
                    start += len(piece)
                    size -= len(piece)
        finally:
            self._bodies.release(self._names)

    def _read(self, body: str, start: int, size: int) -> bytes:
        with self._bodies.path(body).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, start)


def _ranges(segments: Sequence[Segment], start: int, size: int) -> Iterable[tuple[Segment, int, int]]:
    """(segment, first byte within it, how many) for a range of the whole."""
    for each in segments:
        if size <= 0:
            return
        if start < each.size:
            taken = min(each.size - start, size)
            yield each, start, taken
            size -= taken
        start = max(0, start - each.size)
