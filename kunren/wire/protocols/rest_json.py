"""rest-json: operations by method and path, JSON bodies, errors named in the header x-amzn-ErrorType."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.wire import event_stream
from kunren.wire.catalog import Operation, Service, Shape
from kunren.wire.message import Message, Params, Parser, Serializer, WireFault, WireResponse, serialization_error
from kunren.wire.protocols import rest
from kunren.wire.protocols.json import error_members
from kunren.wire.protocols.json_values import JsonReaders, JsonWriters, decode_body

_JSON = ("Content-Type", "application/json")
_encode = msgspec.json.encode


def compile_parser(service: Service, operation: Operation) -> Parser:
    plan = rest.compile_request(service, operation)
    shape = service.input_shape(operation)
    readers = JsonReaders(service)
    if plan.payload is not None:
        return _payload_parser(service, plan, readers)
    read = readers.structure(shape, plan.body_members) if shape is not None and plan.body_members else None

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        params: Params = read(decode_body(request.body)) if read is not None else {}
        plan.fill(request, labels, params)
        return params

    return parse


def _payload_parser(service: Service, plan: rest.RequestPlan, readers: JsonReaders) -> Parser:
    assert plan.payload is not None
    target = service.target(plan.payload)
    name = plan.payload_name
    structured = target.type in ("structure", "list", "map")
    reader = readers.reader(plan.payload) if structured else None

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        params: Params = {}
        plan.fill(request, labels, params)
        body = request.body
        if reader is not None:
            if body:
                value = decode_body(body)
                if value is not None:
                    params[name] = reader(value)
        elif target.type == "string":
            if body:
                try:
                    params[name] = body.decode()
                except UnicodeDecodeError:
                    raise serialization_error("The body is not UTF-8") from None
        elif body or "content-length" in request.headers or "transfer-encoding" in request.headers:
            params[name] = body
        return params

    return parse


def compile_serializer(service: Service, operation: Operation) -> Serializer:
    plan = rest.compile_response(service, operation)
    shape = service.output_shape(operation)
    writers = JsonWriters(service)
    if plan.payload is not None:
        return _payload_serializer(service, operation, plan, writers)
    write = writers.structure(shape, plan.body_members) if shape is not None and plan.body_members else None

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        headers = [("x-amzn-RequestId", request_id), *plan.headers(result)]
        status = _status(plan, result)
        if status == 204 or (write is None and shape is None):
            return WireResponse(status, headers, b"")
        headers.append(_JSON)
        return WireResponse(status, headers, _encode(write(result)) if write is not None else b"{}")

    return serialize


def _status(plan: rest.ResponsePlan, result: Mapping[str, Any]) -> int:
    if plan.status_member is not None and result.get(plan.status_member) is not None:
        return int(result[plan.status_member])
    return plan.status


def _payload_serializer(
    service: Service, operation: Operation, plan: rest.ResponsePlan, writers: JsonWriters
) -> Serializer:
    assert plan.payload is not None
    target = service.target(plan.payload)
    structured = target.type in ("structure", "list", "map")
    writer = writers.writer(plan.payload) if structured and not target.eventstream else None

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        if target.eventstream:
            return _event_stream(service, target, plan, result, request_id)
        headers = [("x-amzn-RequestId", request_id), *plan.headers(result)]
        named = any(name.lower() == "content-type" for name, _ in headers)
        value = result.get(plan.payload_name)
        status = _status(plan, result)
        if value is None:
            return WireResponse(status, headers, b"")
        if structured:
            headers.append(_JSON)
            return WireResponse(status, headers, _encode(value if writer is None else writer(value)))
        if not named:
            kind = "text/plain" if target.type == "string" else "application/octet-stream"
            headers.append(("Content-Type", kind))
        return WireResponse(status, headers, rest.payload_bytes(value))

    return serialize


def _event_stream(
    service: Service, stream: Shape, plan: rest.ResponsePlan, result: Mapping[str, Any], request_id: str
) -> WireResponse:
    """The result's payload is an async iterator of events."""
    told = [each for each in plan.headers(result) if each[0].lower() != "content-type"]
    headers = [("x-amzn-RequestId", request_id), ("Content-Type", event_stream.CONTENT_TYPE), *told]
    pieces = event_stream.encoded(service, stream, result[plan.payload_name], _encode)
    return WireResponse(_status(plan, result), headers, pieces)


def serialize_error(
    service: Service | None, fault: WireFault, request_id: str, request: Message | None = None
) -> WireResponse:
    body = error_members(service, fault)
    headers = [_JSON, ("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", fault.name)]
    shape = service.error_shape(fault.name) if service is not None else None
    if shape is not None and service is not None:
        if "Type" in shape.members and "Type" not in body:
            body["Type"] = "User" if fault.sender else "Service"
        for name, member in shape.members.items():
            if member.location == "header":
                body.pop(member.location_name or name, None)
                if fault.members.get(name) is not None:
                    headers.append((member.location_name or name, str(fault.members[name])))
    return WireResponse(fault.status, headers, _encode(body))
