"""The published schemas of resource types (cfn-lint carries them): which properties there are, which of them only a
new resource can have, which name it, and what kind of values they take. Read from its data files, one type at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_DEPTH_MAX = 40


@dataclass(frozen=True)
class Schema:
    """One type's. Paths of properties are as `Listeners/*/Port`."""

    type: str
    document: Mapping[str, Any]
    properties: Mapping[str, Any]
    create_only: frozenset[str]
    maybe_create_only: frozenset[str]
    read_only: frozenset[str]
    write_only: frozenset[str]
    primary: tuple[str, ...]
    tag_property: str


@lru_cache
def _folder() -> Path:
    found = find_spec("cfnlint")
    assert found is not None and found.origin is not None  # a dependency
    return Path(found.origin).parent / "data" / "schemas"


@lru_cache
def published() -> Mapping[str, str]:
    """All types that AWS publishes, each with the name of its file."""
    found: dict[str, str] = json.loads((_folder() / "providers" / "us-east-1.json").read_bytes())
    return found


@lru_cache(maxsize=512)
def schema(type: str) -> Schema | None:
    """None where AWS has no such type."""
    file = published().get(type)
    if file is None:
        return None
    document = json.loads((_folder() / "resources" / f"{file}.json").read_bytes())

    def paths(key: str) -> frozenset[str]:
        return frozenset(each.removeprefix("/properties/") for each in document.get(key, ()) if isinstance(each, str))

    tagging = document.get("tagging") or {}
    return Schema(
        type=type,
        document=document,
        properties=document.get("properties", {}),
        create_only=paths("createOnlyProperties"),
        maybe_create_only=paths("conditionalCreateOnlyProperties"),
        read_only=paths("readOnlyProperties"),
        write_only=paths("writeOnlyProperties"),
        primary=tuple(
            each.removeprefix("/properties/") for each in document.get("primaryIdentifier", ()) if isinstance(each, str)
        ),
        tag_property=str(tagging.get("tagProperty", "/properties/Tags")).removeprefix("/properties/"),
    )


def coerced(of: Schema, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with values of the kinds that the schema wants: "80" is a number where a number belongs, as in
    CloudFormation; what fits nothing stays as it is."""
    found = _coerced(of.document, {"properties": of.properties}, properties, 0)
    assert isinstance(found, dict)
    return found


def _node(document: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    seen = 0
    while isinstance(node, dict) and "$ref" in node and seen < _DEPTH_MAX:
        found: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        node, seen = found, seen + 1
    return node if isinstance(node, dict) else {}


def _kinds(node: Mapping[str, Any]) -> tuple[str, ...]:
    kind = node.get("type", ())
    return (kind,) if isinstance(kind, str) else tuple(kind)


def _coerced(document: Mapping[str, Any], node: Any, value: Any, depth: int) -> Any:
    node = _node(document, node)
    if depth > _DEPTH_MAX:
        return value
    if isinstance(value, dict):
        properties = node.get("properties", {})
        patterns = list((node.get("patternProperties") or {}).values())
        rest = patterns[0] if patterns else node.get("additionalProperties")
        return {
            key: _coerced(document, properties.get(key, rest if isinstance(rest, dict) else {}), each, depth + 1)
            for key, each in value.items()
        }
    kinds = _kinds(node)
    if isinstance(value, list):
        return [_coerced(document, node.get("items", {}), each, depth + 1) for each in value]
    if isinstance(value, str) and kinds and "string" not in kinds:
        return _from_text(kinds, value)
    if not isinstance(value, str) and "string" in kinds and not {"boolean", "integer", "number"} & set(kinds):
        return ("true" if value else "false") if isinstance(value, bool) else value if value is None else str(value)
    return value


def _from_text(kinds: tuple[str, ...], value: str) -> Any:
    if "boolean" in kinds and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if "integer" in kinds and re.fullmatch(r"-?\d+", value):
        return int(value)
    if "number" in kinds:
        try:
            return float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            return value
    return value


def violations(of: Schema, properties: Mapping[str, Any]) -> list[str]:
    """What is wrong with the properties, in the words of AWS's own check: missing, unknown, of the wrong kind."""
    top = {"type": "object", **{key: of.document.get(key) for key in ("properties", "required") if key in of.document}}
    found = list(_violations(of.document, {**top, "additionalProperties": False}, properties, "#", 0))
    return found + [f"#: extraneous key [{each}] is not permitted" for each in properties if each in of.read_only]


_PYTHON = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
_SAID = {
    "string": "String",
    "integer": "Integer",
    "boolean": "Boolean",
    "array": "JSONArray",
    "object": "JSONObject",
    "number": "Number",
}


def _is(kind: str, value: Any) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return kind not in _PYTHON or isinstance(value, _PYTHON[kind])


def _name_of(value: Any) -> str:
    return next((said for kind, said in _SAID.items() if _is(kind, value)), "null")


def _violations(document: Mapping[str, Any], node: Any, value: Any, at: str, depth: int) -> Iterator[str]:
    node = _node(document, node)
    kinds = _kinds(node)
    if depth > _DEPTH_MAX:
        return
    if kinds and not any(_is(kind, value) for kind in kinds):
        yield f"{at}: expected type: {_SAID.get(kinds[0], kinds[0])}, found: {_name_of(value)}"
        return
    if "enum" in node and value not in node["enum"] and not isinstance(value, dict | list):
        yield f"{at}: {value} is not a valid enum value"
    if isinstance(value, dict):
        properties = node.get("properties", {})
        yield from (f"{at}: required key [{each}] not found" for each in node.get("required", ()) if each not in value)
        for key, each in value.items():
            if key in properties:
                yield from _violations(document, properties[key], each, f"{at}/{key}", depth + 1)
            elif node.get("additionalProperties") is False and not node.get("patternProperties"):
                yield f"{at}: extraneous key [{key}] is not permitted"
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _violations(document, node.get("items", {}), each, f"{at}/{index}", depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in node and value < node["minimum"]:
            yield f"{at}: {value} is not greater or equal to {node['minimum']}"
        if "maximum" in node and value > node["maximum"]:
            yield f"{at}: {value} is not less or equal to {node['maximum']}"


def differing(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """The paths at which two values differ, as deep as objects go (lists count as one value, by their items)."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            inner = f"{at}/{key}" if at else key
            if key not in before or key not in after:
                yield inner
            else:
                yield from differing(before[key], after[key], inner)
    elif before != after:
        yield at


def replaces(of: Schema, paths: list[str]) -> list[str]:
    """Those of the changed paths that only a new resource can have."""
    return [each for each in paths if any(_covers(only, each) or _covers(each, only) for only in of.create_only)]


def _covers(outer: str, path: str) -> bool:
    return path == outer or path.startswith(outer + "/")
