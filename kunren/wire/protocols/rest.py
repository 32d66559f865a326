"""What rest-json and rest-xml share: members that travel in the path, the query string, headers and the status.

`compile_request` gives a function that fills in the members outside the body, and says which members the body holds;
`compile_response` gives one that takes the result's members for headers and status out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from kunren.core.errors import WireError
from kunren.wire.catalog import Member, Operation, Service, Shape
from kunren.wire.message import Message, Params
from kunren.wire.protocols import scalars

_LOCATED = ("uri", "querystring", "header", "headers")
_IN_RESPONSE = ("header", "headers", "statusCode")
Fill = Callable[[Message, Mapping[str, str], Params], None]


class RequestPlan(NamedTuple):
    """How a request's members are found: `fill` for those outside the body."""

    fill: Fill
    payload: Member | None
    payload_name: str
    body_members: frozenset[str]


def decode_text(text: str) -> str:
    """A percent-encoded part of a URL as text. Raises WireError where it is no UTF-8."""
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise WireError("SerializationException", "The URL contains bytes that are not UTF-8", 400) from None


def query_values(query: str) -> dict[str, list[str]]:
    """The query string's parameters with all their values, in order."""
    found: dict[str, list[str]] = {}
    if not query:
        return found
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(_query_text(name), []).append(_query_text(value))
    return found


def _query_text(text: str) -> str:
    return decode_text(text.replace("+", " ") if "+" in text else text)


def compile_request(service: Service, operation: Operation) -> RequestPlan:
    shape = service.input_shape(operation)
    if shape is None:
        return RequestPlan(lambda request, labels, into: None, None, "", frozenset())
    labels_in: list[tuple[str, str, Callable[[str], Any]]] = []
    queries: list[tuple[str, str, Callable[[list[str]], Any]]] = []
    headers: list[tuple[str, str, Callable[[str], Any]]] = []
    prefixes: list[tuple[str, str]] = []
    query_map: tuple[str, bool] | None = None
    for name, member in shape.members.items():
        target = service.target(member)
        wire_name = member.location_name or name
        if member.location == "uri":
            labels_in.append((name, wire_name, _text_reader(member, target)))
        elif member.location == "querystring" and target.type == "map":
            assert target.value is not None
            query_map = (name, service.target(target.value).type == "list")
        elif member.location == "querystring":
            queries.append((name, wire_name, _query_reader(service, member, target)))
        elif member.location == "header":
            headers.append((name, wire_name.lower(), _header_reader(service, member, target)))
        elif member.location == "headers":
            prefixes.append((name, (member.location_name or "").lower()))

    def fill(request: Message, labels: Mapping[str, str], into: Params) -> None:
        for name, wire_name, read in labels_in:
            if wire_name in labels:
                into[name] = _checked(read, labels[wire_name], name)
        if request.query and (queries or query_map is not None):
            values = query_values(request.query)
            for name, wire_name, read_many in queries:
                if wire_name in values:
                    into[name] = _checked(read_many, values[wire_name], name)
            if query_map is not None:
                into[query_map[0]] = {key: each if query_map[1] else each[-1] for key, each in values.items()}
        got = request.headers
        for name, wire_name, read in headers:
            if wire_name in got:
                into[name] = _checked(read, got[wire_name], name)
        for name, prefix in prefixes:
            found = {key[len(prefix) :]: value for key, value in got.items() if key.startswith(prefix)}
            if found:
                into[name] = found

    payload = shape.members[shape.payload] if shape.payload else None
    body_members = frozenset(name for name, member in shape.members.items() if member.location not in _LOCATED)
    return RequestPlan(fill, payload, shape.payload or "", body_members)


def _checked(read: Callable[[Any], Any], value: Any, name: str) -> Any:
    try:
        return read(value)
    except ValueError:
        text = value[0] if isinstance(value, list) else value
        raise WireError("SerializationException", f"'{text}' can not be converted for the member {name}", 400) from None


def _text_reader(member: Member, shape: Shape) -> Callable[[str], Any]:
    return scalars.text_parser(member, shape)


