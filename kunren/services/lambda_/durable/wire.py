"""Operations as functions and callers see them, and the event that a durable function is invoked with. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from kunren.services.lambda_.durable.model import CLOSED, DurableExecution, DurableOperation
from kunren.services.lambda_.durable.state import State
from kunren.services.lambda_.durable.tokens import CheckpointToken, encode

PAGE_BYTES_MAX = 5 * 1024 * 1024
"""What an invocation's event or a page of state carries: the rest of 6 MB is for what surrounds it."""

Stamp = Callable[[float], Any]


def seconds(at: float) -> float:
    """Times in answers of the API."""
    return at


def milliseconds(at: float) -> int:
    """Times in the event that the function gets."""
    return int(at * 1000)


def current_token(execution: DurableExecution) -> str:
    """The token that the next checkpoint must bring."""
    return encode(CheckpointToken(execution.id, execution.invocation, execution.token))


def execution_shown(execution: DurableExecution, stamp: Stamp = seconds) -> dict[str, Any]:
    """The execution as the first of its operations."""
    return {
        "Id": execution.id,
        "Name": execution.name,
        "Type": "EXECUTION",
        "StartTimestamp": stamp(execution.started),
        "Status": "STARTED",
        "ExecutionDetails": {"InputPayload": execution.input},
    }


def operation_shown(operation: DurableOperation, stamp: Stamp = seconds) -> dict[str, Any]:
    """An Operation."""
    shown: dict[str, Any] = {
        "Id": operation.operation,
        "Type": operation.type,
        "StartTimestamp": stamp(operation.started),
        "Status": operation.status,
    }
    optional = {"ParentId": operation.parent, "Name": operation.name, "SubType": operation.sub_type}
    shown.update({member: value for member, value in optional.items() if value})
    if operation.ended is not None:
        shown["EndTimestamp"] = stamp(operation.ended)
    details: dict[str, Any] = {}
    if operation.result is not None:
        details["Result"] = operation.result
    if operation.error is not None:
        details["Error"] = operation.error
    if operation.type == "STEP":
        details["Attempt"] = operation.attempt
        if operation.at is not None:
            details["NextAttemptTimestamp"] = stamp(operation.at)
    elif operation.type == "WAIT" and operation.at is not None:
        details["ScheduledEndTimestamp"] = stamp(operation.at)
    elif operation.type == "CALLBACK":
        details["CallbackId"] = operation.callback
    elif operation.type == "CONTEXT" and operation.replay_children:
        details["ReplayChildren"] = True
    shown[_DETAILS[operation.type]] = details
    return shown


_DETAILS = {
    "STEP": "StepDetails",
    "WAIT": "WaitDetails",
    "CALLBACK": "CallbackDetails",
    "CONTEXT": "ContextDetails",
    "CHAINED_INVOKE": "ChainedInvokeDetails",
}


def replayed(state: State) -> Iterator[DurableOperation]:
    """The operations that a replay needs: those in a context that has ended only where it asked for that."""
    hidden: set[str] = set()
    for operation in state.operations.values():
        if operation.parent in hidden:
            hidden.add(operation.operation)
            continue
        yield operation
        if operation.type == "CONTEXT" and operation.status in CLOSED and not operation.replay_children:
            hidden.add(operation.operation)


def page(
    state: State, begin: int, items_max: int, stamp: Stamp = seconds, bytes_max: int = PAGE_BYTES_MAX
) -> tuple[list[dict[str, Any]], int | None]:
    """Operations for a replay from number `begin` on (the execution itself is number 0), and where the next page
    begins; at least one."""
    shown: list[dict[str, Any]] = []
    size = 0
    for number, each in _numbered(state, stamp):
        if number < begin:
            continue
        size += len(msgspec.json.encode(each))
        if shown and (len(shown) == items_max or size > bytes_max):
            return shown, number
        shown.append(each)
    return shown, None


def _numbered(state: State, stamp: Stamp) -> Iterable[tuple[int, dict[str, Any]]]:
    yield 0, execution_shown(state.execution, stamp)
    for operation in replayed(state):
        yield operation.number, operation_shown(operation, stamp)


def invocation_event(state: State, updated: Iterable[str], bytes_max: int = PAGE_BYTES_MAX) -> bytes:
    """What the function is invoked with. `updated` are the operations that changed since it last ran."""
    operations, following = page(state, 0, len(state.operations) + 1, milliseconds, bytes_max)
    return msgspec.json.encode(
        {
            "DurableExecutionArn": state.execution.arn,
            "CheckpointToken": current_token(state.execution),
            "InitialExecutionState": {
                "Operations": operations,
                "NextMarker": "" if following is None else str(following),
            },
            "UpdatedOperationIds": list(updated),
        }
    )
