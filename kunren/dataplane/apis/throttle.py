"""Token buckets: so many requests a second, and so many at once.

Rates count real seconds, as the clients that meet them do, whatever the clock's speed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from kunren.core.clock import Clock

BUCKETS_MAX = 50_000


class Limit(NamedTuple):
    """`rate` requests a second, after `burst` at once."""

    rate: float
    burst: float


class Bucket:
    """One bucket: full at first, and as full as its limit allows at most."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at

    def fill(self, limit: Limit, now: float) -> None:
        self.tokens = min(limit.burst, self.tokens + (now - self.at) * limit.rate)
        self.at = now


class Throttle:
    """Buckets by whatever they are for. A limit may change while its bucket stands."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def admits(self, *asked: tuple[Hashable, Limit]) -> bool:
        """Take a token from each of the buckets; where one has none, from none of them."""
        now = self._clock.monotonic()
        found = []
        for key, limit in asked:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = Bucket(limit.burst, now)
                if len(self._buckets) > BUCKETS_MAX:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(key)
            bucket.fill(limit, now)
            found.append(bucket)
        if any(each.tokens < 1.0 for each in found):
            return False
        for each in found:
            each.tokens -= 1.0
        return True
