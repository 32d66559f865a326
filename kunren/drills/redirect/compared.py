"""What is compared of the architectures, as values, and what something dark did to the requests meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any

from kunren.drills.redirect.expected import Check

STEADY = 3
"""So many good answers in a row, to the end, mean that it works again."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One client with a few kept connections, as fast as it gets answers. Milliseconds."""

    place: str
    connections: int
    requests: int
    failed: int
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What clients of one place met while something was dark. `down_s` is from the breakage to the last failure;
    `recovered` says whether requests went well again while it was still dark."""

    place: str
    sent: int
    failed: int
    down_s: float
    recovered: bool
    slowest_s: float
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Darkness:
    """What was dark (a zone, a region, an edge location), and what each place met."""

    what: str
    name: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One architecture. `steps` are API calls that change something, `calls` all that the deployment made."""

    architecture: str
    checks: tuple[Check, ...]
    steps: int
    calls: int
    deployed_s: float
    speeds: tuple[Speed, ...]
    darkness: tuple[Darkness, ...] = field(default=())
    limits: Mapping[str, str] = field(default_factory=dict)
    """By domain: what the architecture can't do of the document's entry."""

    @property
    def verdict(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def speed(place: str, connections: int, told: dict[str, Any]) -> Speed:
    """From what `measure.load` says."""
    ordered = sorted(told["latencies_ms"])
    return Speed(
        place=place, connections=connections, requests=told["requests"], failed=told["failed"],
        per_second=round(told["requests"] / told["seconds"], 1) if told["seconds"] else 0.0,
        p50_ms=percentile(ordered, 0.5), p99_ms=percentile(ordered, 0.99),
    )  # fmt: skip


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of rising values: the least one that is as large as that share of all; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def effect(place: str, samples: Sequence[dict[str, Any]], broken_at: float, healed_at: float) -> Effect:
    """From what `measure.watch` says, of the requests that began and ended while it was dark."""
    met = [each for each in samples if broken_at <= each["at"] and each["at"] + each["seconds"] <= healed_at]
    failed = [each for each in met if each["problem"]]
    good_at_the_end = next((number for number, each in enumerate(reversed(met)) if each["problem"]), len(met))
    last = max((each["at"] + each["seconds"] for each in failed), default=broken_at)
    return Effect(
        place=place, sent=len(met), failed=len(failed), down_s=round(last - broken_at, 2),
        recovered=good_at_the_end >= STEADY, slowest_s=max((each["seconds"] for each in met), default=0.0),
        problems=tuple(sorted({each["problem"] for each in failed})),
    )  # fmt: skip


def told(effect: Effect) -> str:
    """An effect in a few words."""
    if not effect.sent:
        return "not measured"
    slow = f", slowest {effect.slowest_s:.1f} s" if effect.slowest_s >= 0.5 else ""
    if not effect.failed:
        return f"nothing fails{slow}"
    if effect.recovered:
        return f"{effect.failed} of {effect.sent} fail, well after {effect.down_s:.1f} s"
    return f"{effect.failed} of {effect.sent} fail, until healed"
