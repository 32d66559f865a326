"""Metrics of services' tasks, for CloudWatch: the processor time and the memory that they have of what they reserve.

"Amazon ECS CloudWatch metrics": namespace AWS/ECS, by cluster and service, a sample of each task every minute. Both
come from the containers' control groups; where there are none, nothing is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.counted_metrics import CountedMetrics
from kunren.services.ecs.definitions.checks import units
from kunren.services.ecs.model import Task
from kunren.services.ecs.tasks.runner import TaskRunner

EVERY_S = 60.0


class _Seen(NamedTuple):
    at: float
    cpu_seconds: float


class TaskMetrics:
    """`run` lives until it is cancelled; `runner_of` gives what runs as a task, by its id."""

    def __init__(
        self, store: Store, clock: Clock, call: CallService, runner_of: Callable[[str], TaskRunner | None]
    ) -> None:
        self._store, self._clock, self._runner_of = store, clock, runner_of
        self._counted = CountedMetrics("AWS/ECS", call)
        self._seen: dict[str, _Seen] = {}
        self.before = self._counted.before

    async def run(self) -> None:
        async for now in ticks(self._clock, EVERY_S):
            self.sample(now)

    def sample(self, now: float) -> None:
        """Take in what every task of a service did until now (AWS time)."""
        kept: dict[str, _Seen] = {}
        for task in self._store.snapshot().every(Task):
            runner = self._runner_of(task.id)
            if task.last_status != "RUNNING" or not task.group.startswith("service:") or runner is None:
                continue
            loads = [each.load() for each in runner.containers.values()]
            told = [each for each in loads if each is not None]
            if not told:
                continue
            kept[task.id] = seen = _Seen(self._clock.monotonic(), sum(each[0] for each in told))
            if (before := self._seen.get(task.id)) is not None:
                self._tell(task, before, seen, sum(each[1] for each in told), now - EVERY_S)
        self._seen = kept

    def _tell(self, task: Task, before: _Seen, seen: _Seen, memory: int, at: float) -> None:
        reserved, whole = units(task.cpu, 1024), units(task.memory, 1024)
        found = {}
        if reserved and seen.at > before.at:
            used = max(0.0, seen.cpu_seconds - before.cpu_seconds) / (seen.at - before.at)
            found["CPUUtilization"] = 100 * used / (reserved / 1024)
        if whole:
            found["MemoryUtilization"] = 100 * memory / (whole << 20)
        dimensions = (("ClusterName", task.cluster), ("ServiceName", task.group.removeprefix("service:")))
        for name, value in found.items():
            if task.launch_type == "FARGATE":
                value = min(100.0, value)  # it has what it reserves and no more, there
            self._counted.add(task.account, task.region, dimensions, name, "Percent", value, at)
