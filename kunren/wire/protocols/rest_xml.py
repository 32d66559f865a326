"""rest-xml: operations by method and path, XML bodies; S3 writes its errors without the usual wrapper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.answer import Answer
from kunren.core.errors import NotImplementedByKunren
from kunren.wire.catalog import Member, Operation, Service, Shape
from kunren.wire.message import Message, Params, Parser, Serializer, WireFault, WireResponse, malformed_xml
from kunren.wire.protocols import rest
from kunren.wire.protocols.query import error_members_xml
from kunren.wire.protocols.xml import escape, parse_xml
from kunren.wire.protocols.xml_values import XmlReaders, XmlWriters, namespace_attribute

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def compile_parser(service: Service, operation: Operation) -> Parser:
    plan = rest.compile_request(service, operation)
    shape = service.input_shape(operation)
    readers = XmlReaders(service)
    if plan.payload is not None:
        return _payload_parser(service, plan, readers)
    read = readers.structure(shape, plan.body_members) if shape is not None and plan.body_members else None
    roots = _root_names(operation.input, shape) if operation.input is not None and shape is not None else frozenset()

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        params: Params = {}
        if read is not None and request.body:
            root = parse_xml(request.body)
            if root.name not in roots:
                raise malformed_xml()
            params = read(root)
        plan.fill(request, labels, params)
        return params

    return parse


def _payload_parser(service: Service, plan: rest.RequestPlan, readers: XmlReaders) -> Parser:
    payload = plan.payload
    assert payload is not None
    target = service.target(payload)
    structured = target.type in ("structure", "list", "map")
    reader = readers.reader(payload) if structured else None
    roots = _root_names(payload, target)

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        params: Params = {}
        plan.fill(request, labels, params)
        if reader is None:
            if request.body or (target.type == "blob" and "content-length" in request.headers):
                params[plan.payload_name] = _plain(request.body, target.type)
        elif request.body:
            root = parse_xml(request.body)
            if root.name not in roots:
                raise malformed_xml()
            params[plan.payload_name] = reader([root])
        return params

    return parse


def _root_names(reference: Member, shape: Shape) -> frozenset[str]:
    """The names that a document's root may have: models and SDKs differ in which of them they use."""
    return frozenset(name for name in (reference.location_name, shape.location_name, shape.name) if name)


def _plain(body: bytes, kind: str) -> bytes | str:
    if kind != "string":
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise malformed_xml("The body is not UTF-8") from None


def compile_serializer(service: Service, operation: Operation) -> Serializer:
    plan = rest.compile_response(service, operation)
    shape = service.output_shape(operation)
    writers = XmlWriters(service)
    namespace = namespace_attribute(service.metadata.xml_namespace or _assumed_namespace(service))
    id_header = "x-amz-request-id" if service.name == "s3" else "x-amzn-RequestId"
    xml_type = _content_type(service)
    if plan.payload is not None:
        return _payload_serializer(service, operation, plan, writers, namespace, id_header)
    write = writers.members(shape, plan.body_members) if shape is not None and plan.body_members else None
    root = (shape.location_name or shape.name) if shape is not None else ""
    if operation.output is not None and operation.output.location_name:
        root = operation.output.location_name

    # the one answer whose only member is the document itself (the model's trait s3UnwrappedXmlOutput)
    unwrapped = (service.name, operation.name) == ("s3", "GetBucketLocation")

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        headers = [(id_header, request_id), *plan.headers(result)]
        status = _status(plan, result)
        if unwrapped:
            told = (
                f"<LocationConstraint{namespace}>{escape(result.get('LocationConstraint') or '')}</LocationConstraint>"
            )
            return WireResponse(status, [*headers, xml_type], (_DECLARATION + told).encode())
        if write is None:
            return WireResponse(status, headers, b"")
        out = [f"{_DECLARATION}<{root}{namespace}>"]
        write(result, out)
        out.append(f"</{root}>")
        headers.append(xml_type)
        return WireResponse(status, headers, "".join(out).encode())

    return serialize


def _content_type(service: Service) -> tuple[str, str]:
    return ("Content-Type", "application/xml" if service.name == "s3" else "text/xml")


def _assumed_namespace(service: Service) -> str:
    """Models without a namespace of their own state it on their inputs (Route 53, CloudFront, S3 Control)."""
    for operation in service.operations.values():
        if operation.input is not None and operation.input.xml_namespace:
            told = operation.input.xml_namespace
            return told if isinstance(told, str) else told.get("uri", "")
    return ""


def _status(plan: rest.ResponsePlan, result: Mapping[str, Any]) -> int:
    if isinstance(result, Answer):
        return result.status
    if plan.status_member is not None and result.get(plan.status_member) is not None:
        return int(result[plan.status_member])
    return plan.status


def _payload_serializer(
    service: Service, operation: Operation, plan: rest.ResponsePlan, writers: XmlWriters, namespace: str, id_header: str
) -> Serializer:
    payload = plan.payload
    assert payload is not None
    target = service.target(payload)
    structured = target.type in ("structure", "list", "map")
    root = payload.location_name or target.location_name or target.name
    write = None
    if structured and not target.eventstream:
        spaced = Member(
            shape=payload.shape,
            location_name=root,
            xml_namespace=payload.xml_namespace or service.metadata.xml_namespace or _assumed_namespace(service),
        )
        write = writers.element(spaced, root)

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        if target.eventstream:
            raise NotImplementedByKunren(service.name, operation.name)
        headers = [(id_header, request_id), *plan.headers(result)]
        value = result.get(plan.payload_name)
        status = _status(plan, result)
        if value is None:
            return WireResponse(status, headers, b"")
        if write is None:
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", "application/octet-stream"))
            return WireResponse(status, headers, rest.payload_bytes(value))
        out = [_DECLARATION]
        write(value, out)
        headers.append(_content_type(service))
        return WireResponse(status, headers, "".join(out).encode())

    return serialize


def serialize_error(
    service: Service | None, fault: WireFault, request_id: str, request: Message | None = None
) -> WireResponse:
    if service is not None and service.name == "s3":
        body = (
            f"{_DECLARATION}<Error><Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"
            f"{''.join(f'<{name}>{escape(str(value))}</{name}>' for name, value in fault.members.items())}"
            f"<RequestId>{request_id}</RequestId>"
            f"<HostId>{request_id}</HostId></Error>"
        )
        headers = [("Content-Type", "application/xml"), ("x-amz-request-id", request_id), ("x-amz-id-2", request_id)]
        return WireResponse(fault.status, headers, body.encode())
    namespace = ""
    if service is not None:
        namespace = namespace_attribute(service.metadata.xml_namespace or _assumed_namespace(service))
    body = (
        f'<?xml version="1.0"?>\n<ErrorResponse{namespace}><Error>'
        f"<Type>{'Sender' if fault.sender else 'Receiver'}</Type><Code>{escape(fault.code)}</Code>"
        f"<Message>{escape(fault.message)}</Message>{error_members_xml(service, fault)}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
    return WireResponse(fault.status, headers, body.encode())
