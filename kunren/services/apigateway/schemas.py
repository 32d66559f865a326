"""Models' schemas (JSON schema, draft 4): checked, resolved, made examples of. Pure. Bodies: `json_schema`.

Models refer to each other by `https://apigateway.amazonaws.com/restapis/API/models/NAME`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.services.apigateway.errors import BadRequestException

BYTES_MAX = 409_600
_MARK = "/models/"
_HOST = "https://apigateway.amazonaws.com/restapis/"
_DEPTH_MAX = 100


def check_schema(text: str) -> None:
    """Raises BadRequestException."""
    from kunren.services.apigateway import json_schema

    if len(text) > BYTES_MAX:
        raise BadRequestException(f"Model schema must not be larger than {BYTES_MAX} bytes")
    schema = parse(text)
    if what := json_schema.wrong_with(schema):
        raise BadRequestException(f"Invalid model specified: Validation Result: warnings : [], errors : [{what}]")
    if external := _external(schema):
        raise BadRequestException(
            "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified. "
            f"Unsupported reference: {external}]"
        )


def parse(text: str) -> dict[str, Any]:
    """Raises BadRequestException."""
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise BadRequestException(
            "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]"
        )
    return schema


def _external(schema: Any) -> str:
    """A reference that leads to neither the schema itself nor a model."""
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            told = each.get("$ref")
            if isinstance(told, str) and not told.startswith(("#", _HOST)):
                return told
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return ""


def model_of(reference: str) -> str | None:
    """The model's name that a reference leads to."""
    return reference.rpartition(_MARK)[2] if reference.startswith(_HOST) and _MARK in reference else None


def bundle(schema: Any, models: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with all models that it leads to as its definitions; recursive ones stay references."""
    wanted: dict[str, Any] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            name = model_of(value["$ref"]) if isinstance(value.get("$ref"), str) else None
            if name is not None:
                if name not in wanted:
                    wanted[name] = True
                    told = models.get(name, {}).get("schema")
                    wanted[name] = walk(json.loads(told)) if told else {}
                return {"$ref": f"#/definitions/{name}"}
            return {key: walk(each) for key, each in value.items()}
        return [walk(each) for each in value] if isinstance(value, list) else value

    made: dict[str, Any] = walk(schema)
    return {**made, "definitions": {**made.get("definitions", {}), **wanted}} if wanted else made


def flattened(text: str, models: Mapping[str, Any]) -> str:
    return json.dumps(bundle(parse(text), models), separators=(",", ":"))


def sample(text: str) -> str:
    """A template that maps each property of the schema, as GetModelTemplate makes one."""
    schema = parse(text)
    lines = ["#set($inputRoot = $input.path('$'))", _sample(schema, "$inputRoot", 0)]
    return "\n".join(lines)


def _sample(schema: Any, at: str, depth: int) -> str:
    pad = "  " * depth
    kind = schema.get("type") if isinstance(schema, dict) else None
    if depth > 10:
        return "{}"
    if kind == "object" or (isinstance(schema, dict) and "properties" in schema):
        members = [
            f'{pad}  "{name}" : {_sample(each, f"{at}.{name}", depth + 1)}'
            for name, each in schema.get("properties", {}).items()
        ]
        return "{\n" + ",\n".join(members) + f"\n{pad}}}" if members else "{ }"
    if kind == "array":
        inner = _sample(schema.get("items", {}), "$elem", depth + 1)
        return f"[\n#foreach($elem in {at})\n{pad}  {inner}#if($foreach.hasNext),#end\n#end\n{pad}]"
    return f'"{at}"' if kind == "string" else at
