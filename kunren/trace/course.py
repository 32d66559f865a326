"""Where a traced request has got to: what the stages share, and what they find out for those behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kunren.control.store import Snapshot
from kunren.dataplane.dns.zones import Zones
from kunren.dataplane.edge.fetch import Pending
from kunren.dataplane.edge.message import Answer, Notes
from kunren.dataplane.edge.message import Request as EdgeRequest
from kunren.services.ec2.model import NetworkInterface, Vpc
from kunren.services.elbv2.matcher import Asked
from kunren.services.elbv2.model import AvailabilityZone, Listener, LoadBalancer, Rule, TargetGroup
from kunren.services.globalaccelerator.model import Accelerator
from kunren.services.globalaccelerator.model import Listener as AcceleratorListener
from kunren.trace.model import Considered, Expected, Request, Step
from kunren.world.network import VpcNetwork
from kunren.world.spec import Place, WorldSpec


@dataclass(frozen=True, slots=True)
class State:
    """All that a prediction is made from, at one moment."""

    snapshot: Snapshot
    zones: Zones
    spec: WorldSpec
    now: float = 0.0
    """AWS time."""
    wall: float = 0.0
    """Real time, seconds since 1970: what cookies are stamped with."""
    consider: Callable[[EdgeRequest], Answer | Pending] | None = None
    """What the edge service makes of a request, as far as it can tell without asking anybody."""
    wall_seconds: Callable[[float], float] = float
    """Real seconds of an AWS duration."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the edge service would do: the request as it has become, what was decided, the answer or what is left."""

    request: EdgeRequest
    notes: Notes
    made: Answer | Pending

    def noted(self, what: str) -> list[tuple[Any, ...]]:
        return [each[1:] for each in self.notes if each[0] == what]


@dataclass(slots=True)
class Course:
    """`address` is the one that a client goes to: what DNS gave it when the request is sent, else the likeliest; behind
    an edge location the one that is asked from there, and `request` is as it is seen there."""

    state: State
    request: Request
    address: str | None = None
    expected: Expected = field(default_factory=Expected)
    via: str | None = None
    """The endpoint that an accelerator gave the flow to, where that is known; else the likeliest is followed."""
    depth: int = 0
    """How many distributions the request has come through."""
    foretell: Callable[[State, Request], tuple[Course, tuple[Step, ...]]] | None = None
    """The same for a request that one of the stages makes."""
    edge: Place | None = None
    rehearsal: Rehearsal | None = None
    accelerator: Accelerator | None = None
    entrance: AcceleratorListener | None = None
    vpc: Vpc | None = None
    network: VpcNetwork | None = None
    interface: NetworkInterface | None = None
    balancer: LoadBalancer | None = None
    node: AvailabilityZone | None = None
    listener: Listener | None = None
    rule: Rule | None = None
    groups: tuple[tuple[TargetGroup, float], ...] = ()
    """Target groups that may be chosen, each with its probability."""

    @property
    def snapshot(self) -> Snapshot:
        return self.state.snapshot

    def asked(self) -> Asked:
        """The request as the listener sees it."""
        request = self.request
        host = request.host_header
        headers = (("host", host), *(each for each in request.headers if each[0].lower() != "host"))
        return Asked(request.method, host, request.path, request.query, headers, request.source)

    def ended(
        self, stage: str, chosen: str, because: str, considered: tuple[Considered, ...] = (), **expected: object
    ) -> Step:
        """The step at which the request goes no further; `expected` are fields of what is to be observed."""
        for name, value in expected.items():
            setattr(self.expected, name, value)
        return Step(stage=stage, chosen=chosen, because=because, considered=considered, ends=True)


Stage = Callable[[Course], Step | tuple[Step, ...] | None]
"""Looks at the course, notes there what those behind it need, and says what it found; None: nothing to decide here."""
