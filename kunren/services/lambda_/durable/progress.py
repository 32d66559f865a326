"""How an execution goes on: timers, callbacks, invocations' results, pauses, its end. Pure, but for the working copy.

A function's own failures are tried again as AWS's test runner for durable functions does: five attempts, five seconds
(AWS time) apart; three where it says PENDING with nothing pending.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kunren.services.lambda_.durable.history import error_of, payload
from kunren.services.lambda_.durable.model import DurableExecution, DurableOperation, Error, Pause
from kunren.services.lambda_.durable.state import State

ATTEMPTS_MAX = 5
PENDING_ATTEMPTS_MAX = 3
RETRY_AFTER_S = 5.0
PAUSED_MAX_S = 366 * 86_400.0
DAY_S = 86_400.0
SYNCHRONOUS_BYTES_MAX = 6_291_456
ASYNCHRONOUS_BYTES_MAX = 1_048_576
_ENDED_EVENTS = {
    "SUCCEEDED": "ExecutionSucceeded",
    "FAILED": "ExecutionFailed",
    "TIMED_OUT": "ExecutionTimedOut",
    "STOPPED": "ExecutionStopped",
}
_CHAINED_EVENTS = {
    "SUCCEEDED": "ChainedInvokeSucceeded",
    "FAILED": "ChainedInvokeFailed",
    "TIMED_OUT": "ChainedInvokeTimedOut",
    "STOPPED": "ChainedInvokeStopped",
}


# Its end


def close(state: State, status: str, now: float, *, result: str | None = None, error: Error | None = None) -> None:
    """End the execution. An invocation in progress runs on, but may checkpoint no more."""
    state.set(status=status, ended=now, result=result, error=error, pause=None, due=False)
    if status == "SUCCEEDED":
        state.record(_ENDED_EVENTS[status], now, Result=payload(result))
    else:
        state.record(_ENDED_EVENTS[status], now, Error=payload(error))


def output_too_large(execution: DurableExecution, output: str) -> str | None:
    """Why an output can't be the execution's."""
    limit = SYNCHRONOUS_BYTES_MAX if execution.synchronous else ASYNCHRONOUS_BYTES_MAX
    if len(output.encode()) > limit:
        return f"Execution output payload size must be less than or equal to {limit} bytes."
    return None


def kept_until(execution: DurableExecution) -> float | None:
    """When it goes from the records; None while it lives."""
    return None if execution.ended is None else execution.ended + execution.retention_days * DAY_S


# Time


def times_out_at(execution: DurableExecution) -> float:
    """A pause that stops the timeout lets it live for at most 366 days."""
    pause = execution.pause
    if pause is not None and pause.begun is not None and pause.stops_timeout:
        return execution.started + PAUSED_MAX_S
    return execution.started + min(execution.timeout_s + execution.paused_s, PAUSED_MAX_S)


def next_due(state: State) -> float | None:
    """When something happens by itself next."""
    execution = state.execution
    if not execution.live:
        return kept_until(execution)
    times = [times_out_at(execution)]
    for operation in state.operations.values():
        times += _times(operation)
    if execution.status == "RUNNING" and not execution.invocation and wants_invocation(execution):
        times.append(execution.not_before)
    return min(times)


def _times(operation: DurableOperation) -> Iterator[float]:
    if operation.pending:
        yield from (at for at in (operation.at, operation.deadline, operation.heartbeat) if at is not None)


def fire(state: State, now: float) -> None:
    """Whatever is due by now: the execution's timeout, waits, attempts of steps, callbacks' timeouts."""
    execution = state.execution
    if not execution.live:
        return
    if times_out_at(execution) <= now:
        text = f"Execution timed out after {execution.timeout_s} seconds."
        close(state, "TIMED_OUT", now, error=error_of(text))
        return
    for operation in list(state.operations.values()):
        if any(at <= now for at in _times(operation)):
            _fire(state, operation, now)


def _fire(state: State, operation: DurableOperation, now: float) -> None:
    if operation.type == "STEP":
        state.change(operation, status="READY", at=None)
    elif operation.type == "WAIT":
        operation = state.change(operation, status="SUCCEEDED", ended=now)
        state.record("WaitSucceeded", now, operation, Duration=round(now - operation.started))
    elif operation.type == "CALLBACK":
        if operation.deadline is not None and operation.deadline <= now:
            error = error_of("Callback timed out", "Callback.Timeout")
        else:
            error = error_of("Callback timed out on heartbeat", "Callback.Heartbeat")
        end_callback(state, operation, "TIMED_OUT", now, error=error)


# Callbacks and chained invokes


def end_callback(
    state: State,
    operation: DurableOperation,
    status: str,
    now: float,
    *,
    result: str | None = None,
    error: Error | None = None,
) -> None:
    """`status` is SUCCEEDED, FAILED or TIMED_OUT."""
    operation = state.change(
        operation, status=status, ended=now, result=result, error=error, deadline=None, heartbeat=None
    )
    event = {"SUCCEEDED": "CallbackSucceeded", "FAILED": "CallbackFailed", "TIMED_OUT": "CallbackTimedOut"}[status]
    told = {"Result": payload(result)} if status == "SUCCEEDED" else {"Error": payload(error)}
    state.record(event, now, operation, **told)


def end_chained(
    state: State,
    operation: DurableOperation,
    status: str,
    now: float,
    *,
    result: str | None = None,
    error: Error | None = None,
) -> None:
    """`status` is SUCCEEDED, FAILED, TIMED_OUT or STOPPED."""
    operation = state.change(operation, status=status, ended=now, result=result, error=error)
    told = {"Result": payload(result)} if status == "SUCCEEDED" else {"Error": payload(error)}
    state.record(_CHAINED_EVENTS[status], now, operation, **told)


def report(child: DurableExecution, parent: State, now: float) -> None:
    """Tell the operation that a chained invoke began how the child ended."""
    operation = parent.operations.get(child.parent_operation)
    if not parent.execution.live or operation is None or operation.child != child.id or not operation.pending:
        return
    error = child.error
    if child.status == "TIMED_OUT":
        error = error_of(f"CHAINED_INVOKE timed out after {child.timeout_s} seconds.", "ChainedInvoke.Timeout")
    end_chained(parent, operation, child.status, now, result=child.result, error=error)


# Invocations


def wants_invocation(execution: DurableExecution) -> bool:
    """Whether the function has something to do that it does not do yet."""
    return execution.due or execution.changes > execution.seen


def begin_invocation(state: State, request_id: str, now: float) -> tuple[str, ...]:
    """The operations that the function is to be told have changed."""
    updated = tuple(each.operation for each in state.unseen())
    execution = state.execution
    state.set(invocation=request_id, invoked=now, due=False, seen=execution.changes, token=execution.token + 1)
    return updated


def lose_invocation(state: State) -> None:
    """The invocation in progress has gone with the daemon: the function is to run again."""
    state.set(invocation="", due=True)


def hold_invocation(state: State, now: float) -> None:
    """It could not be tried at all (throttled): again a little later, without counting it."""
    state.set(invocation="", due=True, not_before=now + RETRY_AFTER_S)
    _settle_pause(state, now)


def finish_invocation(state: State, output: bytes, failed: bool, now: float) -> None:
    """What the invocation's answer makes of the execution; `failed` where the function has crashed or timed out."""
    request_id, begun = state.execution.invocation, state.execution.invoked
    state.set(invocation="")
    error, verdict = _judge(state, output, failed)
    details: dict[str, Any] = {"StartTimestamp": begun, "EndTimestamp": now, "RequestId": request_id}
    if error is not None:
        details["Error"] = payload(error)
    state.record("InvocationCompleted", now, **details)
    if not state.execution.live:
        return
    if verdict == "again" and error is not None:
        limit = ATTEMPTS_MAX if failed else PENDING_ATTEMPTS_MAX
        failures = state.execution.failures + 1
        state.set(failures=failures, due=True, not_before=now + RETRY_AFTER_S)
        if failures >= limit:
            close(state, "FAILED", now, error=error)
    elif verdict == "FAILED":
        close(state, "FAILED", now, error=error or {})
    else:
        state.set(failures=0)
        if verdict == "SUCCEEDED":
            close(state, "SUCCEEDED", now, result=_decode(output).get("Result"))
    _settle_pause(state, now)


