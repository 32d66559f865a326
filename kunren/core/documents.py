"""From bytes to a document of a user: JSON or YAML, bounded in depth and in what aliases make of it."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import yaml

_NODES_MAX = 2_000_000
_DEPTH_MAX = 200
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadDocument(ValueError):
    """It is none; the text says why."""


def parse(body: bytes, nodes: int = _NODES_MAX) -> dict[str, Any]:
    """The document of at most so many values, its names all texts. Takes seconds for large YAML. Raises BadDocument."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadDocument("the document is not UTF-8") from None
    try:
        told = _read(text)
    except RecursionError:
        raise BadDocument("the document is nested too deeply") from None
    if not isinstance(told, dict):
        raise BadDocument("the document is no object")
    found: dict[str, Any] = _Plain(nodes).of(told, 0)
    return found


def _read(text: str) -> Any:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            pass  # YAML may begin with a brace too
    return _yaml(text)


def _yaml(text: str) -> Any:
    if _too_deep(text):
        raise RecursionError
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" on line {where.line + 1}" if where is not None else ""
        raise BadDocument(f"the document is neither JSON nor YAML{line}") from None
    except ValueError as error:  # a date that there is not
        raise BadDocument(f"{error}") from None


def _too_deep(text: str) -> bool:
    """Whether brackets nest deeper than anything sensible; the loader would go down with them."""
    depth = 0
    for each in re.finditer(r"[\[{\]}]", text):
        depth += 1 if each[0] in "[{" else -1
        if depth > _DEPTH_MAX:
            return True
        depth = max(depth, 0)
    return re.search(r"^(?:[-?:] ){200}", text, re.MULTILINE) is not None


class _Plain:
    """Makes names texts and dates texts again, and counts."""

    def __init__(self, most: int) -> None:
        self.nodes, self.most = 0, most

    def of(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > self.most or depth > _DEPTH_MAX:
            raise BadDocument("the document is too large or nested too deeply")
        if isinstance(value, dict):
            return {_name(key): self.of(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, depth + 1) for each in value]
        return value.isoformat() if isinstance(value, date) else value


def _name(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
