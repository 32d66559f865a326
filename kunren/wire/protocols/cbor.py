"""smithy-rpc-v2-cbor: POST /service/X/operation/Y, a CBOR map in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from kunren.core.errors import WireError
from kunren.wire.catalog import Member, Operation, Service, Shape
from kunren.wire.message import Message, Params, Parser, Serializer, WireFault, WireResponse, serialization_error
from kunren.wire.protocols import cbor_items, scalars
from kunren.wire.protocols.json import query_error_header

Convert = Callable[[Any], Any]
_HEADERS = [("smithy-protocol", "rpc-v2-cbor"), ("Content-Type", "application/cbor")]


def _wrong(wanted: str) -> WireError:
    return serialization_error(f"Unexpected CBOR type where {wanted} is expected")


class _Readers:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[str, Convert] = {}

    def reader(self, member: Member) -> Convert:
        shape = self._service.target(member)
        if shape.type == "structure" and shape.document:
            return lambda value: value
        if shape.type in ("structure", "list", "map"):
            made = self._made.get(shape.name)
            if made is not None:
                return made
            return {"structure": self.structure, "list": self._list, "map": self._map}[shape.type](shape)
        return _SCALARS.get(shape.type, _read_string)

    def structure(self, shape: Shape) -> Convert:
        members: dict[str, tuple[str, Convert]] = {}

        def read(value: Any) -> dict[str, Any]:
            if value.__class__ is not dict:
                raise _wrong("a structure")
            out = {}
            for key, item in value.items():
                known = members.get(key)
                if known is not None and item is not None:
                    out[known[0]] = known[1](item)
            return out

        self._made[shape.name] = read
        for name, member in shape.members.items():
            members[member.location_name or name] = (name, self.reader(member))
        return read

    def _list(self, shape: Shape) -> Convert:
        assert shape.member is not None
        inner: Convert

        def read(value: Any) -> list[Any]:
            if value.__class__ is not list:
                raise _wrong("a list")
            return [inner(item) if item is not None else None for item in value]

        self._made[shape.name] = read
        inner = self.reader(shape.member)
        return read

    def _map(self, shape: Shape) -> Convert:
        assert shape.value is not None
        inner: Convert

        def read(value: Any) -> dict[str, Any]:
            if value.__class__ is not dict:
                raise _wrong("a map")
            if any(key.__class__ is not str for key in value):
                raise _wrong("a text key")
            return {key: inner(item) for key, item in value.items() if item is not None}

        self._made[shape.name] = read
        inner = self.reader(shape.value)
        return read


def _read_string(value: Any) -> str:
    if value.__class__ is not str:
        raise _wrong("a string")
    return value


def _read_integer(value: Any) -> int:
    if value.__class__ is float and value.is_integer():
        return int(value)
    if value.__class__ is not int:
        raise _wrong("an integer")
    return value


def _read_float(value: Any) -> float:
    if value.__class__ is int:
        return float(value)
    if value.__class__ is not float:
        raise _wrong("a number")
    return value


def _read_boolean(value: Any) -> bool:
    if value.__class__ is not bool:
        raise _wrong("a boolean")
    return value


def _read_blob(value: Any) -> bytes:
    if value.__class__ is not bytes:
        raise _wrong("a byte string")
    return value


def _read_timestamp(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if value.__class__ in (int, float):
        return scalars.from_epoch(value)
    raise _wrong("a timestamp")


_SCALARS: dict[str, Convert] = {
    "integer": _read_integer,
    "long": _read_integer,
    "short": _read_integer,
    "byte": _read_integer,
    "float": _read_float,
    "double": _read_float,
    "boolean": _read_boolean,
    "blob": _read_blob,
    "timestamp": _read_timestamp,
}


class _Writers:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[str, Convert] = {}

    def writer(self, member: Member) -> Convert | None:
        shape = self._service.target(member)
        if shape.type in ("structure", "list", "map") and not shape.document:
            made = self._made.get(shape.name)
            if made is not None:
                return made
            return {"structure": self.structure, "list": self._list, "map": self._map}[shape.type](shape)
        return _WRITERS.get(shape.type)

    def structure(self, shape: Shape) -> Convert:
        members: list[tuple[str, str, Convert | None]] = []

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for name, wire_name, inner in members:
                item = value.get(name)
                if item is not None:
                    out[wire_name] = item if inner is None else inner(item)
            return out

        self._made[shape.name] = write
        for name, member in shape.members.items():
            members.append((name, member.location_name or name, self.writer(member)))
        return write

    def _list(self, shape: Shape) -> Convert:
        assert shape.member is not None
        inner: Convert | None

        def write(value: Any) -> list[Any]:
            return [item if inner is None or item is None else inner(item) for item in value]

        self._made[shape.name] = write
        inner = self.writer(shape.member)
        return write

    def _map(self, shape: Shape) -> Convert:
        assert shape.value is not None
        inner: Convert | None

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            return {str(key): item if inner is None else inner(item) for key, item in value.items() if item is not None}

        self._made[shape.name] = write
        inner = self.writer(shape.value)
        return write


def _write_blob(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _write_timestamp(value: Any) -> cbor_items.Timestamp:
    return cbor_items.Timestamp(scalars.epoch_milliseconds(value))


_WRITERS: dict[str, Convert] = {
    "integer": int,
    "long": int,
    "short": int,
    "byte": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "blob": _write_blob,
    "timestamp": _write_timestamp,
    "string": str,
}


def compile_parser(service: Service, operation: Operation) -> Parser:
    shape = service.input_shape(operation)
    read = _Readers(service).structure(shape) if shape is not None else None

    def parse(request: Message, labels: Mapping[str, str]) -> Params:
        if not request.body:
            return {}
        try:
            value = cbor_items.decode(request.body)
            parsed: Params = read(value) if read is not None else {}
        except (ValueError, RecursionError):
            raise serialization_error("Unable to parse the request body as CBOR") from None
        return parsed

    return parse


def compile_serializer(service: Service, operation: Operation) -> Serializer:
    shape = service.output_shape(operation)
    write = _Writers(service).structure(shape) if shape is not None else None

    def serialize(result: Mapping[str, Any], request_id: str) -> WireResponse:
        body = cbor_items.encode(write(result)) if write is not None else b"\xa0"
        return WireResponse(200, [*_HEADERS, ("x-amzn-RequestId", request_id)], body)

    return serialize


def serialize_error(
    service: Service | None, fault: WireFault, request_id: str, request: Message | None = None
) -> WireResponse:
    body: dict[str, Any] = {"message": fault.message}
    shape = service.error_shape(fault.name) if service is not None else None
    if shape is not None and service is not None:
        body = _Writers(service).structure(shape)(fault.members)
        text = next((name for name in shape.members if name.lower() == "message"), "message")
        body.setdefault(text, fault.message)
    namespace = service.patches.get("errorNamespace") if service is not None else None
    body = {"__type": f"{namespace}#{fault.name}" if namespace else fault.name, **body}
    headers = [*_HEADERS, ("x-amzn-RequestId", request_id), *query_error_header(service, fault)]
    return WireResponse(fault.status, headers, cbor_items.encode(body))
