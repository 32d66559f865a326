"""Which endpoint gets which share of the flows that arrive at one edge location. Pure.

The rules are the Developer Guide's ("Adjusting traffic flow with traffic dials", "Endpoint weights", "How failover
works for unhealthy endpoints"): the nearest endpoint group takes its dial's percentage, what is left goes on to the
next nearest. What is bound for a group without a healthy endpoint of weight above zero goes to the nearest of the three
closest groups that has one, whatever that one's dial says; where none has, to any endpoint of the closest group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

GROUPS_TRIED = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint as routing sees it. `healthy` is also true of one that has not been probed yet."""

    id: str
    weight: int
    healthy: bool


@dataclass(frozen=True, slots=True)
class Group:
    """An endpoint group as routing sees it, from one edge location. `dial` is a percentage."""

    id: str
    round_trip_ms: float
    dial: float
    endpoints: tuple[Candidate, ...]

    @property
    def serves(self) -> bool:
        return any(each.healthy and each.weight > 0 for each in self.endpoints)


def shares(groups: Iterable[Group]) -> dict[tuple[str, str], float]:
    """(group, endpoint) → share of the flows, above zero and one in all; empty where no group has an endpoint."""
    nearest = sorted((each for each in groups if each.endpoints), key=lambda each: (each.round_trip_ms, each.id))
    found: dict[tuple[str, str], float] = {}
    for bound, share in _bound(nearest).items():
        for endpoint, part in _within(nearest, bound).items():
            found[endpoint] = found.get(endpoint, 0.0) + share * part
    return found


def _bound(nearest: Sequence[Group]) -> Mapping[str, float]:
    """Group → share by distance and dials alone. What the dials leave over is spread as they have it; where all of them
    are at zero, the nearest group is asked, and failover finds a healthy one."""
    taken: dict[str, float] = {}
    left = 1.0
    for group in nearest:
        taken[group.id] = left * group.dial / 100
        left -= taken[group.id]
    total = sum(taken.values())
    if total <= 0:
        return {nearest[0].id: 1.0} if nearest else {}
    return {group: share / total for group, share in taken.items() if share > 0}


def _within(nearest: Sequence[Group], bound: str) -> dict[tuple[str, str], float]:
    """Who gets the flows bound for a group, as shares of these."""
    original = next(each for each in nearest if each.id == bound)
    if original.serves:
        return _by_weight(original, [each for each in original.endpoints if each.healthy])
    others = [each for each in nearest if each.id != bound][:GROUPS_TRIED]
    for group in others:
        if group.serves:
            return _by_weight(group, [each for each in group.endpoints if each.healthy])
    closest = nearest[0]
    return {(closest.id, each.id): 1 / len(closest.endpoints) for each in closest.endpoints}


def _by_weight(group: Group, endpoints: Sequence[Candidate]) -> dict[tuple[str, str], float]:
    total = sum(each.weight for each in endpoints)
    return {(group.id, each.id): each.weight / total for each in endpoints if each.weight > 0}
