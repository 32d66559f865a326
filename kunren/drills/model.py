"""What a drill is, once its file has been read. Durations are seconds of AWS's time unless they say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITE_MARK = "{write}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """What is deployed: a boto3 script, a Terraform folder or a CloudFormation template."""

    script: Path | None = None
    terraform: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    template: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A program on a subnet. Its texts may hold `${VALUE}`, filled in from what the architecture gives."""

    name: str
    subnet: str
    command: tuple[str, ...]
    address: str = ""
    security_group: str = ""
    start: bool = True


@dataclass(frozen=True, slots=True)
class Traffic:
    """One kind of operation at a constant rate from each place; `wanted` is what the load generator is told."""

    name: str
    kind: str
    wanted: Mapping[str, Any]
    places: tuple[str, ...]
    rate: float
    """Operations in a real second, from each place."""
    timeout_s: float
    """In real time."""
    read_back: str = ""

    @property
    def writes(self) -> bool:
        return any(WRITE_MARK in str(self.wanted.get(key, "")) for key in ("url", "body", "send", "statement"))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is done to the world at a time, and taken back later."""

    name: str
    kind: str
    """kill, start, break, experiment or call."""
    what: Any
    after_s: float = 5.0
    for_s: float | None = None
    remedy: bool = False
    heals: bool = True
    region: str = ""
    heal: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """A name of `kunren.drills.checkers.objectives`, its target in seconds, milliseconds, as a share or a count."""

    name: str
    target: float
    traffic: str = ""


@dataclass(frozen=True, slots=True)
class Protection:
    """What keeps the drill's objectives, and the architecture's settings by which it is left out."""

    name: str
    what: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Simulation:
    """How many ask in the simulator, and how."""

    clients: int = 1_000_000
    resolvers: int = 5_000
    requests_per_client: float = 1.0
    ignoring_ttl: float = 0.0
    ignored_for_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Drill:
    """A whole drill. `told` is the file's own document, for the history."""

    name: str
    title: str
    architecture: Architecture
    targets: tuple[Target, ...]
    traffic: tuple[Traffic, ...]
    faults: tuple[Fault, ...]
    objectives: tuple[Objective, ...]
    question: str = ""
    protections: tuple[Protection, ...] = ()
    without: tuple[str, ...] = ()
    """The protections that this run leaves out."""
    pattern: Mapping[str, str] = field(default_factory=dict)
    cost: float | None = None
    """What it costs while nothing happens, as its author states it: 1 is what serves alone."""
    steady_s: float = 5.0
    steady_within_s: float = 600.0
    success: float = 1.0
    recovery_s: float = 10.0
    late_s: float = 0.25
    """In real time: how late operations may start."""
    simulation: Simulation = field(default_factory=Simulation)
    told: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
