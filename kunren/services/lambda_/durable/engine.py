"""Carries durable executions on: it invokes their functions, runs chained invokes, and wakes up when something is due.

A level-triggered controller over executions: one reconcile fires what is due, and starts the invocation that the rows
ask for. What was in flight when a daemon ended is found by its row and begun anew, so a restart is no special case.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.lambda_.durable import progress
from kunren.services.lambda_.durable.history import error_of
from kunren.services.lambda_.durable.model import DurableExecution, DurableOperation, Error
from kunren.services.lambda_.durable.start import begin, check_start, find_named
from kunren.services.lambda_.durable.state import State, delete
from kunren.services.lambda_.durable.wire import invocation_event
from kunren.services.lambda_.errors import ResourceNotFoundException, ServiceException, TooManyRequestsException
from kunren.services.lambda_.invoker import Invoker, InvokeResult
from kunren.services.lambda_.lookup import find_invoked
from kunren.services.lambda_.names import FunctionName, parse_function_name

log = logging.getLogger(__name__)
CHAINED_BYTES_MAX = 1_048_576


class DurableEngine:
    """See the module. `run` lives until it is cancelled."""

    def __init__(self, store: Store, invoker: Invoker, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._invoker = invoker
        self._clock = clock
        self._entropy = entropy
        self._running: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._controller = Controller(
            "durable-executions",
            store,
            clock,
            keys=lambda snapshot, key: [_work(key)] if key.kind == DurableExecution.kind else [],
            every=lambda snapshot: [_work(each.key) for each in snapshot.every(DurableExecution)],
            reconcile=self._reconcile,
            wants=lambda kind: kind == DurableExecution.kind,
        )
        store.subscribe(self._changed, wants=lambda kind: kind == DurableExecution.kind)

    async def run(self) -> None:
        try:
            await self._controller.run()
        finally:
            for task in self._running.values():
                task.cancel()

    # For the invoker

    def start(
        self, name: FunctionName, payload: bytes, *, execution_name: str = "", synchronous: bool, trace_id: str = ""
    ) -> DurableExecution:
        """Begin an execution, or find the one that was begun by that name and input. Durable once the store says so.
        Raises the lambda service's errors."""
        function = find_invoked(self._store.snapshot(), name, self._invoker.choose)
        check_start(name, function, synchronous=synchronous)
        input = payload.decode() if payload else "{}"
        if execution_name:
            found = find_named(self._store.snapshot(), function, execution_name, input)
            if found is not None:
                return found
        now = self._clock.now()
        trace = trace_id or self._invoker.new_trace_id()
        state = begin(
            function, self._entropy, now, input=input, name=execution_name, synchronous=synchronous, trace=trace
        )
        with self._store.write() as tx:
            state.save(tx)
        return state.execution

    async def result(self, execution: DurableExecution) -> InvokeResult:
        """Wait until it has ended; its outcome as an invocation's."""
        while True:
            found = self._store.snapshot().get(DurableExecution, execution.account, execution.region, execution.id)
            if found is None:
                raise ResourceNotFoundException("Durable Execution does not exist")
            if not found.live:
                break
            ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(found.id, []).append(ended)
            await ended
        if found.status == "SUCCEEDED":
            return InvokeResult(200, (found.result or "").encode(), None, found.version, durable_arn=found.arn)
        document = msgspec.json.encode(progress.error_document(found.error or {}))
        return InvokeResult(200, document, "Unhandled", found.version, durable_arn=found.arn)

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys:
            for waiter in self._waiting.pop(key.id, ()):
                if not waiter.done():
                    waiter.set_result(None)

    # Reconciling

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        now = self._clock.now()
        with self._store.write() as tx:
            state = State.load(tx, account, region, id)
            if state is None:
                return
            until = progress.kept_until(state.execution)
            if state.execution.status == "DELETING" or (until is not None and until <= now):
                delete(tx, state.execution)
                return
            event = self._advance(tx, work, state, now)
            state.save(tx)
        if event is not None:
            self._spawn(work, self._invoke(work, state.execution, event))
        if state.execution.live:
            for operation in state.operations.values():
                if operation.type == "CHAINED_INVOKE" and operation.pending and not operation.child:
                    self._spawn(f"{work}|{operation.operation}", self._invoke_target(work, state, operation))
        if (due := progress.next_due(state)) is not None:
            wait = max(0.0, due - self._clock.now())
            self._controller.enqueue_after(wait, work)

    def _advance(self, tx: Tx, work: str, state: State, now: float) -> bytes | None:
        """What is due by itself; the event of the invocation that is to run now, if any."""
        if state.execution.invocation and work not in self._running:
            progress.lose_invocation(state)
        progress.fire(state, now)
        execution = state.execution
        if not execution.live:
            parent = State.load(tx, execution.account, execution.region, execution.parent) if execution.parent else None
            if parent is not None:
                progress.report(execution, parent, now)
                parent.save(tx)
            return None
        idle = execution.status == "RUNNING" and not execution.invocation and work not in self._running
        if not idle or not progress.wants_invocation(execution) or execution.not_before > now:
            return None
        updated = progress.begin_invocation(state, self._entropy.uuid(), now)
        return invocation_event(state, updated)

    def _spawn(self, name: str, running: Coroutine[None, None, None]) -> None:
        if name in self._running:
            running.close()
            return
        task = self._running[name] = asyncio.get_running_loop().create_task(running, name=f"durable:{name}")

        def ended(task: asyncio.Task[None]) -> None:
            self._running.pop(name, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("an invocation of a durable execution could not be worked off", exc_info=error)
            work = "|".join(name.split("|")[:3])
            self._controller.enqueue(work)

        task.add_done_callback(ended)

    async def _invoke(self, work: str, execution: DurableExecution, event: bytes) -> None:
        """One invocation of the execution's function."""
        output, failed, refused = b"", True, None
        name = FunctionName(execution.account, execution.region, execution.function, execution.version)
        try:
            result = await self._invoker.run_once(
                name, event, request_id=execution.invocation, trace_id=execution.trace
            )
            output, failed = result.payload, result.function_error is not None
        except AwsError as error:
            refused = error
            output = msgspec.json.encode({"errorMessage": error.message, "errorType": error.code})
        now = self._clock.now()
        with self._store.write() as tx:
            state = State.load(tx, execution.account, execution.region, execution.id)
            if state is None or state.execution.invocation != execution.invocation:
                return
            if isinstance(refused, TooManyRequestsException | ServiceException):
                progress.hold_invocation(state, now)
            elif isinstance(refused, ResourceNotFoundException) and state.execution.live:
                state.set(invocation="")
                progress.close(state, "FAILED", now, error=error_of(refused.message, refused.code))
            else:
                progress.finish_invocation(state, output, failed, now)
            state.save(tx)

    async def _invoke_target(self, work: str, parent: State, operation: DurableOperation) -> None:
        """A chained invoke of a function that is not durable."""
        execution = parent.execution
        status, result, error = await self._run_target(execution, operation)
        now = self._clock.now()
        with self._store.write() as tx:
            state = State.load(tx, execution.account, execution.region, execution.id)
            current = state.operations.get(operation.operation) if state is not None else None
            if state is None or current is None or not state.execution.live or not current.pending:
                return
            progress.end_chained(state, current, status, now, result=result, error=error)
            state.save(tx)

    async def _run_target(
        self, execution: DurableExecution, operation: DurableOperation
    ) -> tuple[str, str | None, Error | None]:
        name = parse_function_name(operation.target, execution.account, execution.region)
        event = (operation.input if operation.input is not None else "{}").encode()
        try:
            outcome = await self._invoker.run_once(name, event, trace_id=operation.trace)
        except AwsError as error:
            return "FAILED", None, error_of(error.message, error.code)
        if outcome.function_error is not None:
            return "FAILED", None, progress.function_error(outcome.payload)
        if len(outcome.payload) > CHAINED_BYTES_MAX:
            text = f"CHAINED_INVOKE output payload size must be less than or equal to {CHAINED_BYTES_MAX} bytes."
            return "FAILED", None, error_of(text)
        try:
            return "SUCCEEDED", outcome.payload.decode() or None, None
        except UnicodeDecodeError:
            return "FAILED", None, error_of("CHAINED_INVOKE response could not be decoded as UTF-8.")

    def status(self) -> dict[str, int]:
        """For `kunren status`."""
        snapshot: Snapshot = self._store.snapshot()
        live = sum(each.live for each in snapshot.every(DurableExecution))
        return {"running": live, "invocations": len(self._running)}


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
