"""What a scaling policy makes of a group's capacity. Pure.

"Step and simple scaling policies", "Target tracking scaling policies", "Scaling cooldowns" and "Set the default
instance warmup" in the Auto Scaling user guide.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kunren.services.autoscaling.model import Group, Member, Policy, Step

SIMPLE, STEP, TRACKING = "SimpleScaling", "StepScaling", "TargetTrackingScaling"
CHANGE, EXACT, PERCENT = "ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"
SCALE_IN_SHARE = 0.9
"""The low alarm's threshold, as a share of the target."""
SEEN_S = 120.0
"""How long after a group has shrunk an alarm still sees what was before: it looks at the last complete minute."""


class Capacity(NamedTuple):
    """`desired` as it stands, between `least` and `most`; `warmed` of it have warmed up. `leaving` are terminating, and
    count as there where a group shrinks: what a metric says is said of them, too."""

    desired: int
    warmed: int
    least: int
    most: int
    leaving: int = 0

    def within(self, wanted: int) -> int:
        return max(self.least, min(self.most, wanted))


def capacity(group: Group, warmup_s: float, now: float) -> Capacity:
    """As a policy with that warmup sees the group."""
    coming = sum(each.units for each in group.members.values() if is_warming(each, warmup_s, now))
    leaving = sum(each.units for each in group.members.values() if each.state.startswith("Terminating"))
    return Capacity(group.desired, max(0, group.desired - coming), group.min_size, group.max_size, leaving)


def is_warming(member: Member, warmup_s: float, now: float) -> bool:
    """Launched, and not yet what the metrics are made of."""
    if member.state.startswith("Pending"):
        return True
    return member.state == "InService" and now < member.since + warmup_s


def warmup(group: Group, policy: Policy) -> float:
    given = (policy.warmup_s, group.warmup_s)
    return float(next((each for each in given if each is not None), group.cooldown_s))


def change(policy: Policy, by: int, base: int) -> int:
    """How an adjustment changes a capacity of `base`."""
    if policy.adjustment == EXACT:
        return by - base
    if policy.adjustment == CHANGE:
        return by
    exact = base * by / 100
    rounded = math.floor(exact) if exact > 1 else math.ceil(exact) if exact < -1 else (exact > 0) - (exact < 0)
    least = policy.magnitude or 0
    return rounded if abs(rounded) >= least or not rounded else int(math.copysign(least, rounded))


def step_of(steps: Iterable[Step], distance: float) -> Step | None:
    """The step for a metric that is so far from its threshold. At or above it lower bounds belong to a step, below
    upper ones."""
    for each in steps:
        low = -math.inf if each.lower is None else each.lower
        high = math.inf if each.upper is None else each.upper
        if low <= distance < high if distance >= 0 else low < distance <= high:
            return each
    return None


def simple(policy: Policy, held: Capacity) -> int:
    """The desired capacity that simple scaling wants."""
    return held.within(held.desired + change(policy, policy.by or 0, held.desired))


def stepped(policy: Policy, step: Step, held: Capacity) -> int:
    """The desired capacity that step scaling wants: those that warm up do not count while it grows, so that a breach of
    the same step adds nothing; and it never shrinks while some do."""
    if policy.adjustment == EXACT:
        return held.within(step.by)
    there = held.desired + held.leaving
    by = change(policy, step.by, held.warmed if step.by > 0 else there)
    if by > 0:
        return held.within(max(held.desired, held.warmed + by))
    return held.desired if held.warmed < held.desired else held.within(min(held.desired, there + by))


def tracked(value: float, target: float, held: Capacity, *, shrinks: bool) -> int:
    """The desired capacity that brings a metric back to its target, as it falls with the number of instances. From none
    it grows as from one."""
    if value > target:
        return held.within(max(held.desired, math.ceil((held.warmed or 1) * value / target - 1e-9)))
    if not shrinks or held.warmed < held.desired:
        return held.desired
    return held.within(min(held.desired, math.ceil((held.desired + held.leaving) * value / target - 1e-9)))


def steps_fit(steps: Sequence[Step]) -> str | None:
    """Why these are no steps of one policy; None where they are."""
    if any(each.lower is None and each.upper is None and len(steps) > 1 for each in steps):
        return "At least one of MetricIntervalLowerBound and MetricIntervalUpperBound must be specified"
    spans = sorted(
        (-math.inf if each.lower is None else each.lower, math.inf if each.upper is None else each.upper)
        for each in steps
    )
    if any(low >= high for low, high in spans):
        return "MetricIntervalLowerBound must be less than the MetricIntervalUpperBound"
    for before, after in itertools.pairwise(spans):
        if before[1] > after[0]:
            return "StepAdjustment intervals can't overlap"
        if before[1] < after[0]:
            return "StepAdjustment intervals can't have gaps between them"
    if spans and spans[0][0] < 0 and spans[0][0] != -math.inf:
        return "There must be a step adjustment with an unspecified lower bound when one has a negative lower bound"
    if spans and spans[-1][1] > 0 and spans[-1][1] != math.inf:
        return "There must be a step adjustment with an unspecified upper bound when one has a positive upper bound"
    return None
