"""All of Auto Scaling together."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.autoscaling.api import AutoScalingApi
from kunren.services.autoscaling.controller import AutoScalingController


class AutoScalingService:
    """`api` answers calls, `run` keeps the groups. The ec2 and elbv2 kinds are registered before this is built."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, ec2: Any) -> None:
        self.api = AutoScalingApi(store, clock, entropy)
        self._controller = AutoScalingController(store, clock, entropy, call, ec2)

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return self._controller.status()