def _judge(state: State, output: bytes, failed: bool) -> tuple[Error | None, str]:
    """The invocation's error, and SUCCEEDED, FAILED, PENDING or "again"."""
    if failed:
        return function_error(output), "again"
    told = _decode(output)
    status, result, error = told.get("Status"), told.get("Result"), told.get("Error")
    if status not in ("SUCCEEDED", "FAILED", "PENDING"):
        return _refused("Invalid Status in invocation output."), "FAILED"
    if (error is not None and not isinstance(error, dict)) or (result is not None and not isinstance(result, str)):
        return _refused("Invalid invocation output."), "FAILED"
    if status == "SUCCEEDED":
        if error is not None:
            return _refused("Cannot provide an Error for SUCCEEDED status."), "FAILED"
        if result is not None and (text := output_too_large(state.execution, result)) is not None:
            return _refused(text), "FAILED"
    elif status == "FAILED":
        if result is not None:
            return _refused("Cannot provide a Result for FAILED status."), "FAILED"
        return error, "FAILED"
    elif not (wants_invocation(state.execution) or any(each.pending for each in state.operations.values())):
        return _refused("Cannot return PENDING status with no pending operations."), "again"
    return None, status


def _refused(text: str) -> Error:
    return error_of(text, "InvalidParameterValueException")


