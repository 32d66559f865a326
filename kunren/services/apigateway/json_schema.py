"""Documents by JSON schemas of draft 4, in API Gateway's words. Pure.

Apart from `schemas`, and imported when the first schema is met: the library takes 5 MB and 40 ms to load.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft4Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable

from kunren.core.patterns import BadPattern, occurs

_ERRORS_MAX = 20


def wrong_with(schema: Any) -> str:
    """Why it is no schema; "" where it is one."""
    try:
        Draft4Validator.check_schema(schema)
    except SchemaError as error:
        return str(error.message)
    except RecursionError:
        return "nested too deeply"
    return ""


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
