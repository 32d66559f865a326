"""The deployed architecture as a graph value: what there is, what leads where, what contains what.

`kunren graph --format json` prints it as it stands here; the other formats are drawn from it.
"""

from __future__ import annotations

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A resource. `kind`: hosted-zone, record, health-check, load-balancer, load-balancer-node, listener, rule,
    certificate, target-group, target, function, function-version, function-alias, vpc, subnet, workload, nat-gateway,
    vpc-endpoint, peering, accelerator, accelerator-listener, endpoint-group, endpoint, distribution, behaviour, origin,
    origin-group, edge-function, api, api-route, api-domain, website.

    `state` is what the data plane reported, in AWS's word for that kind; empty where AWS has none. `within` is the id
    of what contains it (a record is within its zone, a load balancer within its VPC, a node within its subnet).
    """

    id: str
    kind: str
    name: str
    arn: str | None = None
    state: str = ""
    account: str = ""
    region: str = ""
    within: str | None = None
    details: dict[str, str] = {}


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic, or a question, goes on from one node to another. `weight` is the share as configured."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    label: str = ""
    weight: int | None = None


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """`generation` is the store's: two graphs of one generation are equal."""

    generation: int = 0
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


GOOD, BAD, WAITING, QUIET = "good", "bad", "waiting", "quiet"
_HEALTH = {
    GOOD: ("healthy", "active", "Active", "INSYNC", "ISSUED", "live", "Successful", "available",
        "HEALTHY", "DEPLOYED", "Deployed"),
    BAD: (
        "unhealthy", "failed", "Failed", "FAILED", "EXPIRED", "dangling", "VALIDATION_TIMED_OUT",
        "no healthy target", "UNHEALTHY",
    ),
    WAITING: (
        "initial", "draining", "provisioning", "pending", "Pending", "PENDING", "PENDING_VALIDATION", "degraded",
        "InProgress", "deleting", "INITIAL", "IN_PROGRESS",
    ),
}  # fmt: skip
_BY_STATE = {state: health for health, states in _HEALTH.items() for state in states}


def health(state: str) -> str:
    """How a state is to be coloured: good, bad, waiting, or quiet for one that says nothing about health."""
    return _BY_STATE.get(state, QUIET)
