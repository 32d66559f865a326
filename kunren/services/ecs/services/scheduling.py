"""How many tasks of a service start and which ones stop, now. Pure.

A service wants so many tasks of its newest revision; others leave. Of all, at least the minimum stay healthy and at
most the maximum live. A look at the tasks decides one step; further steps follow from what becomes of it.
"minimumHealthyPercent" and "maximumPercent" in DeploymentConfiguration; "Amazon ECS services: replacing unhealthy
tasks"; "Balancing an Amazon ECS service across Availability Zones".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

STARTING, RUNNING = "starting", "running"
HEALTHY, WAITING, UNHEALTHY = "healthy", "waiting", "unhealthy"
HEALTHY_AFTER_S = 40.0
"""How long (AWS time) a task that nobody checks runs before it counts as healthy."""
_START_WAIT_FIRST_S, _START_WAIT_LAST_S, _STARTS_FREE = 10.0, 900.0, 3


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task that is meant to run. `health` is HEALTHY, UNHEALTHY or (nobody knows yet) WAITING; `proven`: it was
    healthy once; `protected`: from scale-in and deployments; `checked`: somebody checks its health."""

    id: str
    deployment: str
    state: str
    health: str = WAITING
    zone: str = ""
    since: float = 0.0
    instance: str | None = None
    proven: bool = False
    protected: bool = False
    checked: bool = True

    @property
    def healthy(self) -> bool:
        return self.state == RUNNING and self.health == HEALTHY


