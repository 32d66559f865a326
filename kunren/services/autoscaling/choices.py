"""What a group does next: where to launch, whom to end, who is unhealthy. Pure.

"Availability Zone distribution" and "Configure termination policies" in the Auto Scaling user guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kunren.services.autoscaling.model import Group, Member

COMING = ("Pending", "Pending:Wait", "Pending:Proceed")
GOING = ("Terminating", "Terminating:Wait", "Terminating:Proceed")


def active(group: Group) -> list[Member]:
    """The members that count for the desired capacity."""
    return [each for each in group.members.values() if each.state not in GOING]


def next_subnet(subnets: Mapping[str, str], members: Sequence[Member], launching: Sequence[str]) -> str:
    """The subnet (→ zone) for the next instance: of the zone with the fewest; `launching` are subnets of those that
    have no instance yet."""
    counts = dict.fromkeys(subnets.values(), 0)
    for zone in [*(each.zone for each in members), *(subnets[each] for each in launching if each in subnets)]:
        if zone in counts:
            counts[zone] += 1
    return min(sorted(subnets), key=lambda each: (counts[subnets[each]], subnets[each]))


def to_end(group: Group, count: int, newest_version: str) -> list[Member]:
    """Whom to end when there are so many too many: of the zone with the most, not protected, those of an older launch
    template first, then the oldest (NewestInstance: the youngest)."""
    left = active(group)
    chosen: list[Member] = []
    for _ in range(count):
        free = [each for each in left if not each.protected]
        if not free:
            break
        counts = {zone: sum(each.zone == zone for each in left) for zone in {each.zone for each in left}}
        most = max(counts[each.zone] for each in free)
        there = [each for each in free if counts[each.zone] == most]
        youngest = group.policies[:1] == ("NewestInstance",)
        by_version = group.policies[:1] in (("Default",), ("OldestLaunchTemplate",))

        def order(each: Member, youngest: bool = youngest, by_version: bool = by_version) -> tuple[bool, float, str]:
            return (by_version and each.version == newest_version, -each.since if youngest else each.since, each.id)

        chosen.append(min(there, key=order))
        left.remove(chosen[-1])
    return chosen


def balances(members: Sequence[Member], zones: Sequence[str]) -> bool:
    """Whether no zone has two more than another."""
    counts = [sum(each.zone == zone for each in members) for zone in zones]
    return not counts or max(counts) - min(counts) <= 1
