"""Listing in key order with prefix and delimiter, one page at a time, at the same cost wherever the page begins.

A group of keys with a common prefix is one entry; the walk then jumps behind the group instead of reading it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote

T = TypeVar("T")
LAST = "\U0010ffff"
"""The greatest character there is: behind every key that begins alike."""
PIECE = 256


class Page(NamedTuple, Generic[T]):
    """Entries and common prefixes, whether more follow, and the last key or prefix that was taken."""

    entries: list[T]
    prefixes: list[str]
    truncated: bool
    last: str


Fetch = Callable[[str, bool, int], Sequence[T]]
"""(key, whether to include it, how many) → entries from there on, in key order."""


def walk(
    fetch: Fetch[T], key_of: Callable[[T], str], prefix: str, delimiter: str, after: str, most: int,
    first: Callable[[T], bool] | None = None,
) -> Page[T]:  # fmt: skip
    """The next page after the key (or common prefix) `after`.

    `first` leaves entries out until it is True once: of a key with more entries than the last page took.
    """
    entries: list[T] = []
    prefixes: list[str] = []
    last = after
    if most <= 0:
        return Page([], [], False, after)
    end = after.find(delimiter, len(prefix)) if delimiter and after.startswith(prefix) else -1
    if end >= 0 and end == len(after) - len(delimiter):  # the last page ended with a common prefix
        position, inclusive = after + LAST, False
    elif first is not None and after:
        position, inclusive = after, True
    else:
        position, inclusive = (after, False) if after >= prefix and after else (prefix, True)
    walking = _Walking(fetch, key_of, position, inclusive)
    for key, each in walking:
        if not key.startswith(prefix):
            break
        if first is not None:
            if not first(each):
                continue
            first = None
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if len(entries) + len(prefixes) >= most:
            return Page(entries, prefixes, True, last)
        if end >= 0:
            last = key[: end + len(delimiter)]
            prefixes.append(last)
            walking.jump(last + LAST)
        else:
            entries.append(each)
            last = key
    return Page(entries, prefixes, False, last)


class _Walking(Generic[T]):
    """Entries with their keys, fetched in pieces, from a position that may be moved forward."""

    def __init__(self, fetch: Fetch[T], key_of: Callable[[T], str], position: str, inclusive: bool) -> None:
        self._fetch = fetch
        self._key_of = key_of
        self._position, self._inclusive = position, inclusive
        self._passed = 0  # entries at the position that were given already
        self._jumped = False

    def jump(self, position: str) -> None:
        """Go on behind that key."""
        self._position, self._inclusive, self._passed, self._jumped = position, False, 0, True

    def __iter__(self) -> Iterator[tuple[str, T]]:
        while True:
            self._jumped = False
            limit = PIECE + self._passed
            found = self._fetch(self._position, self._inclusive, limit)
            for each in found[self._passed :]:
                yield self._key_of(each), each
                if self._jumped:
                    break
            if self._jumped:
                continue
            if len(found) < limit:
                return
            last = self._key_of(found[-1])
            self._passed = sum(self._key_of(each) == last for each in found)
            self._position, self._inclusive = last, True


def encoded(text: str, encoding: str | None) -> str:
    """A key as EncodingType=url wants it."""
    return quote(text, safe="/-_.*~!'()") if encoding == "url" else text
