"""Generated probes: values for a shape from a seed, and what botocore's clients send and read."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import botocore.session
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from kunren.gateway.http import HttpRequest
from kunren.wire.catalog import Catalog, Member, Service, Shape

CATALOG = Catalog()
_LOADER = botocore.session.Session().get_component("data_loader")
_TEXTS = ["a", "plain text", "with & < > \" '", "ünïcode ✓", "x=1&y=2", "a/b c+d%20", "line"]


def botocore_model(service: str) -> Any:
    from botocore.model import ServiceModel

    return ServiceModel(_LOADER.load_service_model(service, "service-2"), service_name=service)


class Values:
    """Values that fit a shape; every member with a chance of one half, the required ones always."""

    def __init__(self, service: Service, seed: str, output: bool = False) -> None:
        self._service = service
        self._random = random.Random(seed)
        self._output = output

    def of(self, member: Member, depth: int = 0) -> Any:
        shape = self._service.target(member)
        if member.jsonvalue:
            return {"k": [1, "v"]}
        match shape.type:
            case "structure":
                return self.structure(shape, depth)
            case "list":
                assert shape.member is not None
                return [self.of(shape.member, depth + 1) for _ in range(self._random.randint(1, 2))]
            case "map":
                assert shape.key is not None and shape.value is not None
                return {
                    self._key(shape.key, i): self.of(shape.value, depth + 1) for i in range(self._random.randint(1, 2))
                }
            case "string" | "character":
                return self._text(member, shape)
            case "integer":
                return self._random.randint(-(2**31), 2**31 - 1)
            case "long":
                return self._random.randint(-(2**53), 2**53)
            case "float" | "double":
                return self._random.randint(-1000, 1000) / 8
            case "boolean":
                return self._random.random() < 0.5
            case "timestamp":
                return datetime.fromtimestamp(self._random.randint(0, 2**31), UTC)
            case "blob":
                return self._random.randbytes(self._random.randint(1, 9))
            case other:
                raise AssertionError(other)

    def _key(self, member: Member, i: int) -> str:
        shape = self._service.target(member)
        return shape.enum[i % len(shape.enum)] if shape.enum else f"key{i}"

    def _text(self, member: Member, shape: Shape) -> str:
        if shape.enum:
            return self._random.choice(shape.enum)
        if member.host_label:
            return "label"
        if member.location in ("header", "headers"):
            return self._random.choice(["plain", "with space", "a-b_c"])
        if member.location == "uri":
            return self._random.choice(["plain", "with space", "a:b@c", "ünï"])
        return self._random.choice(_TEXTS)

    def structure(self, shape: Shape, depth: int = 0) -> dict[str, Any]:
        if shape.document:
            return {"any": ["thing", 1]}
        # The query protocols cannot say "empty structure".
        able = [name for name, member in shape.members.items() if not self._hollow(member)] or list(shape.members)
        names = [name for name in able if name in shape.required or (depth < 4 and self._random.random() < 0.5)]
        if able and (shape.union or (depth and not names)):
            names = [self._random.choice(able)]
        if shape.payload and depth == 0 and shape.payload not in names:
            names.append(shape.payload)
        return {name: self._member(shape, name, depth) for name in shape.members if name in names}

    def _hollow(self, member: Member) -> bool:
        target = self._service.target(member)
        return target.type == "structure" and not target.members

    def _member(self, shape: Shape, name: str, depth: int) -> Any:
        member = shape.members[name]
        if member.location == "headers":
            return {"one": "first", "two": "second"}
        if member.location == "statusCode":
            return 202
        target = self._service.target(member)
        if member.location == "querystring" and target.type == "map":
            return {"extra": ["1", "2"]} if self._service.target(target.value).type == "list" else {"extra": "1"}  # type: ignore[arg-type]
        return self.of(member, depth + 1)


def request_of(model: Any, operation: str, params: dict[str, Any], protocol: str) -> HttpRequest:
    """The request that botocore sends."""
    serialized = create_serializer(protocol, include_validation=False).serialize_to_request(
        params, model.operation_model(operation)
    )
    path, _, query = serialized["url_path"].partition("?")
    sent = serialized["query_string"]
    if sent:
        pairs = sent.items() if isinstance(sent, dict) else sent
        encoded = urlencode([(k, v) for k, vs in pairs for v in (vs if isinstance(vs, list) else [vs])])
        query = f"{query}&{encoded}" if query else encoded
    body = serialized["body"]
    if isinstance(body, dict):
        body = urlencode(body).encode()
    elif isinstance(body, str):
        body = body.encode()
    headers = {key.lower(): _text(value) for key, value in serialized["headers"].items()}
    headers["content-length"] = str(len(body))
    return HttpRequest(serialized["method"], path, query, headers, bytes(body))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def read_by_botocore(
    model: Any, operation: str, protocol: str, status: int, headers: list[tuple[str, str]], body: bytes
) -> Any:
    """What botocore's client makes of an answer, without its metadata."""
    output = model.operation_model(operation).output_shape
    raw = {
        "status_code": status,
        "headers": HeadersDict(dict(headers)),
        "body": body,
        "context": {"operation_name": operation},
    }
    if output is not None and output.serialization.get("payload"):
        payload = output.members.get(output.serialization["payload"])
        if payload is not None and payload.type_name == "blob":
            return None  # a client hands such a body out as a stream
    parsed = create_parser(protocol).parse(raw, output)
    parsed.pop("ResponseMetadata", None)
    return parsed
