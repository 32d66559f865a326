"""AWS JSON 1.0 and 1.1: an operation named in X-Amz-Target, a JSON object in, a JSON object out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.wire.catalog import Operation, Service
from kunren.wire.message import Message, Params, Parser, Serializer, WireFault, WireResponse
from kunren.wire.protocols.json_values import JsonReaders, JsonWriters, decode_body

_encode = msgspec.json.encode


def content_type(service: Service, request: Message | None = None) -> str:
    """The answer's Content-Type: the version the caller spoke, else the model's."""
    told = request.headers.get("content-type", "") if request is not None else ""
    if told.startswith("application/x-amz-json-1."):
        return "application/x-amz-json-1.1" if told[23:24] == "." and told[24:25] == "1" else _told(told)
    return f"application/x-amz-json-{service.metadata.json_version or '1.0'}"


def _told(text: str) -> str:
    return "application/x-amz-json-1.1" if text.startswith("application/x-amz-json-1.1") else _JSON_1_0


_JSON_1_0 = "application/x-amz-json-1.0"


def compile_parser(service: Service, operation: Operation) -> Parser:
    shape = service.input_shape(operation)
    read = JsonReaders(service).structure(shape) if shape is not None else None

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        value = decode_body(request.body)
        if read is None:
            return {}
        parsed: Params = read(value)
        return parsed

    return parse


def compile_serializer(service: Service, operation: Operation) -> Serializer:
    shape = service.output_shape(operation)
    write = JsonWriters(service).structure(shape) if shape is not None else None
    kind = content_type(service)

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        body = b"{}" if write is None else _encode(write(result))
        return WireResponse(200, [("Content-Type", kind), ("x-amzn-RequestId", request_id)], body)

    return serialize


def error_type(service: Service | None, fault: WireFault) -> str:
    """`__type`: the error's name, with the namespace where the service sends one."""
    if service is None:
        return fault.name
    patches = service.patches
    if fault.name in _CORAL_NAMESPACES and patches.get("coralNamespace"):
        return f"{_CORAL_NAMESPACES[fault.name]}#{fault.name}"
    namespace = patches.get("errorNamespace")
    return f"{namespace}#{fault.name}" if namespace else fault.name


_CORAL_NAMESPACES = {
    "SerializationException": "com.amazon.coral.service",
    "UnknownOperationException": "com.amazon.coral.service",
    "ValidationException": "com.amazon.coral.validate",
}


def error_members(service: Service | None, fault: WireFault) -> dict[str, Any]:
    """The modelled error's members as JSON, its text under the name that the model gives it."""
    shape = service.error_shape(fault.name) if service is not None else None
    if shape is None or service is None:
        return {"message": fault.message}
    values = dict(fault.members)
    text_name = next((name for name in shape.members if name.lower() in ("message", "errormessage")), None)
    if text_name is not None:
        values.setdefault(text_name, fault.message)
    written: dict[str, Any] = JsonWriters(service).structure(shape)(values)
    if text_name is None:
        written.setdefault("message", fault.message)
    return written


def query_error_header(service: Service | None, fault: WireFault) -> list[tuple[str, str]]:
    """`x-amzn-query-error`: the query protocol's code, for services that once spoke it."""
    if service is None or service.metadata.aws_query_compatible is None:
        return []
    return [("x-amzn-query-error", f"{fault.code};{'Sender' if fault.sender else 'Receiver'}")]


def serialize_error(
    service: Service | None, fault: WireFault, request_id: str, request: Message | None = None
) -> WireResponse:
    kind = content_type(service, request) if service is not None else _JSON_1_0
    body = {"__type": error_type(service, fault), **error_members(service, fault)}
    headers = [("Content-Type", kind), ("x-amzn-RequestId", request_id), *query_error_header(service, fault)]
    return WireResponse(fault.status, headers, _encode(body))
