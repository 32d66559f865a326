"""The part of a graph that can be reached from one DNS name."""

from __future__ import annotations

from collections import defaultdict

from kunren.core.errors import Unanswerable
from kunren.graph.model import Graph, Node

_NAMED = ("record", "load-balancer", "accelerator", "distribution", "api", "api-domain", "website")


class UnknownName(Unanswerable):
    """No record and no load balancer has the name; the text says which names there are."""


def reachable(graph: Graph, name: str) -> Graph:
    """What a request for that name may meet, with what contains it. A name that only a wildcard record has is that
    record's. Raises UnknownName."""
    wanted = name.lower().removesuffix(".")
    named = [each for each in graph.nodes if each.kind in _NAMED]
    starts = [each.id for each in named if _has(each, wanted)] or [each.id for each in named if _covers(each, wanted)]
    if not starts:
        raise UnknownName(_explained(graph, wanted))
    onward: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        onward[edge.source].append(edge.target)
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        id = waiting.pop()
        if id not in reached:
            reached.add(id)
            waiting += onward[id]
    by_id = {each.id: each for each in graph.nodes}
    kept = set(reached)
    for id in reached:
        around = by_id[id].within
        while around is not None and around in by_id and around not in kept:
            kept.add(around)
            around = by_id[around].within
    return Graph(
        generation=graph.generation,
        nodes=tuple(each for each in graph.nodes if each.id in kept),
        edges=tuple(each for each in graph.edges if each.source in kept and each.target in kept),
    )


def _has(node: Node, wanted: str) -> bool:
    match node.kind:
        case "load-balancer" | "accelerator":
            return node.details["dns name"].lower() == wanted.removeprefix("dualstack.")
        case "api" | "api-domain":
            return wanted in (node.details["domain name"], node.name)
        case "distribution":
            return wanted in (node.details["domain name"].lower(), *node.details["aliases"].split(", "))
        case "website":
            return node.details["endpoint"] == wanted
    return node.name == wanted


def _covers(node: Node, wanted: str) -> bool:
    """Whether a wildcard record answers for the name."""
    return node.kind == "record" and node.name.startswith("*.") and wanted.endswith(node.name[1:])


def _explained(graph: Graph, wanted: str) -> str:
    known = sorted({each.name for each in graph.nodes if each.kind == "record" and _leads(each)})
    listed = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"no record and no load balancer has the name {wanted}. Names there are: {listed or 'none yet'}."


def _leads(record: Node) -> bool:
    return record.details["type"] in ("A", "AAAA", "CNAME") and not record.name.startswith("_")
