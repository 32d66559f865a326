"""Runs tasks as they are wanted, each by a runner of its own, and forgets those that have long stopped.

What this daemon started it keeps; after a crash nothing runs, so every task that had begun to start is STOPPED then, as
after its host's failure, and who wants another asks for another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.guests.room import DiskRoom
from kunren.services.ecs.definitions.uses import in_use
from kunren.services.ecs.model import STOPPED_KEPT_S, Task, TaskDefinition
from kunren.services.ecs.tasks.ask import TERMINATION_NOTICE, ask_to_stop
from kunren.services.ecs.tasks.engine import Engine
from kunren.services.ecs.tasks.runner import Shell, TaskRunner

log = logging.getLogger(__name__)
HOST_FAILED = "The host that the task ran on has failed."


class TaskController:
    """`engines` by launch type; tasks of other types are somebody else's. `home` has the files of all tasks. `run`
    lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, shell: Shell, engines: Mapping[str, Engine], home: Path) -> None:
        self._home = home
        self._room = DiskRoom(clock, home, self._writers, self._end_for_room)
        self._killing: set[asyncio.Task[None]] = set()
        self._store, self._clock, self._shell, self._engines = store, clock, shell, engines
        self._runners: dict[str, TaskRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._controller = Controller(
            "tasks", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == Task.kind, parallel=32,
        )  # fmt: skip

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._controller.run())
                parts.create_task(self._room.run())
        finally:
            for each in self._tasks.values():
                each.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _writers(self) -> dict[str, list[Path]]:
        """What the tasks that run have on disk: a folder, or the file of their storage."""
        return {id: [self._home / id, self._home / f"{id}.image"] for id in self._runners}

    def _end_for_room(self, id: str, why: str) -> None:
        """Stop a task, and its containers at once: they write on while they may."""
        with self._store.write() as tx:
            for task in tx.every(Task):
                if task.id == id:
                    ask_to_stop(tx, task, why, TERMINATION_NOTICE)
        if (runner := self._runners.get(id)) is not None:
            self._killing.add(killing := asyncio.get_running_loop().create_task(runner.kill()))
            killing.add_done_callback(self._killing.discard)

    def expect(self) -> None:
        """Not be settled before `run`: until it has seen what became of each task, rows tell of a daemon before."""
        self._controller.enqueue_all()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {"tasks": len(self._runners), "errors": dict(self._controller.last_errors)}

    def runner(self, id: str) -> TaskRunner | None:
        return self._runners.get(id)

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        task = snapshot.get(Task, account, region, id)
        if task is None or task.launch_type not in self._engines:
            return
        if task.last_status == "STOPPED":
            self._delete_definition(task)
            self._forget_later(task)
        elif (runner := self._runners.get(id)) is not None:
            if task.desired_status == "STOPPED":
                runner.stop()
        elif task.launch_type == "EC2" and task.instance is None:  # it waits until its capacity provider has room
            if task.desired_status == "STOPPED":
                await self._abandon(task)
        elif task.last_status == "PROVISIONING" or (task.last_status == "PENDING" and task.pull_started_at is None):
            definition = snapshot.get(TaskDefinition, account, region, task.definition)
            if definition is None:
                await self._abandon(task)
                return
            self._begin(task, definition)
        else:
            await self._abandon(task)

    def _begin(self, task: Task, definition: TaskDefinition) -> None:
        runner = TaskRunner(self._shell, self._engines[task.launch_type], task, definition)
        if task.desired_status == "STOPPED":
            runner.stop()
        with self._store.write() as tx:
            self._shell.changed(tx, task)
        self._runners[task.id] = runner
        self._tasks[task.id] = asyncio.get_running_loop().create_task(self._ran(task, runner), name=f"task {task.id}")

    async def _ran(self, task: Task, runner: TaskRunner) -> None:
        try:
            await runner.run()
        except Exception:
            log.exception("task %s was lost", task.id)
            await runner.kill()
        finally:
            del self._runners[task.id], self._tasks[task.id]
            self._controller.enqueue(_work(task.key))

    async def _abandon(self, task: Task) -> None:
        """The task has ended with what ran it."""
        await self._engines[task.launch_type].deprovision(task)
        now = self._clock.now()
        with self._store.write() as tx:
            found = tx.get(Task, task.account, task.region, task.id)
            if found is None or found.last_status == "STOPPED":
                return
            stopped = tuple(replace(each, last_status="STOPPED") for each in found.containers)
            found = replace(
                found, desired_status="STOPPED", last_status="STOPPED", version=found.version + 1,
                stop_code=found.stop_code or TERMINATION_NOTICE, stopped_reason=found.stopped_reason or HOST_FAILED,
                stopping_at=found.stopping_at or now, execution_stopped_at=found.execution_stopped_at or now,
                stopped_at=now, containers=stopped,
            )  # fmt: skip
            tx.put(found)
            self._shell.changed(tx, found)

    def _delete_definition(self, task: Task) -> None:
        """Where the task was the last one that a deleted definition waited for."""
        with self._store.write() as tx:
            found = tx.get(TaskDefinition, task.account, task.region, task.definition)
            if found is not None and found.status == "DELETE_IN_PROGRESS" and not in_use(tx, found):
                tx.delete(found)

    def _forget_later(self, task: Task) -> None:
        assert task.stopped_at is not None
        left = task.stopped_at + STOPPED_KEPT_S - self._clock.now()
        if left > 0:
            self._controller.enqueue_after(left, _work(task.key))
            return
        with self._store.write() as tx:
            if tx.get(Task, task.account, task.region, task.id) is not None:
                tx.delete(task)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    return (_work(key),)


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.key) for each in snapshot.every(Task)]


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
