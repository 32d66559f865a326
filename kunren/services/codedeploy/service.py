"""All of CodeDeploy together."""

from __future__ import annotations

import asyncio
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontAccess, FrontAnswer, FrontRequest
from kunren.services.codedeploy.agents import installer
from kunren.services.codedeploy.agents.commands import CommandService
from kunren.services.codedeploy.api import CodeDeployApi
from kunren.services.codedeploy.controller import FLEET, DeploymentController
from kunren.services.codedeploy.launches import Launches
from kunren.services.codedeploy.model import ECS, KINDS, LAMBDA, SERVER
from kunren.services.codedeploy.notices import Notices
from kunren.services.codedeploy.platforms.fleets import Fleets
from kunren.services.codedeploy.platforms.functions import Functions
from kunren.services.codedeploy.platforms.servers import Servers
from kunren.services.codedeploy.platforms.services import Services


class CodeDeployService:
    """`api` answers calls, `run` carries deployments out, `install` and `command` are for instances. `access`
    is strict mode. The ec2 and autoscaling kinds are registered before this is built."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, call: CallService, access: FrontAccess | None = None
    ) -> None:
        store.register(*KINDS)
        parts = store, clock, entropy, call
        self.api = CodeDeployApi(*parts)
        self.notices = Notices(store, clock, call)
        self._launches = Launches(*parts)
        self._controller = DeploymentController(
            *parts, {LAMBDA: Functions(*parts), SERVER: Servers(*parts), ECS: Services(*parts), FLEET: Fleets(*parts)}
        )
        self._commands = CommandService(store, clock)
        self._commands.access = access

    async def install(self, request: FrontRequest) -> FrontAnswer:
        """What an instance fetches to have an agent."""
        return await installer.answer(request)

    async def command(self, request: FrontRequest) -> FrontAnswer:
        """What an agent asks."""
        return await self._commands.answer(request)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._controller.run())
            group.create_task(self.notices.run())
            group.create_task(self._launches.run())

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return self._controller.status()
