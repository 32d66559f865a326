"""On which container instances tasks are placed: what fits, what constraints allow, what strategies prefer. Pure.

"Amazon ECS task placement", "Task placement strategies", "Task placement constraints".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kunren.services.ecs.services.expressions import matches

ZONE = "attribute:ecs.availability-zone"
DEFAULT = ({"type": "spread", "field": ZONE}, {"type": "spread", "field": "instanceId"})

Port = tuple[str, int]  # protocol and number: a port that TCP has taken is free for UDP


@dataclass(frozen=True, slots=True)
class Place:
    """A container instance with what is left of it. `tasks` counts those of the same group; `ports` are taken;
    `machine` is the EC2 instance's id."""

    id: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    cpu: int = 0
    memory: int = 0
    ports: frozenset[Port] = frozenset()
    tasks: int = 0
    groups: Mapping[str, int] = field(default_factory=dict)
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a task takes of its instance."""

    cpu: int = 0
    memory: int = 0
    ports: frozenset[Port] = frozenset()
    group: str = ""


def reason(places: Sequence[Place], needs: Needs, constraints: Sequence[Mapping[str, Any]]) -> str:
    """Why no place takes such a task, in the words of a service's event."""
    if not places:
        return "No Container Instances were found in your cluster."
    left = [each for each in places if _allowed(each, needs, constraints)]
    if not left:
        return "No Container Instances met the placement constraints."
    if not [each for each in left if each.memory >= needs.memory]:
        return "No container instance met all of its requirements. The closest matching container-instance " + (
            f"{left[0].id} has insufficient memory available."
        )
    if not [each for each in left if each.cpu >= needs.cpu]:
        return "No container instance met all of its requirements. The closest matching container-instance " + (
            f"{left[0].id} has insufficient CPU units available."
        )
    return "No container instance met all of its requirements. The closest matching container-instance " + (
        f"{left[0].id} is already using a port required by your task."
    )


def place(
    places: Sequence[Place],
    needs: Needs,
    count: int,
    constraints: Sequence[Mapping[str, Any]] = (),
    strategies: Sequence[Mapping[str, Any]] = DEFAULT,
    chance: Sequence[float] = (),
) -> list[str]:
    """The instances of so many tasks, fewer where there is no room. `chance` gives numbers from 0 to 1 for "random".
    Raises BadExpression."""
    static = [each for each in constraints if each.get("type") != "distinctInstance"]
    open_places = sorted((each for each in places if _allowed(each, needs, static)), key=lambda each: each.id)
    distinct = len(static) < len(constraints)
    spreads = {index: _Spread(each.get("field") or "", places) for index, each in enumerate(strategies)}
    held = {each.id: each for each in open_places if fits(each, needs)}
    chosen: list[str] = []
    while len(chosen) < count and held:
        fitting = [each for each in held.values() if not (distinct and each.groups.get(needs.group))]
        if not fitting:
            break
        luck = chance[len(chosen)] if len(chosen) < len(chance) else 0.0
        best = _best(fitting, strategies, spreads, luck)
        chosen.append(best.id)
        for each in spreads.values():
            each.add(best.id)
        taken = _with_one_more(best, needs)
        if fits(taken, needs):
            held[best.id] = taken
        else:
            del held[best.id]
    return chosen


def _with_one_more(place: Place, needs: Needs) -> Place:
    return replace(
        place, cpu=place.cpu - needs.cpu, memory=place.memory - needs.memory, ports=place.ports | needs.ports,
        tasks=place.tasks + 1, groups={**place.groups, needs.group: place.groups.get(needs.group, 0) + 1},
    )  # fmt: skip


class _Spread:
    """How many tasks each value of a field has, over all instances."""

    def __init__(self, by: str, places: Sequence[Place]) -> None:
        self.values = {each.id: _value(each, by) for each in places}
        self.counts: Counter[str | None] = Counter()
        for each in places:
            self.counts[self.values[each.id]] += each.tasks

    def add(self, id: str) -> None:
        self.counts[self.values[id]] += 1

    def fewest(self, places: list[Place]) -> list[Place]:
        counts, values = self.counts, self.values
        told = [counts[values[each.id]] for each in places]
        least = min(told)
        return [each for each, count in zip(places, told, strict=True) if count == least]


def fits(place: Place, needs: Needs) -> bool:
    return place.cpu >= needs.cpu and place.memory >= needs.memory and not place.ports & needs.ports


def allowed(place: Place, needs: Needs, constraints: Sequence[Mapping[str, Any]]) -> bool:
    """Whether constraints let such a task be there. Raises BadExpression."""
    return _allowed(place, needs, constraints)


def _allowed(place: Place, needs: Needs, constraints: Sequence[Mapping[str, Any]]) -> bool:
    for each in constraints:
        if each.get("type") == "distinctInstance" and place.groups.get(needs.group):
            return False
        if each.get("type") == "memberOf" and not matches(
            place.machine, place.attributes, each.get("expression") or ""
        ):
            return False
    return True


def _best(
    left: list[Place], strategies: Sequence[Mapping[str, Any]], spreads: Mapping[int, _Spread], luck: float
) -> Place:
    """Each strategy leaves those that it likes best; the first by id of what is left."""
    for index, each in enumerate(strategies):
        kind, by = each.get("type"), each.get("field") or ""
        if kind == "random":
            return left[min(int(luck * len(left)), len(left) - 1)]
        if kind == "binpack":
            least = min(_left_of(place, by) for place in left)
            left = [place for place in left if _left_of(place, by) == least]
        elif kind == "spread":
            left = spreads[index].fewest(left)
    return left[0]


def _left_of(place: Place, by: str) -> int:
    return place.memory if by.lower() == "memory" else place.cpu


def _value(place: Place, by: str) -> str | None:
    if by in ("instanceId", "host"):
        return place.id
    return place.attributes.get(by.removeprefix("attribute:"))
