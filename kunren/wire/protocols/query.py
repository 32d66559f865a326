"""The query protocol: form parameters with an Action, XML out in `<XResponse><XResult>`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.wire.catalog import Operation, Service
from kunren.wire.message import Message, Params, Parser, Serializer, WireFault, WireResponse
from kunren.wire.protocols.form import FormReaders, Naming, form_pairs, tree_of
from kunren.wire.protocols.xml import escape
from kunren.wire.protocols.xml_values import XmlWriters, namespace_attribute

_CONTENT_TYPE = ("Content-Type", "text/xml")


def compile_parser(service: Service, operation: Operation) -> Parser:
    shape = service.input_shape(operation)
    read = FormReaders(service, Naming()).structure(shape) if shape is not None else None

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        pairs = form_pairs(request)
        if read is None:
            return {}
        parsed: Params = read(tree_of(pairs))
        return parsed

    return parse


def compile_serializer(service: Service, operation: Operation) -> Serializer:
    shape = service.output_shape(operation)
    name = operation.name
    opening = f"<{name}Response{namespace_attribute(service.metadata.xml_namespace)}>"
    closing = f"</RequestId></ResponseMetadata></{name}Response>"
    wrapper = (operation.output.result_wrapper if operation.output is not None else None) or f"{name}Result"
    writers = XmlWriters(service)
    write = writers.members(shape) if shape is not None else None

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        out = [opening]
        if write is not None:
            out.append(f"<{wrapper}>")
            write(result, out)
            out.append(f"</{wrapper}>")
        out.append(f"<ResponseMetadata><RequestId>{request_id}{closing}")
        return WireResponse(200, [_CONTENT_TYPE, ("x-amzn-RequestId", request_id)], "".join(out).encode())

    return serialize


def error_members_xml(service: Service | None, fault: WireFault) -> str:
    """The modelled error's own members (its text aside) as elements."""
    shape = service.error_shape(fault.name) if service is not None and fault.members else None
    if shape is None or service is None:
        return ""
    names = frozenset(name for name in shape.members if name.lower() not in ("message", "code", "type"))
    out: list[str] = []
    XmlWriters(service).members(shape, names)(fault.members, out)
    return "".join(out)


def serialize_error(
    service: Service | None, fault: WireFault, request_id: str, request: Message | None = None
) -> WireResponse:
    namespace = namespace_attribute(service.metadata.xml_namespace if service is not None else "")
    body = (
        f"<ErrorResponse{namespace}><Error><Type>{'Sender' if fault.sender else 'Receiver'}</Type>"
        f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"
        f"{error_members_xml(service, fault)}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return WireResponse(fault.status, [_CONTENT_TYPE, ("x-amzn-RequestId", request_id)], body.encode())
