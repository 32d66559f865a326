"""Values in templates: how they print, compare, and which of Java's methods they have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

SIZE_MAX = 10_485_760
"""Characters of a string that a template may make."""


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


def text_of(value: Any) -> str:
    """How a value prints: a list as JSON, a map as Java prints one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{text_of(name)}={_inside(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, Methods):
        told = value.properties
        return f"{text_of(told.get('key'))}={text_of(told.get('value'))}" if isinstance(value, Entry) else ""
    return str(value)


def _inside(value: Any) -> str:
    return "null" if value is None else text_of(value)


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
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, re.error, OverflowError) as error:
        raise BadEvaluation(f"{name}: {error}") from None


def _bound(known: Mapping[str, Callable[..., Any]], name: str, value: Any) -> Callable[..., Any] | None:
    method = known.get(name) or _OF_OTHERS.get(name)
    return None if method is None else lambda *arguments: method(value, *arguments)


def _sub(text: str, pattern: str, by: str, count: int) -> str:
    return re.sub(pattern, re.sub(r"\$(\d)", r"\\\1", by.replace("\\$", "\0")).replace("\0", "$"), text, count=count)


def _split(text: str, pattern: str, limit: int = 0) -> list[str]:
    found = re.split(pattern, text, maxsplit=max(0, limit - 1)) if pattern else list(text)
    while limit == 0 and found and found[-1] == "":
        found.pop()
    return found or [""]


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
    "equals": lambda value, other: type(value) is type(other) and value == other,
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
    "matches": lambda text, pattern: re.fullmatch(pattern, text) is not None,
    "replace": _replace,
    "replaceAll": lambda text, pattern, by: _sub(text, pattern, by, 0),
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
    "addAll": lambda items, more: items.extend(list(more)) or True,
    "set": _set,
    "remove": _remove,
    "contains": lambda items, value: value in items,
    "indexOf": lambda items, value: items.index(value) if value in items else -1,
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
    "containsValue": lambda items, value: value in list(items.values()),
    "keySet": list,
    "values": lambda items: list(items.values()),
    "entrySet": lambda items: [Entry(name, value) for name, value in items.items()],
    "clear": lambda items: items.clear(),
}
