"""Which method of which resource answers a request. Pure.

A literal part goes before a variable, a variable before a greedy one; what has no method for the request is passed over
for what fits less closely (measured on AWS by others: resources and methods are matched as pairs).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote


class Matched(NamedTuple):
    """`parameters` are the path's, decoded; `method` is as it was deployed."""

    resource_id: str
    path: str
    method: dict[str, Any]
    parameters: dict[str, str]


class _Node:
    __slots__ = ("greedy", "greedy_name", "literal", "resource", "variable", "variable_name")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.variable_name = ""
        self.greedy: Mapping[str, Any] | None = None
        self.greedy_name = ""
        self.resource: Mapping[str, Any] | None = None


class Router:
    """Built of a deployment's resources."""

    def __init__(self, resources: Iterable[Mapping[str, Any]]) -> None:
        self._root = _Node()
        for each in resources:
            self._add(each)

    def _add(self, resource: Mapping[str, Any]) -> None:
        node = self._root
        for part in filter(None, resource["path"].split("/")):
            if part.endswith("+}"):
                node.greedy, node.greedy_name = resource, part[1:-2]
                return
            if part.startswith("{"):
                node.variable = node.variable or _Node()
                node.variable_name = part[1:-1]
                node = node.variable
            else:
                node = node.literal.setdefault(part, _Node())
        node.resource = resource

    def match(self, method: str, path: str) -> Matched | None:
        """`path` is the request's behind the stage, encoded; a slash at its end does not count."""
        parts = path.strip("/").split("/") if path.strip("/") else []
        return _find(self._root, parts, 0, method, {})


def _find(node: _Node, parts: Sequence[str], at: int, method: str, parameters: dict[str, str]) -> Matched | None:
    if at == len(parts):
        return _matched(node.resource, method, parameters)
    part = unquote(parts[at])
    if (child := node.literal.get(part)) is not None:
        found = _find(child, parts, at + 1, method, parameters)
        if found is not None:
            return found
    if node.variable is not None and part:
        found = _find(node.variable, parts, at + 1, method, {**parameters, node.variable_name: part})
        if found is not None:
            return found
    rest = unquote("/".join(parts[at:]))
    return _matched(node.greedy, method, {**parameters, node.greedy_name: rest})


def _matched(resource: Mapping[str, Any] | None, method: str, parameters: dict[str, str]) -> Matched | None:
    if resource is None:
        return None
    found = resource["methods"].get(method) or resource["methods"].get("ANY")
    return Matched(resource["id"], resource["path"], found, parameters) if found is not None else None
