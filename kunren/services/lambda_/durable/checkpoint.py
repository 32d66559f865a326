"""What a checkpoint's updates may be, and what they make of an execution. Pure, but for the working copy.

The texts of refusals are those of AWS's own test runner for durable functions, the package
aws-durable-execution-sdk-python-testing, which the service shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kunren.services.lambda_.durable.history import payload
from kunren.services.lambda_.durable.model import DurableOperation
from kunren.services.lambda_.durable.progress import close, output_too_large
from kunren.services.lambda_.durable.state import State
from kunren.services.lambda_.durable.tokens import CallbackId, encode
from kunren.services.lambda_.errors import InvalidParameterValueException

PAYLOAD_BYTES_MAX = 1_048_576
ERROR_BYTES_MAX = 1_048_576
ACTIONS = {
    "STEP": {"START", "RETRY", "SUCCEED", "FAIL"},
    "CONTEXT": {"START", "SUCCEED", "FAIL"},
    "WAIT": {"START", "CANCEL"},
    "CALLBACK": {"START"},
    "CHAINED_INVOKE": {"START"},
    "EXECUTION": {"SUCCEED", "FAIL"},
}

Update = Mapping[str, Any]
"""An OperationUpdate, as on the wire."""
StartChained = Callable[[State, DurableOperation], None]
"""Begins a chained invoke whose operation has just been started."""


def apply(state: State, updates: Sequence[Update], now: float, start_chained: StartChained) -> None:
    """All updates or none (the caller drops the working copy). Raises InvalidParameterValueException."""
    _check_batch(state, updates)
    for update in updates:
        current = state.operations.get(update["Id"])
        _check(update, current, state)
        _APPLY[update["Type"]](state, update, current, now)
        if update["Type"] == "CHAINED_INVOKE":
            start_chained(state, state.operations[update["Id"]])


# What may be


def _check_batch(state: State, updates: Sequence[Update]) -> None:
    kinds = [each["Type"] for each in updates]
    if kinds.count("EXECUTION") > 1:
        raise _invalid("Cannot checkpoint multiple EXECUTION updates.")
    if "EXECUTION" in kinds[:-1]:
        raise _invalid("EXECUTION checkpoint must be the last update.")
    started: dict[str, str] = {}
    last: dict[str, Update] = {}
    for update in updates:
        before = last.get(update["Id"])
        if before is not None and not (
            before["Type"] in ("STEP", "CONTEXT") and before["Action"] == "START" != update["Action"]
        ):
            raise _invalid("Cannot checkpoint multiple operations with the same ID.")
        parent = update.get("ParentId")
        if parent is not None:
            known = state.operations.get(parent)
            if started.get(parent, known.type if known is not None else "") != "CONTEXT":
                raise _invalid("Invalid parent operation id.")
        if update["Action"] == "START":
            started[update["Id"]] = update["Type"]
        last[update["Id"]] = update


def _check(update: Update, current: DurableOperation | None, state: State) -> None:
    kind, action = update["Type"], update["Action"]
    if current is not None:
        for member, had, what in (
            ("Type", current.type, "operation type"),
            ("SubType", current.sub_type, "operation subtype"),
            ("Name", current.name, "operation name"),
            ("ParentId", current.parent, "parent operation id"),
        ):
            if update.get(member) is not None and update[member] != had:
                raise _invalid(f"Inconsistent {what}.")
    if action not in ACTIONS[kind]:
        raise _invalid("Invalid action for the given operation type.")
    _check_sizes(update, state)
    if action == "FAIL" and update.get("Payload") is not None:
        raise _invalid("Cannot provide a Payload for FAIL action.")
    if action == "SUCCEED" and update.get("Error") is not None:
        raise _invalid("Cannot provide an Error for SUCCEED action.")
    _check_transition(update, current)


def _check_sizes(update: Update, state: State) -> None:
    if update.get("Error") is not None and len(msgspec.json.encode(update["Error"])) > ERROR_BYTES_MAX:
        raise _invalid(f"Error object size must be less than {ERROR_BYTES_MAX} bytes.")
    told = update.get("Payload")
    if told is None:
        return
    if update["Type"] == "EXECUTION":
        if (refusal := output_too_large(state.execution, told)) is not None:
            raise _invalid(refusal)
    elif len(told.encode()) > PAYLOAD_BYTES_MAX:
        way = "input" if update["Type"] == "CHAINED_INVOKE" else "output"
        raise _invalid(f"{update['Type']} {way} payload size must be less than or equal to {PAYLOAD_BYTES_MAX} bytes.")


def _check_transition(update: Update, current: DurableOperation | None) -> None:
    kind, action = update["Type"], update["Action"]
    if kind == "STEP":
        _check_step(update, current)
    elif kind == "CONTEXT":
        if action == "START" and current is not None:
            raise _invalid("Cannot start a CONTEXT that already exist.")
        if action != "START" and current is not None and current.status != "STARTED":
            raise _invalid("Invalid current CONTEXT state to close.")
    elif kind == "WAIT":
        if action == "START" and current is not None:
            raise _invalid("Cannot start a WAIT that already exist.")
        if action == "START" and update.get("WaitOptions") is None:
            raise _invalid("Invalid WaitOptions for the given action.")
        if action == "CANCEL" and (current is None or current.status != "STARTED"):
            raise _invalid("Cannot cancel a WAIT that does not exist or has already completed.")
    elif kind == "CALLBACK":
        if current is not None:
            raise _invalid("Cannot start a CALLBACK that already exist.")
    elif kind == "CHAINED_INVOKE":
        if current is not None:
            raise _invalid("Cannot start a CHAINED_INVOKE that already exist.")
        if update.get("ChainedInvokeOptions") is None:
            raise _invalid("Update for CHAINED_INVOKE operation requires ChainedInvokeOptions.")
        if update["ChainedInvokeOptions"].get("TenantId"):
            raise _invalid("Kunren does not have TenantId yet.")


def _check_step(update: Update, current: DurableOperation | None) -> None:
    action = update["Action"]
    if action == "RETRY":
        if update.get("StepOptions") is None:
            raise _invalid("Invalid StepOptions for the given action.")
        if update.get("Error") is not None and update.get("Payload") is not None:
            raise _invalid("Cannot provide both error and payload to RETRY a STEP.")
    if current is None:
        return
    if action == "START" and current.status != "READY":
        raise _invalid("Invalid current STEP state to start.")
    if action != "START" and current.status not in ("STARTED", "READY"):
        raise _invalid(f"Invalid current STEP state to {'re-attempt' if action == 'RETRY' else 'close'}.")


def _invalid(text: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(text)


# What becomes of it


def _started(state: State, update: Update, now: float, **fields: Any) -> DurableOperation:
    return state.start(
        operation=update["Id"],
        type=update["Type"],
        status="STARTED",
        parent=update.get("ParentId") or "",
        name=update.get("Name") or "",
        sub_type=update.get("SubType") or "",
        started=now,
        **fields,
    )


def _step(state: State, update: Update, current: DurableOperation | None, now: float) -> None:
    action = update["Action"]
    if current is None:
        current = _started(state, update, now)
        state.record("StepStarted", now, current)
    elif action == "START":
        state.record("StepStarted", now, state.change(current, status="STARTED", at=None))
    if action == "START":
        return
    outcome = {"result": update.get("Payload"), "error": update.get("Error"), "attempt": current.attempt + 1}
    retry: dict[str, Any] = {"CurrentAttempt": current.attempt + 1}
    if action == "RETRY":
        delay = (update.get("StepOptions") or {}).get("NextAttemptDelaySeconds") or 1
        retry["NextAttemptDelaySeconds"] = delay
        current = state.change(current, status="PENDING", at=now + delay, **outcome)
    else:
        current = state.change(
            current, status="SUCCEEDED" if action == "SUCCEED" else "FAILED", at=None, ended=now, **outcome
        )
    if action == "FAIL" or current.error is not None:
        state.record("StepFailed", now, current, Error=payload(current.error), RetryDetails=retry)
    else:
        state.record("StepSucceeded", now, current, Result=payload(current.result), RetryDetails=retry)


def _context(state: State, update: Update, current: DurableOperation | None, now: float) -> None:
    if current is None:
        current = _started(state, update, now)
        state.record("ContextStarted", now, current)
    if update["Action"] == "SUCCEED":
        replay = bool((update.get("ContextOptions") or {}).get("ReplayChildren"))
        told = update.get("Payload")
        current = state.change(current, status="SUCCEEDED", ended=now, result=told, replay_children=replay)
        state.record("ContextSucceeded", now, current, Result=payload(told))
    elif update["Action"] == "FAIL":
        current = state.change(current, status="FAILED", ended=now, error=update.get("Error") or {})
        state.record("ContextFailed", now, current, Error=payload(current.error))


def _wait(state: State, update: Update, current: DurableOperation | None, now: float) -> None:
    if current is not None:
        state.record("WaitCancelled", now, state.change(current, status="CANCELLED", ended=now))
        return
    duration = update["WaitOptions"].get("WaitSeconds") or 0
    operation = _started(state, update, now, at=now + duration)
    state.record("WaitStarted", now, operation, Duration=duration, ScheduledEndTimestamp=operation.at)


def _callback(state: State, update: Update, current: DurableOperation | None, now: float) -> None:
    options = update.get("CallbackOptions") or {}
    timeout, heartbeat = options.get("TimeoutSeconds") or 0, options.get("HeartbeatTimeoutSeconds") or 0
    execution = state.execution
    operation = _started(
        state,
        update,
        now,
        callback=encode(CallbackId(execution.account, execution.region, execution.id, update["Id"])),
        deadline=now + timeout if timeout else None,
        heartbeat_s=heartbeat,
        heartbeat=now + heartbeat if heartbeat else None,
    )
    details: dict[str, Any] = {"CallbackId": operation.callback}
    details.update({"Timeout": timeout} if timeout else {})
    details.update({"HeartbeatTimeout": heartbeat} if heartbeat else {})
    state.record("CallbackStarted", now, operation, **details)


def _chained_invoke(state: State, update: Update, current: DurableOperation | None, now: float) -> None:
    options = update["ChainedInvokeOptions"]
    trace = options.get("XAmznTraceId") or state.execution.trace
    _started(state, update, now, target=options["FunctionName"], input=update.get("Payload"), trace=trace)


def _execution(state: State, update: Update, current: DurableOperation | None, now: float) -> None:
    if update["Action"] == "SUCCEED":
        close(state, "SUCCEEDED", now, result=update.get("Payload"))
    else:
        close(state, "FAILED", now, error=update.get("Error") or {})


_APPLY: dict[str, Callable[[State, Update, DurableOperation | None, float], None]] = {
    "STEP": _step,
    "CONTEXT": _context,
    "WAIT": _wait,
    "CALLBACK": _callback,
    "CHAINED_INVOKE": _chained_invoke,
    "EXECUTION": _execution,
}
