"""The objectives that a drill may state: what measures them, in which unit, and whether more or less is better."""

from __future__ import annotations

SHARES = ("availability", "error_budget")
COUNTED = ("lost", "duplicated", "reordered", "cut_off")
PHASES = ("before", "during", "after")
UNITS_MS = tuple(f"latency_{level}_{phase}" for level in ("p50", "p99") for phase in PHASES)
MEASURED_BY = {
    "rto": "faults", "rpo": "writes", "lost": "writes", "duplicated": "writes", "reordered": "writes",
}  # fmt: skip
"""What a drill must have for an objective to be measured, where that is more than traffic."""
FORMULAS = {
    "rto": "end of the last outage that a fault caused − start of the fault",
    "rpo": "start of the fault − when the last write was acknowledged before which none is lost",
    "availability": "operations that were ok ÷ all operations, from the first fault on",
    "error_budget": "operations that were not ok ÷ all operations, from the first fault on",
    "lost": "acknowledged writes that are not there at the end",
    "duplicated": "writes that are there more than once",
    "reordered": "writes that came after a later one of the same client",
    "cut_off": "requests whose connection ended before the answer was whole, from the first fault on",
    **{
        each: f"{each[8:11]} of latencies of ok operations {each[12:]} the fault, from the intended start"
        for each in UNITS_MS
    },
}


def met(name: str, measured: float, target: float) -> bool:
    """Whether what was measured holds the target."""
    return measured >= target if name == "availability" else measured <= target


def unit(name: str) -> str:
    if name in UNITS_MS:
        return "ms"
    if name in SHARES:
        return "%"
    return "" if name in COUNTED else "s"


def shown(name: str, value: float | None) -> str:
    """A measure or target as people read it."""
    if value is None:
        return "–"
    if name in SHARES:
        return f"{value * 100:.3f}".rstrip("0").rstrip(".") + " %"
    if name in COUNTED:
        return f"{value:.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".") + f" {unit(name)}"
