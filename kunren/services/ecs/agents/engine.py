"""The engine of tasks on container instances: their containers are on the instance's own network (host), or on an
interface of their own beside it (awsvpc).

A task begins once the instance's agent has heard of it; an agent that is not connected leaves it PENDING. Containers
are guests as everywhere (`tasks/namespaced.py`); when the instance ends they end with it, as if by its power.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.model import NetworkInterface, Subnet
from kunren.services.ecs.agents.connections import Connections
from kunren.services.ecs.model import Binding, ContainerInstance, ContainerState, Task, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.services.ecs.tasks.engine import CannotStart, Launch
from kunren.services.ecs.tasks.namespaced import Container, NamespacedEngine

SIGKILL = 9
_NO_SUBNET = "No subnet of the task's network is in the Availability Zone of its container instance ({zone})."


class InstanceEngine(NamespacedEngine):
    """`connections` are those of the agents; set before the first task."""

    connections: Connections

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._containers: dict[str, list[Container]] = {}

    def share(self, other: NamespacedEngine) -> None:
        """Have the machine's file system with another engine, whose folder is ours too."""
        self.making = other.making

    # -- network -----------------------------------------------------------------------------------------------------

    def attach(self, tx: Tx, task: Task) -> Task:
        instance = _instance(tx, task)
        if instance is None:
            raise CannotStart("The container instance is gone.")
        if task.network is None:
            return self._on_host(tx, task, instance)
        zones = {each: tx.get(Subnet, task.account, task.region, each) for each in task.network.subnets}
        near = [
            id
            for id, each in zones.items()
            if each is not None and each.availability_zone == instance.availability_zone
        ]
        if not near:
            raise CannotStart(_NO_SUBNET.format(zone=instance.availability_zone))
        made = super().attach(tx, replace(task, network=replace(task.network, subnets=tuple(near))))
        made = replace(made, network=task.network)
        tx.put(made)
        return made

    def _on_host(self, tx: Tx, task: Task, instance: Instance) -> Task:
        """The containers' ports are the instance's."""
        definition = tx.get(TaskDefinition, task.account, task.region, task.definition)
        mode = definition.document.get("networkMode") if definition is not None else ""
        if mode != "host":
            raise CannotStart(f"Kunren has no network mode {mode} on container instances yet (there are awsvpc, host).")
        assert definition is not None
        named = {each["name"]: each.get("portMappings") or () for each in definition.containers}
        task = replace(
            task, availability_zone=instance.availability_zone,
            containers=tuple(_bound(each, named.get(each.name, ())) for each in task.containers),
        )  # fmt: skip
        tx.put(task)
        return task

    def _interface(self, task: Task) -> NetworkInterface | None:
        if task.network is not None:
            return super()._interface(task)
        snapshot = self._store.snapshot()
        instance = _instance(snapshot, task)
        if instance is None:
            return None
        return snapshot.get(NetworkInterface, task.account, task.region, instance.interface_id)

    async def ready(self, task: Task) -> None:
        """When the agent has the task, and its interface is there."""
        snapshot = self._store.snapshot()
        host = snapshot.get(ContainerInstance, task.account, task.region, task.instance or "")
        if host is None:
            raise CannotStart("The container instance is gone.")
        family, _, revision = task.definition.rpartition(":")
        told = {"arn": _arn(task), "desiredStatus": "RUNNING", "family": family, "version": revision}
        await self.connections.tell(host, {"type": "payload", "tasks": [told]}).wait()
        await super().ready(task)

    async def deprovision(self, task: Task) -> None:
        self._containers.pop(task.id, None)
        host = self._store.snapshot().get(ContainerInstance, task.account, task.region, task.instance or "")
        if host is not None and host.agent_connected:
            told = {"arn": _arn(task), "desiredStatus": "STOPPED"}
            self.connections.tell(host, {"type": "payload", "tasks": [told]})
        await super().deprovision(task)

    # -- containers --------------------------------------------------------------------------------------------------

    async def start(self, task: Task, launch: Launch) -> Container:
        container = await super().start(task, launch)
        self._containers.setdefault(task.id, []).append(container)
        return container

    async def power_off(self, host: ContainerInstance, tasks: list[Task]) -> None:
        """End all containers of these tasks at once."""
        ending = [each.signal(SIGKILL) for task in tasks for each in self._containers.get(task.id, ())]
        await asyncio.gather(*ending)


def _instance(reader: Any, task: Task) -> Instance | None:
    host = reader.get(ContainerInstance, task.account, task.region, task.instance or "")
    return reader.get(Instance, task.account, task.region, host.instance_id) if host is not None else None


def _bound(container: ContainerState, mappings: Sequence[Mapping[str, Any]]) -> ContainerState:
    bindings = (
        Binding(
            container_port=each["containerPort"], host_port=each["containerPort"],
            protocol=each.get("protocol") or "tcp",
        )
        for each in mappings
        if each.get("containerPort")
    )  # fmt: skip
    return replace(container, bindings=tuple(bindings))


def _arn(task: Task) -> str:
    return arn(task, "task", task.cluster, task.id)
