"""Trees of text: branches of lines, each of which is spans with a style, so that a terminal may colour them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from kunren.graph.model import Node, health

Span: TypeAlias = tuple[str, str]
"""Text and its style: "", "strong", "faint", or a health ("good", "bad", "waiting", "quiet")."""
Line: TypeAlias = list[Span]


@dataclass(slots=True)
class Branch:
    """One line and what hangs below it."""

    line: Line
    below: list[Branch] = field(default_factory=list)


def drawn(branches: Sequence[Branch], before: str = "") -> Iterable[Line]:
    """The lines of a tree."""
    for number, branch in enumerate(branches):
        last = number == len(branches) - 1
        yield [(before + ("└─ " if last else "├─ "), "faint"), *branch.line]
        yield from drawn(branch.below, before + ("   " if last else "│  "))


def state(node: Node) -> Line:
    return [("  ● " + node.state, health(node.state))] if node.state else []
