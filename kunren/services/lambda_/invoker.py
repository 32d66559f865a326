"""Invoking functions on behalf of anybody: the API, load balancers, and later event sources.

It finds what is deployed, asks the runtime to run it, and turns what came back into AWS's terms. Event
invocations are rows first (`enqueue`), so an acknowledged one survives the daemon; `events.py` works them off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from kunren.control.store import Key, Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.runtime.elb_event import ElbTarget
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.dataplane.runtime.streams import ResponseStream
from kunren.dataplane.runtime.version import FunctionVersion, Invocation, Outcome, Throttled
from kunren.services.elbv2.model import TargetGroup
from kunren.services.lambda_.capacity.rules import managed_state
from kunren.services.lambda_.durable.model import DurableExecution
from kunren.services.lambda_.errors import (
    InvalidRuntimeException,
    InvalidZipFileException,
    ResourceConflictException,
    ResourceNotFoundException,
    ServiceException,
    TooManyRequestsException,
)
from kunren.services.lambda_.invocation_faults import InvocationFault
from kunren.services.lambda_.lookup import find_function, find_invoked
from kunren.services.lambda_.metrics import FunctionMetrics
from kunren.services.lambda_.model import Alias, AsyncEvent, Configured, Function, FunctionStatus, PublishedVersion
from kunren.services.lambda_.names import FunctionName, parse_function_name, split_arn
from kunren.services.lambda_.policy import may_invoke
from kunren.services.lambda_.view import state

_DEPLOYMENT_WAIT_S = 30.0


def _error_type(document: bytes) -> str:
    """The kind of error that a function's error document names."""
    try:
        return str(msgspec.json.decode(document).get("errorType") or "Unhandled")
    except (msgspec.DecodeError, AttributeError):
        return "Unhandled"


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """`status` is 200; `function_error` None or "Unhandled"; `log_tail` is set when it was asked for."""

    status: int
    payload: bytes
    function_error: str | None
    executed_version: str
    log_tail: bytes | None = None
    durable_arn: str = ""
    """Of the execution, where the function is durable."""


class DurableStarter(Protocol):
    """What begins executions of durable functions (the engine in `durable`)."""

    def start(
        self, name: FunctionName, payload: bytes, *, execution_name: str = "", synchronous: bool, trace_id: str = ""
    ) -> DurableExecution: ...

    async def result(self, execution: DurableExecution) -> InvokeResult: ...


