"""The ec2 protocol: like query, with its own naming of parameters, plain answers and its own errors.

Differences: every list is flattened, names are `queryName` or the capitalised `locationName`, the answer has no
result wrapper, and a parameter that the operation does not have is refused (UnknownParameter).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.errors import WireError
from kunren.wire.catalog import Member, Operation, Service, Shape
from kunren.wire.message import Message, Params, Parser, Serializer, WireFault, WireResponse
from kunren.wire.protocols.form import BadScalar, FormReaders, Naming, form_pairs, tree_of
from kunren.wire.protocols.xml import escape
from kunren.wire.protocols.xml_values import XmlWriters, namespace_attribute

_CONTENT_TYPE = ("Content-Type", "text/xml;charset=UTF-8")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_COMMON = frozenset(
    (
        "Action",
        "Version",
        "AWSAccessKeyId",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "Expires",
        "SecurityToken",
    )
)


class Ec2Naming(Naming):
    def member(self, name: str, member: Member) -> str:
        if member.query_name:
            return member.query_name
        told = member.location_name or name
        return told[0].upper() + told[1:]

    def list_step(self, shape: Shape, member: Member) -> str | None:
        return None

    def map_step(self, shape: Shape, member: Member) -> str | None:
        return None

    def flattened_name(self, shape: Shape) -> str | None:
        return None


def compile_parser(service: Service, operation: Operation) -> Parser:
    shape = service.input_shape(operation)
    naming = Ec2Naming()
    read = FormReaders(service, naming).structure(shape) if shape is not None else None
    known = {naming.member(name, member) for name, member in shape.members.items()} if shape is not None else set()

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        tree = tree_of(form_pairs(request))
        for name in tree:
            if name not in known and name not in _COMMON and not name.lower().startswith("x-amz-"):
                raise WireError("UnknownParameter", f"The parameter {name} is not recognized", 400)
        if read is None:
            return {}
        try:
            parsed: Params = read(tree)
        except BadScalar as error:
            kind = "Integer" if error.kind in ("integer", "long") else error.kind
            raise WireError(
                "InvalidParameterValue",
                f"Value ({error.text}) for parameter {error.name} is invalid. {error.text} is not a valid {kind}",
                400,
            ) from None
        return parsed

    return parse


def compile_serializer(service: Service, operation: Operation) -> Serializer:
    shape = service.output_shape(operation)
    namespace = namespace_attribute(service.metadata.xml_namespace)
    opening = f"{_DECLARATION}<{operation.name}Response{namespace}><requestId>"
    closing = f"</{operation.name}Response>"
    write = XmlWriters(service).members(shape) if shape is not None else None

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        out = [opening, request_id, "</requestId>"]
        if write is None:
            out.append("<return>true</return>")
        else:
            write(result, out)
        out.append(closing)
        headers = [_CONTENT_TYPE, ("x-amzn-RequestId", request_id)]
        return WireResponse(200, headers, "".join(out).encode())

    return serialize


def serialize_error(
    service: Service | None, fault: WireFault, request_id: str, request: Message | None = None
) -> WireResponse:
    body = (
        f"{_DECLARATION}<Response><Errors><Error><Code>{escape(fault.code)}</Code>"
        f"<Message>{escape(fault.message)}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
    )
    return WireResponse(fault.status, [_CONTENT_TYPE, ("x-amzn-RequestId", request_id)], body.encode())
