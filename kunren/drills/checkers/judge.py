"""The verdict on a history: every objective measured, met or not or unknown. A pure function; it never guesses."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy

from kunren.drills.checkers.objectives import COUNTED, PHASES, SHARES, met, shown
from kunren.drills.checkers.operations import Operations, operations_of
from kunren.drills.checkers.outages import Recovery, Standing, recovery
from kunren.drills.checkers.writes import Fate, fate, seen_records
from kunren.drills.history import Event, History, Reason

LATE_S = 0.25
LATE_SHARE = 0.01
Verdict = bool | str
UNKNOWN = "unknown"
NO_OPERATION = "no operation began after the fault"


@dataclass(frozen=True, slots=True)
class Measured:
    """One objective and what came of it. `met` is true, false or "unknown"; `why` says so in words."""

    name: str
    target: float
    measured: float | None
    met: Verdict
    why: str
    traffic: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A drill's result; `as_json` is the object that scripts read."""

    drill: str
    verdict: Verdict
    reason: str
    objectives: tuple[Measured, ...]
    rto_s: float | None
    rpo_s: float | None
    operations: dict[str, int]
    latency_ms: dict[str, dict[str, float | None]]
    faults: tuple[dict[str, Any], ...]
    speed: float
    seed: int | None
    history: str
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        return {**{key: value for key, value in told.items() if key != "more"}, **self.more}


class View:
    """What the notes of a history say, and its operations."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.header = history.header
        self.speed = float(self.header.get("speed", 1.0))
        self.all = operations_of(history)
        self.clients = history.told("client")
        self.steady_s = _first(history, "steady")
        ends = [*history.told("stop"), *history.told("end")]
        last = float(self.all.start[-1]) if len(self.all) else 0.0
        self.until_s = ends[0]["time_ns"] / 1e9 if ends else last
        self.faults = standing(history)
        self.real_faults = [each for each, remedy in self.faults if not remedy]
        self.hold_s = float(self.header.get("steady_s", 5.0)) / self.speed
        self.success = float(self.header.get("success", 1.0))

    def ids(self, traffic: str) -> set[int]:
        return {each["client"] for each in self.clients if not traffic or each["traffic"] == traffic}

    def watched(self, traffic: str) -> Operations:
        """From the steady state until the clients stopped."""
        start = self.steady_s if self.steady_s is not None else 0.0
        return self.all.of(self.ids(traffic)).between(start, self.until_s)

    def recoveries(self, traffic: str) -> list[Recovery]:
        chosen = self.watched(traffic)
        return [recovery(chosen, each, self.hold_s, self.success, self.until_s) for each in self.real_faults]

    def faulted(self, traffic: str) -> Operations:
        """From the first fault on."""
        start = min((each.start_s for each in self.real_faults), default=self.steady_s or 0.0)
        return self.watched(traffic).between(start, math.inf)

    def fate(self, traffic: str) -> Fate | None:
        """None where the writes were not read back."""
        read = {each["client"] for each in self.history.told("read") if not each["error"]}
        clients = {each["client"] for each in self.clients if each.get("writes")} & self.ids(traffic)
        if not clients or clients - read:
            return None
        fault_s = min((each.start_s for each in self.real_faults), default=None)
        return fate(self.all.of(clients), seen_records(self.history.records, clients), fault_s)

    def phases(self) -> dict[str, tuple[float, float]]:
        """Start and end of before, during and after, in real seconds."""
        steady = self.steady_s or 0.0
        if not self.real_faults:
            return {"before": (steady, self.until_s), "during": (0.0, 0.0), "after": (0.0, 0.0)}
        first = min(each.start_s for each in self.real_faults)
        over = max(each.over_s for each in self.recoveries(""))
        healed = max(min(each.healed_s, self.until_s) for each in self.real_faults)
        end = max(over, healed)
        return {"before": (steady, first), "during": (first, end), "after": (end, self.until_s)}


def standing(history: History) -> list[tuple[Standing, bool]]:
    """The faults that really began, with when they were healed; and whether each is a remedy."""
    healed = {each["name"]: each["time_ns"] / 1e9 for each in history.told("fault") if each["state"] == "healed"}
    return [
        (Standing(each["name"], each["time_ns"] / 1e9, healed.get(each["name"], math.inf)), bool(each.get("remedy")))
        for each in history.told("fault")
        if each["state"] == "started"
    ]


def _first(history: History, note: str) -> float | None:
    return next((each["time_ns"] / 1e9 for each in history.told(note)), None)


def judge(history: History) -> Result:
    """The result, from the history alone."""
    view = View(history)
    objectives = tuple(_measured(view, each) for each in view.header.get("objectives", []))
    verdict, reason = _verdict(view, objectives)
    outcomes = view.watched("").outcome
    fate_of_all = view.fate("")
    return Result(
        drill=view.header.get("drill", ""),
        verdict=verdict,
        reason=reason,
        objectives=objectives,
        rto_s=_rto(view, ""),
        rpo_s=_rounded(fate_of_all.rpo_s * view.speed) if fate_of_all and view.real_faults else None,
        operations={
            "sent": len(outcomes),
            "ok": int((outcomes == Event.OK).sum()),
            "failed": int((outcomes == Event.FAIL).sum()),
            "unknown": int((outcomes == Event.UNKNOWN).sum()),
        },
        latency_ms=latencies(view.watched(""), view.phases()),
        faults=tuple(_fault(view, *each) for each in view.faults),
        speed=view.speed,
        seed=view.header.get("seed"),
        history=str(history.path or ""),
    )


def _verdict(view: View, objectives: tuple[Measured, ...]) -> tuple[Verdict, str]:
    """Unknown before all else where the history can't be trusted; else false before unknown before true."""
    if broken := _broken(view):
        return UNKNOWN, broken
    for found in (False, UNKNOWN):
        whys = [each.why for each in objectives if each.met == found and isinstance(each.met, type(found))]
        if whys:
            return found, "; ".join(whys)
    return True, "every objective holds: " + "; ".join(each.why for each in objectives)


