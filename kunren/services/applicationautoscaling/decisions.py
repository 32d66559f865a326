"""What capacity a policy or a scheduled action wants. Pure.

"How step scaling works", "How target tracking works" and their cooldowns in the Application Auto Scaling user guide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kunren.core.schedules import Schedule
from kunren.services.applicationautoscaling.model import Cooldown, Policy, Target
from kunren.services.autoscaling import model as groups
from kunren.services.autoscaling import scaling


def next_time(text: str, zone: str | None, now: float, begin: float) -> float | None:
    """When a scheduled action is due first after `now`; rates count from `begin`. Raises BadSchedule."""
    return Schedule(text.strip(), once=True, zone=zone, from_begin=True).after(now, begin)


def steps(configuration: Mapping[str, Any]) -> list[groups.Step]:
    return [
        groups.Step(by=each["ScalingAdjustment"], lower=each.get("MetricIntervalLowerBound"),
                    upper=each.get("MetricIntervalUpperBound"))
        for each in configuration.get("StepAdjustments") or ()
    ]  # fmt: skip


def wanted(
    target: Target, policy: Policy, current: int, value: float, threshold: float, now: float, *, shrinks: bool
) -> int:
    """The capacity that the policy wants; the current one where it wants nothing, or must wait for its cooldown.

    While it cools down from growing, only more than what was added counts; from shrinking, it shrinks no further.
    """
    cooling = target.cooldown if target.cooldown is not None and now < target.cooldown.until else None
    base = cooling.before if cooling is not None and cooling.out else current
    if policy.step is not None:
        step = scaling.step_of(steps(policy.step), value - threshold)
        if step is None:
            return current
        told = groups.Policy(
            id="", type="", adjustment=policy.step.get("AdjustmentType"),
            magnitude=policy.step.get("MinAdjustmentMagnitude"),
        )  # fmt: skip
        found = base + scaling.change(told, step.by, base)
    elif policy.tracking is not None:
        found = math.ceil(base * value / float(policy.tracking["TargetValue"]) - 1e-9)
        if found < current and (value > policy.tracking["TargetValue"] or not shrinks):
            return current
    else:
        return current
    found = max(target.least, min(target.most, found))
    if found < current and cooling is not None:
        return current
    suspended = "DynamicScalingOutSuspended" if found > current else "DynamicScalingInSuspended"
    return current if target.suspended.get(suspended) else found


def cooldown(policy: Policy, before: int, after: int, now: float, default_s: int) -> Cooldown:
    out = after > before
    if policy.step is not None:
        seconds = policy.step.get("Cooldown")
    else:
        seconds = (policy.tracking or {}).get("ScaleOutCooldown" if out else "ScaleInCooldown")
    return Cooldown(until=now + (default_s if seconds is None else seconds), before=before, out=out)


def within(target: Target, current: int) -> int:
    """What a scheduled action, once it has set the bounds, makes of the capacity."""
    return max(target.least, min(target.most, current))
