"""The life of one task, from its interface to its end: what the engine does, in the order that `order.py` decides.

Everything that is seen on the way is written to the task's row; desired state is only read (`stop`). A runner that is
cancelled (the daemon ends) writes nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store, Tx
from kunren.core.clock import Clock
from kunren.dataplane.containers.interface import RunningContainer
from kunren.services.ecs.model import Task, TaskDefinition, TaskRun
from kunren.services.ecs.tasks import order
from kunren.services.ecs.tasks.ask import ESSENTIAL_EXITED, FAILED_TO_START
from kunren.services.ecs.tasks.engine import CannotStart, Engine, Image, Launch
from kunren.services.ecs.tasks.health import watch_health
from kunren.services.ecs.tasks.logs import LogPipe
from kunren.services.ecs.tasks.order import Live
from kunren.services.ecs.tasks.plan import ContainerPlan, plans
from kunren.services.ecs.tasks.resources import Resources

log = logging.getLogger(__name__)
SIGKILL = 9
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
_ESSENTIAL = "Essential container in task exited"
_DRAINED_WITHIN_S = 2.0
Printed = Callable[[str, str, str, str, list[tuple[int, str]]], None]
"""Account, region, log group, stream and lines, each with its time in milliseconds since 1970."""
Hook = Callable[[Task], Awaitable[None]]


class Shell:
    """What all runners share. `activating` is awaited once a task's containers run and before it is RUNNING,
    `deactivating` before they are stopped: the task is ACTIVATING and DEACTIVATING meanwhile, for services that
    register it with load balancers. `changed` is called in each transaction that changes a task."""

    def __init__(
        self, store: Store, clock: Clock, resources: Resources, printed: Printed, changed: Callable[[Tx, Task], None]
    ) -> None:
        self.store, self.clock, self.resources = store, clock, resources
        self.printed, self.changed = printed, changed
        self.ended: Callable[[], bool] = lambda: False
        """Whether the world has ended, and with it every container."""
        self.activating: Hook = nothing
        self.deactivating: Hook = nothing


class TaskRunner:
    """`run` returns when the task is STOPPED."""

    def __init__(self, shell: Shell, engine: Engine, task: Task, definition: TaskDefinition) -> None:
        self._shell, self._engine, self._definition = shell, engine, definition
        self._key = (task.account, task.region, task.id)
        self._plans = plans(task, definition)
        self._live = {name: Live() for name in self._plans}
        self._images: dict[str, Image] = {}
        self._environments: dict[str, dict[str, str]] = {}
        self._streams: dict[str, tuple[str, str, str] | None] = {}
        self._running: dict[str, RunningContainer] = {}
        self._pipes: dict[str, LogPipe] = {}
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def containers(self) -> dict[str, RunningContainer]:
        """Those that run, by name."""
        return self._running

    async def kill(self) -> None:
        """End whatever runs at once; the task's row is somebody else's business then."""
        await asyncio.gather(*(each.signal(SIGKILL) for each in self._running.values()))

    def essential(self, name: str) -> bool:
        return self._plans[name].essential

    def stop(self) -> None:
        """The row says that the task is to stop."""
        self._over.set()
        self._news.set()

    async def run(self) -> None:
        starting = asyncio.get_running_loop().create_task(self._start())
        over = asyncio.get_running_loop().create_task(self._over.wait())
        try:
            await asyncio.wait([starting, over], return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and not starting.cancelled() and starting.exception() is None:
                await over
        finally:
            over.cancel()
            starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await self._end()

    # -- coming up ---------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        """Until the task is RUNNING, and then as long as containers run."""
        try:
            await self._prepare()
            async with asyncio.TaskGroup() as parts:
                for each in self._plans.values():
                    parts.create_task(self._keep(each))
                await self._until(lambda: order.all_started(self._live))
                self._note(last_status="ACTIVATING")
                await self._shell.activating(self._task)
                self._note(last_status="RUNNING", started_at=self._shell.clock.now())
        except* CannotStart as failed:
            self._give_up(FAILED_TO_START, str(_first(failed)))
        except* Exception as failed:
            log.exception("task %s could not be started", self._key[2], exc_info=failed)
            self._give_up(FAILED_TO_START, f"CannotStartContainerError: {_first(failed)}")

    async def _prepare(self) -> None:
        now = self._shell.clock.now
        if self._task.interface_id is None:
            with self._shell.store.write() as tx:
                self._engine.attach(tx, self._task)
        await self._engine.ready(self._task)
        if self._task.last_status == "PROVISIONING":
            self._note(last_status="PENDING", connected_at=now())
        for plan in self._plans.values():
            await self._shell.resources.execution.check_pull(self._task, plan.image)
            self._environments[plan.name] = await self._shell.resources.environment(self._task, plan)
            self._streams[plan.name] = await self._shell.resources.open_stream(self._task, plan)
        self._note(pull_started_at=now())
        for plan in self._plans.values():
            try:
                self._images[plan.name] = image = await self._engine.pull(self._task, plan)
            except CannotStart as error:
                self._note_container(plan.name, reason=str(error))
                raise
            if image.digest is not None:
                self._note_container(plan.name, image_digest=image.digest)
        self._note(pull_stopped_at=now())

    async def _keep(self, plan: ContainerPlan) -> None:
        """One container: when its turn has come, and again as its restart policy says."""
        live = self._live[plan.name]
        try:
            await self._turn(plan)
            restarts = 0
            while True:
                code = await self._once(plan, restarts)
                if self._shell.ended():  # the world, and the daemon next: not the container's own doing
                    await asyncio.Event().wait()
                if self._over.is_set() or not order.starts_again(plan, code, self._shell.clock.now() - live.began):
                    break
                restarts += 1
        except CannotStart:
            if plan.essential:
                raise
        finally:
            live.done = True
            self._news.set()
        if plan.essential:
            self._give_up(ESSENTIAL_EXITED, _ESSENTIAL)

    async def _turn(self, plan: ContainerPlan) -> None:
        """Wait for those that it depends on. Raises CannotStart where they can't come, or not in time."""
        if not plan.waits_for:
            return
        limits = [self._plans[name].start_timeout_s for name in plan.waits_for]
        try:
            async with asyncio.timeout(self._shell.clock.wall_seconds(max(limits))):
                await self._until(lambda: order.may_start(plan, self._live) != order.WAIT)
            possible = order.may_start(plan, self._live) == order.GO
        except TimeoutError:
            possible = False
        if not possible:
            reason = f"dependency graph: container dependency for {plan.name} could not be resolved"
            self._note_container(plan.name, last_status="STOPPED", reason=reason)
            raise CannotStart(reason)

    async def _once(self, plan: ContainerPlan, restarts: int) -> int:
        """Start the container and wait for its end: its exit code."""
        live, pipe = self._live[plan.name], self._open_pipe(plan)
        try:
            container = await self._engine.start(self._task, self._launch(plan, pipe))
        except CannotStart as error:
            self._note_container(plan.name, last_status="STOPPED", reason=str(error))
            raise
        finally:
            if pipe is not None:
                pipe.handed()
        self._running[plan.name] = container
        live.started, live.running, live.began = True, True, self._shell.clock.now()
        live.health = "UNKNOWN"  # whatever the one before it was
        self._note_run()
        self._note_container(
            plan.name, last_status="RUNNING", restarts=restarts, exit_code=None, reason=None, health=live.health,
            runtime_id=self._engine.runtime_id(self._task, plan.name),
        )  # fmt: skip
        self._news.set()
        checking = None
        if plan.health is not None:
            watching = watch_health(plan.health, container, self._shell.clock, lambda found: self._healthy(plan, found))
            checking = asyncio.get_running_loop().create_task(watching)
        try:
            code = order.exit_code(await container.wait())
        finally:
            if checking is not None:
                checking.cancel()
        await self._ended(plan, container, code)
        return code

    def _launch(self, plan: ContainerPlan, pipe: LogPipe | None) -> Launch:
        image = self._images[plan.name]
        entry = plan.entry_point if plan.entry_point is not None else image.entry_point
        command = plan.command if plan.command is not None else () if plan.entry_point else image.command
        own = self._engine.environment(self._task, plan.name)
        environment = {**own, **image.environment, **self._environments[plan.name]}
        if not (entry or command):
            raise CannotStart("CannotStartContainerError: Error response from daemon: no command specified")
        return Launch(
            plan, image, (*entry, *command), environment, plan.working_directory or image.working_directory,
            plan.user or image.user, pipe.output if pipe is not None else None,
        )  # fmt: skip

    async def _ended(self, plan: ContainerPlan, container: RunningContainer, code: int) -> None:
        live, pipe = self._live[plan.name], self._pipes.pop(plan.name, None)
        if pipe is not None:
            try:
                async with asyncio.timeout(_DRAINED_WITHIN_S):
                    await pipe.ended.wait()
            except TimeoutError:
                pipe.close()
        self._running.pop(plan.name, None)
        live.running, live.exit_code = False, code
        reason = _OUT_OF_MEMORY if container.out_of_memory else None
        self._note_run()
        self._note_container(plan.name, last_status="STOPPED", exit_code=code, reason=reason)
        self._news.set()

    def _open_pipe(self, plan: ContainerPlan) -> LogPipe | None:
        place = self._streams[plan.name]
        if place is None:
            return None
        region, group, stream = place
        account, now = self._key[0], self._shell.clock.now

        def told(lines: list[str]) -> None:
            at = int(now() * 1000)
            self._shell.printed(account, region, group, stream, [(at, each) for each in lines])

        self._pipes[plan.name] = LogPipe(told)
        return self._pipes[plan.name]

    def _healthy(self, plan: ContainerPlan, found: str) -> None:
        self._live[plan.name].health = found
        self._note_container(plan.name, health=found)
        self._news.set()

    # -- going down --------------------------------------------------------------------------------------------------

    def _give_up(self, code: str, reason: str) -> None:
        """The task ends by itself."""
        if self._task.desired_status != "STOPPED":
            self._note(desired_status="STOPPED", stop_code=code, stopped_reason=reason[:1024])
        self.stop()

    async def _end(self) -> None:
        if self._task.last_status in ("ACTIVATING", "RUNNING"):
            self._note(last_status="DEACTIVATING", stopping_at=self._shell.clock.now())
            await self._shell.deactivating(self._task)
        self._note(last_status="STOPPING", stopping_at=self._task.stopping_at or self._shell.clock.now())
        await asyncio.gather(*(self._stop(name) for name in list(self._running)))
        self._note(last_status="DEPROVISIONING", execution_stopped_at=self._shell.clock.now())
        await self._engine.deprovision(self._task)
        stopped = tuple(replace(each, last_status="STOPPED") for each in self._task.containers)
        self._note(last_status="STOPPED", stopped_at=self._shell.clock.now(), containers=stopped)

    async def _stop(self, name: str) -> None:
        """End a container once those that depend on it have ended: asked first, killed after its stop timeout."""
        await self._until(lambda: order.may_stop(name, self._plans, self._live))
        container, plan = self._running.get(name), self._plans[name]
        if container is None:
            return
        ending = asyncio.get_running_loop().create_task(container.wait())
        await container.signal(self._images[name].stop_signal)
        patience_s = plan.stop_timeout_s or self._engine.stop_timeout_s(self._task)
        done, _ = await asyncio.wait([ending], timeout=self._shell.clock.wall_seconds(patience_s))
        if not done:
            await container.signal(SIGKILL)
        await self._ended(plan, container, order.exit_code(await ending))

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def _task(self) -> Task:
        found = self._shell.store.snapshot().get(Task, *self._key)
        assert found is not None
        return found

    def _note(self, **members: Any) -> None:
        with self._shell.store.write() as tx:
            before = tx.get(Task, *self._key)
            assert before is not None
            task = replace(before, version=before.version + 1, **members)
            tx.put(task)
            if _states(task) != _states(before):
                self._shell.changed(tx, task)

    def _note_container(self, name: str, **members: Any) -> None:
        changed = (replace(each, **members) if each.name == name else each for each in self._task.containers)
        self._note(containers=tuple(changed))

    def _note_run(self) -> None:
        account, region, id = self._key
        run = TaskRun(
            account=account, region=region, id=id, pids={name: each.pid for name, each in self._running.items()}
        )
        with self._shell.store.write() as tx:
            if run.pids:
                tx.put(run)
            elif (before := tx.get(TaskRun, *self._key)) is not None:
                tx.delete(before)

    async def _until(self, held: Callable[[], bool]) -> None:
        while not held():
            await self._news.wait()
            self._news.clear()


def _states(task: Task) -> tuple[Any, ...]:
    """What others are told of when it changes."""
    containers = tuple((each.last_status, each.health) for each in task.containers)
    return task.desired_status, task.last_status, containers


async def nothing(task: Task) -> None:
    """For a task that nobody registers anywhere."""


def _first(failed: BaseExceptionGroup[Any]) -> BaseException:
    found: BaseException = failed
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
