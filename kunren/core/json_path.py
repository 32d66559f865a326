"""JSONPath, as far as mapping templates use it: names, items, wildcards, slices, descent and simple filters. Pure.

A definite path (names and items only) finds one value or None; any other finds the list of all that fit, as Jayway's
implementation does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"\.\.(?P<deep>[^.\[\]()?@*'\"\s]+|\*|(?=\[))"
    r"|\.(?P<name>(?:length|size)\(\)|[^.\[\]()?@*'\"\s]+)"
    r"|(?P<any>\.\*|\[\s*\*\s*\])"
    r"|\[\s*(?P<items>-?\d+(?:\s*,\s*-?\d+)*)\s*\]"
    r"|\[\s*(?P<names>(?:'[^']*'|\"[^\"]*\")(?:\s*,\s*(?:'[^']*'|\"[^\"]*\"))*)\s*\]"
    r"|\[\s*(?P<slice>-?\d*\s*:\s*-?\d*)\s*\]"
    r"|\[\s*\?\s*\((?P<filter>[^()]+)\)\s*\]"
)
_FILTER = re.compile(r"\s*@(?P<path>[^=!<>\s]*)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>.+?))?\s*")


class BadPath(ValueError):
    """The text is no JSONPath."""


class _Step(NamedTuple):
    definite: bool
    apply: Callable[[Any], Iterator[Any]]


def find(path: str, document: Any) -> Any:
    """What the path finds in a document. Raises BadPath."""
    steps = _steps(path)
    found = [document]
    for step in steps:
        found = [each for value in found for each in step.apply(value)]
    if all(step.definite for step in steps):
        return found[0] if found else None
    return found


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[_Step, ...]:
    text = path.strip()
    if not text.startswith("$"):
        text = "$" + (text if text.startswith("[") else f".{text}") if text else "$"
    at, steps = 1, []
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise BadPath(f"{path} is no JSONPath at {text[at:]}")
        steps.append(_step(token))
        at = token.end()
    return tuple(steps)


def _step(token: re.Match[str]) -> _Step:
    if (deep := token["deep"]) is not None:
        return _Step(False, lambda value: _descend(value, deep))
    if token["name"] is not None:
        if token["name"] in ("length()", "size()"):
            return _Step(True, lambda value: iter([len(value)] if isinstance(value, list | dict | str) else []))
        return _names([token["name"]])
    if token["any"] is not None:
        return _Step(False, _children)
    if token["items"] is not None:
        places = [int(each) for each in token["items"].split(",")]
        return _Step(len(places) == 1, lambda value: _items(value, places))
    if token["names"] is not None:
        return _names([each[1:-1] for each in re.findall(r"'[^']*'|\"[^\"]*\"", token["names"])])
    if token["slice"] is not None:
        first, last = (int(each) if each.strip() else None for each in token["slice"].split(":"))
        return _Step(False, lambda value: iter(value[first:last] if isinstance(value, list) else []))
    keep = _filter(token["filter"])
    return _Step(False, lambda value: (each for each in _children(value) if keep(each)))


def _names(names: list[str]) -> _Step:
    def apply(value: Any) -> Iterator[Any]:
        return (value[name] for name in names if isinstance(value, dict) and name in value)

    return _Step(len(names) == 1, apply)


def _items(value: Any, places: list[int]) -> Iterator[Any]:
    if isinstance(value, list):
        yield from (value[place] for place in places if -len(value) <= place < len(value))


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any, name: str) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if name == "":
            yield each
        elif name == "*":
            yield from _children(each)
        elif isinstance(each, dict) and name in each:
            yield each[name]
        waiting.extend(reversed(list(_children(each))))


def _filter(text: str) -> Callable[[Any], bool]:
    read = _FILTER.fullmatch(text)
    if read is None:
        raise BadPath(f"the filter {text} is not understood")
    path, operator, written = "$" + read["path"], read["operator"], read["value"]
    _steps(path)
    if operator is None:
        return lambda value: find(path, value) is not None
    try:
        wanted = json.loads(written.replace("'", '"'))
    except ValueError:
        raise BadPath(f"the filter {text} is not understood") from None
    return lambda value: _compare(operator, find(path, value), wanted)


def _compare(operator: str, have: Any, wanted: Any) -> bool:
    if operator in ("==", "!="):
        return bool(have == wanted) == (operator == "==")
    number = (int, float)
    alike = (isinstance(have, number) and isinstance(wanted, number)) or (
        isinstance(have, str) and isinstance(wanted, str)
    )
    if not alike:
        return False
    return bool({"<": have < wanted, ">": have > wanted, "<=": have <= wanted, ">=": have >= wanted}[operator])
