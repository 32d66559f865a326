"""JSON bodies: a decoded JSON value → parameters by the model, and a result → a JSON value, compiled per shape.

Shared by json and rest-json. `Reader`s check types (AWS calls a wrong one SerializationException), drop members that
the model does not have and members that are null, and turn blobs and timestamps into bytes and datetimes. `Writer`s
drop None ("absent is absent") and give plain values for msgspec to encode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kunren.core.errors import WireError
from kunren.wire.catalog import Member, Service, Shape
from kunren.wire.message import serialization_error
from kunren.wire.protocols import scalars

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]
MAX_DEPTH = 256


def _token(value: Any) -> str:
    """What Coral calls a JSON value in its messages."""
    if value is True:
        return "TRUE_VALUE"
    if value is False:
        return "FALSE_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    return "DECIMAL_VALUE" if isinstance(value, float) else "NUMBER_VALUE"


def unexpected(value: Any, wanted: str) -> WireError:
    """The text AWS sends when a JSON value has the wrong type."""
    if isinstance(value, dict):
        return serialization_error("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return serialization_error("Start of list found where not expected")
    if wanted in ("structure", "map", "list"):
        return serialization_error("Expected list or null" if wanted == "list" else "Expected null")
    article = "an" if wanted[0] in "AEI" else "a"
    return serialization_error(f"{_token(value)} can not be converted to {article} {wanted}")


def _read_string(value: Any) -> str:
    if value.__class__ is str:
        return value
    raise unexpected(value, "String")


def _read_boolean(value: Any) -> bool:
    if value.__class__ is bool:
        return value
    raise unexpected(value, "Boolean")


def _integer_reader(kind: str) -> Reader:
    wanted = {"integer": "Integer", "long": "Long"}.get(kind, "Integer")

    def read(value: Any) -> int:
        if value.__class__ is int:
            if not scalars.in_integer_range(kind, value):
                raise serialization_error(f"NUMBER_VALUE can not be converted to {wanted}")
            return value
        if value.__class__ is float and value == math.floor(value) and abs(value) < 2**53:
            return int(value)
        raise unexpected(value, wanted)

    return read


def _read_double(value: Any) -> float:
    if value.__class__ is float:
        return value
    if value.__class__ is int:
        return float(value)
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    raise unexpected(value, "Double")


def _read_blob(value: Any) -> bytes:
    if value.__class__ is not str:
        raise unexpected(value, "Blob")
    try:
        return scalars.parse_blob(value)
    except ValueError:
        raise serialization_error("Invalid base64 string") from None


def _read_timestamp(value: Any) -> Any:
    try:
        if value.__class__ in (int, float):
            return scalars.from_epoch(value)
        if value.__class__ is str:
            return scalars.parse_timestamp_text(value)
    except ValueError:
        raise serialization_error(f"{_token(value)} can not be converted to a Timestamp") from None
    raise unexpected(value, "Timestamp")


def _read_jsonvalue(value: Any) -> Any:
    if value.__class__ is not str:
        raise unexpected(value, "String")
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise serialization_error("Invalid JSON in a JSON value") from None


class JsonReaders:
    """Compiles readers for one service; each shape once, recursive shapes included."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[str, Reader] = {}

    def reader(self, member: Member) -> Reader:
        shape = self._service.target(member)
        if member.jsonvalue:
            return _read_jsonvalue
        match shape.type:
            case "string" | "character":
                return _read_string
            case "boolean":
                return _read_boolean
            case "integer" | "long" | "short" | "byte" | "bigInteger":
                return _integer_reader(shape.type)
            case "float" | "double" | "bigDecimal":
                return _read_double
            case "blob":
                return _read_blob
            case "timestamp":
                return _read_timestamp
            case "structure" if shape.document:
                return _identity
            case _:
                return self._compound(shape)

    def structure(self, shape: Shape, only: frozenset[str] | None = None) -> Reader:
        """A reader of a structure; `only` limits it to the members that travel in the body."""
        members: dict[str, tuple[str, Reader]] = {}

        def read(value: Any) -> dict[str, Any]:
            if value.__class__ is not dict:
                raise unexpected(value, "structure")
            out = {}
            for key, item in value.items():
                known = members.get(key)
                if known is not None and item is not None:
                    out[known[0]] = known[1](item)
            return out

        if only is None:
            self._made[shape.name] = read
        for name, member in shape.members.items():
            if only is None or name in only:
                members[member.location_name or name] = (name, self.reader(member))
        return read

    def _compound(self, shape: Shape) -> Reader:
        made = self._made.get(shape.name)
        if made is not None:
            return made
        if shape.type == "structure":
            return self.structure(shape)
        return self._list(shape) if shape.type == "list" else self._map(shape)

    def _list(self, shape: Shape) -> Reader:
        assert shape.member is not None
        inner: Reader

        def read(value: Any) -> list[Any]:
            if value.__class__ is not list:
                raise unexpected(value, "list")
            return [inner(item) if item is not None else None for item in value]

        self._made[shape.name] = read
        inner = self.reader(shape.member)
        return read

    def _map(self, shape: Shape) -> Reader:
        assert shape.value is not None
        inner: Reader
        sparse = shape.sparse

        def read(value: Any) -> dict[str, Any]:
            if value.__class__ is not dict:
                raise unexpected(value, "map")
            return {
                key: inner(item) if item is not None else None
                for key, item in value.items()
                if item is not None or sparse
            }

        self._made[shape.name] = read
        inner = self.reader(shape.value)
        return read


