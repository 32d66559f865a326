"""How many instances a capacity provider needs, and its CapacityProviderReservation. Pure.

"Amazon ECS cluster auto scaling" in the developer guide: M / N × 100, where N instances are there and M are needed; of
tasks that wait, those with the same needs are packed together, and the largest such group counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

Size = tuple[int, int]
"""Processor units and MiB of memory."""


def needed(waiting: Iterable[Size], instance: Size, least: int, most: int) -> int:
    """How many more instances the tasks that wait need, in steps of at least and at most so many."""
    found = 0
    for (cpu, memory), count in Counter(waiting).items():
        fits = min(instance[0] // cpu if cpu else count, instance[1] // memory if memory else count)
        if fits > 0:
            found = max(found, math.ceil(count / fits))
    return max(least, min(most, found)) if found else 0


def reservation(used: int, more: int, there: int) -> float:
    """In percent. Where nothing is there it is 100 while nothing is needed, and 200 otherwise."""
    if there == 0:
        return 200.0 if used + more else 100.0
    return 100.0 * (used + more) / there
