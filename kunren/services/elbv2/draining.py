"""What becomes of a deregistered target: pure, for the API (which must not show what is over) and the sweeper alike.

A target stays `draining` for the whole deregistration delay, also when nothing is in flight, then leaves. One that was
registered again meanwhile waits for the delay and is then a new target ("Deregistration delay").
"""

from __future__ import annotations

import msgspec

from kunren.services.elbv2.attributes import TARGET_GROUP, value
from kunren.services.elbv2.model import Target, TargetGroup


def delay_seconds(group: TargetGroup) -> int:
    """The group's deregistration delay; Lambda targets have none."""
    if group.target_type == "lambda":
        return 0
    return int(value(TARGET_GROUP, group.attributes, "deregistration_delay.timeout_seconds"))


def drained_at(group: TargetGroup, target: Target) -> float | None:
    """AWS time at which the target's delay is over, or None for a target that is not draining."""
    if target.draining_since is None:
        return None
    return target.draining_since + delay_seconds(group)


def settled(group: TargetGroup, now: float) -> TargetGroup:
    """The group without the targets whose delay is over, and with those anew that were registered again."""
    targets: list[Target] = []
    for target in group.targets:
        end = drained_at(group, target)
        if end is None or now < end:
            targets.append(target)
        elif target.register_again:
            targets.append(
                msgspec.structs.replace(target, draining_since=None, register_again=False, registered_at=end)
            )
    if tuple(targets) == group.targets:
        return group
    return msgspec.structs.replace(group, targets=tuple(targets))
