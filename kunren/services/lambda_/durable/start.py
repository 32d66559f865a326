"""How executions begin: by an invocation of a durable function, or by a chained invoke. Pure, on working copies."""

from __future__ import annotations

from typing import Any

from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.lambda_.durable.history import error_of, payload
from kunren.services.lambda_.durable.model import DurableExecution, DurableOperation
from kunren.services.lambda_.durable.progress import end_chained
from kunren.services.lambda_.durable.state import State
from kunren.services.lambda_.errors import (
    DurableExecutionAlreadyStartedException,
    InvalidParameterValueException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.lookup import Source, find
from kunren.services.lambda_.model import Configured
from kunren.services.lambda_.names import FunctionName, parse_function_name

SYNCHRONOUS_MAX_S = 900
UNQUALIFIED = "You cannot invoke a durable function using an unqualified ARN."


def check_start(name: FunctionName, function: Configured, *, synchronous: bool) -> None:
    """Whether a durable function may be invoked that way. Raises InvalidParameterValueException."""
    if not name.qualifier:
        raise InvalidParameterValueException(UNQUALIFIED)
    assert function.durability is not None
    if synchronous and function.durability.timeout_s > SYNCHRONOUS_MAX_S:
        raise InvalidParameterValueException(
            "You cannot synchronously invoke a durable function with an executionTimeout greater than 15 minutes."
        )


def find_named(source: Source, function: Configured, name: str, input: str) -> DurableExecution | None:
    """The execution of that function and name that has been started before, with that input.
    Raises DurableExecutionAlreadyStartedException where input or version differ."""
    for each in source.list(DurableExecution, function.account, function.region):
        if (each.function, each.name) == (function.name, name):
            if (each.version, each.input) != (function.version, input):
                raise DurableExecutionAlreadyStartedException(f"Execution already started: {each.arn}")
            return each
    return None


def begin(function: Configured, entropy: Entropy, now: float, *, input: str, name: str = "", **fields: Any) -> State:
    """A new execution of the function's version; without a name it gets one."""
    assert function.durability is not None
    execution = DurableExecution(
        account=function.account,
        region=function.region,
        id=entropy.uuid(),
        name=name or entropy.uuid(),
        function=function.name,
        version=function.version,
        input=input,
        timeout_s=function.durability.timeout_s,
        retention_days=function.durability.retention_days,
        kms_key_arn=function.durability.kms_key_arn,
        started=now,
        **fields,
    )
    state = State(execution, {})
    state.record("ExecutionStarted", now, Input=payload(input), ExecutionTimeout=execution.timeout_s)
    return state


def begin_chained(
    source: Source, parent: State, operation: DurableOperation, entropy: Entropy, now: float
) -> State | None:
    """The child that a chained invoke begins; None where its target is no durable function (it is invoked later), or
    can't be invoked, which ends the operation. Raises InvalidParameterValueException for another account or region."""
    execution = parent.execution
    name = _target(operation.target, execution)
    details: dict[str, Any] = {"FunctionName": operation.target}
    try:
        function = find(source, name._replace(qualifier=name.qualifier or "$LATEST"))
        if function.durability is not None and not name.qualifier:
            raise InvalidParameterValueException(UNQUALIFIED)
    except AwsError as error:
        parent.record("ChainedInvokeStarted", now, operation, **details)
        end_chained(parent, operation, "FAILED", now, error=error_of(error.message, error.code))
        return None
    if operation.input is not None:
        details["Input"] = payload(operation.input)
    details["ExecutedVersion"] = function.version
    child = None
    if function.durability is not None:
        child = begin(
            function,
            entropy,
            now,
            input=operation.input if operation.input is not None else "{}",
            trace=operation.trace,
            parent=execution.id,
            parent_operation=operation.operation,
        )
        details["DurableExecutionArn"] = child.execution.arn
        parent.change_quietly(operation, child=child.execution.id)
    parent.record("ChainedInvokeStarted", now, operation, **details)
    return child


def _target(told: str, execution: DurableExecution) -> FunctionName:
    try:
        name = parse_function_name(told, execution.account, execution.region)
    except ResourceNotFoundException:
        raise InvalidParameterValueException("Cannot start a CHAINED_INVOKE on a function in another region.") from None
    if name.account != execution.account:
        raise InvalidParameterValueException("Cannot start a CHAINED_INVOKE on a function in another account.")
    return name
