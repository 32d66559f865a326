"""The engine of tasks on container instances: their containers are on the instance's own network (host), behind ports
of it (bridge), or on an interface of their own beside it (awsvpc).

A task begins once the instance's agent has heard of it; an agent that is not connected leaves it PENDING. Containers
are guests as everywhere (`tasks/namespaced.py`); when the instance ends they end with it, as if by its power.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.dataplane.containers.interface import RunningContainer
from kunren.services.ec2.instances.model import Instance, Volume
from kunren.services.ec2.model import NetworkInterface, Subnet
from kunren.services.ecs.agents.connections import Connections
from kunren.services.ecs.connect.model import Proxy
from kunren.services.ecs.connect.proxies import Where
from kunren.services.ecs.model import Binding, ContainerInstance, ContainerState, Task, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.services.ecs.tasks.engine import CannotStart, Launch
from kunren.services.ecs.tasks.namespaced import NamespacedEngine
from kunren.services.ecs.tasks.plan import EPHEMERAL_GIB, ContainerPlan
from kunren.world import bridge
from kunren.world.agent.filesystem import RESOLV_CONF, RESOLV_DIR
from kunren.world.file_systems import GIB
from kunren.world.network import workload_namespace

SIGKILL = 9
EPHEMERAL = (32768, 61000)
STORAGE_GIB_MAX = 1024
_NO_SUBNET = "No subnet of the task's network is in the Availability Zone of its container instance ({zone})."


class BridgeWorld(Protocol):
    """The part of the world that is needed."""

    async def apply_bridge(self, interface_id: str, containers: Sequence[bridge.Bridged]) -> None: ...


class InstanceEngine(NamespacedEngine):
    """`connections` are those of the agents; these and `world` are set before the first task."""

    connections: Connections
    world: BridgeWorld

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._started: dict[str, list[RunningContainer]] = {}
        self._bridges: dict[str, dict[str, bridge.Bridged]] = {}  # by interface, then by namespace

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
        """The containers' ports are the instance's, or lead there from some of the instance's."""
        definition = tx.get(TaskDefinition, task.account, task.region, task.definition)
        assert definition is not None
        mode = _mode(definition)
        if mode == "none":
            raise CannotStart("Kunren has no network mode none on container instances yet.")
        interface = tx.get(NetworkInterface, task.account, task.region, instance.interface_id)
        if mode == "bridge" and interface is not None and not interface.bridged:
            tx.put(replace(interface, bridged=True))
        taken = {
            port
            for other in tx.list(Task, task.account, task.region)
            if other.instance == task.instance and other.id != task.id and other.last_status != "STOPPED"
            for port in _bound(other)
        }
        named = {each["name"]: each.get("portMappings") or () for each in definition.containers}
        containers = tuple(bound(each, named.get(each.name, ()), mode, taken) for each in task.containers)
        task = replace(task, availability_zone=instance.availability_zone, containers=containers)
        if task.proxy is not None and interface is not None:
            task = replace(task, proxy=reached(task.proxy, interface.private_ip, taken))
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

    async def _places(self, task: Task, interface: NetworkInterface) -> list[Where]:
        definition = self._definition(task)
        if definition is None or _mode(definition) != "bridge":
            return await super()._places(task, interface)
        await self._join_bridge(interface, task)
        held = self._bridges[interface.id]
        names = {each.name: _container_namespace(task, each.name) for each in task.containers}
        return [Where(namespace, held[namespace].address, name) for name, namespace in names.items()]

    def _definition(self, task: Task) -> TaskDefinition | None:
        return self._store.snapshot().get(TaskDefinition, task.account, task.region, task.definition)

    async def _join_bridge(self, interface: NetworkInterface, task: Task) -> None:
        held = self._bridges.setdefault(interface.id, {})
        for each in task.containers:
            used = {one.address for one in held.values()}
            free = next(found for number in range(len(used) + 1) if (found := bridge.address(number)) not in used)
            own = ((one.protocol, one.host_port, one.container_port) for one in each.bindings)
            ports = (*own, *(("tcp", port, inner) for port, inner in self._proxies.led(task, each.name)))
            namespace = _container_namespace(task, each.name)
            held[namespace] = bridge.Bridged(namespace, free, ports)
        await self.world.apply_bridge(interface.id, list(held.values()))

    async def _leave_bridge(self, task: Task) -> None:
        mine = {_container_namespace(task, each.name) for each in task.containers}
        for interface_id, held in list(self._bridges.items()):
            if mine & held.keys():
                for each in mine:
                    held.pop(each, None)
                await self.world.apply_bridge(interface_id, list(held.values()))
                if not held:
                    del self._bridges[interface_id]

    async def deprovision(self, task: Task) -> None:
        self._started.pop(task.id, None)
        host = self._store.snapshot().get(ContainerInstance, task.account, task.region, task.instance or "")
        if host is not None and host.agent_connected:
            told = {"arn": _arn(task), "desiredStatus": "STOPPED"}
            self.connections.tell(host, {"type": "payload", "tasks": [told]})
        await self._proxies.stop(task)  # while the namespaces are there that it listens in
        await self._leave_bridge(task)
        await super().deprovision(task)

    def _place(self, task: Task, plan: ContainerPlan, interface: NetworkInterface) -> tuple[str, dict[str, str]]:
        namespace = _container_namespace(task, plan.name)
        if namespace not in self._bridges.get(interface.id, {}):
            return super()._place(task, plan, interface)
        return namespace, {RESOLV_CONF: f"{RESOLV_DIR}/{workload_namespace(interface.id)}"}

    def _storage_bytes(self, task: Task) -> int:
        """Containers have what the instance's root volume has; a larger file system would take seconds to make."""
        snapshot = self._store.snapshot()
        instance = _instance(snapshot, task)
        volume = instance and snapshot.get(Volume, task.account, task.region, instance.volume_id)
        return min(volume.size_gb if volume else EPHEMERAL_GIB, STORAGE_GIB_MAX) * GIB

    # -- containers --------------------------------------------------------------------------------------------------

    def stop_timeout_s(self, task: Task) -> float:
        """As the agent is configured (ECS_CONTAINER_STOP_TIMEOUT)."""
        return self.connections.stop_timeout_s(task.instance or "") or super().stop_timeout_s(task)

    async def start(self, task: Task, launch: Launch) -> RunningContainer:
        container = await super().start(task, launch)
        self._started.setdefault(task.id, []).append(container)
        return container

    async def power_off(self, host: ContainerInstance, tasks: list[Task]) -> None:
        """End all containers of these tasks at once."""
        ending = [each.signal(SIGKILL) for task in tasks for each in self._started.get(task.id, ())]
        await asyncio.gather(*ending)


