"""Keeps guests from filling the machine's disk: what they write ends before the disk does.

A guest whose storage has a size of its own (`kunren.world.file_systems`) sees that it is full; others share what the
machine has, and several of the first kind may be larger together than that. So the free space of the state folder is
looked at every second. Where it falls below a reserve, the guest that holds most is ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kunren.core.clock import Clock

log = logging.getLogger(__name__)
RESERVE = 4 << 30
"""What is kept free, or half of what was free at first, where that is less."""
_LEAST = 256 << 20  # who holds less has not filled the disk
_EVERY_S, _AGAIN_S = 1.0, 5.0
_BLOCK = 512
Writers = Callable[[], Mapping[str, Sequence[Path]]]


class DiskRoom:
    """`writers` tells the guests that run, with the files and folders that are theirs; `end` ends one at once, by that
    name, for that reason. `free` tells how many bytes the file system of a folder still has."""

    def __init__(
        self, clock: Clock, home: Path, writers: Writers, end: Callable[[str, str], None],
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:  # fmt: skip
        self._clock, self._home, self._writers, self._end, self._free = clock, home, writers, end, free
        self._reserve: int | None = None

    async def run(self) -> None:
        while True:
            await self._clock.wall_sleep(_EVERY_S)
            if await self.look():
                await self._clock.wall_sleep(_AGAIN_S)  # until what one held is free; and looking takes a while

    async def look(self) -> bool:
        """Whether there is too little room; the guest that holds most is ended then."""
        free = self._free(self._home)
        if self._reserve is None:
            self._reserve = min(RESERVE, free // 2)
        if free >= self._reserve:
            return False
        sizes = await asyncio.to_thread(measured, self._writers())
        name = largest(sizes)
        if name is None:
            return True
        why = f"The disk of this machine has {_gib(free)} left, and this one held the most of it: {_gib(sizes[name])}."
        log.warning("%s is ended. %s", name, why)
        self._end(name, why)
        return True


def largest(sizes: Mapping[str, int]) -> str | None:
    """Who holds most, if that is worth ending it. Pure."""
    name = max(sizes, key=lambda each: sizes[each], default=None)
    return name if name is not None and sizes[name] >= _LEAST else None


def measured(writers: Mapping[str, Sequence[Path]]) -> dict[str, int]:
    """The bytes that each holds of the disk. Blocks."""
    return {name: sum(map(_held, paths)) for name, paths in writers.items()}


def _held(path: Path) -> int:
    try:
        found = path.lstat().st_blocks * _BLOCK
    except OSError:
        return 0
    for folder, _, names in os.walk(path):  # links are not followed, and what can't be read is left out
        for name in names:
            try:
                found += Path(folder, name).lstat().st_blocks * _BLOCK
            except OSError:
                continue
    return found


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
