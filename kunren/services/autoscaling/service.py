"""All of Auto Scaling together."""

from __future__ import annotations

import asyncio
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.autoscaling.alarms import AlarmActions
from kunren.services.autoscaling.api import AutoScalingApi
from kunren.services.autoscaling.controller import AutoScalingController
from kunren.services.autoscaling.events import GroupEvents
from kunren.services.autoscaling.metrics import GroupMetrics


class AutoScalingService:
    """`api` answers calls, `run` keeps the groups, `alarms` is what CloudWatch calls for the ARN of a scaling policy.
    The ec2 and elbv2 kinds are registered before this is built."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, ec2: Any) -> None:
        self.api = AutoScalingApi(store, clock, entropy, call)
        self.alarms = AlarmActions(store, clock, call)
        self.events = GroupEvents(store, clock, call)
        self._metrics = GroupMetrics(store, clock, call)
        self._controller = AutoScalingController(store, clock, entropy, call, ec2)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for part in (self._controller, self.events, self._metrics):
                tasks.create_task(part.run())

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return self._controller.status()
