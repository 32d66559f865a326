"""A scaling policy is carried out: by ExecutePolicy, or by an alarm. On a transaction."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.clock import iso_utc
from kunren.services.autoscaling import errors, scaling
from kunren.services.autoscaling.model import Cooldown, Group, Policy


def is_cooling(group: Group, now: float) -> bool:
    return group.cooldown is not None and (
        now < group.cooldown.until or any(_changes(each.state) for each in group.members.values())
    )


def in_cooldown(group: Group) -> errors.ScalingActivityInProgressFault:
    return errors.ScalingActivityInProgressFault(f"Auto Scaling group {group.id} is in its cooldown period")


def cooled_again(group: Group, now: float) -> Group:
    """A cooldown begins when the last activity of a scaling has ended."""
    if group.cooldown is None:
        return group
    if now >= group.cooldown.until and not any(_changes(each.state) for each in group.members.values()):
        return replace(group, cooldown=None)
    return replace(group, cooldown=replace(group.cooldown, until=now + group.cooldown.seconds))


def execute(
    tx: Tx, group: Group, policy: Policy, why: str, now: float, *, value: float | None = None,
    threshold: float | None = None, shrinks: bool = True,
) -> None:  # fmt: skip
    """The group gets the desired capacity that the policy wants. Raises ValidationError where no step fits."""
    held = scaling.capacity(group, scaling.warmup(group, policy), now)
    if policy.type == scaling.SIMPLE:
        desired = scaling.simple(policy, held)
        seconds = group.cooldown_s if policy.cooldown_s is None else policy.cooldown_s
        group = replace(group, cooldown=Cooldown(seconds=seconds, until=now + seconds))
    elif value is None or threshold is None:
        return
    elif policy.type == scaling.STEP:
        step = scaling.step_of(policy.steps, value - threshold)
        if step is None:
            raise errors.ValidationError(
                f"No step adjustment found for metric value {value} and breach threshold {threshold}"
            )
        desired = scaling.stepped(policy, step, held)
    else:
        seen = group.shrunk_at is None or now >= group.shrunk_at + scaling.SEEN_S
        desired = scaling.tracked(value, threshold, held, shrinks=shrinks and seen)
        if desired < group.desired:
            group = replace(group, shrunk_at=now)
    if desired != group.desired:
        text = f"At {iso_utc(now)[:19]}Z {why} changing the desired capacity from {group.desired} to {desired}."
        tx.put(replace(group, desired=desired, cause=text, retry_at=None))
    elif policy.type == scaling.SIMPLE:
        tx.put(replace(group, cooldown=None))


def _changes(state: str) -> bool:
    return state.startswith(("Pending", "Terminating"))
