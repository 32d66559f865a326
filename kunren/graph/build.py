"""The graph of everything that is deployed: a pure function of a store snapshot.

Each part of the architecture has a file of its own that adds its nodes and edges to the draft; a new service is a new
file and a line here. DNS comes last, since its records lead to what the others added.
"""

from __future__ import annotations

from kunren.control.store import Snapshot
from kunren.graph import (
    accelerators,
    apis,
    balancing,
    distributions,
    functions,
    health_checks,
    network,
    websites,
    zones,
)
from kunren.graph.draft import Draft, Scope
from kunren.graph.model import Graph

PARTS = (network, functions, balancing, accelerators, websites, distributions, apis, health_checks, zones)


def architecture(snapshot: Snapshot, account: str | None = None, region: str | None = None) -> Graph:
    """The graph of one account and region, or of all of them (None). Global resources belong to every region."""
    draft = Draft(snapshot, Scope(account, region))
    for part in PARTS:
        part.add(draft)
    return draft.graph()
