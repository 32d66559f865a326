"""`Filters` of every Describe operation: pure, and the same for all of them.

Each operation has a table of the filter names that its page of the API reference lists, with the attribute each one
looks at. Filters are joined by AND, the values of one by OR; values are case sensitive, `*` and `?` are wildcards
and a backslash takes their meaning away ("Filter wildcards" in the EC2 user guide). `tag:KEY`, `tag-key` and
`tag-value` come by themselves where resources have tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from kunren.services.ec2 import errors

T = TypeVar("T")
Value: TypeAlias = str | bool | int | Iterable[str | None] | None
Getter: TypeAlias = Callable[[T], Value]
VALUES_MAX = 200
_WILD = re.compile(r"\\(.)|([*?])|([^\\*?]+|\\$)", re.DOTALL)


def select(
    items: Iterable[T],
    wanted: Sequence[Mapping[str, Any]] | None,
    table: Mapping[str, Getter[T]],
    tags: Callable[[T], Mapping[str, str]] | None = None,
) -> list[T]:
    """The items that every filter lets pass, in their order. Raises InvalidParameterValue for an unknown filter."""
    checks = [_check(each, table, tags) for each in wanted or ()]
    return [item for item in items if all(check(item) for check in checks)]


def _check(
    wanted: Mapping[str, Any],
    table: Mapping[str, Getter[T]],
    tags: Callable[[T], Mapping[str, str]] | None,
) -> Callable[[T], bool]:
    name = wanted.get("Name")
    if not name:
        raise errors.InvalidParameterValue("The filter 'null' is invalid")
    values = list(wanted.get("Values") or ())
    if len(values) > VALUES_MAX:
        raise errors.FilterLimitExceeded()
    getter = table.get(name) or _tag_getter(name, tags)
    if getter is None:
        raise errors.InvalidParameterValue(f"The filter '{name}' is invalid")
    known = getter
    test = matcher(values)
    return lambda item: any(test(text) for text in _texts(known(item)))


def _tag_getter(name: str, tags: Callable[[T], Mapping[str, str]] | None) -> Getter[T] | None:
    if tags is None:
        return None
    of = tags
    if name == "tag-key":
        return lambda item: tuple(of(item))
    if name == "tag-value":
        return lambda item: tuple(of(item).values())
    if name.startswith("tag:"):
        key = name[4:]
        return lambda item: of(item).get(key)
    return None


def _texts(value: Value) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, str):
        return (value,)
    if isinstance(value, int):
        return (str(value),)
    return tuple(each for each in value if each is not None)


def matcher(values: Sequence[str]) -> Callable[[str], bool]:
    """Does a text match any of the values, which may have wildcards."""
    plain = {each for each in values if not any(mark in each for mark in "*?\\")}
    patterns = [pattern(each) for each in values if each not in plain]
    return lambda text: text in plain or any(each.fullmatch(text) for each in patterns)


def pattern(value: str) -> re.Pattern[str]:
    """A value with wildcards as a regular expression: `*` is any text, also none; `?` is one character."""
    parts = []
    for escaped, wild, literal in _WILD.findall(value):
        if wild:
            parts.append(".*" if wild == "*" else ".")
        else:
            parts.append(re.escape(escaped or literal))
    return re.compile("".join(parts), re.DOTALL)
