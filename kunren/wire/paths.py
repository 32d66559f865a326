"""Which operation of a REST service a method and path name: templates compiled into one ordered matcher.

Templates are the models' `requestUri`s: `/2015-03-31/functions/{FunctionName}/invocations`, greedy labels `{Key+}`,
literals in the query (`?versioning`, `?list-type=2`) and, for S3, members that must be in the query or a header. The
most specific template wins: a literal segment before a label, a label before a greedy one, more of the query first. An
operation that the model calls deprecated comes last: S3's newer ones have their templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kunren.wire.catalog import Operation, Service
from kunren.wire.protocols.rest import decode_text

_LABEL = re.compile(r"\{([^}]+)\}")


class PathMatch(NamedTuple):
    operation: str
    labels: dict[str, str]


class _Template(NamedTuple):
    operation: str
    labels: tuple[str, ...]
    literals: tuple[tuple[str, str | None], ...]
    needed: frozenset[str]
    """Names in the query: of literals, and of members that are required there."""
    wanted_headers: tuple[str, ...]
    rank: tuple[int, ...]


class _Node:
    """One segment's place in the tree. `mixed` are segments with text around a label, `greedy` what takes the rest."""

    __slots__ = ("ends", "greedy", "label", "literals", "mixed")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.mixed: list[tuple[re.Pattern[str], _Node]] = []
        self.label: _Node | None = None
        self.greedy: list[tuple[re.Pattern[str], _Template]] = []
        self.ends: list[_Template] = []


class PathTable:
    """The templates of one service as a tree of path segments."""

    def __init__(self, service: Service) -> None:
        self._roots: dict[str, _Node] = {}
        for operation in service.operations.values():
            root = self._roots.setdefault(operation.http.method, _Node())
            _insert(root, operation.http.request_uri.partition("?")[0].split("#", 1)[0], _template(service, operation))

    def match(
        self, method: str, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]
    ) -> PathMatch | None:
        """The operation, with its labels decoded; `path` is as received. Raises WireError for bad UTF-8."""
        root = self._roots.get(method)
        if root is None:
            return None

        names = query.keys()

        def fits(template: _Template) -> bool:
            return template.needed <= names and _query_fits(template, query, headers)

        segments = path.lstrip("/").split("/")
        found = _walk(root, segments, 0, [], fits)
        if found is None and len(segments) > 1 and not segments[-1]:
            found = _walk(root, segments[:-1], 0, [], fits)
        if found is None:
            return None
        template, values = found
        return PathMatch(
            template.operation,
            {name: decode_text(value) for name, value in zip(template.labels, values, strict=True)},
        )

    def methods_of(self, path: str) -> list[str]:
        """Methods that have a template for the path."""
        segments = path.strip("/").split("/")
        return [method for method, root in self._roots.items() if _walk(root, segments, 0, [], lambda each: True)]


def _walk(
    node: _Node, segments: list[str], at: int, values: list[str], fits: Callable[[_Template], bool]
) -> tuple[_Template, list[str]] | None:
    if at == len(segments):
        for template in node.ends:
            if fits(template):
                return template, values
        return None
    segment = segments[at]
    below = node.literals.get(segment)
    found = _walk(below, segments, at + 1, values, fits) if below is not None else None
    if found is not None:
        return found
    for pattern, below in node.mixed:
        if match := pattern.fullmatch(segment):
            found = _walk(below, segments, at + 1, [*values, *match.groups()], fits)
            if found is not None:
                return found
    if node.label is not None and segment:
        found = _walk(node.label, segments, at + 1, [*values, segment], fits)
        if found is not None:
            return found
    if node.greedy:
        rest = "/".join(segments[at:])
        for pattern, template in node.greedy:
            if fits(template) and (match := pattern.fullmatch(rest)):
                return template, [*values, *match.groups()]
    return None


def _insert(root: _Node, path: str, template: _Template) -> None:
    node = root
    segments = path.strip("/").split("/")
    for position, segment in enumerate(segments):
        labels = _LABEL.findall(segment)
        if any(label.endswith("+") for label in labels):
            node.greedy.append((_regex("/".join(segments[position:])), template))
            node.greedy.sort(key=lambda each: each[1].rank, reverse=True)
            return
        if not labels:
            node = node.literals.setdefault(segment, _Node())
        elif _LABEL.fullmatch(segment):
            node.label = node.label or _Node()
            node = node.label
        else:
            below = _Node()
            node.mixed.append((_regex(segment), below))
            node = below
    node.ends.append(template)
    node.ends.sort(key=lambda each: each.rank, reverse=True)


def _regex(text: str) -> re.Pattern[str]:
    pieces: list[str] = []
    position = 0
    for found in _LABEL.finditer(text):
        pieces.append(re.escape(text[position : found.start()]))
        pieces.append("(.+)" if found.group(1).endswith("+") else "([^/]+)")
        position = found.end()
    return re.compile("".join(pieces) + re.escape(text[position:]))


def _query_fits(template: _Template, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> bool:
    """Whether literals have their values, and the headers are there; all names of `needed` are."""
    for name, value in template.literals:
        if value is not None and value not in query[name]:
            return False
    return not template.wanted_headers or all(name in headers for name in template.wanted_headers)


def _template(service: Service, operation: Operation) -> _Template:
    path, _, query = operation.http.request_uri.partition("?")
    labels = tuple(label.removesuffix("+") for label in _LABEL.findall(path))
    literals = tuple(_literal(part) for part in query.split("&") if part)
    queries, headers = _wanted(service, operation)
    needed = frozenset(queries).union(name for name, _ in literals)
    told = len(queries) + len(headers)
    rank = (len(literals), told, not operation.deprecated, -path.count("+}"), len(_LABEL.sub("", path)))
    return _Template(operation.name, labels, literals, needed, headers, rank)


def _literal(part: str) -> tuple[str, str | None]:
    name, equals, value = part.partition("=")
    return name, value if equals else None


def _wanted(service: Service, operation: Operation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Required members in query and headers tell S3's operations apart that share a template."""
    shape = service.input_shape(operation)
    if shape is None or service.name not in ("s3", "glacier"):
        return (), ()
    queries, headers = [], []
    for name in shape.required:
        member = shape.members[name]
        if member.location == "querystring":
            queries.append(member.location_name or name)
        elif member.location == "header" and (member.location_name or "").lower() == "x-amz-copy-source":
            headers.append("x-amz-copy-source")
    return tuple(queries), tuple(headers)