def _instance(reader: Any, task: Task) -> Instance | None:
    host = reader.get(ContainerInstance, task.account, task.region, task.instance or "")
    return reader.get(Instance, task.account, task.region, host.instance_id) if host is not None else None


def _mode(definition: TaskDefinition) -> str:
    return str(definition.document.get("networkMode") or "bridge")


def _container_namespace(task: Task, name: str) -> str:
    return f"ctr-{task.id[:16]}-{next(at for at, each in enumerate(task.containers) if each.name == name)}"


def bound(
    container: ContainerState, mappings: Sequence[Mapping[str, Any]], mode: str, taken: set[int]
) -> ContainerState:
    """The container with the instance's ports that are its own; `taken` are others', and grows. A port that is not
    stated is the lowest that is free of Docker's range."""
    bindings = []
    for each in mappings:
        port = each.get("containerPort")
        if not port:
            continue
        host_port = port if mode == "host" else each.get("hostPort") or 0
        if not host_port:
            host_port = _free(taken)
        taken.add(host_port)
        bindings.append(Binding(container_port=port, host_port=host_port, protocol=each.get("protocol") or "tcp"))
    return replace(container, bindings=tuple(bindings))


def reached(proxy: Proxy, address: str, taken: set[int]) -> Proxy:
    """The proxy of a task that has the instance's address, with ports there; `taken` are others', and grows."""
    ports = []
    for each in proxy.offers:
        ports.append(each.ingress_port or _free(taken))
        taken.add(ports[-1])
    return replace(proxy, address=address, ports=tuple(ports))


def _free(taken: set[int]) -> int:
    return next(number for number in range(*EPHEMERAL) if number not in taken)


def _bound(task: Task) -> list[int]:
    """Ports of its instance that are the task's."""
    own = [each.host_port for container in task.containers for each in container.bindings]
    return [*own, *(task.proxy.ports if task.proxy is not None else ())]


def _arn(task: Task) -> str:
    return arn(task, "task", task.cluster, task.id)
