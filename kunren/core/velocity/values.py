"""Values in templates: how they print, compare, and which of Java's methods they have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from kunren.core.patterns import found, matches

SIZE_MAX = 10_485_760
"""Characters of a string that a template may make."""
ITEMS_MAX = 1_000_000
"""Items of a list that a template may make."""


_PIECE = re.compile(r"\$\d|\\.|[^$\\]+|[$\\]", re.DOTALL)


class BadEvaluation(ValueError):
    """The template can't be evaluated."""


class Methods:
    """An object that templates may use: `methods` are what they may call, `properties` what they may read."""

    methods: Mapping[str, Callable[..., Any]] = {}
    properties: Mapping[str, Any] = {}


class Entry(Methods):
    """A pair of a map."""

    def __init__(self, key: Any, value: Any) -> None:
        self.properties = {"key": key, "value": value}
        self.methods = {"getKey": lambda: key, "getValue": lambda: value}


def bounded(value: Any) -> Any:
    """The value, if it is of a size to be printed or compared: one that holds others many times over, or itself, is
    not. Raises BadEvaluation."""
    waiting, left = [value], SIZE_MAX
    while waiting and left >= 0:
        each = waiting.pop()
        if isinstance(each, str):
            left -= len(each)
        elif isinstance(each, Mapping | list):
            left -= 4 * len(each)
            if left >= 0:
                waiting.extend(each.values() if isinstance(each, Mapping) else each)
    if left < 0:
        raise BadEvaluation("a value is too large")
    return value


def text_of(value: Any) -> str:
    """How a value prints: a list as JSON, a map as Java prints one. Raises BadEvaluation."""
    return _text_of(bounded(value))


def _text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text_of(name)}={_inside(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, Methods):
        told = value.properties
        return f"{text_of(told.get('key'))}={text_of(told.get('value'))}" if isinstance(value, Entry) else ""
    return str(value)


def _inside(value: Any) -> str:
    return "null" if value is None else _text_of(value)


def plain(value: Any) -> Any:
    """A value as JSON can have it."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return text_of(value) if isinstance(value, Methods) else value


def truth(value: Any) -> bool:
    """Velocity 1.7: what is there and is not false is true."""
    return value is not None and value is not False


def property_of(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, Methods):
        return value.properties.get(name)
    if name in ("empty", "length", "size") and isinstance(value, str | list):
        return len(value) == 0 if name == "empty" else None
    return None


def item_of(value: Any, at: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(as_name(at))
    if isinstance(value, list) and isinstance(at, int) and not isinstance(at, bool):
        return value[at] if -len(value) <= at < len(value) else None
    return None


def as_name(value: Any) -> Any:
    """A value as a map's name: a list or a map is one by how it prints."""
    return text_of(value) if isinstance(value, list | dict) else value


def call(value: Any, name: str, arguments: list[Any]) -> Any:
    """A method's result; one that is not there gives None. Raises BadEvaluation."""
    if isinstance(value, Methods):
        method = value.methods.get(name)
    elif isinstance(value, str):
        method = _bound(_OF_STRINGS, name, value)
    elif isinstance(value, list):
        method = _bound(_OF_LISTS, name, value)
    elif isinstance(value, dict):
        method = _bound(_OF_MAPS, name, value)
    else:
        method = _bound(_OF_OTHERS, name, value) if value is not None else None
    if method is None:
        return None
    try:
        return method(*arguments)
    except BadEvaluation:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError) as error:
        raise BadEvaluation(f"{name}: {error}") from None


def _bound(known: Mapping[str, Callable[..., Any]], name: str, value: Any) -> Callable[..., Any] | None:
    method = known.get(name) or _OF_OTHERS.get(name)
    return None if method is None else lambda *arguments: method(value, *arguments)


def _sub(text: str, pattern: str, by: str, most: int | None) -> str:
    """Java's replaceAll and replaceFirst: `$1` in `by` is a group, `\\$` a dollar."""
    pieces = [each[0] for each in _PIECE.finditer(by)]
    made, at, size = [], 0, len(text)
    for each in islice(found(pattern, text), most):
        put = "".join(_piece(each, piece) for piece in pieces)
        size += len(put)
        if size > SIZE_MAX:
            raise BadEvaluation("a string is too long")
        made += [text[at : each.start()], put]
        at = each.end()
    return "".join((*made, text[at:]))


