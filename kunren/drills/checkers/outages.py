"""Outages and the recovery time.

An operation is *bad* that was not ok (a success share below 100 % forgives bad ones among many good ones). Bad
operations less than the steady time apart are one *outage*. It ends when an operation that was meant to start after the
last bad one is answered, and only if no bad one follows within the steady time.

**RTO** = end of the last outage that a fault caused − start of the fault. A fault caused the outages that began before
it was healed, also by operations that were under way when it came. Where no operation was bad it is 0, and unknown
where none began after the fault.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy

from kunren.drills.checkers.operations import Array, Operations


@dataclass(frozen=True, slots=True)
class Outage:
    """Real seconds since the history began. `end_s` is None where it was not over when the history ended."""

    start_s: float
    last_bad_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A fault's time: started, and healed (infinite: not while it was watched)."""

    name: str
    start_s: float
    healed_s: float = math.inf


def outages(operations: Operations, steady_s: float, success: float, until_s: float) -> list[Outage]:
    """All outages, in order; the history was watched until `until_s`."""
    bad = numpy.flatnonzero(_bad(operations, steady_s, success))
    if not len(bad):
        return []
    starts = operations.start[bad]
    breaks = numpy.flatnonzero(numpy.diff(starts) >= steady_s)
    firsts = [0, *(breaks + 1).tolist()]
    lasts = [*breaks.tolist(), len(bad) - 1]
    answered = numpy.where(operations.ok, operations.end, numpy.inf)
    soonest = numpy.minimum.accumulate(answered[::-1])[::-1]  # of this operation and all after it
    found: list[Outage] = []
    for first, last in zip(firsts, lasts, strict=True):
        after = bad[last] + 1
        end = float(soonest[after]) if after < len(soonest) else math.inf
        watched = until_s - float(starts[last]) >= steady_s
        found.append(Outage(float(starts[first]), float(starts[last]), end if watched and math.isfinite(end) else None))
    return found


def _bad(operations: Operations, steady_s: float, success: float) -> Array:
    bad: Array = ~operations.ok
    if success >= 1.0 or not len(operations):
        return bad
    counts = numpy.concatenate([[0], numpy.cumsum(operations.ok)])
    index = numpy.arange(len(operations))
    ends = numpy.searchsorted(operations.start, operations.start + steady_s, side="left")
    begins = numpy.searchsorted(operations.start, operations.start - steady_s, side="right")
    ahead = (counts[ends] - counts[index]) / (ends - index)
    behind = (counts[index + 1] - counts[begins]) / (index + 1 - begins)
    forgiven: Array = numpy.minimum(ahead, behind) >= success
    return bad & ~forgiven


@dataclass(frozen=True, slots=True)
class Recovery:
    """Of one fault, in real seconds. `rto_s` is None where it was not over; `watched_s` is how long it was seen."""

    fault: Standing
    rto_s: float | None
    watched_s: float
    over_s: float
    """When the service was well again, or the end of what was watched."""
    idle: bool = False
    """Nobody asked: no operation began after the fault, and none that was under way was bad."""


def recovery(operations: Operations, fault: Standing, steady_s: float, success: float, until_s: float) -> Recovery:
    """What came of that fault."""
    watched_s = max(until_s - fault.start_s, 0.0)
    over_s, hurt = fault.start_s, False
    under_way = operations.where((operations.end >= fault.start_s) | (operations.start >= fault.start_s))
    for outage in outages(under_way, steady_s, success, until_s):
        if outage.start_s > fault.healed_s:
            break
        if outage.end_s is None:
            return Recovery(fault, None, watched_s, until_s)
        over_s, hurt = outage.end_s, True
    if not hurt and not (under_way.start >= fault.start_s).any():
        return Recovery(fault, None, watched_s, over_s, idle=True)
    return Recovery(fault, max(over_s - fault.start_s, 0.0) if hurt else 0.0, watched_s, over_s)
