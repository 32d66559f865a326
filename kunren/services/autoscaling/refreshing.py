"""Instance refreshes: who is replaced next, and how far one has come. Pure.

"Use an instance refresh to update instances in an Auto Scaling group", "Understand the default values", "Add
checkpoints" and "Undo changes with a rollback" in the Auto Scaling user guide.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from kunren.services.autoscaling import choices, mixed, scaling
from kunren.services.autoscaling.model import Configuration, Group, Member, Refresh

RUNNING = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")
REPLACING = ("InProgress", "RollbackInProgress")
STUCK_S = 3600.0
"""Without progress for so long, a refresh fails."""


class Step(NamedTuple):
    """Whom to end now, and how much capacity there is beyond the desired one meanwhile."""

    end: list[Member]
    surge: int


class Progress(NamedTuple):
    """`left` instances are still to be replaced, `done` percent of all are."""

    left: int
    done: int


def configuration(group: Group, refresh: Refresh | None) -> Configuration:
    """What the group launches now."""
    if refresh is not None and refresh.status in RUNNING:
        return refresh.before if refresh.status == "RollbackInProgress" else refresh.target
    return of_group(group)


def of_group(group: Group) -> Configuration:
    return Configuration(
        template=group.template, template_name=group.template_name, version=group.version, mixed=group.mixed
    )


def matches(member: Member, target: Configuration, version: str) -> bool:
    """Whether the member is what would be launched; `version` is the number of the target's."""
    types = [each["InstanceType"] for each in mixed.overrides(target.mixed) if each.get("InstanceType")]
    return (
        member.template in ("", target.template)
        and member.version == version
        and (not types or member.instance_type in types)
    )


def old(group: Group, refresh: Refresh) -> list[Member]:
    """Those that are to be replaced still, the oldest first. Whom the preferences ignore is none of them."""
    protected, standby = refresh.preferences["ScaleInProtectedInstances"], refresh.preferences["StandbyInstances"]
    back = refresh.status == "RollbackInProgress"
    found = []
    for each in group.members.values():
        new = each.launched >= refresh.started
        if back:
            new = not new or each.launched >= (refresh.rolled_back_at or 0.0)
        if new or choices.is_going(each) or each.id in refresh.ignored or each.state == "Detaching":
            continue
        if (each.protected and protected == "Ignore") or (each.state == "Standby" and standby == "Ignore"):
            continue
        found.append(each)
    return sorted(found, key=lambda each: (each.launched, each.id))


def blocked(group: Group, refresh: Refresh) -> list[Member]:
    """Those that wait for somebody to take protection or standby from them."""
    return [
        each
        for each in old(group, refresh)
        if (each.protected and refresh.preferences["ScaleInProtectedInstances"] == "Wait")
        or (each.state == "Standby" and refresh.preferences["StandbyInstances"] == "Wait")
    ]


def is_ready(member: Member, olds: Collection[str], warmup_s: float, now: float) -> bool:
    """In service, healthy, and warm where it is a new one."""
    return (
        member.state == "InService"
        and member.healthy
        and (member.id in olds or not scaling.is_warming(member, warmup_s, now))
    )


def step(group: Group, refresh: Refresh, now: float) -> Step:
    """What to do now. In terms of the desired capacity at least `MinHealthyPercentage` stays ready; with
    `MaxHealthyPercentage` above 100 new ones come first. One at a time goes on in any case."""
    preferences, olds = refresh.preferences, old(group, refresh)
    ids = {each.id for each in olds}
    warmup_s = preferences["InstanceWarmup"]
    serving = choices.active(group)
    ready = [each for each in serving if is_ready(each, ids, warmup_s, now)]
    waits = {each.id for each in blocked(group, refresh)}
    aside = [each for each in olds if each.state not in choices.SERVING and each.id not in waits]
    free = [each for each in olds if each.state in choices.SERVING and each.id not in waits]
    may = _may_begin(group, refresh, olds)
    desired = group.desired
    least = math.ceil(desired * preferences["MinHealthyPercentage"] / 100)
    most = desired * preferences["MaxHealthyPercentage"] // 100
    if preferences["MaxHealthyPercentage"] > 100:
        most = max(most, desired + 1)
    room = max(0, choices.units(ready) - least)
    settled = choices.units(ready) >= desired and len(ready) == len(serving)
    if most <= desired and room == 0 and settled:
        room = max((each.units for each in free), default=0)
    end = _that_fit(free, room, may, ids, ready)
    surge = min(most - desired, choices.units(free) - choices.units(end), may - len(end))
    return Step([*aside, *end], max(0, surge))


