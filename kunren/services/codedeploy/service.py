"""All of CodeDeploy together."""

from __future__ import annotations

import asyncio
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.codedeploy.api import CodeDeployApi
from kunren.services.codedeploy.controller import DeploymentController
from kunren.services.codedeploy.model import KINDS, LAMBDA
from kunren.services.codedeploy.notices import Notices
from kunren.services.codedeploy.platforms.functions import Functions


class CodeDeployService:
    """`api` answers calls, `run` carries deployments out. The autoscaling kinds are registered before this is built."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        store.register(*KINDS)
        parts = store, clock, entropy, call
        self.api = CodeDeployApi(*parts)
        self.notices = Notices(store, clock, call)
        self._controller = DeploymentController(*parts, {LAMBDA: Functions(*parts)})

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._controller.run())
            group.create_task(self.notices.run())

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return self._controller.status()
