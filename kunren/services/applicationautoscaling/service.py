"""All of Application Auto Scaling together."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.applicationautoscaling.api import ApplicationAutoScalingApi
from kunren.services.applicationautoscaling.scaler import Scaler


class ApplicationAutoScalingService:
    """`api` answers calls, `run` follows schedules, `scaler.act` is what CloudWatch calls for the ARN of a policy."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self.api = ApplicationAutoScalingApi(store, clock, entropy, call)
        self.scaler = Scaler(store, clock, entropy, call)

    async def run(self) -> None:
        await self.scaler.controller.run()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self.scaler.controller.last_errors)}