def _query_reader(service: Service, member: Member, shape: Shape) -> Callable[[list[str]], Any]:
    if shape.type == "list":
        assert shape.member is not None
        each = scalars.text_parser(shape.member, service.target(shape.member))
        return lambda values: [each(value) for value in values]
    one = scalars.text_parser(member, shape)
    return lambda values: one(values[-1])


def _header_reader(service: Service, member: Member, shape: Shape) -> Callable[[str], Any]:
    if member.jsonvalue:
        return _read_json_header
    if shape.type == "list":
        assert shape.member is not None
        target = service.target(shape.member)
        each = scalars.text_parser(shape.member, target)
        if target.type == "timestamp" and scalars.timestamp_format(shape.member, target, scalars.RFC822) == "rfc822":
            return lambda text: [each(part) for part in _split_dates(text)]
        return lambda text: [each(part) for part in split_header_list(text)]
    return scalars.text_parser(member, shape)


def _read_json_header(text: str) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError(text) from None


def split_header_list(text: str) -> list[str]:
    """A header's comma-separated values, quoted ones unquoted."""
    if not text:
        return []
    out: list[str] = []
    current: list[str] = []
    quoted = escaped = False
    for char in text:
        if escaped:
            current.append(char)
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            out.append("".join(current).strip())
            current = []
        else:
            current.append(char)
    out.append("".join(current).strip())
    return out


def _split_dates(text: str) -> list[str]:
    """RFC 822 dates hold a comma themselves: every second one separates."""
    parts = text.split(",")
    return [",".join(parts[i : i + 2]).strip() for i in range(0, len(parts), 2)]


class ResponsePlan(NamedTuple):
    """How a result leaves the body: `headers` gives (headers, status); the rest is the body's."""

    headers: Callable[[Mapping[str, Any]], list[tuple[str, str]]]
    status_member: str | None
    status: int
    payload: Member | None
    payload_name: str
    body_members: frozenset[str]


def compile_response(service: Service, operation: Operation, shape: Shape | None = None) -> ResponsePlan:
    """For an operation's output, or for `shape` (an error's) where it is given."""
    shape = shape or service.output_shape(operation)
    status = operation.http.response_code
    if shape is None:
        return ResponsePlan(lambda result: [], None, status, None, "", frozenset())
    plain: list[tuple[str, str, Callable[[Any], str]]] = []
    prefixes: list[tuple[str, str]] = []
    status_member: str | None = None
    for name, member in shape.members.items():
        if member.location == "header":
            plain.append((name, member.location_name or name, _header_writer(service, member)))
        elif member.location == "headers":
            prefixes.append((name, member.location_name or ""))
        elif member.location == "statusCode":
            status_member = name

    def headers(result: Mapping[str, Any]) -> list[tuple[str, str]]:
        out: list[tuple[str, str]] = []
        for name, wire_name, write in plain:
            value = result.get(name)
            if value is not None:
                out.append((wire_name, write(value)))
        for name, prefix in prefixes:
            out.extend((prefix + key, str(value)) for key, value in (result.get(name) or {}).items())
        return out

    payload = shape.members[shape.payload] if shape.payload else None
    body_members = frozenset(name for name, member in shape.members.items() if member.location not in _IN_RESPONSE)
    return ResponsePlan(headers, status_member, status, payload, shape.payload or "", body_members)


def _header_writer(service: Service, member: Member) -> Callable[[Any], str]:
    shape = service.target(member)
    if member.jsonvalue:
        return lambda value: base64.b64encode(
            value.encode() if isinstance(value, str) else msgspec.json.encode(value)
        ).decode()
    if shape.type == "list":
        assert shape.member is not None
        target = service.target(shape.member)
        each = scalars.text_formatter(shape.member, target, scalars.RFC822)
        return lambda values: ", ".join(_quoted(each(value), target.type) for value in values)
    return scalars.text_formatter(member, shape, scalars.RFC822)


def _quoted(text: str, kind: str) -> str:
    if kind == "string" and ("," in text or '"' in text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def payload_bytes(value: Any) -> bytes | AsyncIterator[bytes]:
    """A blob or string payload as bytes, or as the pieces that it comes in."""
    if isinstance(value, AsyncIterable):
        return aiter(value)
    return value.encode() if isinstance(value, str) else bytes(value)
