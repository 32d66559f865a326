"""What durable functions ask while they run: checkpoints and state; and who ends their callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.durable import progress, tokens
from kunren.services.lambda_.durable.checkpoint import apply
from kunren.services.lambda_.durable.model import DurableOperation, LastCheckpoint
from kunren.services.lambda_.durable.start import begin_chained
from kunren.services.lambda_.durable.state import State
from kunren.services.lambda_.durable.wire import current_token, operation_shown, page
from kunren.services.lambda_.errors import CallbackTimeoutException, InvalidParameterValueException
from kunren.services.lambda_.lookup import Source

REMEMBERED_S = 900.0
"""How long a client token makes a repeated request the same one."""
PAGE_ITEMS = 100
PAGE_ITEMS_MAX = 1000


class DurableOperations(ApiBase):
    def checkpoint_durable_execution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        with self._store.write() as tx:
            state = self._running_state(tx, ctx, params, repeatable=True)
            last = state.execution.last_checkpoint
            if last is not None and _is_repeated(last, params, now):
                return self._checkpointed(state, last.answer, last.operations)
            children: list[State] = []

            def start_chained(parent: State, operation: DurableOperation) -> None:
                child = begin_chained(tx, parent, operation, self._entropy, now)
                children.extend([child] if child is not None else [])

            apply(state, params.get("Updates") or (), now, start_chained)
            progress.fire(state, now)
            answer, operations = self._advance(state, params, now)
            for each in (state, *children):
                each.save(tx)
        return self._checkpointed(state, answer, operations)

    def _advance(self, state: State, params: Mapping[str, Any], now: float) -> tuple[str | None, tuple[int, ...]]:
        """The token for the next checkpoint, and the operations that the function has not seen. Without a token it is
        to checkpoint no more: the execution has ended, or is paused."""
        execution = state.execution
        state.set(token=execution.token + 1)
        if execution.status == "PAUSING":
            state.set(due=True)
            progress.begin_pause(state, now)
            return None, ()
        unseen = tuple(each.number for each in state.unseen())
        state.set(seen=execution.changes)
        if not execution.live:
            return None, unseen
        answer = current_token(state.execution)
        last = None
        if params.get("ClientToken"):
            last = LastCheckpoint(
                client_token=params["ClientToken"],
                token=params["CheckpointToken"],
                answer=answer,
                operations=unseen,
                at=now,
            )
        state.set(last_checkpoint=last)
        return answer, unseen

    def _checkpointed(self, state: State, token: str | None, numbers: tuple[int, ...]) -> dict[str, Any]:
        wanted = set(numbers)
        shown = [operation_shown(each) for each in state.operations.values() if each.number in wanted]
        return {"CheckpointToken": token, "NewExecutionState": {"Operations": shown}}

    def get_durable_execution_state(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        state = self._running_state(self._store.snapshot(), ctx, params)
        marker = params.get("Marker") or "0"
        if not marker.isdecimal():
            raise InvalidParameterValueException("Invalid Marker")
        operations, following = page(state, int(marker), params.get("MaxItems") or PAGE_ITEMS)
        return {"Operations": operations, "NextMarker": "" if following is None else str(following)}

    def _running_state(
        self, source: Source, ctx: RequestContext, params: Mapping[str, Any], repeatable: bool = False
    ) -> State:
        """The execution whose invocation holds the token. Raises InvalidParameterValueException, for an unknown
        execution too. `repeatable`: the token before the current one will do where the last checkpoint brought it."""
        token = tokens.decode_token(params["CheckpointToken"])
        id = params["DurableExecutionArn"].rpartition("/")[2]
        if token is not None and token.execution != id:
            raise InvalidParameterValueException("Checkpoint token is not valid for the durable execution ARN")
        state = State.load(source, ctx.account, ctx.region, id) if token is not None else None
        if state is None or token is None or state.execution.arn != params["DurableExecutionArn"]:
            raise InvalidParameterValueException("Invalid checkpoint token")
        execution = state.execution
        last = execution.last_checkpoint
        repeated = (
            repeatable
            and last is not None
            and last.answer == current_token(execution)
            and _is_repeated(last, params, self._clock.now())
        )
        current = token == (execution.id, execution.invocation, execution.token)
        if execution.status not in ("RUNNING", "PAUSING") or not execution.invocation or not (current or repeated):
            raise InvalidParameterValueException("Invalid checkpoint token")
        return state

    # Callbacks

    def send_durable_execution_callback_success(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        try:
            result = bytes(params["Result"]).decode() if params.get("Result") else None
        except UnicodeDecodeError:
            raise InvalidParameterValueException("Result must be UTF-8 encoded.") from None
        return self._end_callback(ctx, params, "SUCCEEDED", result=result)

    def send_durable_execution_callback_failure(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._end_callback(ctx, params, "FAILED", error=params.get("Error") or {})

    def send_durable_execution_callback_heartbeat(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        with self._store.write() as tx:
            state, operation = self._callback(tx, ctx, params, now)
            if operation.heartbeat_s:
                state.change_quietly(operation, heartbeat=now + operation.heartbeat_s)
                state.save(tx)
        return {}

    def _end_callback(self, ctx: RequestContext, params: dict[str, Any], status: str, **told: Any) -> dict[str, Any]:
        now = self._clock.now()
        with self._store.write() as tx:
            state, operation = self._callback(tx, ctx, params, now)
            progress.end_callback(state, operation, status, now, **told)
            state.save(tx)
        return {}

    def _callback(
        self, tx: Tx, ctx: RequestContext, params: Mapping[str, Any], now: float
    ) -> tuple[State, DurableOperation]:
        """The callback that may still be ended. Raises InvalidParameterValueException, CallbackTimeoutException."""
        told = tokens.decode_callback(params["CallbackId"])
        if told is None:
            raise InvalidParameterValueException("Invalid callback id")
        state = None
        if (told.account, told.region) == (ctx.account, ctx.region):
            state = State.load(tx, told.account, told.region, told.execution)
        operation = state.operations.get(told.operation) if state is not None else None
        if (
            state is None
            or operation is None
            or not state.execution.live
            or operation.callback != params["CallbackId"]
            or not operation.pending
            or any(at is not None and at <= now for at in (operation.deadline, operation.heartbeat))
        ):
            raise CallbackTimeoutException("The callback is either timed out or already completed")
        return state, operation


def _is_repeated(last: LastCheckpoint, params: Mapping[str, Any], now: float) -> bool:
    told = (params.get("ClientToken"), params["CheckpointToken"])
    return told == (last.client_token, last.token) and now - last.at <= REMEMBERED_S
