"""To which instances a deployment goes next, and when it has succeeded or failed. Pure.

"CodeDeploy instance health" and "Working with deployment configurations in CodeDeploy": as many instances at once as
the minimum of healthy ones leaves; too many failures end it; at least one has to succeed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from kunren.services.codedeploy.model import Event, Target
from kunren.services.codedeploy.predefined import PREFIX

_STOPPING = ("ApplicationStop", "BeforeBlockTraffic", "AfterBlockTraffic")


class Limits(NamedTuple):
    """How many have to be healthy in the end, and how many may be out of service or have failed at a time."""

    healthy: int
    out: int


def limits(config: str, minimum: Mapping[str, Any] | None, count: int) -> Limits:
    """For that many instances. `out` of 0 means that nothing can be deployed to."""
    if config == f"{PREFIX}OneAtATime":
        return Limits(max(count - 1, 1), 1)
    value = (minimum or {}).get("value") or 0
    healthy = ceil(count * value / 100) if (minimum or {}).get("type") == "FLEET_PERCENT" else value
    if config.startswith(PREFIX):
        return Limits(max(healthy, 1), max(count - healthy, 1))
    return Limits(max(healthy, 1), count - healthy)


class Plan(NamedTuple):
    """Which instances are begun now; `verdict` is None while it goes on, else whether it has succeeded."""

    begin: tuple[str, ...]
    verdict: bool | None


def plan(states: Mapping[str, str], order: Sequence[str], allowed: Limits) -> Plan:
    """What follows from the states of targets (Pending, InProgress, Succeeded, Failed, Skipped); `order` is that in
    which they are to be begun."""
    counted = {state: sum(each == state for each in states.values()) for state in set(states.values())}
    failed, busy = counted.get("Failed", 0), counted.get("InProgress", 0)
    waiting = [each for each in order if states[each] == "Pending"]
    if waiting and failed >= allowed.out:
        return Plan((), None if busy else False)
    room = max(0, allowed.out - failed - busy)
    begin = tuple(waiting[:room])
    if begin or busy:
        return Plan(begin, None)
    return Plan((), counted.get("Succeeded", 0) >= allowed.healthy)


class Zone(NamedTuple):
    """The zone whose turn it is: which instances of it are begun, and in how many seconds (0: now) it may begin."""

    begin: tuple[str, ...]
    wait_s: float


def zonal(
    config: Mapping[str, Any], states: Mapping[str, str], zones: Mapping[str, str], ended: Mapping[str, float],
    order: Sequence[str], room: int, now: float,
) -> Zone:  # fmt: skip
    """One zone after the other, the next one a while behind the one before ("Zonal configuration"). `zones` are the
    instances' zones, `ended` when each was done; `room` is how many more the whole fleet allows."""
    names = sorted(set(zones.values()))
    open_zones = [
        each for each in names if any(states[one] in ("Pending", "InProgress") for one in states if zones[one] == each)
    ]
    if not open_zones:
        return Zone((), 0.0)
    current = open_zones[0]
    mine = [each for each in states if zones[each] == current]
    place = names.index(current)
    if place:
        wait = config.get("monitorDurationInSeconds") or 0
        if place == 1 and config.get("firstZoneMonitorDurationInSeconds") is not None:
            wait = config["firstZoneMonitorDurationInSeconds"]
        before = [ended.get(each, 0.0) for each in states if zones[each] == names[place - 1]]
        if all(states[each] == "Pending" for each in mine) and (left := max(before) + wait - now) > 0:
            return Zone((), left)
    least = config.get("minimumHealthyHostsPerZone")
    out = max(limits("", least, len(mine)).out, 1)
    taken = sum(states[each] in ("InProgress", "Failed") for each in mine)
    waiting = [each for each in order if zones[each] == current and states[each] == "Pending"]
    return Zone(tuple(waiting[: max(0, min(out - taken, room))]), 0.0)


def ordered(instances: Sequence[str], health: Mapping[str, str], revision: str) -> list[str]:
    """Those that failed last first, then unknown ones, old ones, and those that have the revision. `health` is the
    revision that each had installed last, "" where that failed."""
    ranks = {"": 0, None: 1, revision: 3}
    return sorted(instances, key=lambda each: (ranks.get(health.get(each), 2), each))


def held(target: Target, event: Event) -> bool:
    """Whether a replacement instance of a blue/green deployment has to wait with that event until traffic may come."""
    return target.label == "Green" and event.name == "BeforeAllowTraffic" and not target.info.get("allowed")


def fatal(target: Target, settings: Mapping[str, Any]) -> Event | None:
    """The event whose failure ends the deployment to this instance; failures to stop what ran may be ignored."""
    ignored = _STOPPING if settings.get("ignoreApplicationStopFailures") else ()
    return next((each for each in target.events if each.status == "Failed" and each.name not in ignored), None)