def _identity(value: Any) -> Any:
    return value


def _write_float(value: Any) -> Any:
    number = float(value)
    if math.isfinite(number):
        return number
    return scalars.format_float(number)


def _write_jsonvalue(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


class JsonWriters:
    """Compiles writers for one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[str, Writer] = {}

    def writer(self, member: Member) -> Writer | None:
        """A writer, or None where the value goes out as it is."""
        shape = self._service.target(member)
        if member.jsonvalue:
            return _write_jsonvalue
        match shape.type:
            case "integer" | "long" | "short" | "byte":
                return int
            case "boolean":
                return bool
            case "float" | "double" | "bigDecimal":
                return _write_float
            case "blob":
                return scalars.format_blob
            case "timestamp":
                form = scalars.timestamp_format(member, shape, scalars.UNIX)
                return scalars.epoch_milliseconds if form == scalars.UNIX else scalars.TIMESTAMP_FORMATTERS[form]
            case "structure" if shape.document:
                return None
            case "structure" | "list" | "map":
                return self._compound(shape)
            case _:
                return None

    def structure(self, shape: Shape, only: frozenset[str] | None = None) -> Writer:
        members: list[tuple[str, str, Writer | None]] = []

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            out: dict[str, Any] = {}
            get = value.get
            for name, wire_name, inner in members:
                item = get(name)
                if item is not None:
                    out[wire_name] = item if inner is None else inner(item)
            return out

        if only is None:
            self._made[shape.name] = write
        for name, member in shape.members.items():
            if only is None or name in only:
                members.append((name, member.location_name or name, self.writer(member)))
        return write

    def _compound(self, shape: Shape) -> Writer:
        made = self._made.get(shape.name)
        if made is not None:
            return made
        if shape.type == "structure":
            return self.structure(shape)
        return self._list(shape) if shape.type == "list" else self._map(shape)

    def _list(self, shape: Shape) -> Writer:
        assert shape.member is not None
        inner: Writer | None

        def write(value: Any) -> list[Any]:
            if inner is None:
                return list(value)
            return [inner(item) if item is not None else None for item in value]

        self._made[shape.name] = write
        inner = self.writer(shape.member)
        return write

    def _map(self, shape: Shape) -> Writer:
        assert shape.value is not None
        inner: Writer | None
        sparse = shape.sparse

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            return {
                str(key): item if inner is None or item is None else inner(item)
                for key, item in value.items()
                if item is not None or sparse
            }

        self._made[shape.name] = write
        inner = self.writer(shape.value)
        return write


def decode_body(body: bytes) -> Any:
    """The JSON value of a body; an empty body is an empty object. Raises SerializationException."""
    if not body:
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise serialization_error("Unable to parse the request body as JSON") from None
