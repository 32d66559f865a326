"""Patch operations on shapes: which paths an update knows, and what it does. Pure.

Source: "Patch Operations" of the API Gateway REST API Reference. A `Rule` is one row of a table there: a path of names
and `{placeholders}`, the operations it supports, and what kind of value it holds.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kunren.services.apigateway.errors import BadRequestException

TEXT, BOOLEAN, INTEGER, NUMBER, LIST, FLAG = "text", "boolean", "integer", "number", "list", "flag"
OPTIONAL = "optional"


class Rule(NamedTuple):
    """`kind` LIST: `{item}` stands for a member (or the value is one, where the path ends with the list's name). FLAG:
    a map of booleans, true where no value is given. OPTIONAL: an integer, or nothing where no value is given."""

    path: str
    kind: str = TEXT
    operations: tuple[str, ...] = ("replace",)
    choices: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.path[1:].split("/"))


ALL = ("add", "replace", "remove")
SET = ("replace", "add")


def decode(segment: str) -> str:
    """A segment of a JSON pointer."""
    return segment.replace("~1", "/").replace("~0", "~")


def patched(
    shape: Mapping[str, Any], operations: Iterable[Mapping[str, Any]] | None, rules: Sequence[Rule]
) -> dict[str, Any]:
    """The shape after the operations, all or none. Raises BadRequestException."""
    made = copy.deepcopy(dict(shape))
    for operation in operations or ():
        apply(made, operation, rules)
    return made


def apply(shape: dict[str, Any], operation: Mapping[str, Any], rules: Sequence[Rule]) -> None:
    op, path = operation.get("op"), operation.get("path") or ""
    if not op:
        raise BadRequestException("Invalid patch operation specified. Must be one of: [add, remove, replace, copy]")
    segments = [decode(each) for each in path.removeprefix("/").split("/")]
    rule = next((each for each in rules if _fits(each, segments)), None)
    if rule is None or op not in rule.operations:
        able = ", ".join(each.path for each in rules if op in each.operations)
        raise BadRequestException(f"Invalid patch path '{path}' specified for op '{op}'. Must be one of: [{able}]")
    value = _lookup(shape, operation.get("from") or "") if op == "copy" else operation.get("value")
    _set(shape, rule, segments, op, value)


def _fits(rule: Rule, segments: Sequence[str]) -> bool:
    names = rule.names
    return len(names) == len(segments) and all(
        name.startswith("{") or name == segment for name, segment in zip(names, segments, strict=True)
    )


def _lookup(shape: Mapping[str, Any], path: str) -> Any:
    found: Any = shape
    for segment in path.removeprefix("/").split("/"):
        if not isinstance(found, Mapping) or decode(segment) not in found:
            raise BadRequestException(f"Invalid patch path '{path}' specified for op 'copy'.")
        found = found[decode(segment)]
    return found


def _set(shape: dict[str, Any], rule: Rule, segments: list[str], op: str, value: Any) -> None:
    owner: dict[str, Any] = shape
    *above, last = segments
    if rule.kind == LIST:
        _set_in_list(shape, rule, segments, op, value)
        return
    for name in above:
        if op == "remove" and name not in owner:
            return
        owner = owner.setdefault(name, {})
    if op == "remove":
        owner.pop(last, None)
        if above and not owner:  # a map that has lost its last entry is not shown
            _prune(shape, above)
    else:
        owner[last] = typed(rule, value)


def _prune(shape: dict[str, Any], names: list[str]) -> None:
    owner = shape
    for name in names[:-1]:
        owner = owner[name]
    owner.pop(names[-1], None)


def _set_in_list(shape: dict[str, Any], rule: Rule, segments: list[str], op: str, value: Any) -> None:
    names = rule.names
    named = names[-1].startswith("{")
    place = segments[:-1] if named else segments
    owner = shape
    for name in place[:-1]:
        owner = owner.setdefault(name, {})
    items = list(owner.get(place[-1]) or [])
    item = segments[-1] if named else value
    if op == "add":
        if item is None:
            raise BadRequestException(f"Invalid patch path '/{'/'.join(segments)}' specified for op 'add'.")
        if item not in items:
            items.append(item)
    elif op == "remove":
        items = [each for each in items if each != item] if item is not None else []
    elif named:
        if item not in items:
            raise BadRequestException(f"Invalid patch path '/{'/'.join(segments)}': no such member")
        items = [value if each == item else each for each in items]
    else:
        items = [each.strip() for each in str(value or "").split(",") if each.strip()]
    if items:
        owner[place[-1]] = items
    else:
        owner.pop(place[-1], None)


def typed(rule: Rule, value: Any) -> Any:
    """A patch's value, always text, as what it means. Raises BadRequestException."""
    if value is None and rule.kind in (FLAG, TEXT):
        return True if rule.kind == FLAG else ""
    if rule.kind == OPTIONAL and value in (None, ""):
        return None
    if value is None:
        raise BadRequestException(f"Invalid null value specified for path '{rule.path}'")
    if not isinstance(value, str):
        return value
    if rule.kind in (BOOLEAN, FLAG):
        if value.lower() not in ("true", "false"):
            raise BadRequestException(f"Invalid boolean value '{value}' specified for path '{rule.path}'")
        return value.lower() == "true"
    if rule.kind in (INTEGER, NUMBER, OPTIONAL):
        try:
            number = float(value) if rule.kind == NUMBER else int(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise BadRequestException(f"Invalid number '{value}' specified for path '{rule.path}'")
        return number
    if rule.choices and value not in rule.choices:
        raise BadRequestException(
            f"Invalid value '{value}' specified for path '{rule.path}'. Must be one of: [{', '.join(rule.choices)}]"
        )
    return value
