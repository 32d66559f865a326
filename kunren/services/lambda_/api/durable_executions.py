"""Durable executions as their owners see and steer them: get, list, history, stop, pause, resume, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from kunren.control.store import Resource
from kunren.core.context import RequestContext
from kunren.core.pagination import InvalidToken, page
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.api.durable import PAGE_ITEMS, PAGE_ITEMS_MAX, REMEMBERED_S
from kunren.services.lambda_.durable import progress
from kunren.services.lambda_.durable.history import event_shown
from kunren.services.lambda_.durable.model import ENDED, Asked, DurableEvent, DurableExecution, row_id
from kunren.services.lambda_.durable.state import State
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.lookup import Source, find

R = TypeVar("R", bound=Resource)
_FAR = 10**19


class DurableExecutionOperations(ApiBase):
    def get_durable_execution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(self._store.snapshot(), ctx, params).execution
        data = _with_data(params)
        shown = {
            **_summary(execution),
            "Version": execution.version,
            "ExecutionDataIncluded": data,
            "DurableConfig": {
                "RetentionPeriodInDays": execution.retention_days,
                "ExecutionTimeout": execution.timeout_s,
                "KMSKeyArn": execution.kms_key_arn or None,
            },
        }
        shown.pop("KMSKeyArn", None)
        if execution.trace:
            shown["TraceHeader"] = {"XAmznTraceId": execution.trace}
        if data:
            shown.update(InputPayload=execution.input, Result=execution.result, Error=execution.error)
        if execution.live:
            shown["ExpectedExecutionTimeoutTimestamp"] = progress.times_out_at(execution)
        if (pause := execution.pause) is not None:
            shown["PauseDetails"] = {
                "PauseRequestTimestamp": pause.asked,
                "ExecutionTimeoutPaused": pause.stops_timeout,
                "Reason": pause.reason if data else None,
            }
        return shown

    def list_durable_executions_by_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, snapshot = self._name(ctx, params), self._store.snapshot()
        version = find(snapshot, name).version if name.qualifier else None
        self._function(snapshot, name)
        wanted = (version, params.get("DurableExecutionName"), params.get("Statuses"))
        found = [
            each
            for each in snapshot.list(DurableExecution, name.account, name.region)
            if each.function == name.name and _matches(each, *wanted)
        ]
        after, before = params.get("StartedAfter"), params.get("StartedBefore")
        found = [each for each in found if after is None or each.started > after.timestamp()]
        found = [each for each in found if before is None or each.started < before.timestamp()]
        newest_first = not params.get("ReverseOrder")
        shown, marker = self._pages(found, params, lambda each: each.started, backwards=newest_first)
        return {"DurableExecutions": [_summary(each) for each in shown], "NextMarker": marker}

    def get_durable_execution_history(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        execution = self._execution(snapshot, ctx, params).execution
        events = []
        for number in range(1, execution.events + 1):
            event = snapshot.get(DurableEvent, execution.account, execution.region, row_id(execution.id, number))
            assert event is not None, f"event {number} of {execution.id} is missing"
            events.append(event)
        backwards = bool(params.get("ReverseOrder"))
        shown, marker = self._pages(events, params, lambda each: each.number, backwards=backwards)
        data = _with_data(params)
        return {"Events": [event_shown(each, data=data) for each in shown], "NextMarker": marker}

    def _pages(
        self, items: list[R], params: Mapping[str, Any], place: Callable[[R], float], *, backwards: bool
    ) -> tuple[list[R], str | None]:
        """A page of what has places in an order, or in its reverse."""

        def key(each: R) -> str:
            number = round(place(each) * 1_000_000)
            return f"{_FAR - number if backwards else number:020d}{each.id}"

        limit = min(params.get("MaxItems") or PAGE_ITEMS, PAGE_ITEMS_MAX)
        try:
            return page(sorted(items, key=key), params.get("Marker"), limit, key)
        except InvalidToken:
            raise InvalidParameterValueException("Invalid Marker") from None

    # Steering

    def stop_durable_execution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """One that has ended stays as it is."""
        with self._store.write() as tx:
            state = self._execution(tx, ctx, params)
            if state.execution.live:
                progress.close(state, "STOPPED", self._clock.now(), error=params.get("Error") or {})
                state.save(tx)
        return {"StopTimestamp": state.execution.ended}

    def pause_durable_execution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        now, asked = self._clock.now(), self._asked(params)
        with self._store.write() as tx:
            state = self._execution(tx, ctx, params)
            if _is_repeated(state.execution.pause_asked, asked):
                return {}
            self._expect(state, "RUNNING")
            stops = params.get("ExecutionTimeoutPaused")
            progress.pause(state, now, params.get("Reason"), stops is None or stops)
            state.set(pause_asked=asked)
            state.save(tx)
        return {}

    def resume_durable_execution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        now, asked = self._clock.now(), self._asked(params)
        with self._store.write() as tx:
            state = self._execution(tx, ctx, params)
            if _is_repeated(state.execution.resume_asked, asked):
                return {}
            self._expect(state, "PAUSING", "PAUSED")
            progress.resume(state, now, params.get("Reason"))
            state.set(resume_asked=asked)
            state.save(tx)
        return {}

    def delete_durable_execution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            state = self._execution(tx, ctx, params)
            self._expect(state, *ENDED)
            state.set(status="DELETING")
            state.save(tx)
        return {"DeletionRequestTimestamp": self._clock.now()}

    def _asked(self, params: Mapping[str, Any]) -> Asked | None:
        token = params.get("ClientToken")
        if not token:
            return None
        told = {member: value for member, value in params.items() if member != "ClientToken"}
        return Asked(client_token=token, request=msgspec.json.encode(told).decode(), at=self._clock.now())

    def _expect(self, state: State, *statuses: str) -> None:
        status = state.execution.status
        if status not in statuses:
            raise ResourceConflictException(
                "The operation cannot be performed at this time. The durable execution is currently in the following "
                f"state: {status}"
            )

    def _execution(self, source: Source, ctx: RequestContext, params: Mapping[str, Any]) -> State:
        """Raises ResourceNotFoundException."""
        arn = params["DurableExecutionArn"]
        state = State.load(source, ctx.account, ctx.region, arn.rpartition("/")[2])
        if state is None or state.execution.arn != arn:
            raise ResourceNotFoundException("Durable Execution does not exist")
        return state


def _is_repeated(before: Asked | None, asked: Asked | None) -> bool:
    return (
        before is not None
        and asked is not None
        and (before.client_token, before.request) == (asked.client_token, asked.request)
        and asked.at - before.at <= REMEMBERED_S
    )


def _matches(execution: DurableExecution, version: str | None, name: str | None, statuses: list[str] | None) -> bool:
    return (
        (version is None or execution.version == version)
        and (name is None or execution.name == name)
        and (not statuses or execution.status in statuses)
    )


def _with_data(params: Mapping[str, Any]) -> bool:
    told = params.get("IncludeExecutionData")
    return told is None or bool(told)


def _summary(execution: DurableExecution) -> dict[str, Any]:
    return {
        "DurableExecutionArn": execution.arn,
        "DurableExecutionName": execution.name,
        "FunctionArn": execution.function_arn,
        "Status": execution.status,
        "StartTimestamp": execution.started,
        "EndTimestamp": execution.ended,
        "KMSKeyArn": execution.kms_key_arn or None,
    }
