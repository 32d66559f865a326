"""A graph with its lookups, as the renderers read it."""

from __future__ import annotations

from collections import defaultdict

from kunren.graph.model import Edge, Graph, Node

_ADDRESS_TYPES = ("A", "AAAA", "CNAME")


class Index:
    """By id, by container, by where edges begin."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.by_id = {each.id: each for each in graph.nodes}
        self._inside: dict[str | None, list[Node]] = defaultdict(list)
        self._from: dict[str, list[Edge]] = defaultdict(list)
        self._to: dict[str, list[Edge]] = defaultdict(list)
        for node in graph.nodes:
            self._inside[node.within if node.within in self.by_id else None].append(node)
        for edge in graph.edges:
            self._from[edge.source].append(edge)
            self._to[edge.target].append(edge)

    def kind(self, kind: str) -> list[Node]:
        return [each for each in self.graph.nodes if each.kind == kind]

    def inside(self, id: str, *kinds: str) -> list[Node]:
        return [each for each in self._inside[id] if not kinds or each.kind in kinds]

    def onward(self, id: str, *kinds: str) -> list[tuple[Edge, Node]]:
        """The edges from a node with where they end."""
        found = [(edge, self.by_id[edge.target]) for edge in self._from[id]]
        return [each for each in found if not kinds or each[1].kind in kinds]

    def backward(self, id: str, *kinds: str) -> list[tuple[Edge, Node]]:
        found = [(edge, self.by_id[edge.source]) for edge in self._to[id]]
        return [each for each in found if not kinds or each[1].kind in kinds]

    def shown_records(self, zone: Node) -> list[Node]:
        """The records of a zone that say where something is: those that lead somewhere, and addresses. What proves
        certificates, mail and text are counted only."""
        return [
            each
            for each in self.inside(zone.id, "record")
            if self._from[each.id] or (each.details["type"] in _ADDRESS_TYPES and not each.name.startswith("_"))
        ]


def counted(number: int, noun: str) -> str:
    """ "1 rule", "3 rules"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
