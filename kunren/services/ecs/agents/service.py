"""Container instances together: their rows, the agents' connections, what becomes of them, what EventBridge is told."""

from __future__ import annotations

import asyncio

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ecs.agents.connections import Connections
from kunren.services.ecs.agents.controller import InstanceController
from kunren.services.ecs.agents.notices import InstanceNotices
from kunren.services.ecs.agents.rows import Rows


class Agents:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self.rows = Rows(clock, entropy)
        self.connections = Connections(store, clock, self.rows)
        self.controller = InstanceController(store, clock, self.rows, self.connections)
        self._notices = InstanceNotices(store, clock, call)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as parts:
            for each in (self.connections, self.controller, self._notices):
                parts.create_task(each.run())
