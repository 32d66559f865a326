"""Which pool of capacity an instance comes from, by the allocation strategies that EC2 Fleet, Spot Fleet and Auto
Scaling share. Pure.

"Use allocation strategies to determine how EC2 Fleet or Spot Fleet fulfills Spot and On-Demand capacity" in the EC2
user guide, "Allocation strategies" in the Auto Scaling user guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    counts = [0] * len(pools)
    have = list(held)
    room: dict[str, float] = {}
    for number, each in enumerate(pools):
        source = each.source or str(number)
        room[source] = min(each.room, room.get(source, each.room))
    while missing > ROUNDING:
        open_ = [number for number, each in enumerate(pools) if room[each.source or str(number)] >= 1]
        if money is not None:
            open_ = [each for each in open_ if pools[each].cost * pools[each].weight <= money + ROUNDING]
        if not open_:
            break
        left = in_order(strategy, [pools[each] for each in open_], [have[each] for each in open_], spread)
        chosen = open_[left[0]]
        counts[chosen] += 1
        have[chosen] += pools[chosen].weight
        room[pools[chosen].source or str(chosen)] -= 1
        missing -= pools[chosen].weight
        if money is not None:
            money -= pools[chosen].cost * pools[chosen].weight
    return counts


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
