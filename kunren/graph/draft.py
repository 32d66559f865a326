"""What the parts of a graph are gathered in while it is made, with the lookups that several of them need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from kunren.control.store import Resource, Snapshot
from kunren.graph.model import Edge, Graph, Node
from kunren.services.ec2.model import NetworkInterface

R = TypeVar("R", bound=Resource)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts and regions are drawn; None: all. Global resources have the region ""."""

    account: str | None = None
    region: str | None = None

    def holds(self, resource: Resource) -> bool:
        return self.account in (None, resource.account) and self.region in (None, resource.region)


@dataclass(slots=True)
class Draft:
    snapshot: Snapshot
    scope: Scope
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    """Public address → the id of the node that has it."""
    names: dict[str, str] = field(default_factory=dict)
    """DNS name of AWS's own (without dot) → the id of what has it."""

    asked: dict[str, str] = field(default_factory=dict)
    """The id of a node → the DNS name by which it asks what is behind it."""

    def every(self, kind: type[R]) -> list[R]:
        """All of a kind that are in scope, in a stable order."""
        found = (each for each in self.snapshot.every(kind) if self.scope.holds(each))
        return sorted(found, key=lambda each: (each.account, each.region, each.id))

    def worldwide(self, kind: type[R]) -> list[R]:
        """All of a global kind, in a stable order: they belong to every region, so only the account is looked at."""
        found = (each for each in self.snapshot.every(kind) if self.scope.account in (None, each.account))
        return sorted(found, key=lambda each: (each.account, each.id))

    def add(self, node: Node) -> None:
        self.nodes[node.id] = node

    def join(self, source: str, target: str, label: str = "", weight: int | None = None) -> None:
        self.edges.append(Edge(source=source, target=target, label=label, weight=weight))

    def graph(self) -> Graph:
        """Edges to what is out of scope are left out."""
        edges = tuple(each for each in self.edges if each.source in self.nodes and each.target in self.nodes)
        return Graph(generation=self.snapshot.generation, nodes=tuple(self.nodes.values()), edges=edges)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by key, each in the order given."""
    found: dict[K, list[T]] = defaultdict(list)
    for each in items:
        found[key(each)].append(each)
    return found


def interface_index(interfaces: Iterable[NetworkInterface]) -> dict[tuple[str, str], NetworkInterface]:
    """Interfaces by VPC and private address, and by the id of the instance that has one."""
    held = list(interfaces)
    by_instance = {(each.vpc_id, each.instance_id): each for each in held if each.instance_id is not None}
    return {(each.vpc_id, each.private_ip): each for each in held} | by_instance
