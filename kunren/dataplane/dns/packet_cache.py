"""Whole answers, kept for as long as they would come out byte for byte the same.

A question that comes again while its answer cannot have changed (no TTL has counted down by a second, nothing was
published, no chance is involved) is answered by copying. The key is everything of the packet but its id. Answers that
depend on who asks must not be put here.
"""

from __future__ import annotations

ENTRIES_MAX = 20_000
PACKET_BYTES_MAX = 512


class PacketCache:
    """`until` is in the caller's time; the caller clears the cache when what it serves changes."""

    __slots__ = ("_kept", "hits")

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[float, bytes]] = {}
        self.hits = 0

    def get(self, packet: bytes, now: float) -> bytes | None:
        """The answer to the packet, under the packet's id."""
        found = self._kept.get(packet[2:])
        if found is None or found[0] <= now:
            return None
        self.hits += 1
        return packet[:2] + found[1]

    def put(self, packet: bytes, reply: bytes, until: float) -> None:
        if len(packet) > PACKET_BYTES_MAX:
            return
        if len(self._kept) >= ENTRIES_MAX:
            self._kept.clear()
        self._kept[packet[2:]] = (until, reply[2:])

    def clear(self) -> None:
        self._kept.clear()
