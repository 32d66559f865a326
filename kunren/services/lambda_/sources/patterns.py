"""Filter patterns of event source mappings (developer guide, "Control which events Lambda sends"). Pure.

A pattern is an object whose leaves are lists of what is allowed: values, or objects with one comparison. `$or` holds
alternatives. All of a pattern must match.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

_ABSENT = object()
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "prefix": str.startswith,
    "suffix": str.endswith,
    "equals-ignore-case": lambda one, other: one.lower() == other.lower(),
}


class InvalidPattern(ValueError):
    """Not a pattern that can be matched."""


def parse_pattern(text: str) -> Mapping[str, Any]:
    """Raises InvalidPattern."""
    try:
        pattern = json.loads(text)
    except ValueError:
        raise InvalidPattern(text) from None
    if not isinstance(pattern, dict):
        raise InvalidPattern(text)
    _check(pattern)
    return pattern


def _check(pattern: Mapping[str, Any]) -> None:
    for key, wanted in pattern.items():
        if key == "$or":
            if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
                raise InvalidPattern(key)
            for each in wanted:
                _check(each)
        elif isinstance(wanted, dict):
            _check(wanted)
        elif not isinstance(wanted, list) or not wanted or not all(_sound(each) for each in wanted):
            raise InvalidPattern(key)


def _sound(allowed: Any) -> bool:
    if not isinstance(allowed, dict):
        return not isinstance(allowed, list)
    if len(allowed) != 1:
        return False
    ((name, told),) = allowed.items()
    if name == "exists":
        return isinstance(told, bool)
    if name in _TEXT:
        return isinstance(told, str)
    if name == "anything-but":
        return all(isinstance(each, str | int | float) for each in (told if isinstance(told, list) else [told]))
    if name == "numeric":
        return (
            isinstance(told, list)
            and len(told) in (2, 4)
            and all(each in _NUMERIC for each in told[::2])
            and all(isinstance(each, int | float) for each in told[1::2])
        )
    return False


def matches(pattern: Mapping[str, Any], value: Any) -> bool:
    """Whether a record, as JSON has it, is let through."""
    if not isinstance(value, Mapping):
        return False
    for key, wanted in pattern.items():
        if key == "$or":
            if not any(matches(each, value) for each in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not matches(wanted, value.get(key, {} if _only_absence(wanted) else None)):
                return False
        elif not any(_allows(each, value.get(key, _ABSENT)) for each in wanted):
            return False
    return True


def _only_absence(pattern: Mapping[str, Any]) -> bool:
    return all(
        _only_absence(each) if isinstance(each, Mapping) else {"exists": False} in each for each in pattern.values()
    )


def _allows(allowed: Any, value: Any) -> bool:
    if isinstance(allowed, Mapping) and "exists" in allowed:
        return bool(allowed["exists"]) == (value is not _ABSENT)
    if isinstance(value, list):
        return any(_allows(allowed, each) for each in value)
    if value is _ABSENT or isinstance(value, Mapping):
        return False
    if not isinstance(allowed, Mapping):
        return isinstance(value, bool) == isinstance(allowed, bool) and bool(value == allowed)
    ((name, told),) = allowed.items()
    if name in _TEXT:
        return isinstance(value, str) and _TEXT[name](value, told)
    if name == "anything-but":
        return value not in (told if isinstance(told, list) else [told])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and all(_NUMERIC[sign](value, limit) for sign, limit in zip(told[::2], told[1::2], strict=True))
