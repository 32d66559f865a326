"""Operations from records: each invocation with its completion, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from kunren.drills.history import Event, History

Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Operations:
    """Columns of equal length, in the order of intended starts. Times are real seconds since the history began.

    `end` is infinite where nothing was heard of an operation, whose `outcome` is UNKNOWN then.
    """

    client: Array
    number: Array
    start: Array
    end: Array
    outcome: Array
    reason: Array
    late: Array

    def __len__(self) -> int:
        return len(self.start)

    @property
    def ok(self) -> Array:
        good: Array = self.outcome == Event.OK
        return good

    def where(self, chosen: Array) -> Operations:
        return Operations(
            self.client[chosen], self.number[chosen], self.start[chosen], self.end[chosen], self.outcome[chosen],
            self.reason[chosen], self.late[chosen],
        )  # fmt: skip

    def between(self, start_s: float, end_s: float) -> Operations:
        """Those that were meant to start in that time."""
        return self.where((self.start >= start_s) & (self.start < end_s))

    def of(self, clients: set[int]) -> Operations:
        return self.where(numpy.isin(self.client, sorted(clients)))


def operations_of(history: History) -> Operations:
    """All operations of a history. A second completion of one operation is left out."""
    records = history.records
    invoked = records[records["event"] == Event.INVOKE]
    invoked = invoked[numpy.argsort(invoked["time_ns"], kind="stable")]
    completed = records[(records["event"] > Event.INVOKE) & (records["event"] < Event.SEEN)]
    keys = _keys(invoked)
    order = numpy.argsort(keys, kind="stable")
    end = numpy.full(len(invoked), numpy.inf)
    outcome = numpy.full(len(invoked), Event.UNKNOWN, dtype=numpy.uint8)
    reason = numpy.zeros(len(invoked), dtype=numpy.uint8)
    if len(completed) and len(invoked):
        keys_completed, first = numpy.unique(_keys(completed), return_index=True)
        completed = completed[first]
        at = numpy.searchsorted(keys[order], keys_completed)
        at[at == len(order)] = 0
        rows = order[at]
        known = keys[rows] == keys_completed
        rows, completed = rows[known], completed[known]
        end[rows] = completed["time_ns"] / 1e9
        outcome[rows] = completed["event"]
        reason[rows] = completed["reason"]
    return Operations(
        invoked["client"], invoked["operation"], invoked["time_ns"] / 1e9, end, outcome, reason,
        invoked["late_us"] / 1e6,
    )  # fmt: skip


def _keys(records: Array) -> Array:
    return (records["client"].astype(numpy.uint64) << numpy.uint64(32)) | records["operation"].astype(numpy.uint64)
