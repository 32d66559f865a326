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


@dataclass(frozen=True, slots=True)
class Place:
    """A container instance with what is left of it. `tasks` counts those of the same group; `ports` are taken."""

    id: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    cpu: int = 0
    memory: int = 0
    ports: frozenset[int] = frozenset()
    tasks: int = 0
    groups: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a task takes of its instance."""

    cpu: int = 0
    memory: int = 0
    ports: frozenset[int] = frozenset()
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
    held = {each.id: each for each in places}
    chosen: list[str] = []
    for number in range(count):
        fitting = [each for each in held.values() if fits(each, needs) and _allowed(each, needs, constraints)]
        if not fitting:
            break
        luck = chance[number] if number < len(chance) else 0.0
        best = _best(fitting, list(held.values()), strategies, luck)
        chosen.append(best.id)
        held[best.id] = replace(
            best,
            cpu=best.cpu - needs.cpu,
            memory=best.memory - needs.memory,
            ports=best.ports | needs.ports,
            tasks=best.tasks + 1,
            groups={**best.groups, needs.group: best.groups.get(needs.group, 0) + 1},
        )
    return chosen


def fits(place: Place, needs: Needs) -> bool:
    return place.cpu >= needs.cpu and place.memory >= needs.memory and not place.ports & needs.ports


def allowed(place: Place, needs: Needs, constraints: Sequence[Mapping[str, Any]]) -> bool:
    """Whether constraints let such a task be there. Raises BadExpression."""
    return _allowed(place, needs, constraints)


def _allowed(place: Place, needs: Needs, constraints: Sequence[Mapping[str, Any]]) -> bool:
    for each in constraints:
        if each.get("type") == "distinctInstance" and place.groups.get(needs.group):
            return False
        if each.get("type") == "memberOf" and not matches(place.id, place.attributes, each.get("expression") or ""):
            return False
    return True


def _best(fitting: list[Place], everywhere: list[Place], strategies: Sequence[Mapping[str, Any]], luck: float) -> Place:
    """Each strategy leaves those that it likes best; the first by id of what is left."""
    left = sorted(fitting, key=lambda each: each.id)
    for each in strategies:
        kind, by = each.get("type"), each.get("field") or ""
        if kind == "random":
            return left[min(int(luck * len(left)), len(left) - 1)]
        if kind == "binpack":
            least = min(_left_of(place, by) for place in left)
            left = [place for place in left if _left_of(place, by) == least]
        elif kind == "spread":
            counts: Counter[str | None] = Counter()
            for place in everywhere:
                counts[_value(place, by)] += place.tasks
            fewest = min(counts[_value(place, by)] for place in left)
            left = [place for place in left if counts[_value(place, by)] == fewest]
    return left[0]


def _left_of(place: Place, by: str) -> int:
    return place.memory if by.lower() == "memory" else place.cpu


def _value(place: Place, by: str) -> str | None:
    if by in ("instanceId", "host"):
        return place.id
    return place.attributes.get(by.removeprefix("attribute:"))
