"""Clusters, control panels, routing controls and safety rules ("Components of routing control in ARC")."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource

PENDING, DEPLOYED = "PENDING", "DEPLOYED"
ON, OFF = "On", "Off"


class Cluster(Resource, frozen=True, kw_only=True):
    """`id` is the ARN. Five endpoints, one in each of `regions`; DEPLOYED when they answer."""

    kind: ClassVar[str] = "recovery-control.cluster"

    name: str
    status: str = PENDING
    regions: tuple[str, ...]
    network_type: str = "IPV4"
    token: str | None = None
    tags: dict[str, str] = {}


class ControlPanel(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "recovery-control.panel"

    name: str
    cluster: str
    default: bool = False
    token: str | None = None
    tags: dict[str, str] = {}


class RoutingControl(Resource, frozen=True, kw_only=True):
    """A switch; `changed_at` is AWS time."""

    kind: ClassVar[str] = "recovery-control.control"

    name: str
    panel: str
    cluster: str
    state: str = OFF
    changed_at: float = 0.0
    token: str | None = None


class SafetyRule(Resource, frozen=True, kw_only=True):
    """An assertion about `controls`, or a gate: `controls` decide whether `targets` may change. `config` has Type
    (ATLEAST, AND, OR), Threshold and Inverted."""

    kind: ClassVar[str] = "recovery-control.rule"

    name: str
    panel: str
    gating: bool
    controls: tuple[str, ...]
    targets: tuple[str, ...] = ()
    config: dict[str, Any]
    wait_ms: int
    token: str | None = None
    tags: dict[str, str] = {}


KINDS = (Cluster, ControlPanel, RoutingControl, SafetyRule)
