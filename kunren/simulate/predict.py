"""The whole of a simulation: from a drill and a copy of the state to the recovery curve and its RTO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy

from kunren.control.store import Resource, Store
from kunren.core.entropy import Entropy
from kunren.drills.checkers.operations import Operations
from kunren.drills.checkers.outages import Standing, recovery
from kunren.drills.document import filled
from kunren.drills.history import Event
from kunren.drills.model import Drill
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.model import Listener, LoadBalancer, NodeCutOff, Rule, TargetGroup, TargetHealth
from kunren.services.route53.model import HealthCheck, HostedZone, OwnerName, ZoneSigning
from kunren.simulate.health import Epoch, VirtualWorld
from kunren.simulate.population import Curve, recovery_curve
from kunren.simulate.scenario import CannotSimulate, Dark, dark_times
from kunren.world.addresses import client_address
from kunren.world.spec import WorldSpec

WARM_S = 300.0
URLS = ("http", "websocket", "sql")
"""Traffic that goes to a URL; a queue's leads to AWS itself."""
KINDS: tuple[type[Resource], ...] = (
    LoadBalancer, Listener, Rule, TargetGroup, TargetHealth, NodeCutOff, Subnet, HostedZone, OwnerName, ZoneSigning,
    HealthCheck,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prediction:
    """`rto_s` is None where the service was not well again when the simulation ended."""

    drill: str
    clients: int
    resolvers: int
    seconds: int
    rto_s: float | None
    availability: float
    curve: Curve
    dark: tuple[Dark, ...]
    seed: int

    def as_json(self) -> dict[str, Any]:
        return {
            "drill": self.drill,
            "clients": self.clients,
            "resolvers": self.resolvers,
            "rto_s": self.rto_s,
            "availability": self.availability,
            "curve": [
                {"second": second, "sent": int(sent), "ok": round(float(ok), 3)}
                for second, (sent, ok) in enumerate(zip(self.curve.sent, self.curve.ok, strict=True))
            ],
            "seed": self.seed,
        }


def predict(drill: Drill, values: Mapping[str, Any], database: Path, spec: WorldSpec, seed: int) -> Prediction:
    """`database` is a copy of the state that the architecture was deployed into. Raises CannotSimulate."""
    ends = [fault.after_s + (fault.for_s or 0.0) for fault in drill.faults]
    end_s = max(ends, default=0.0) + drill.recovery_s
    dark = dark_times(drill, values, end_s)
    name, places = asked(drill, values)
    sources = {place: client_address(index_of(spec, place)) for place in places}
    world = VirtualWorld(in_memory(database), spec, dark, Entropy(seed))
    epochs = world.epochs(name, sources, end_s)
    followed(world, name, epochs[0])
    curve = recovery_curve(
        drill.simulation, places, epochs,
        lambda epoch, address, at_s: world.served(epoch.snapshot, address, at_s), end_s, seed, WARM_S,
    )  # fmt: skip
    first_s = min((each.start_s for each in dark), default=0.0)
    after = slice(int(first_s), None)
    return Prediction(
        drill.name, drill.simulation.clients, drill.simulation.resolvers, len(curve.sent),
        _rto(drill, curve, dark), float(curve.ok[after].sum() / max(curve.sent[after].sum(), 1)), curve,
        tuple(dark), seed,
    )  # fmt: skip


def followed(world: VirtualWorld, name: str, steady: Epoch) -> None:
    """Raises CannotSimulate where somebody is led to what is simulated by nobody, an accelerator or a distribution."""
    for place, told in steady.told.items():
        if not told:
            raise CannotSimulate(
                f"{name} has no address for {place}: the simulator knows names of Route 53 and of load balancers."
            )
        for each in told:
            if not world.knows(each.address):
                raise CannotSimulate(
                    f"{name} leads {place} to {each.address}, which is no load balancer's: the simulator follows "
                    "names to load balancers and their targets."
                )


def in_memory(database: Path) -> Store:
    """The resources that routing is decided from, in a store that keeps nothing."""
    saved, made = Store(database), Store(None)
    saved.register(*KINDS)
    made.register(*KINDS)
    with made.write() as tx:
        for kind in KINDS:
            for each in saved.snapshot().every(kind):
                tx.put(each)
    saved.close()
    return made


def index_of(spec: WorldSpec, place: str) -> int:
    """Which of the world's places that is. Raises CannotSimulate."""
    for index, each in enumerate(spec.places):
        if each.name == place:
            return index
    raise CannotSimulate(f"there is no place {place!r} in this world")


def asked(drill: Drill, values: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The name that the clients ask for, and where they are: of the first traffic that goes to a host or a URL."""
    for traffic in drill.traffic:
        told = filled(dict(traffic.wanted), values)
        host = urlsplit(told["url"]).hostname if traffic.kind in URLS else told.get("host")
        if host:
            return str(host), list(traffic.places)
    raise CannotSimulate("no traffic of this drill goes to a name: the simulator follows names through DNS to targets.")


def _rto(drill: Drill, curve: Curve, dark: list[Dark]) -> float | None:
    """By the drills' own definition: each second is one operation, ok where (almost) all of its clients' were."""
    if not dark:
        return 0.0
    seconds = numpy.arange(len(curve.sent), dtype=float)
    well = curve.ok >= curve.sent * drill.success - 1e-6
    zeros = numpy.zeros(len(seconds), dtype=int)
    outcome = numpy.where(well, Event.OK, Event.FAIL)
    operations = Operations(zeros, zeros, seconds, seconds, outcome, zeros, seconds * 0)
    first = min(dark, key=lambda each: each.start_s)
    hold_s = min(drill.steady_s, drill.recovery_s)
    standing = Standing(first.name, first.start_s, first.end_s)
    return recovery(operations, standing, hold_s, 1.0, float(len(seconds))).rto_s
