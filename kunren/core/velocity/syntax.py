"""What a template consists of."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias


class Text(NamedTuple):
    text: str


class Property(NamedTuple):
    name: str


class Call(NamedTuple):
    name: str
    arguments: tuple[Any, ...]


class Index(NamedTuple):
    at: Any


class Reference(NamedTuple):
    """`source` is what is printed where the value is not there; a quiet one prints nothing."""

    source: str
    quiet: bool
    name: str
    steps: tuple[Property | Call | Index, ...]


class Literal(NamedTuple):
    value: Any


class Interpolated(NamedTuple):
    """A string in double quotes: a template of its own."""

    block: Block


class ListOf(NamedTuple):
    items: tuple[Any, ...]


class Range(NamedTuple):
    first: Any
    last: Any


class MapOf(NamedTuple):
    items: tuple[tuple[Any, Any], ...]


class Not(NamedTuple):
    operand: Any


class Binary(NamedTuple):
    operator: str
    left: Any
    right: Any


class Set(NamedTuple):
    target: Reference
    value: Any


class If(NamedTuple):
    """Branches with their conditions, in order; the last may have the condition Literal(True)."""

    branches: tuple[tuple[Any, Block], ...]


class Foreach(NamedTuple):
    name: str
    items: Any
    block: Block


class Macro(NamedTuple):
    name: str
    parameters: tuple[str, ...]
    block: Block


class Use(NamedTuple):
    """A call of a macro; `source` is printed where there is none of that name."""

    source: str
    name: str
    arguments: tuple[Any, ...]


class Break(NamedTuple):
    pass


class Stop(NamedTuple):
    pass


Block: TypeAlias = tuple[Any, ...]
