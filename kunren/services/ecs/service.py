"""All of ECS together."""

from __future__ import annotations

import asyncio
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ecs.api import EcsApi
from kunren.world.spec import WorldSpec


class EcsService:
    """`api` answers calls. The ec2 kinds are registered before this is built."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, call: CallService) -> None:
        self.api = EcsApi(store, clock, entropy, spec)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()

    def status(self) -> dict[str, Any]:
        return {}
