"""One compiled codec per operation and protocol, made at its first use and kept: parse, validate, serialise.

Beside them the one place where an exception becomes bytes (`error_response`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import NamedTuple

from kunren.core.errors import AwsError, WireError
from kunren.wire import validate
from kunren.wire.catalog import Catalog, Operation, Service
from kunren.wire.message import Message, Params, Parser, Serializer, WireFault, WireResponse
from kunren.wire.protocols import cbor, ec2, json, query, rest_json, rest_xml
from kunren.wire.refusal import refusal as refuse

PROTOCOLS: dict[str, ModuleType] = {
    "query": query,
    "ec2": ec2,
    "json": json,
    "rest-json": rest_json,
    "rest-xml": rest_xml,
    "smithy-rpc-v2-cbor": cbor,
}


class Codec(NamedTuple):
    """What one operation needs on the way in and out. `check` returns violations or None."""

    service: Service
    operation: Operation
    protocol: str
    parse: Parser
    check: validate.Check
    serialize: Serializer


class Codecs:
    """Codecs by (service, operation, protocol)."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._made: dict[tuple[str, str, str], Codec] = {}
        self._checks: dict[tuple[str, str], validate.Check] = {}

    def codec(self, service: str, operation: str, protocol: str) -> Codec:
        """The codec, compiled when first asked for. The operation must be one of the model's."""
        found = self._made.get((service, operation, protocol))
        if found is None:
            found = self._made[(service, operation, protocol)] = self._compile(service, operation, protocol)
        return found

    def _compile(self, service_name: str, operation_name: str, protocol: str) -> Codec:
        service = self.catalog.service(service_name)
        operation = service.operations[operation_name]
        module = PROTOCOLS[protocol]
        return Codec(
            service,
            operation,
            protocol,
            module.compile_parser(service, operation),
            self.check(service, operation),
            module.compile_serializer(service, operation),
        )

    def check(self, service: Service, operation: Operation) -> validate.Check:
        """The operation's validator, whatever the protocol."""
        found = self._checks.get((service.name, operation.name))
        if found is None:
            found = validate.compile_validator(service, operation)
            self._checks[(service.name, operation.name)] = found
        return found

    def parse(self, codec: Codec, request: Message, labels: Mapping[str, str]) -> Params:
        """Parameters that satisfy the model. Raises WireError as the service would."""
        try:
            params = codec.parse(request, labels)
        except RecursionError:
            raise WireError("SerializationException", "The request is nested too deeply", 400) from None
        violations = codec.check(params)
        if violations:
            raise self.refusal(codec.service, codec.operation, codec.protocol, violations)
        return params

    def refusal(
        self, service: Service, operation: Operation, protocol: str, violations: list[validate.Violation]
    ) -> WireError:
        return refuse(service, operation, protocol, violations, self.catalog.patches)


def fault_of(service: Service | None, error: AwsError) -> WireFault:
    """An AwsError with the names that the model has for it."""
    code, status = error.code, error.status
    name = code
    shape = service.error_shape(code) if service is not None else None
    if shape is not None:
        name = shape.name
        if shape.error is not None and shape.error.code:
            code = shape.error.code
    return WireFault(code, name, error.message, status, error.members, error.sender_fault)


def error_response(
    service: Service | None, protocol: str, error: AwsError, request_id: str, request: Message | None = None
) -> WireResponse:
    """An error in the protocol's own shape."""
    response: WireResponse = PROTOCOLS[protocol].serialize_error(service, fault_of(service, error), request_id, request)
    return response