def _decode(output: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(output)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return told if isinstance(told, dict) else {}


def function_error(output: bytes) -> Error:
    """A function's error document as an ErrorObject."""
    told = _decode(output)
    members = (
        ("ErrorMessage", "errorMessage"),
        ("ErrorType", "errorType"),
        ("ErrorData", "errorData"),
        ("StackTrace", "stackTrace"),
    )
    found = {member: told[name] for member, name in members if told.get(name) is not None}
    if "StackTrace" in found:
        found["StackTrace"] = [str(each) for each in found["StackTrace"]]
    return found or error_of(output.decode("utf-8", "replace"))


def error_document(error: Error) -> dict[str, Any]:
    """An ErrorObject as a function's error document."""
    members = (
        ("errorMessage", "ErrorMessage"),
        ("errorType", "ErrorType"),
        ("errorData", "ErrorData"),
        ("stackTrace", "StackTrace"),
    )
    return {name: error[member] for name, member in members if error.get(member) is not None}


# Pauses


def pause(state: State, now: float, reason: str | None, stops_timeout: bool) -> None:
    """Pause a running execution: at once, or at the next checkpoint of the invocation in progress."""
    state.set(status="PAUSING", pause=Pause(asked=now, reason=reason, stops_timeout=stops_timeout))
    _settle_pause(state, now)


def begin_pause(state: State, now: float) -> None:
    """The moment when no code of it runs on: the invocation's token is worth nothing, and another is owed."""
    told = state.execution.pause
    assert told is not None
    state.set(status="PAUSED", pause=msgspec.structs.replace(told, begun=now))
    details: dict[str, Any] = {"PauseRequestTimestamp": told.asked, "ExecutionTimeoutPaused": told.stops_timeout}
    if told.reason is not None:
        details["Reason"] = payload(told.reason)
    state.record("ExecutionPaused", now, **details)


def _settle_pause(state: State, now: float) -> None:
    if state.execution.status == "PAUSING" and not state.execution.invocation:
        begin_pause(state, now)


def resume(state: State, now: float, reason: str | None) -> None:
    """Let a paused execution go on; one that was not paused yet is not paused."""
    told = state.execution.pause
    assert told is not None
    state.set(status="RUNNING", pause=None)
    if told.begun is None:
        return
    if told.stops_timeout:
        state.set(paused_s=state.execution.paused_s + now - told.begun)
    details: dict[str, Any] = {"ResumeRequestTimestamp": now}
    if reason is not None:
        details["Reason"] = payload(reason)
    state.record("ExecutionResumed", now, **details)
