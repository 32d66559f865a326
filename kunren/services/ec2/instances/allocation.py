"""Which pool of capacity an instance comes from, by the allocation strategies that EC2 Fleet, Spot Fleet and Auto
Scaling share. Pure.

"Use allocation strategies to determine how EC2 Fleet or Spot Fleet fulfills Spot and On-Demand capacity" in the EC2
user guide, "Allocation strategies" in the Auto Scaling user guide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappush, heapreplace

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Pool:
    """Instances of one type in one place. `cost` is US dollars per unit and hour, `weight` the units of an instance,
    `room` how many instances more there are, `priority` the lower the sooner. Those of one `source` share its room."""

    cost: float
    room: float
    priority: float = 0.0
    weight: float = 1.0
    source: str = ""


def in_order(strategy: str, pools: Sequence[Pool], held: Sequence[float], spread: int = 1) -> list[int]:
    """The numbers of the pools in the order in which they are tried for one more instance. `held` is what is in each;
    `spread` the number of the cheapest that lowest-price fills evenly."""
    numbers = range(len(pools))
    if strategy == "prioritized":
        return sorted(numbers, key=lambda each: pools[each].priority)
    if strategy == "capacity-optimized":
        return sorted(numbers, key=lambda each: (-pools[each].room, pools[each].cost))
    if strategy == "capacity-optimized-prioritized":
        return sorted(numbers, key=lambda each: (-pools[each].room, pools[each].priority))
    if strategy == "price-capacity-optimized":
        return sorted(numbers, key=lambda each: (pools[each].room == 0, pools[each].cost))
    if strategy == "diversified":
        return sorted(numbers, key=lambda each: (held[each], pools[each].cost))
    assert strategy == "lowest-price", strategy
    cheapest = sorted(numbers, key=lambda each: pools[each].cost)
    return sorted(cheapest[:spread], key=lambda each: (held[each], pools[each].cost)) + cheapest[spread:]


def allocated(
    strategy: str, pools: Sequence[Pool], missing: float, held: Sequence[float], spread: int = 1,
    money: float | None = None,
) -> list[int]:  # fmt: skip
    """How many instances come from each pool for `missing` units, as far as there is room and `money` (US dollars per
    hour). The last one may bring more units than are missing."""
    counts, left = [0] * len(pools), _Left(pools, missing, money)
    waiting = iter(in_order(strategy, pools, held, spread))
    evenly = {"diversified": len(pools), "lowest-price": spread}.get(strategy, 1)
    turns: list[tuple[float, float, int]] = []
    while True:
        while len(turns) < evenly and (number := next(waiting, None)) is not None:
            if left.most(number):
                heappush(turns, (held[number], pools[number].cost, number))
        if not turns:
            return counts
        have, cost, number = turns[0]
        if most := left.most(number):
            count = most if evenly == 1 else 1
            left.take(number, count)
            counts[number] += count
            heapreplace(turns, (have + pools[number].weight * count, cost, number))
        if not left.most(number):  # nor of those that share its room
            turns = [each for each in turns if left.most(each[2])]
            heapify(turns)


class _Left:
    """What is still missing, the room that its pools have left, and the money."""

    def __init__(self, pools: Sequence[Pool], missing: float, money: float | None) -> None:
        self._pools, self._missing = pools, missing
        self._money = math.inf if money is None else money
        self._source = [each.source or str(number) for number, each in enumerate(pools)]
        self._room: dict[str, float] = {}
        for source, each in zip(self._source, pools, strict=True):
            self._room[source] = min(each.room, self._room.get(source, each.room))

    def most(self, number: int) -> int:
        """How many instances of that pool there may be."""
        each = self._pools[number]
        if self._missing <= ROUNDING:
            return 0
        wanted = math.ceil((self._missing - ROUNDING) / each.weight)
        paid = (self._money + ROUNDING) / (each.cost * each.weight)
        return max(0, math.floor(min(wanted, self._room[self._source[number]], paid)))

    def take(self, number: int, count: int) -> None:
        each = self._pools[number]
        self._missing -= each.weight * count
        self._money -= each.cost * each.weight * count
        self._room[self._source[number]] -= count


def units(pools: Sequence[Pool], counts: Sequence[int]) -> float:
    return sum(each.weight * count for each, count in zip(pools, counts, strict=True))


def alike(
    groups: Mapping[str, Sequence[int]], strategy: str, pools: Sequence[Pool], missing: float,
    held: Sequence[float], spread: int = 1, money: float | None = None,
) -> list[int]:  # fmt: skip
    """The same with all instances from one of the groups of pools: from the one that brings the most, then the
    cheapest."""
    best, rank = [0] * len(pools), (0.0, 0.0)
    for numbers in groups.values():
        part = [pools[each] for each in numbers]
        counts = allocated(strategy, part, missing, [held[each] for each in numbers], spread, money)
        brought = min(units(part, counts), missing)
        cost = sum(each.cost * each.weight * count for each, count in zip(part, counts, strict=True))
        if brought > rank[0] + ROUNDING or (brought > rank[0] - ROUNDING and brought and cost < rank[1]):
            best, rank = [0] * len(pools), (brought, cost)
            for number, count in zip(numbers, counts, strict=True):
                best[number] = count
    return best
