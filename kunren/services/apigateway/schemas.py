"""Models' schemas (JSON schema, draft 4): checked, resolved, and bodies by them. Pure.

Models refer to each other by `https://apigateway.amazonaws.com/restapis/API/models/NAME`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft4Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable

from kunren.core.patterns import BadPattern, occurs
from kunren.services.apigateway.errors import BadRequestException

BYTES_MAX = 409_600
_MARK = "/models/"
_HOST = "https://apigateway.amazonaws.com/restapis/"
_DEPTH_MAX = 100
_ERRORS_MAX = 20


def check_schema(text: str) -> None:
    """Raises BadRequestException."""
    if len(text) > BYTES_MAX:
        raise BadRequestException(f"Model schema must not be larger than {BYTES_MAX} bytes")
    schema = parse(text)
    try:
        Draft4Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        what = error.message if isinstance(error, SchemaError) else "nested too deeply"
        raise BadRequestException(
            f"Invalid model specified: Validation Result: warnings : [], errors : [{what}]"
        ) from None
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


@lru_cache(maxsize=256)
def _validator(text: str) -> Draft4Validator:
    return _BODIES(json.loads(text))


def _check_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not occurs(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_BODIES = validators.extend(Draft4Validator, {"pattern": _check_pattern})
"""Draft 4, with an end to what patterns may take."""


def validation_errors(schema: str, document: Any) -> list[str]:
    """What is wrong with a document, as API Gateway's validator words it."""
    try:
        found = []
        for error in _validator(schema).iter_errors(document):
            found.append(_words(error))
            if len(found) == _ERRORS_MAX:
                break
    except (Unresolvable, RecursionError, BadPattern, re.error) as error:
        return [f"the schema could not be followed: {error}"]
    return found


def _words(error: ValidationError) -> str:
    if error.validator == "required":
        missing = [each for each in error.validator_value if each not in error.instance]
        return f"object has missing required properties ({json.dumps(missing)})"
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        allowed = f"does not match any allowed primitive type (allowed: {json.dumps(kinds)})"
        return f"instance type ({_kind(error.instance)}) {allowed}"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = set(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - known)
        return f"object instance has properties which are not allowed by the schema: {json.dumps(unknown)}"
    return str(error.message)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")


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
