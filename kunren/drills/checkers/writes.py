"""What became of writes: which acknowledged ones are there at the end, which came twice or in another order.

**RPO** = time of the fault (or of the last acknowledged write that is lost, if that is later) − the recovery point.
The *recovery point* is when the last write was acknowledged before which no acknowledged write is lost. It is 0 where
none is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from kunren.drills.checkers.operations import Array, Operations
from kunren.drills.history import Event


@dataclass(frozen=True, slots=True)
class Fate:
    """Of all writes of some clients. `rpo_s` is in real seconds."""

    acknowledged: int
    lost: int
    duplicated: int
    reordered: int
    rpo_s: float


def fate(operations: Operations, seen: Array, fault_s: float | None) -> Fate:
    """`seen` are the records of writes that were read back, in the order of the reading."""
    written = operations.where(operations.ok)
    written = written.where(numpy.argsort(written.end, kind="stable"))
    names = _names(written.client, written.number)
    found = _names(seen["client"], seen["operation"])
    kept = numpy.isin(names, found)
    _, counts = numpy.unique(found, return_counts=True)
    return Fate(
        acknowledged=len(written),
        lost=int((~kept).sum()),
        duplicated=int((counts > 1).sum()),
        reordered=_reordered(seen),
        rpo_s=_rpo(written.end, kept, fault_s),
    )


def _names(client: Array, number: Array) -> Array:
    return (client.astype(numpy.uint64) << numpy.uint64(32)) | number.astype(numpy.uint64)


def _reordered(seen: Array) -> int:
    """How many came after a later one of the same client (the first time that they came)."""
    count = 0
    for client in numpy.unique(seen["client"]):
        numbers = seen["operation"][seen["client"] == client]
        _, first = numpy.unique(numbers, return_index=True)
        numbers = numbers[numpy.sort(first)]
        if len(numbers):
            count += int((numbers < numpy.maximum.accumulate(numbers)).sum())
    return count


def _rpo(acknowledged_s: Array, kept: Array, fault_s: float | None) -> float:
    lost = numpy.flatnonzero(~kept)
    if not len(lost):
        return 0.0
    last_lost = float(acknowledged_s[lost[-1]])
    point = float(acknowledged_s[lost[0] - 1]) if lost[0] > 0 else float(acknowledged_s[0])
    end = last_lost if fault_s is None else max(fault_s, last_lost)
    return max(end - point, 0.0)


def seen_records(records: Array, clients: set[int]) -> Array:
    """The records of what was read back from those clients' writes."""
    chosen: Array = records[(records["event"] == Event.SEEN) & numpy.isin(records["client"], sorted(clients))]
    return chosen