def _piece(match: Any, piece: str) -> str:
    if piece[0] == "$" and len(piece) > 1:
        return match[int(piece[1])] or ""
    return piece[1] if piece[0] == "\\" and len(piece) > 1 else piece


def _split(text: str, pattern: str, limit: int = 0) -> list[str]:
    parts, at = [], 0
    for each in islice(found(pattern, text), limit - 1 if limit > 0 else None):
        if each.end() > 0:  # nothing comes before a match of nothing at the beginning
            parts.append(text[at : each.start()])
            at = each.end()
    parts.append(text[at:])
    while limit == 0 and parts and parts[-1] == "":
        parts.pop()
    return parts or [""]


def _checked(text: str, other: str) -> str:
    if len(text) + len(other) > SIZE_MAX:
        raise BadEvaluation("a string is too long")
    return text + other


def _replace(text: str, old: str, new: str) -> str:
    if (len(text) // max(1, len(old)) + 1) * len(new) > 2 * SIZE_MAX:
        raise BadEvaluation("a string is too long")
    return text.replace(old, new)


def _put(items: dict[Any, Any], name: Any, value: Any) -> Any:
    before = items.get(name)
    items[name] = value
    return before


def _add(items: list[Any], *arguments: Any) -> bool:
    if len(arguments) == 2:
        items.insert(arguments[0], arguments[1])
    else:
        items.append(arguments[0])
    return True


def _add_all(items: list[Any], more: list[Any]) -> bool:
    if len(items) + len(more) > ITEMS_MAX:
        raise BadEvaluation("a list is too long")
    items.extend(list(more))
    return True


def _set(items: list[Any], at: int, value: Any) -> Any:
    before, items[at] = items[at], value
    return before


def _remove(items: list[Any], what: Any) -> Any:
    if isinstance(what, int) and not isinstance(what, bool):
        return items.pop(what)
    if what in items:
        items.remove(what)
        return True
    return False


_OF_OTHERS: dict[str, Callable[..., Any]] = {
    "toString": text_of,
    "equals": lambda value, other: type(value) is type(other) and bounded(value) == bounded(other),
    "compareTo": lambda value, other: (value > other) - (value < other),
    "intValue": int,
    "longValue": int,
    "doubleValue": float,
    "floatValue": float,
}
_OF_STRINGS: dict[str, Callable[..., Any]] = {
    "length": len,
    "isEmpty": lambda text: text == "",
    "isBlank": lambda text: text.strip() == "",
    "charAt": lambda text, at: text[at],
    "substring": lambda text, first, last=None: text[first:last],
    "indexOf": lambda text, part, start=0: text.find(part, start),
    "lastIndexOf": lambda text, part: text.rfind(part),
    "contains": lambda text, part: part in text,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "equalsIgnoreCase": lambda text, other: text.lower() == other.lower(),
    "matches": lambda text, pattern: matches(pattern, text),
    "replace": _replace,
    "replaceAll": lambda text, pattern, by: _sub(text, pattern, by, None),
    "replaceFirst": lambda text, pattern, by: _sub(text, pattern, by, 1),
    "split": _split,
    "trim": lambda text: text.strip(),
    "strip": lambda text: text.strip(),
    "toLowerCase": lambda text: text.lower(),
    "toUpperCase": lambda text: text.upper(),
    "concat": _checked,
    "intValue": int,
}
_OF_LISTS: dict[str, Callable[..., Any]] = {
    "size": len,
    "isEmpty": lambda items: not items,
    "get": lambda items, at: items[at],
    "add": _add,
    "addAll": _add_all,
    "set": _set,
    "remove": _remove,
    "contains": lambda items, value: bounded(value) in bounded(items),
    "indexOf": lambda items, value: items.index(value) if bounded(value) in bounded(items) else -1,
    "subList": lambda items, first, last: items[first:last],
    "clear": lambda items: items.clear(),
}
_OF_MAPS: dict[str, Callable[..., Any]] = {
    "size": len,
    "isEmpty": lambda items: not items,
    "get": lambda items, name: items.get(name),
    "getOrDefault": lambda items, name, other: items.get(name, other),
    "put": _put,
    "putAll": lambda items, more: items.update(more),
    "remove": lambda items, name: items.pop(name, None),
    "containsKey": lambda items, name: name in items,
    "containsValue": lambda items, value: bounded(value) in list(bounded(items).values()),
    "keySet": list,
    "values": lambda items: list(items.values()),
    "entrySet": lambda items: [Entry(name, value) for name, value in items.items()],
    "clear": lambda items: items.clear(),
}
