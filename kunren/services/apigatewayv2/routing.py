"""Which route a request takes. Pure.

Developer guide, "Routing API requests" (HTTP APIs): a full match before a greedy path variable before `$default`; of
paths alike, the more literal one; of one path, its own method before ANY.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from kunren.services.apigatewayv2.model import DEFAULT
from kunren.services.apigatewayv2.route_keys import RouteKey, parse_route_key


class Chosen(NamedTuple):
    """A route and the values of its path's variables, decoded."""

    route_id: str
    config: Mapping[str, Any]
    key: RouteKey
    parameters: Mapping[str, str]


class _Entry(NamedTuple):
    order: tuple[bool, tuple[int, ...], bool]
    route_id: str
    config: Mapping[str, Any]
    key: RouteKey


class RouteTable:
    """The routes of a deployment (configurations by id)."""

    def __init__(self, routes: Mapping[str, Mapping[str, Any]]) -> None:
        self._default: _Entry | None = None
        self._literal: dict[str, dict[str, _Entry]] = {}
        variable: list[_Entry] = []
        for route_id, config in routes.items():
            key = parse_route_key(config["RouteKey"])
            entry = _Entry(_order(key), route_id, config, key)
            if key.path == DEFAULT:
                self._default = entry
            elif "{" in key.path:
                variable.append(entry)
            else:
                self._literal.setdefault(key.path, {})[key.method] = entry
        self._variable = sorted(variable, key=lambda entry: entry.order)

    def choose(self, method: str, path: str) -> Chosen | None:
        """The route for a method and a path as it came (percent-encoded)."""
        plain = unquote(path)
        literal = self._literal.get(plain, {})
        found = literal.get(method) or literal.get("ANY")
        if found is not None:
            return Chosen(found.route_id, found.config, found.key, {})
        segments = [unquote(each) for each in path[1:].split("/")]
        for entry in self._variable:
            if entry.key.method in (method, "ANY"):
                parameters = _match(entry.key.segments, segments)
                if parameters is not None:
                    return Chosen(entry.route_id, entry.config, entry.key, parameters)
        if self._default is not None:
            return Chosen(self._default.route_id, self._default.config, self._default.key, {})
        return None


def _order(key: RouteKey) -> tuple[bool, tuple[int, ...], bool]:
    ranks = tuple(2 if each.endswith("+}") else 1 if each.startswith("{") else 0 for each in key.segments)
    return 2 in ranks, ranks, key.method == "ANY"


def _match(wanted: tuple[str, ...], given: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for position, segment in enumerate(wanted):
        if segment.endswith("+}"):
            rest = "/".join(given[position:])
            return {**found, segment[1:-2]: rest} if rest else None
        if position >= len(given):
            return None
        if segment.startswith("{"):
            if not given[position]:
                return None
            found[segment[1:-1]] = given[position]
        elif segment != given[position]:
            return None
    return found if len(wanted) == len(given) else None
