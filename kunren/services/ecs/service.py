"""All of ECS together: operations, the controller that runs tasks, and what tasks ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.containers.interface import Containers
from kunren.dataplane.envoy.control import EnvoyControl
from kunren.dataplane.images.images import Images
from kunren.dataplane.sessions.sessions import Sessions
from kunren.services.ecs.agents.engine import InstanceEngine
from kunren.services.ecs.agents.service import Agents
from kunren.services.ecs.api import EcsApi
from kunren.services.ecs.capacity.controller import CapacityController
from kunren.services.ecs.connect.metrics import ConnectMetrics
from kunren.services.ecs.connect.proxies import Proxies
from kunren.services.ecs.metadata.service import TaskMetadata
from kunren.services.ecs.model import Task
from kunren.services.ecs.services.controller import ServiceController
from kunren.services.ecs.services.leaving import Leaving
from kunren.services.ecs.tasks.controller import TaskController
from kunren.services.ecs.tasks.events import TaskEvents
from kunren.services.ecs.tasks.exec_logs import ExecLogs
from kunren.services.ecs.tasks.execution import ExecutionRole
from kunren.services.ecs.tasks.inside import inside
from kunren.services.ecs.tasks.metrics import TaskMetrics
from kunren.services.ecs.tasks.namespaced import NamespacedEngine
from kunren.services.ecs.tasks.resources import Resources
from kunren.services.ecs.tasks.runner import Shell
from kunren.services.lambda_.log_delivery import LogDelivery
from kunren.world.spec import WorldSpec
from kunren.world.world import World


class EcsService:
    """`api` answers calls, `run` runs tasks. `logs` stands before CloudWatch Logs' operations. The ec2 kinds are
    registered before this is built."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, world: World, containers: Containers,
        home: Path, applied: Callable[[str], Awaitable[None]], images: Images, call: CallService, envoy: EnvoyControl,
    ) -> None:  # fmt: skip
        self._store, self._world, self._containers = store, world, containers
        self.api = EcsApi(store, clock, entropy, spec)
        self.sessions = self.api.sessions = Sessions(clock, entropy)
        self.api.exec_logs, self.api.call = ExecLogs(call), call
        self.logs = LogDelivery(call, line_end="", makes_group=False)
        self.events = TaskEvents(store, clock, entropy, call)
        self.metadata = TaskMetadata(store, clock, entropy, world, call)
        self.proxies = Proxies(store, clock, envoy, world)
        parts = (store, clock, entropy, spec, containers, home, applied, self.metadata, images, self.proxies)
        self.engine = NamespacedEngine(*parts)
        self.execution = ExecutionRole(store)
        self.shell = Shell(store, clock, Resources(call, self.execution), self.logs.take, self.events.note)
        self.shell.ended = lambda: not world.running
        self._leaving = Leaving(store)
        self.shell.deactivating = self._leave
        self.services = ServiceController(store, clock, entropy, call)
        self.services.before = self.proxies.told
        self.connect_metrics = ConnectMetrics(clock, call, self.proxies.inward, envoy.statistics)
        self.agents = Agents(store, clock, entropy, call)
        self.api.rows = self.agents.rows
        self.capacity = CapacityController(store, clock, entropy, call, self.agents.rows)
        self.on_instances = on_instances = InstanceEngine(*parts)
        on_instances.share(self.engine)
        on_instances.world = world
        on_instances.connections = self.agents.connections
        self.agents.controller.power_off = on_instances.power_off
        self.tasks = tasks = TaskController(
            store, clock, self.shell, {"FARGATE": self.engine, "EC2": on_instances}, home
        )
        self.api.runner_of = tasks.runner
        self.metrics = TaskMetrics(store, clock, call, tasks.runner)

    async def run(self) -> None:
        self.tasks.expect()
        await self._containers.sweep()
        await asyncio.to_thread(self.engine.sweep)
        try:
            async with asyncio.TaskGroup() as parts:
                services = (self.services, self.services.hooks, self.services.notices)
                tasks = (self.tasks, self.proxies, self.connect_metrics, self.events, self.metrics)
                for each in (*tasks, self.agents, self.capacity, *services):
                    parts.create_task(each.run())
        finally:
            await self.sessions.stop()
            await self._containers.sweep()
            self.metadata.stop()
            self.engine.close()
            self.on_instances.close()

    async def settled(self) -> None:
        await self.tasks.settled()
        await self.services.settled()

    async def _leave(self, task: Task) -> None:
        """A task that is to stop waits until nobody sends it anything any more."""
        await self._leaving.wait(task)
        await self.proxies.leave(task)

    def inside(self, named: str) -> dict[str, Any] | None:
        """What `kunren ssh` needs of a task's container; None where there is no such task. Raises NotRunning."""
        found = inside(self._store.snapshot(), self.tasks, named)
        return {"world": self._world.handle(), **found} if found is not None else None

    def status(self) -> dict[str, Any]:
        return self.tasks.status()
