"""The metrics of groups that have them enabled, once a minute. "Amazon CloudWatch metrics for Amazon EC2 Auto Scaling"
in the user guide."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.errors import AwsError
from kunren.services.autoscaling import choices
from kunren.services.autoscaling.model import Group, Member

log = logging.getLogger(__name__)
_STATES: dict[str, Callable[[Member], bool]] = {
    "InService": lambda each: each.state == "InService",
    "Pending": lambda each: each.state.startswith("Pending"),
    "Standby": lambda each: each.state == "Standby",
    "Terminating": lambda each: each.state.startswith("Terminating"),
    "Total": lambda each: not each.state.startswith("Warmed:"),
}
_POOL: dict[str, Callable[[Member], bool]] = {
    "Warmed": lambda each: each.state in choices.WARMED,
    "Pending": lambda each: each.state.startswith("Warmed:Pending"),
    "Terminating": lambda each: each.state.startswith("Warmed:Terminating"),
    "Total": lambda each: each.state.startswith("Warmed:"),
}
METRICS = (
    "GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity",
    *(f"Group{state}Instances" for state in _STATES), *(f"Group{state}Capacity" for state in _STATES),
    "WarmPoolDesiredCapacity", *(f"WarmPool{state}Capacity" for state in _POOL),
    "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity",
    "WarmPoolMinSize",
)  # fmt: skip


def values(group: Group) -> dict[str, float]:
    """Every metric of the group as it is now."""
    held = group.members.values()

    def units(matches: Callable[[Member], bool]) -> float:
        return float(sum(each.units for each in held if matches(each)))

    pool = float(choices.pool_wanted(group))
    found = {
        "GroupMinSize": float(group.min_size),
        "GroupMaxSize": float(group.max_size),
        "GroupDesiredCapacity": float(group.desired),
        "WarmPoolMinSize": float(group.pool.min_size if group.pool is not None else 0),
        "WarmPoolDesiredCapacity": pool,
        "GroupAndWarmPoolDesiredCapacity": group.desired + pool,
        "GroupAndWarmPoolTotalCapacity": units(lambda each: True),
    }
    for state, matches in _STATES.items():
        found[f"Group{state}Instances"] = float(sum(matches(each) for each in held))
        found[f"Group{state}Capacity"] = units(matches)
    return found | {f"WarmPool{state}Capacity": units(matches) for state, matches in _POOL.items()}


def data(group: Group, at: float) -> list[dict[str, Any]]:
    """PutMetricData's MetricData."""
    found = values(group)
    named = [{"Name": "AutoScalingGroupName", "Value": group.id}]
    return [
        {"MetricName": each, "Dimensions": named, "Timestamp": datetime.fromtimestamp(at, UTC), "Value": found[each],
         "Unit": "None"}
        for each in group.metrics
    ]  # fmt: skip


class GroupMetrics:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._clock, self._call = store, clock, call

    async def run(self) -> None:
        async for at in ticks(self._clock, 60.0):
            for group in _collected(self._store.snapshot()):
                told = {"Namespace": "AWS/AutoScaling", "MetricData": data(group, at)}
                try:
                    await self._call(group.account, group.region, "cloudwatch", "PutMetricData", told)
                except AwsError as error:
                    log.warning("metrics of %s were lost: %s", group.id, error)


def _collected(snapshot: Snapshot) -> Iterable[Group]:
    return [each for each in snapshot.every(Group) if each.metrics]