class Invoker:
    """See the module. Raises the lambda service's own errors. `durable` is set before anything is invoked."""

    durable: DurableStarter
    faults: Callable[[str, str], InvocationFault | None] | None = None
    """What an invocation of a function (by its ARN and the qualifier it was called by) meets on purpose."""

    def __init__(
        self, store: Store, runtime: FunctionRuntime, clock: Clock, entropy: Entropy, call: CallService = nobody_answers
    ) -> None:
        self.runtime = runtime
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self.metrics = FunctionMetrics(clock, call)
        self._streaming: set[asyncio.Future[InvokeResult]] = set()
        self._waiting: dict[Key, list[asyncio.Future[None]]] = {}
        store.subscribe(self._changed, wants=lambda kind: kind == FunctionStatus.kind)

    async def invoke(
        self,
        account: str,
        region: str,
        function_name: str,
        qualifier: str | None,
        payload: bytes,
        *,
        log_tail: bool = False,
        source: str | None = None,
        request_id: str | None = None,
        client_context: str = "",
        trace_id: str = "",
        stream: ResponseStream | None = None,
        execution_name: str = "",
    ) -> InvokeResult:
        """Run the function and wait for its answer. `function_name` in any form that AWS takes; `source` is the
        ARN of who causes it, for the log only; `client_context` is JSON text. A durable function's answer is that of
        its execution, which `execution_name` names."""
        name = parse_function_name(function_name, account, region, qualifier)
        if find_invoked(self._store.snapshot(), name).durability is None:
            return await self.run_once(
                name,
                payload,
                log_tail=log_tail,
                request_id=request_id,
                client_context=client_context,
                trace_id=trace_id,
                stream=stream,
            )
        execution = self.durable.start(
            name, payload, execution_name=execution_name, synchronous=True, trace_id=trace_id
        )
        result = await self.durable.result(execution)
        if stream is not None:
            stream.version = result.executed_version
            stream.finish(result.payload, _error_type(result.payload) if result.function_error else "")
        return result

    async def run_once(
        self,
        name: FunctionName,
        payload: bytes,
        *,
        log_tail: bool = False,
        request_id: str | None = None,
        client_context: str = "",
        trace_id: str = "",
        stream: ResponseStream | None = None,
    ) -> InvokeResult:
        """One invocation, durable or not."""
        snapshot = self._store.snapshot()
        function, chosen = find_function(snapshot, name), find_invoked(snapshot, name, self.choose)
        version = await self._deployed(chosen)
        fault = self.faults(function.arn, name.qualifier or "") if self.faults is not None else None
        call = Invocation(
            request_id=request_id or self._entropy.uuid(),
            payload=payload,
            invoked_arn=name.qualified_arn,
            trace_id=trace_id or self.new_trace_id(),
            client_context=client_context,
            stream=stream if fault is None or fault.answer is None else None,
            delay_s=fault.delay_s if fault is not None else 0.0,
        )
        if stream is not None:
            stream.version = version.version
        outcome = await self._counted(name, self._outcome(version, call, function.reserved_concurrency, fault))
        if outcome.system_error is not None:
            raise ServiceException(outcome.system_error)
        if stream is not None:
            stream.finish(outcome.payload, _error_type(outcome.payload) if outcome.function_error else "")
        return InvokeResult(
            200, outcome.payload, outcome.function_error, version.version, outcome.log_tail if log_tail else None
        )

    async def _counted(self, name: FunctionName, running: Awaitable[Outcome]) -> Outcome:
        """What an invocation came to, told to the metrics as well. Raises TooManyRequestsException."""
        began = self.metrics.began(name)
        try:
            outcome = await running
        except Throttled as throttled:
            self.metrics.throttled(name)
            raise TooManyRequestsException("Rate Exceeded.", Reason=throttled.reason) from None
        except BaseException:
            self.metrics.never_ran(name)
            raise
        if outcome.system_error is not None:
            self.metrics.never_ran(name)
        else:
            self.metrics.ended(name, began, outcome.function_error is not None)
        return outcome

    async def _outcome(
        self, version: FunctionVersion, call: Invocation, reserved: int | None, fault: InvocationFault | None
    ) -> Outcome:
        """What the function says, or what a fault says instead of it. Raises Throttled."""
        if fault is None or fault.answer is None:
            return await self.runtime.run(version, call, reserved=reserved)
        if fault.runs:
            await self.runtime.run(version, call, reserved=reserved)
        elif fault.delay_s:
            await self._clock.wall_sleep(fault.delay_s)
        return Outcome(fault.answer, "Unhandled" if fault.fails else None)

    async def invoke_streaming(
        self, name: FunctionName, payload: bytes, **told: Any
    ) -> tuple[ResponseStream, asyncio.Future[InvokeResult]]:
        """Run the function and return when its answer begins. The stream ends with the answer, the result comes when
        the function is done; what refuses the invocation is raised."""
        stream = ResponseStream()
        running = asyncio.ensure_future(
            self.invoke(name.account, name.region, name.name, name.qualifier or None, payload, stream=stream, **told)
        )
        self._streaming.add(running)

        def ended(run: asyncio.Future[InvokeResult]) -> None:
            self._streaming.discard(run)
            if not run.cancelled() and run.exception() is not None:
                stream.finish()

        running.add_done_callback(ended)
        begun = await stream.started()
        if running.done() or not begun:
            await running
        return stream, running

    def enqueue(
        self,
        name: FunctionName,
        payload: bytes,
        request_id: str,
        client_context: str = "",
        execution_name: str = "",
    ) -> str | None:
        """Accept an Event invocation. The caller answers 202 only after `store.durable()`. The ARN of the execution
        that it began, where the function is durable."""
        if find_invoked(self._store.snapshot(), name).durability is not None:
            return self.durable.start(name, payload, execution_name=execution_name, synchronous=False).arn
        now = self._clock.now()
        with self._store.write() as tx:
            tx.put(
                AsyncEvent(
                    account=name.account,
                    region=name.region,
                    id=request_id,
                    function=name.name,
                    qualifier=name.qualifier,
                    payload=payload,
                    client_context=client_context,
                    accepted_at=now,
                    not_before=now,
                )
            )
        return None

    def choose(self, alias: Alias) -> str:
        """The version that this invocation of the alias runs."""
        if not alias.weights:
            return alias.version
        shares = {alias.version: 1.0 - sum(alias.weights.values()), **alias.weights}
        return self._entropy.weighted(list(shares), list(shares.values()))

    def check_invocable(self, function: Configured) -> None:
        """Raises what an invocation of a function that is not Active gets. A published version that is still Pending
        is waited for instead: $LATEST has run its code before."""
        status = self._store.snapshot().get(FunctionStatus, function.account, function.region, function.id)
        now = state(function, status)
        if now == "Pending" and isinstance(function, Function):
            raise ResourceConflictException(
                "The operation cannot be performed at this time. The function is currently in the following state: "
                "Pending"
            )
        if isinstance(function, PublishedVersion) and function.capacity is not None:
            managed = managed_state(self._store.snapshot(), function, status)
            if managed == "Deactivated":
                raise ResourceConflictException(
                    "The operation cannot be performed at this time. The function is currently in the following state: "
                    "Deactivated"
                )
        if now == "Failed" and status is not None:
            error = (
                InvalidZipFileException if status.reason_code == "InvalidZipFileException" else InvalidRuntimeException
            )
            raise error(status.reason)

    async def _deployed(self, function: Configured) -> FunctionVersion:
        status = self._store.snapshot().get(FunctionStatus, function.account, function.region, function.id)
        if status is not None and status.deployed is not None and function.deployed_update_id:
            return status.deployed
        self.check_invocable(function)
        # Active, but not deployed since this daemon started: that is under way, and AWS would not say Pending.
        key = Key(FunctionStatus.kind, function.account, function.region, function.id)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(waiter)
        try:
            async with asyncio.timeout(_DEPLOYMENT_WAIT_S):
                await waiter
        except TimeoutError:
            raise ServiceException(f"The function {function.id} could not be deployed in time.") from None
        status = self._store.snapshot().get(FunctionStatus, function.account, function.region, function.id)
        if status is None:
            raise ResourceNotFoundException(f"Function not found: {function.arn}")
        if status.deployed is None:
            raise InvalidRuntimeException(status.reason)
        return status.deployed

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys & self._waiting.keys():
            for waiter in self._waiting.pop(key):
                if not waiter.done():
                    waiter.set_result(None)

    def new_trace_id(self) -> str:
        """A trace header as AWS makes one for a caller without, not sampled."""
        root = f"1-{int(self._clock.now()):08x}-{self._entropy.hex(24)}"
        return f"Root={root};Parent={self._entropy.hex(16)};Sampled=0"

    # For load balancers (kunren.dataplane.runtime.elb_bridge)

    def elb_target(self, target_group_arn: str) -> ElbTarget | None:
        """What a Lambda target group leads to now; None when there is no such group."""
        parts = target_group_arn.split(":", 5)
        if len(parts) != 6:
            return None
        snapshot = self._store.snapshot()
        group = snapshot.get(TargetGroup, parts[4], parts[3], target_group_arn)
        if group is None or group.target_type != "lambda":
            return None
        multi_value = group.attributes.get("lambda.multi_value_headers.enabled") == "true"
        live = next((each for each in group.targets if each.draining_since is None), None)
        if live is None:
            return ElbTarget(None, False, multi_value)
        return ElbTarget(live.id, may_invoke(snapshot, live.id, target_group_arn) is True, multi_value)

    async def invoke_for_elb(self, function_arn: str, payload: bytes, trace_id: str) -> tuple[bytes, str | None]:
        """The function's answer and error. Raises the lambda service's errors."""
        name = split_arn(function_arn)
        if name is None:
            raise ResourceNotFoundException(f"Function not found: {function_arn}")
        result = await self.invoke(
            name.account, name.region, name.name, name.qualifier or None, payload, trace_id=trace_id
        )
        return result.payload, result.function_error
