"""Expressions of metric math, from text to a tree. Pure.

"Using math expressions with CloudWatch metrics" in the user guide. Operators from the loosest: OR ||, AND &&,
comparisons, + -, * /, a sign, ^ (which binds to the right).
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

_DEPTH_MAX = 50


class BadExpression(ValueError):
    """It is none; the text says why."""


class Number(NamedTuple):
    value: float


class Text(NamedTuple):
    value: str


class Name(NamedTuple):
    """Another query's id, or a keyword of a function (REPEAT, LINEAR, ASC, ...)."""

    id: str


class Unary(NamedTuple):
    operand: Node


class Binary(NamedTuple):
    operator: str
    left: Node
    right: Node


class Function(NamedTuple):
    name: str
    arguments: tuple[Node, ...]


class Array(NamedTuple):
    items: tuple[Node, ...]


Node: TypeAlias = Number | Text | Name | Unary | Binary | Function | Array
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]]))"
)
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||", "OR"}),
    frozenset({"&&", "AND"}),
    frozenset({"==", "!=", "<", ">", "<=", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/"}),
)
_SAME = {"OR": "||", "AND": "&&"}


def parse(text: str) -> Node:
    """Raises BadExpression."""
    reading = _Reading(_tokens(text))
    found = reading.level(0, 0)
    if reading.token() is not None:
        raise BadExpression(f"unexpected {reading.token()!r}")
    return found


def names(node: Node) -> set[str]:
    """The ids that an expression reads."""
    if isinstance(node, Name):
        return {node.id}
    children: tuple[Node, ...] = ()
    if isinstance(node, Unary):
        children = (node.operand,)
    elif isinstance(node, Binary):
        children = (node.left, node.right)
    elif isinstance(node, Function):
        children = node.arguments
    elif isinstance(node, Array):
        children = node.items
    return set().union(*map(names, children)) if children else set()


def functions(node: Node) -> set[str]:
    """The functions that an expression calls."""
    found = {node.name} if isinstance(node, Function) else set()
    if isinstance(node, Unary):
        return functions(node.operand)
    if isinstance(node, Binary):
        return functions(node.left) | functions(node.right)
    if isinstance(node, Function):
        return found.union(*map(functions, node.arguments))
    if isinstance(node, Array):
        return found.union(*map(functions, node.items))
    return found


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadExpression(f"unexpected {text[at:].strip()[:1]!r}")
        found.append(match[0].strip())
        at = match.end()
    return found


class _Reading:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def token(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def next(self) -> str:
        token = self.token()
        if token is None:
            raise BadExpression("it ends too early")
        self._at += 1
        return token

    def expect(self, wanted: str) -> None:
        if (found := self.next()) != wanted:
            raise BadExpression(f"{wanted!r} is expected, not {found!r}")

    def level(self, number: int, depth: int) -> Node:
        if depth > _DEPTH_MAX:
            raise BadExpression("it is nested too deeply")
        if number == len(_LEVELS):
            return self.sign(depth)
        left = self.level(number + 1, depth)
        while (token := self.token()) is not None and token in _LEVELS[number]:
            self.next()
            left = Binary(_SAME.get(token, token), left, self.level(number + 1, depth))
        return left

    def sign(self, depth: int) -> Node:
        if depth > _DEPTH_MAX:
            raise BadExpression("it is nested too deeply")
        if self.token() in ("-", "+"):
            negative = self.next() == "-"
            operand = self.sign(depth + 1)
            return Unary(operand) if negative else operand
        base = self.primary(depth)
        if self.token() == "^":
            self.next()
            return Binary("^", base, self.sign(depth + 1))
        return base

    def primary(self, depth: int) -> Node:
        token = self.next()
        if token == "(":
            inner = self.level(0, depth + 1)
            self.expect(")")
            return inner
        if token == "[":
            return Array(self.items("]", depth))
        if token[0] in "'\"":
            return Text(token[1:-1])
        if token[0].isdigit() or token[0] == ".":
            return Number(float(token))
        if not (token[0].isalpha() or token[0] == "_"):
            raise BadExpression(f"unexpected {token!r}")
        if self.token() == "(":
            self.next()
            return Function(token.upper(), self.items(")", depth))
        return Name(token)

    def items(self, end: str, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        if self.token() == end:
            self.next()
            return ()
        while True:
            found.append(self.level(0, depth + 1))
            if (token := self.next()) == end:
                return tuple(found)
            if token != ",":
                raise BadExpression(f"{end!r} is expected, not {token!r}")
