"""What becomes of container instances, and of the tasks on them, when their machines end.

A machine that ends takes its tasks with it. One that was terminated is deregistered; one that is stopped stays, without
its agent ("Container instance life cycle").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.services.ec2.instances.model import Instance, InstanceRun
from kunren.services.ecs.agents.connections import Connections
from kunren.services.ecs.agents.rows import Rows, tasks_on
from kunren.services.ecs.model import ContainerInstance, Task
from kunren.services.ecs.tasks.ask import SCHEDULER_INITIATED, TERMINATION_NOTICE, ask_to_stop


async def _nothing(instance: ContainerInstance, tasks: list[Task]) -> None:
    """Until somebody runs tasks on container instances."""


class InstanceController:
    """`power_off` ends at once whatever of these tasks runs on the machine. `run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, rows: Rows, connections: Connections) -> None:
        self._store, self._clock, self._rows, self._connections = store, clock, rows, connections
        self.power_off: Callable[[ContainerInstance, list[Task]], Awaitable[None]] = _nothing
        kinds = (ContainerInstance.kind, Instance.kind, InstanceRun.kind)
        self._controller = Controller(
            "container-instances", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in kinds,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self._controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        found = snapshot.get(ContainerInstance, account, region, id)
        if found is None:
            return
        machine = snapshot.get(Instance, account, region, found.instance_id)
        if found.status == "INACTIVE":
            self._forget(found, machine)
            return
        if found.status == "DRAINING":
            self._stop_pending(found)
        run = snapshot.get(InstanceRun, account, region, found.instance_id)
        if run is not None or (machine is not None and machine.wanted == "running"):
            return
        gone = machine is None or machine.wanted == "terminated"
        await self._end_tasks(found, "terminated" if gone else "stopped")
        self._connections.lost(found)
        if gone:
            with self._store.write() as tx:
                current = tx.get(ContainerInstance, account, region, id)
                if current is not None:
                    self._rows.change(tx, current, status="INACTIVE", agent_connected=False)

    async def _end_tasks(self, instance: ContainerInstance, word: str) -> None:
        with self._store.write() as tx:
            tasks = tasks_on(tx, instance)
            for each in tasks:
                ask_to_stop(tx, each, f"Host EC2 (instance {instance.instance_id}) {word}.", TERMINATION_NOTICE)
        if tasks:
            await self.power_off(instance, tasks)

    def _stop_pending(self, instance: ContainerInstance) -> None:
        """A service's tasks that do not run yet stop at once ("Draining Amazon ECS container instances")."""
        with self._store.write() as tx:
            for each in tasks_on(tx, instance):
                if each.group.startswith("service:") and each.last_status in ("PROVISIONING", "PENDING"):
                    ask_to_stop(tx, each, "The container instance is draining.", SCHEDULER_INITIATED)

    def _forget(self, instance: ContainerInstance, machine: Instance | None) -> None:
        if machine is None:
            with self._store.write() as tx:
                if (found := tx.get(ContainerInstance, instance.account, instance.region, instance.id)) is not None:
                    tx.delete(found)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == ContainerInstance.kind:
        return (f"{key.account}|{key.region}|{key.id}",)
    rows = snapshot.list(ContainerInstance, key.account, key.region)
    return [f"{key.account}|{key.region}|{each.id}" for each in rows if each.instance_id == key.id]


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(ContainerInstance)]
