"""What a group does next: where to launch, whom to end, who is unhealthy. Pure.

"Availability Zone distribution", "Configure termination policies" and "Warm pools" in the Auto Scaling user guide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kunren.services.autoscaling import mixed
from kunren.services.autoscaling.model import Group, Member

COMING = ("Pending", "Pending:Wait", "Pending:Proceed")
GOING = ("Terminating", "Terminating:Wait", "Terminating:Proceed")
WARMED = ("Warmed:Stopped", "Warmed:Running", "Warmed:Hibernated")
SERVING = (*COMING, "InService")
_DEFAULT = ("AllocationStrategy", "OldestLaunchTemplate", "ClosestToNextInstanceHour")


def active(group: Group) -> list[Member]:
    """The members that count for the desired capacity."""
    return [each for each in group.members.values() if each.state in SERVING]


def units(members: Sequence[Member]) -> int:
    return sum(each.units for each in members)


def is_going(member: Member) -> bool:
    return member.state.removeprefix("Warmed:") in GOING


def next_subnet(subnets: Mapping[str, str], members: Sequence[Member], launching: Sequence[str]) -> str:
    """The subnet (→ zone) for the next instance: of the zone with the fewest; `launching` are subnets of those that
    have no instance yet."""
    counts = dict.fromkeys(subnets.values(), 0)
    for zone in [*(each.zone for each in members), *(subnets[each] for each in launching if each in subnets)]:
        if zone in counts:
            counts[zone] += 1
    return min(sorted(subnets), key=lambda each: (counts[subnets[each]], subnets[each]))


def open_subnets(subnets: Mapping[str, str], refusing: Collection[str]) -> dict[str, str]:
    """The subnets (→ zone) of zones that refused no launch lately; all where each zone did."""
    return {id: zone for id, zone in subnets.items() if zone not in refusing} or dict(subnets)


def to_end(group: Group, surplus: int, newest_version: str, now: float = 0.0) -> list[Member]:
    """Whom to end when there is so much too much: of the zone with the most, not protected, then as the group's
    termination policies say, and last the oldest. Nobody goes who counts more than what is too much."""
    left = active(group)
    chosen: list[Member] = []
    while surplus > 0:
        free = [each for each in left if not each.protected and each.units <= surplus]
        if not free:
            break
        counts = {zone: sum(each.zone == zone for each in left) for zone in {each.zone for each in left}}
        most = max(counts[each.zone] for each in free)
        there = [each for each in free if counts[each.zone] == most]
        chosen.append(min(there, key=lambda each: _order(group, each, left, newest_version, now)))
        left.remove(chosen[-1])
        surplus -= chosen[-1].units
    return chosen


def _order(group: Group, member: Member, left: Sequence[Member], newest: str, now: float) -> tuple[object, ...]:
    """The smallest goes first."""
    age = member.launched or member.since
    found: list[object] = []
    for policy in [name for each in group.policies for name in (_DEFAULT if each == "Default" else (each,))]:
        if policy == "AllocationStrategy":
            on_demand = sum(each.units for each in left if not each.spot)
            too_much_spot = on_demand <= mixed.on_demand_part(group.mixed, group.desired)
            found.append(member.spot != too_much_spot if group.mixed else False)
        elif policy == "OldestLaunchTemplate":
            found.append(member.version == newest and member.template in ("", group.template))
        elif policy == "ClosestToNextInstanceHour":
            found.append(int(3600 - (now - age) % 3600) // 60)  # to the minute: those launched together are alike
        elif policy == "OldestInstance":
            found.append(age)
        elif policy == "NewestInstance":
            found.append(-age)
    return (*found, age, member.id)


def balances(members: Sequence[Member], zones: Sequence[str]) -> bool:
    """Whether no zone has two more than another."""
    counts = [sum(each.zone == zone for each in members) for zone in zones]
    return not counts or max(counts) - min(counts) <= 1


def pool_wanted(group: Group) -> int:
    """How much is to be in the warm pool."""
    if group.pool is None or group.pool.deleting or group.deleting:
        return 0
    prepared = group.max_size if group.pool.prepared is None else group.pool.prepared
    return max(group.pool.min_size, prepared - group.desired, 0)