@dataclass(frozen=True, slots=True)
class Limits:
    """Tasks that stay healthy at least, and that live at most."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Plan:
    """So many to start; `zone` where that matters; those to stop, with whether they have failed."""

    start: int = 0
    stop: tuple[TaskView, ...] = ()
    zone: str | None = None


def limits(desired: int, minimum_percent: int, maximum_percent: int) -> Limits:
    """Rounded as AWS does: the minimum up, the maximum down."""
    return Limits(math.ceil(desired * minimum_percent / 100), math.floor(desired * maximum_percent / 100))


def plan(wanted: Sequence[TaskView], others: Sequence[TaskView], desired: int, bounds: Limits) -> Plan:
    """`wanted` are the tasks of the newest revision, of which there are to be `desired`; `others` are to go."""
    bad = [each for each in wanted if each.health == UNHEALTHY]
    good = [each for each in wanted if each.health != UNHEALTHY]
    room = bounds.maximum - len(wanted) - len(others)
    missing = desired - len(good)
    start = max(0, min(missing, room))
    stop = [each for each in bad if not each.proven]
    stop += _replaced(bad, good, desired, stuck=missing > 0 and room <= 0 and not stop)
    budget = sum(each.healthy for each in wanted) + sum(_serves(each) for each in others) - bounds.minimum
    leaving = _in_turn(others, len(others), by_age=True)
    surplus = _in_turn(good, len(good) - desired, by_age=False)
    for each, serves in [*((each, _serves(each)) for each in leaving), *((each, each.healthy) for each in surplus)]:
        if each.protected or (serves and budget <= 0):
            continue
        budget -= serves
        stop.append(each)
    return Plan(start, tuple(stop))


def _replaced(bad: Iterable[TaskView], good: Sequence[TaskView], desired: int, stuck: bool) -> list[TaskView]:
    """Of those that were healthy once: as many as have a healthy replacement; one, where there is room for none."""
    proven = sorted((each for each in bad if each.proven), key=lambda each: each.since)
    spare = sum(each.healthy for each in good) + len(proven) - desired
    return proven[: max(spare, 1 if stuck else 0, 0)]


def _serves(task: TaskView) -> bool:
    return task.state == RUNNING and task.health != UNHEALTHY


def _in_turn(tasks: Sequence[TaskView], count: int, by_age: bool) -> list[TaskView]:
    """So many of them, those first that serve nobody, then of the zone that has the most; the oldest of it, or the
    youngest."""
    buckets: dict[str, list[TaskView]] = {}
    idle = sorted((each for each in tasks if not _serves(each)), key=lambda each: (-each.since, each.id))
    waiting = sorted((each for each in tasks if _serves(each) and not each.healthy), key=lambda each: each.since)
    chosen = [*idle, *waiting][: max(count, 0)] if by_age else []
    taken = {each.id for each in chosen}
    for each in sorted(tasks, key=lambda each: (-each.since if by_age else each.since, not each.healthy, each.id)):
        if each.id not in taken:
            buckets.setdefault(each.zone, []).append(each)
    while len(chosen) < count and buckets:
        zone = max(sorted(buckets), key=lambda each: len(buckets[each]))
        chosen.append(buckets[zone].pop())
        if not buckets[zone]:
            del buckets[zone]
    return chosen


def next_zone(zones: Iterable[str], taken: Iterable[str]) -> str:
    """The zone for the next task: the one with the fewest; the first by name among equals."""
    counts = Counter(taken)
    return min(sorted(set(zones)), key=lambda each: counts[each])


def uneven(zones: Iterable[str], tasks: Sequence[TaskView]) -> str | None:
    """The zone that a task is to be moved to, where one zone has two more than another."""
    counts = dict.fromkeys(sorted(set(zones)), 0)
    for each in tasks:
        if each.zone in counts:
            counts[each.zone] += 1
    if not counts or max(counts.values()) - min(counts.values()) <= 1:
        return None
    return min(counts, key=lambda each: counts[each])


def rebalanced(wanted: Sequence[TaskView], desired: int, bounds: Limits, zones: Iterable[str]) -> Plan:
    """A task more in a zone that has too few, where all is well otherwise; `plan` then ends one elsewhere."""
    if len(wanted) != desired or not all(each.healthy for each in wanted) or bounds.maximum <= desired:
        return Plan()
    zone = uneven(zones, wanted)
    return Plan(start=1, zone=zone) if zone is not None else Plan()


def daemons(
    wanted: Sequence[TaskView], others: Sequence[TaskView], instances: Sequence[str], bounds: Limits
) -> tuple[list[str], list[TaskView]]:
    """A DAEMON service: the instances that get a task now, and those tasks that stop. Each instance has one task at
    most, unless the maximum allows the new beside the old."""
    having = Counter(each.instance for each in wanted)
    stop = [each for each in wanted if each.instance not in instances]
    stop += [each for each in wanted if each.health == UNHEALTHY and each not in stop]
    old = Counter(each.instance for each in others)
    room = bounds.maximum - len(wanted) + len(stop) - len(others)
    start = []
    for instance in instances:
        if not having[instance] and room > 0 and (not old[instance] or bounds.maximum > len(instances)):
            start.append(instance)
            room -= 1
    budget = sum(_serves(each) for each in (*wanted, *others)) - bounds.minimum
    for each in sorted(others, key=lambda each: (_serves(each), each.since)):
        if _serves(each):
            if budget <= 0:
                continue
            budget -= 1
        stop.append(each)
    return start, stop


def start_wait_s(failures: int) -> float:
    """How long (AWS seconds) the next start waits when so many tasks in a row never ran: up to a quarter of an hour."""
    if failures < _STARTS_FREE:
        return 0.0
    return min(_START_WAIT_FIRST_S * 2.0 ** (failures - _STARTS_FREE), _START_WAIT_LAST_S)


def computed_count(desired: int, scale: float) -> int:
    """A task set's share (per cent) of the service's desired count, rounded up."""
    return math.ceil(round(desired * scale / 100, 9))


def shares(strategy: Sequence[Mapping[str, int]], having: Mapping[str, int], count: int) -> list[str]:
    """The capacity providers (`capacityProvider`, `base`, `weight`) of the next tasks: bases first, then by weight."""
    held, chosen = Counter(having), []
    for _ in range(count):
        lacking = [each for each in strategy if held[str(each["capacityProvider"])] < each.get("base", 0)]
        weighted = [each for each in strategy if each.get("weight", 0) > 0]
        if lacking:
            name = str(lacking[0]["capacityProvider"])
        elif weighted:
            best = min(
                weighted,
                key=lambda each: (held[str(each["capacityProvider"])] - each.get("base", 0) + 1) / each["weight"],
            )
            name = str(best["capacityProvider"])
        else:
            break
        held[name] += 1
        chosen.append(name)
    return chosen