def _broken(view: View) -> str:
    """Why this history says nothing about the architecture; empty where it does."""
    told = view.history.told("end")
    if told and told[0].get("reason"):
        return str(told[0]["reason"])
    if not told:
        return "the history ends in the middle: the drill was not carried out to its end"
    if view.steady_s is None:
        return "the steady state was never reached, so nothing was broken"
    missing = [each for each in view.header.get("faults", []) if each not in {fault.name for fault, _ in view.faults}]
    if missing:
        return f"not everything was done to the world that should have been: {', '.join(missing)}"
    watched = view.watched("")
    if not len(watched):
        return "no operation was recorded"
    allowed_s = float(view.header.get("late_s", LATE_S))
    late = float((watched.late > allowed_s).mean())
    if late > LATE_SHARE:
        return (
            f"the load generator was too slow: {late:.0%} of the operations began more than {allowed_s * 1000:.0f} ms "
            "late; ask for a lower rate or a lower speed"
        )
    return ""


def _rto(view: View, traffic: str) -> float | None:
    found = view.recoveries(traffic)
    if not found or any(each.rto_s is None for each in found):
        return None
    return _rounded(max(each.rto_s or 0.0 for each in found) * view.speed)


def _measured(view: View, told: dict[str, Any]) -> Measured:
    name, target, traffic = told["name"], float(told["target"]), told.get("traffic", "")
    if name == "rto":
        return _rto_measured(view, target, traffic)
    value, unknown = _value(view, name, traffic)
    of = f" of {traffic}" if traffic else ""
    if value is None:
        return Measured(name, target, None, UNKNOWN, f"{name}{of} is unknown: {unknown}", traffic)
    holds = met(name, value, target)
    relation = "within" if holds else "not within"
    if name == "availability":
        relation = "at least" if holds else "below"
    why = f"{name}{of} is {shown(name, value)}, {relation} {shown(name, target)}"
    return Measured(name, target, value, holds, why, traffic)


def _rto_measured(view: View, target: float, traffic: str) -> Measured:
    found = view.recoveries(traffic)
    if not found:
        return Measured("rto", target, None, UNKNOWN, "rto is unknown: no fault was injected", traffic)
    for each in found:
        if each.idle:
            continue
        if each.rto_s is None:
            watched = each.watched_s * view.speed
            why = f"no steady recovery from {each.fault.name!r} in the {watched:.1f} s that were watched"
            late = watched > target
            text = f"rto is over {shown('rto', target)}: {why}" if late else f"rto is unknown: {why}"
            return Measured("rto", target, None, False if late else UNKNOWN, text, traffic)
    if any(each.idle for each in found):
        return Measured("rto", target, None, UNKNOWN, f"rto is unknown: {NO_OPERATION}", traffic)
    value = _rounded(max(each.rto_s or 0.0 for each in found) * view.speed)
    holds = met("rto", value, target)
    text = f"rto is {shown('rto', value)}, {'within' if holds else 'not within'} {shown('rto', target)}"
    return Measured("rto", target, value, holds, text, traffic)


def _value(view: View, name: str, traffic: str) -> tuple[float | None, str]:
    """What is measured, or why it is not known."""
    if name in SHARES:
        chosen = view.faulted(traffic)
        if not len(chosen):
            return None, NO_OPERATION
        share = float(chosen.ok.mean())
        return (share if name == "availability" else 1.0 - share), ""
    if name == "cut_off":
        chosen = view.faulted(traffic)
        return (float((chosen.reason == Reason.CUT).sum()), "") if len(chosen) else (None, NO_OPERATION)
    if name == "rpo" or name in COUNTED:
        found = view.fate(traffic)
        if found is None:
            return None, "the writes could not be read back"
        return (_rounded(found.rpo_s * view.speed) if name == "rpo" else float(getattr(found, name))), ""
    _, level, phase = name.split("_")
    value = latencies(view.watched(traffic), view.phases())[phase][level]
    return value, f"no operation was ok {phase} the fault"


def latencies(operations: Operations, phases: dict[str, tuple[float, float]]) -> dict[str, dict[str, float | None]]:
    """p50 and p99 in real milliseconds (nearest rank) of the ok operations of each phase."""
    found: dict[str, dict[str, float | None]] = {}
    for phase in PHASES:
        chosen = operations.between(*phases[phase])
        took = numpy.sort((chosen.end - chosen.start)[chosen.ok]) * 1000
        found[phase] = {
            f"p{level}": round(float(took[max(math.ceil(len(took) * level / 100) - 1, 0)]), 3) if len(took) else None
            for level in (50, 99)
        }
    return found


def _fault(view: View, fault: Standing, remedy: bool) -> dict[str, Any]:
    """A fault's times, in seconds of AWS's time since the steady state."""
    zero = view.steady_s or 0.0
    healed = None if math.isinf(fault.healed_s) else _rounded((fault.healed_s - zero) * view.speed)
    return {
        "name": fault.name, "remedy": remedy, "started_s": _rounded((fault.start_s - zero) * view.speed),
        "healed_s": healed,
    }  # fmt: skip


def _rounded(value: float) -> float:
    return round(value, 3)
