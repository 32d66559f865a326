"""Event patterns: which events a rule of EventBridge wants, and which records an event source of Lambda. Pure.

"Amazon EventBridge event patterns" and "Comparison operators" in the user guide: an object whose leaves are lists of
what is allowed; all fields must match, one of a list's values is enough; `$or` holds alternatives.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_ABSENT = object()
_DEPTH_MAX = 50
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
_TEXTS = ("prefix", "suffix", "equals-ignore-case", "wildcard")


class InvalidPattern(ValueError):
    """It is none; the text says why."""


def parse(text: str) -> Mapping[str, Any]:
    """Raises InvalidPattern."""
    try:
        pattern = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidPattern("it is not valid JSON") from None
    if not isinstance(pattern, dict):
        raise InvalidPattern("it is not an object")
    _check(pattern, 0)
    return pattern


def _check(pattern: Mapping[str, Any], depth: int) -> None:
    if not pattern and depth == 0:
        raise InvalidPattern("it has no field")
    if depth > _DEPTH_MAX:
        raise InvalidPattern("it is nested too deeply")
    for key, wanted in pattern.items():
        if key == "$or" and isinstance(wanted, list) and all(isinstance(each, dict) for each in wanted):
            if len(wanted) < 2:
                raise InvalidPattern("$or needs two alternatives")
            for each in wanted:
                _check(each, depth + 1)
        elif isinstance(wanted, dict):
            if not wanted:
                raise InvalidPattern(f"{key} is an empty object")
            _check(wanted, depth + 1)
        elif not isinstance(wanted, list):
            raise InvalidPattern(f'"{key}" must be an object or an array')
        elif not wanted:
            raise InvalidPattern(f"{key} is an empty array")
        else:
            for each in wanted:
                _check_one(key, each)


def _check_one(key: str, allowed: Any) -> None:
    if isinstance(allowed, list):
        raise InvalidPattern(f"{key} has an array in its array")
    if not isinstance(allowed, dict):
        return
    if len(allowed) != 1:
        raise InvalidPattern(f"{key}: only one comparison is allowed in an object")
    ((name, told),) = allowed.items()
    if name in _TEXTS:
        inner = told.get("equals-ignore-case") if isinstance(told, dict) and name in ("prefix", "suffix") else told
        sound = isinstance(inner, str) and (name != "wildcard" or "**" not in inner)
    elif name == "exists":
        sound = isinstance(told, bool)
    elif name == "numeric":
        sound = (
            isinstance(told, list) and len(told) in (2, 4) and all(each in _NUMERIC for each in told[::2])
            and all(isinstance(each, int | float) and not isinstance(each, bool) for each in told[1::2])
        )  # fmt: skip
    elif name == "cidr":
        sound = _network(told) is not None
    elif name == "anything-but":
        sound = _sound_exception(told)
    else:
        raise InvalidPattern(f"unrecognized match type {name}")
    if not sound:
        raise InvalidPattern(f"the value of {name} is not allowed")


def _sound_exception(told: Any) -> bool:
    if isinstance(told, dict):
        ((name, inner),) = told.items() if len(told) == 1 else (("", None),)
        inside = inner if isinstance(inner, list) else [inner]
        return name in _TEXTS and bool(inside) and all(isinstance(each, str) for each in inside)
    inside = told if isinstance(told, list) else [told]
    return bool(inside) and all(isinstance(each, str | int | float) for each in inside)


def matches(pattern: Mapping[str, Any], value: Any) -> bool:
    """Whether an event, as JSON has it, is wanted."""
    if isinstance(value, list):  # of objects: one of them is enough
        return any(matches(pattern, each) for each in _objects(value))
    if not isinstance(value, Mapping):
        return False
    for key, wanted in pattern.items():
        if key == "$or" and isinstance(wanted, list) and all(isinstance(each, Mapping) for each in wanted):
            if not any(matches(each, value) for each in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not matches(wanted, value.get(key, {} if _only_absence(wanted) else None)):
                return False
        elif not _any_allows(wanted, value.get(key, _ABSENT)):
            return False
    return True


def _objects(value: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Those in a list, in lists of lists too, without recursion: who wrote the event may have nested it deeply."""
    ahead = [value]
    while ahead:
        for each in ahead.pop():
            if isinstance(each, list):
                ahead.append(each)
            elif isinstance(each, Mapping):
                yield each


def _only_absence(pattern: Mapping[str, Any]) -> bool:
    return all(
        _only_absence(each) if isinstance(each, Mapping) else {"exists": False} in each for each in pattern.values()
    )


def _any_allows(wanted: list[Any], value: Any) -> bool:
    for allowed in wanted:
        if isinstance(allowed, Mapping) and "exists" in allowed:
            leaf = value is not _ABSENT and not isinstance(value, Mapping)
            if bool(allowed["exists"]) == leaf:
                return True
        elif any(_allows(allowed, each) for each in (value if isinstance(value, list) else [value])):
            return True
    return False


def _allows(allowed: Any, value: Any) -> bool:
    if value is _ABSENT or isinstance(value, Mapping | list):
        return False
    if not isinstance(allowed, Mapping):
        return isinstance(value, bool) == isinstance(allowed, bool) and bool(value == allowed)
    ((name, told),) = allowed.items()
    if name in _TEXTS:
        return isinstance(value, str) and _text(name, told, value)
    if name == "numeric":
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return all(_NUMERIC[sign](value, limit) for sign, limit in zip(told[::2], told[1::2], strict=True))
    if name == "cidr":
        network = _network(told)
        try:
            return network is not None and ipaddress.ip_address(value) in network
        except ValueError:
            return False
    if isinstance(told, Mapping):
        ((kind, inner),) = told.items()
        inside = inner if isinstance(inner, list) else [inner]
        return isinstance(value, str) and not any(_text(kind, each, value) for each in inside)
    return not any(_allows(each, value) for each in (told if isinstance(told, list) else [told]))


def _text(name: str, told: Any, value: str) -> bool:
    if isinstance(told, Mapping):
        told, value = told["equals-ignore-case"].lower(), value.lower()
    if name == "prefix":
        return value.startswith(told)
    if name == "suffix":
        return value.endswith(told)
    if name == "equals-ignore-case":
        return bool(value.lower() == told.lower())
    return _wild(told, value)


def _wild(pattern: str, value: str) -> bool:
    """`*` stands for any text, a backslash takes a sign's meaning away. Each star takes as little as it can."""
    parts = [re.sub(r"\\(.)", r"\1", each) for each in re.split(r"(?<!\\)\*", pattern)]
    if len(parts) == 1:
        return value == parts[0]
    first, *middle, last = parts
    if not (value.startswith(first) and value.endswith(last) and len(value) >= len(first) + len(last)):
        return False
    at, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _network(told: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(told, strict=False) if isinstance(told, str) and "/" in told else None
    except ValueError:
        return None
