"""How large a share of its group's requests a target gets: slow start, and less for a target that errs.

Weights are whole numbers of a hundred. They are decided here rather than in Envoy, since AWS's slow start depends on
what was healthy when the target came, and Envoy would begin it anew for every target whenever a cluster changes.

"Slow start mode" and "Automatic Target Weights" in the Application Load Balancer guide.
"""

from __future__ import annotations

from kunren.control.store import Snapshot
from kunren.services.elbv2.attributes import TARGET_GROUP, value
from kunren.services.elbv2.model import Target, TargetAnomaly, TargetGroup, TargetHealth, target_health_id

FULL = 100
STEPS = 50
"""In so many steps a target's share grows during its slow start."""


def slow_start_seconds(group: TargetGroup) -> float:
    return float(value(TARGET_GROUP, group.attributes, "slow_start.duration_seconds"))


def mitigates(group: TargetGroup) -> bool:
    """Whether targets that err get fewer requests."""
    return value(TARGET_GROUP, group.attributes, "load_balancing.algorithm.anomaly_mitigation") == "on"


def weighs(group: TargetGroup) -> bool:
    """Whether some target may have another share than its neighbours."""
    return slow_start_seconds(group) > 0 or mitigates(group)


def ramp(duration: float, since: float | None, now: float) -> int:
    """A target's weight so long after its slow start began: linear, never nothing."""
    if since is None or duration <= 0 or now >= since + duration:
        return FULL
    return max(1, int(FULL * (now - since) / duration))


def weight(snapshot: Snapshot, group: TargetGroup, target: Target, now: float) -> int:
    """Of a hundred; 1 for every target of a group that has none of this."""
    if not weighs(group):
        return 1
    duration, mitigation = slow_start_seconds(group), mitigates(group)
    key = (group.account, group.region, target_health_id(group.id, target))
    made = FULL
    if duration > 0 and (seen := snapshot.get(TargetHealth, *key)) is not None:
        made = ramp(duration, seen.slow_since, now)
    if mitigation and (anomaly := snapshot.get(TargetAnomaly, *key)) is not None:
        made = max(1, made * anomaly.weight // FULL)
    return made


def next_step(snapshot: Snapshot, group: TargetGroup, now: float) -> float | None:
    """Seconds until a weight of the group changes by itself; None where none does."""
    duration = slow_start_seconds(group)
    if duration <= 0:
        return None
    for target in group.targets:
        seen = snapshot.get(TargetHealth, group.account, group.region, target_health_id(group.id, target))
        if seen is not None and ramp(duration, seen.slow_since, now) < FULL:
            return duration / STEPS
    return None