def _that_fit(
    free: Sequence[Member], room: int, may: int, ids: Collection[str], ready: Sequence[Member]
) -> list[Member]:
    """Of the zone with the most first. Who is not ready anyway goes without taking room."""
    end: list[Member] = []
    left = list(free)
    serves = {each.id for each in ready}
    while left and len(end) < may:
        counts = {zone: sum(each.zone == zone for each in left) for zone in {each.zone for each in left}}
        each = max(left, key=lambda one: (one.id not in serves, counts[one.zone], -one.launched, one.id))
        left.remove(each)
        cost = each.units if each.id in serves else 0
        if cost <= room:
            room -= cost
            end.append(each)
    return end


def _may_begin(group: Group, refresh: Refresh, olds: Sequence[Member]) -> int:
    """How many replacements may begin before the next checkpoint."""
    percentages = _checkpoints(refresh)
    if refresh.status == "RollbackInProgress" or refresh.checkpoints >= len(percentages):
        return len(olds)
    until: int = math.ceil(refresh.total * percentages[refresh.checkpoints] / 100)
    begun = refresh.total - len(olds)
    return max(0, until - begun)


def reached(refresh: Refresh, done: int) -> int | None:
    """At which checkpoint (its place in the list) a refresh that has come so far waits now: the last one that it has
    reached; those before are skipped. At 100 percent none waits."""
    if refresh.status != "InProgress":
        return None
    waits = [index for index, each in enumerate(_checkpoints(refresh)) if each < 100 and each <= done]
    return waits[-1] if waits and waits[-1] >= refresh.checkpoints else None


def is_done_in_part(refresh: Refresh) -> bool:
    """Whether the last checkpoint is over and was below 100 percent: the others stay as they are."""
    percentages = _checkpoints(refresh)
    passed = refresh.status == "InProgress" and refresh.checkpoints >= len(percentages)
    return passed and bool(percentages) and percentages[-1] < 100


def _checkpoints(refresh: Refresh) -> list[int]:
    return list(refresh.preferences.get("CheckpointPercentages") or ())


def progress(group: Group, refresh: Refresh, now: float) -> Progress:
    """New ones count once they are ready."""
    olds = old(group, refresh)
    ids = {each.id for each in olds}
    warmup_s = refresh.preferences["InstanceWarmup"]
    serving = choices.active(group)
    unready = [each for each in serving if each.id not in ids and not is_ready(each, ids, warmup_s, now)]
    missing = max(0, group.desired - choices.units(serving))
    left = min(refresh.total, len(olds) + len(unready) + missing)
    done = 100 if not refresh.total else (refresh.total - left) * 100 // refresh.total
    return Progress(left, done)


def preferences(given: dict[str, Any] | None, group: Group) -> dict[str, Any]:
    """The preferences with their defaults."""
    least, most = group.maintenance or (90, 100)
    warmup = group.warmup_s if group.warmup_s is not None else group.grace_s
    found = {
        "MinHealthyPercentage": least, "MaxHealthyPercentage": most, "InstanceWarmup": warmup, "SkipMatching": False,
        "AutoRollback": False, "ScaleInProtectedInstances": "Wait", "StandbyInstances": "Wait", "BakeTime": 0,
    }  # fmt: skip
    found |= {key: value for key, value in (given or {}).items() if value is not None}
    if found.get("CheckpointPercentages"):
        found.setdefault("CheckpointDelay", 3600)
    return found
