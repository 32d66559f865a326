"""Invoke: now and wait, later, or not at all (DryRun)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.dataplane.runtime.streams import ResponseStream
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    RequestTooLargeException,
)
from kunren.services.lambda_.invoker import InvokeResult
from kunren.services.lambda_.lookup import find_invoked

Event = tuple[str, Mapping[str, Any]]
PAYLOAD_BYTES_MAX = {"RequestResponse": 6_291_456, "Event": 1_048_576, "DryRun": 6_291_456}
INVOKE_ASYNC_BYTES_MAX = 262_144


class InvokeOperations(ApiBase):
    async def invoke(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        function = find_invoked(self._store.snapshot(), name)
        if params.get("TenantId"):
            raise InvalidParameterValueException("Kunren does not have TenantId yet.")
        execution_name = params.get("DurableExecutionName") or ""
        if execution_name and function.durability is None:
            raise InvalidParameterValueException(
                "You cannot provide a durable execution name when invoking a function that is not durable."
            )
        kind = params.get("InvocationType") or "RequestResponse"
        payload = bytes(params.get("Payload") or b"")
        check_payload(payload, kind)
        client_context = decode_client_context(params.get("ClientContext"))
        self._invoker.check_invocable(function)
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            arn = self._invoker.enqueue(name, payload, ctx.request_id, client_context, execution_name)
            return {"StatusCode": 202, "Payload": b"", "DurableExecutionArn": arn}
        result = await self._invoker.invoke(
            name.account,
            name.region,
            name.name,
            name.qualifier or None,
            payload,
            log_tail=params.get("LogType") == "Tail",
            request_id=ctx.request_id,
            client_context=client_context,
            execution_name=execution_name,
        )
        answer: dict[str, Any] = {
            "StatusCode": result.status,
            "FunctionError": result.function_error,
            "ExecutedVersion": result.executed_version,
            "Payload": result.payload,
            "DurableExecutionArn": result.durable_arn or None,
        }
        if result.log_tail is not None:
            answer["LogResult"] = base64.b64encode(result.log_tail).decode()
        return answer

    def invoke_async(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """The operation of 2014 before Invoke had its Event kind."""
        name = self._name(ctx, params)
        function = find_invoked(self._store.snapshot(), name)
        payload = bytes(params["InvokeArgs"])
        check_payload(payload, "Event", INVOKE_ASYNC_BYTES_MAX)
        self._invoker.check_invocable(function)
        self._invoker.enqueue(name, payload, ctx.request_id)
        return {"Status": 202}

    async def invoke_with_response_stream(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        function = find_invoked(self._store.snapshot(), name)
        if params.get("TenantId"):
            raise InvalidParameterValueException("Kunren does not have TenantId yet.")
        payload = bytes(params.get("Payload") or b"")
        check_payload(payload, "RequestResponse")
        client_context = decode_client_context(params.get("ClientContext"))
        self._invoker.check_invocable(function)
        if params.get("InvocationType") == "DryRun":
            return {"StatusCode": 204, "EventStream": _nothing()}
        tail = params.get("LogType") == "Tail"
        stream, result = await self._invoker.invoke_streaming(
            name, payload, log_tail=tail, request_id=ctx.request_id, client_context=client_context
        )
        return {"StatusCode": 200, "ExecutedVersion": stream.version, "EventStream": _events(stream, result)}


async def _nothing() -> AsyncIterator[Event]:
    nothing: tuple[Event, ...] = ()
    for each in nothing:
        yield each


async def _events(stream: ResponseStream, result: asyncio.Future[InvokeResult]) -> AsyncIterator[Event]:
    """The answer's pieces as events, and how it ended as the last."""
    async for piece in stream:
        yield "PayloadChunk", {"Payload": piece}
    tail = (await result).log_tail
    yield (
        "InvokeComplete",
        {
            "ErrorCode": stream.error or None,
            "ErrorDetails": stream.details.decode("utf-8", "replace") if stream.error else None,
            "LogResult": base64.b64encode(tail).decode() if tail is not None else None,
        },
    )


def check_payload(payload: bytes, kind: str, limit: int | None = None) -> None:
    """Raises RequestTooLargeException and InvalidRequestContentException."""
    limit = limit or PAYLOAD_BYTES_MAX[kind]
    if len(payload) > limit:
        raise RequestTooLargeException(
            f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        )
    if payload:
        try:
            msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequestContentException(
                f"Could not parse request body into json: Could not parse payload into json: {error}"
            ) from None


def decode_client_context(told: str | None) -> str:
    """The JSON text in a ClientContext. Raises InvalidRequestContentException."""
    if not told:
        return ""
    try:
        text = base64.b64decode(told, validate=True).decode()
        if not isinstance(msgspec.json.decode(text), dict):
            raise ValueError("not an object")
    except (binascii.Error, UnicodeDecodeError, msgspec.DecodeError, ValueError):
        raise InvalidRequestContentException("Client context must be a valid Base64-encoded JSON object.") from None
    return text
