"""The objects that one edge location keeps: bounded, the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from kunren.dataplane.edge.keys import Key
from kunren.dataplane.edge.message import first

BYTES_MAX = 128 * 1024 * 1024
OBJECT_BYTES_MAX = 16 * 1024 * 1024
_OVERHEAD = 512


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer in the cache. Times are AWS's."""

    uri: str
    status: int
    headers: tuple[tuple[str, str], ...]  # of its own: answers change theirs
    body: bytes
    stored_at: float
    fresh_until: float

    @property
    def validators(self) -> list[tuple[str, str]]:
        """The headers that ask the origin whether this is still its answer."""
        found = []
        if etag := first(self.headers, "etag"):
            found.append(("If-None-Match", etag))
        if modified := first(self.headers, "last-modified"):
            found.append(("If-Modified-Since", modified))
        return found

    @property
    def size(self) -> int:
        return len(self.body) + _OVERHEAD


class Cache:
    """One edge location's. `find` makes an object the most recently used."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._bytes_max = bytes_max
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Key) -> Kept | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: Key, object: Kept) -> None:
        self.drop(key)
        if object.size > self._bytes_max:
            return
        self._kept[key] = object
        self.bytes += object.size
        while self.bytes > self._bytes_max:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= oldest.size

    def drop(self, key: Key) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self.bytes -= gone.size
