"""Carries commands out: has scripts run on the instances that are reached, in numbers that the command allows.

An invocation is a row. It is "In Progress" before its script starts, so that no script starts twice; what then ends
without a word of the script (the instance stops, or Kunren does) is as on AWS when the agent has vanished: it stays so
until the command expires, and has timed out then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.services.ec2.instances.model import Instance, InstanceRun
from kunren.services.ssm.commands import notices, script, states
from kunren.services.ssm.commands.outputs import KEPT_BYTES_MAX, Outputs
from kunren.services.ssm.managed import Managed
from kunren.services.ssm.model import Command, Invocation
from kunren.world.interface import Process

log = logging.getLogger(__name__)
RunProgram = Callable[
    [Instance, Sequence[str], Mapping[str, str], int, int], Awaitable[tuple[Process, Callable[[], bool]]]
]
_GONE_WITHIN_S = 2.0  # real: until an instance is known to have ended, with its programs
_KILLED = -9
_AGAIN_S = 60.0  # until an instance is asked again whose role may let it answer now


class CommandController:
    """`run` lives until it is cancelled. `run_program` starts a program in a running instance, and gives what says
    whether that has run on since. `heard` says whether EventBridge can have rules."""

    run_program: RunProgram

    def __init__(self, store: Store, clock: Clock, call: CallService, managed: Managed) -> None:
        self._store, self._clock, self._call, self._managed = store, clock, call, managed
        self.heard: Callable[[], bool] = lambda: True
        self._outputs = Outputs(clock, call, managed)
        self._running: dict[Key, asyncio.Task[None]] = {}
        kinds = (Command.kind, Invocation.kind, InstanceRun.kind, Instance.kind)
        self._controller = Controller(
            "ssm-commands", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in kinds,
        )  # fmt: skip

    async def run(self) -> None:
        try:
            await self._controller.run()
        finally:
            for each in self._running.values():
                each.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        command = self._store.snapshot().get(Command, account, region, id)
        if command is None:
            return
        self._time_out(command)
        if not states.too_many_errors(command, self._invocations(command)):
            for each in states.next_ones(command, self._invocations(command)):
                await self._deliver(command, each)
        else:
            self._put_all(command, states.WAITING, states.TERMINATED)
        for each in self._invocations(command):
            if each.details == states.CANCELLING:
                self._cancel(each)
        await self._tell(command)
        invocations = self._invocations(command)
        if not all(states.ended(each.details) for each in invocations):
            waits = any(each.details in states.WAITING for each in invocations)
            left = (command.delivered_until if waits else command.expires) - self._clock.now()
            self._controller.enqueue_after(max(1.0, min(left, _AGAIN_S) if waits else left), work)

    def _invocations(self, command: Command) -> list[Invocation]:
        return invocations_of(self._store.snapshot(), command)

    def _time_out(self, command: Command) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            for each in invocations_of(tx, command):
                instance = tx.get(Instance, each.account, each.region, each.instance_id)
                gone = instance is None or instance.wanted == "terminated"
                details = states.overdue(command, each, now, gone)
                if details is not None and each.key not in self._running:
                    tx.put(replace(each, details=details))

    def _put_all(self, command: Command, those: Sequence[str], details: str) -> None:
        with self._store.write() as tx:
            for each in invocations_of(tx, command):
                if each.details in those:
                    tx.put(replace(each, details=details))

    async def _deliver(self, command: Command, invocation: Invocation) -> None:
        where = invocation.account, invocation.region, invocation.instance_id
        reached = await self._managed.reached(*where)
        with self._store.write() as tx:
            now, instance = tx.get(Invocation, *where[:2], invocation.id), tx.get(Instance, *where)
            if now is None or instance is None or now.details not in states.WAITING:
                return
            if not reached:
                if now.details != states.DELAYED:
                    tx.put(replace(now, details=states.DELAYED))
                return
            tx.put(replace(now, details=states.IN_PROGRESS, started=self._clock.now()))
        running = asyncio.get_running_loop().create_task(self._carry_out(command, now, instance), name=now.id)
        self._running[now.key] = running
        running.add_done_callback(lambda done: self._over(now.key, done))

    def _over(self, key: Key, done: asyncio.Task[None]) -> None:
        del self._running[key]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("%s failed", key.id, exc_info=error)
        self._controller.enqueue(f"{key.account}|{key.region}|{key.id.partition('/')[0]}")

    async def _carry_out(self, command: Command, invocation: Invocation, instance: Instance) -> None:
        """Run the script, and keep what became of it."""
        whole = KEPT_BYTES_MAX if command.bucket or command.log_group else 0
        output, errors = script.Output(script.OUTPUT_MAX, whole), script.Output(script.ERRORS_MAX, whole)
        argv = script.argv(instance.id, f"{command.id}/{script.place(command.step)}", command.lines, command.folder)
        env = {"AWS_SSM_INSTANCE_ID": instance.id, "AWS_SSM_REGION_NAME": instance.region}
        try:
            try:
                process, alive = await self.run_program(instance, argv, env, output.end, errors.end)
            finally:
                output.handed()
                errors.handed()
            details, code = await self._ended(command, process, alive, (output, errors))
        except OSError as error:
            log.info("%s could not start its script: %s", invocation.id, error)
            return  # as if the agent had vanished
        except asyncio.CancelledError:
            if not self._is_cancelling(invocation):
                raise
            details, code = states.CANCELLED, script.STOPPED
        finally:
            output.close()
            errors.close()
        if details == states.IN_PROGRESS:
            return
        await self._outputs.keep(command, instance, {"stdout": output.kept, "stderr": errors.kept})
        told = errors.text
        if code and details == states.FAILED:
            told = script.with_failure(told, code)
        with self._store.write() as tx:
            now = tx.get(Invocation, *invocation.key[1:])
            if now is not None and not states.ended(now.details):
                ended = self._clock.now()
                tx.put(replace(now, details=details, code=code, output=output.text, errors=told, ended=ended))

    async def _ended(
        self, command: Command, process: Process, alive: Callable[[], bool], outputs: Sequence[script.Output]
    ) -> tuple[str, int]:
        """How the script ended, and its code. It has ended when nobody can write to its output any more."""
        limit = asyncio.ensure_future(self._clock.sleep(command.execution_s))
        over = asyncio.ensure_future(_all_over(process, outputs))
        try:
            await asyncio.wait({limit, over}, return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                return states.EXECUTION_TIMED_OUT, script.STOPPED
            code = await process.wait()
        finally:
            limit.cancel()
            over.cancel()
            if process.returncode is None:
                await asyncio.shield(process.stop())
        if code == _KILLED and await self._gone(alive):
            return states.IN_PROGRESS, -1
        code = code if code >= 0 else 128 - code
        return (states.FAILED, code) if code else (states.SUCCESS, 0)

    async def _gone(self, alive: Callable[[], bool]) -> bool:
        """Whether the instance ended with the script, which is known a little later."""
        until = self._clock.monotonic() + _GONE_WITHIN_S
        while alive() and self._clock.monotonic() < until:
            await self._clock.wall_sleep(0.05)
        return not alive()

    def _is_cancelling(self, invocation: Invocation) -> bool:
        now = self._store.snapshot().get(Invocation, *invocation.key[1:])
        return now is not None and now.details == states.CANCELLING

    def _cancel(self, invocation: Invocation) -> None:
        """End its script; where none runs, it is cancelled at once."""
        if (running := self._running.get(invocation.key)) is not None:
            running.cancel()
            return
        with self._store.write() as tx:
            now = tx.get(Invocation, *invocation.key[1:])
            if now is not None and now.details == states.CANCELLING:
                tx.put(replace(now, details=states.CANCELLED, ended=self._clock.now()))

    async def _tell(self, command: Command) -> None:
        """Tell EventBridge of what has changed; after a crash something may be told twice."""
        snapshot = self._store.snapshot()
        now = snapshot.get(Command, *command.key[1:])
        invocations = invocations_of(snapshot, command)
        if now is None:
            return
        told, entries = notices.changed(now, invocations, self._clock.now())
        if entries and self.heard():
            for at in range(0, len(entries), notices.ENTRIES_MAX):
                some: dict[str, Any] = {"Entries": entries[at : at + notices.ENTRIES_MAX]}
                await self._call(command.account, command.region, "events", "PutEvents", some)
        with self._store.write() as tx:
            for each in told:
                kept = tx.get(type(each), *each.key[1:])
                if kept is not None:
                    tx.put(replace(kept, told=each.told))


async def _all_over(process: Process, outputs: Sequence[script.Output]) -> None:
    await process.wait()
    for each in outputs:
        await each.ended.wait()


def invocations_of(reader: Any, command: Command) -> list[Invocation]:
    """In the order of its instances' ids. `reader` is a snapshot or a transaction."""
    where = command.account, command.region
    found = (reader.get(Invocation, *where, f"{command.id}/{each}") for each in sorted(command.nodes))
    return [each for each in found if each is not None]


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    where = f"{key.account}|{key.region}|"
    if key.kind in (Command.kind, Invocation.kind):
        return (f"{where}{key.id.partition('/')[0]}",)
    return {
        f"{where}{each.command}"
        for each in snapshot.list(Invocation, key.account, key.region)
        if each.instance_id == key.id and each.details in states.WAITING
    }


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Command)})
