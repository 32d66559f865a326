"""What is going on right now in a drill: counts and latencies of the last moments, and what happened to the world."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from kunren.drills.history import RECORD, Event

SLICE_NS = 100_000_000


@dataclass(slots=True)
class Slice:
    """A tenth of a second, by when operations were meant to start. `took_ms` are ok ones."""

    sent: int
    ok: int
    bad: int
    took_ms: list[float]


class Live:
    """Fed by the clients' threads; read by the runner and the view."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slices: dict[int, Slice] = {}
        self._started: dict[tuple[int, int], int] = {}
        self._heard_of: set[int] = set()
        self.happened: deque[dict[str, Any]] = deque()
        """Notes about faults, health and the drill itself, in order: for a view to take."""

    def recorded(self, payload: bytes) -> None:
        with self._lock:
            for time_ns, operation, client, event, *_ in RECORD.iter_unpack(payload):
                if event == Event.INVOKE:
                    self._started[client, operation] = time_ns
                    self._slice(time_ns).sent += 1
                elif event != Event.SEEN:
                    started_ns = self._started.pop((client, operation), time_ns)
                    current = self._slice(started_ns)
                    if event == Event.OK:
                        current.ok += 1
                        current.took_ms.append((time_ns - started_ns) / 1e6)
                        self._heard_of.add(client)
                    else:
                        current.bad += 1

    def noted(self, note: dict[str, Any]) -> None:
        if note["note"] in ("fault", "health", "steady", "end"):
            self.happened.append(note)

    def _slice(self, time_ns: int) -> Slice:
        index = time_ns // SLICE_NS
        found = self._slices.get(index)
        if found is None:
            found = self._slices[index] = Slice(0, 0, 0, [])
        return found

    def over(self, start_ns: int, end_ns: int) -> Slice:
        """The sum of that time."""
        with self._lock:
            chosen = [
                self._slices[index]
                for index in range(max(start_ns, 0) // SLICE_NS, end_ns // SLICE_NS)
                if index in self._slices
            ]
            return Slice(
                sum(each.sent for each in chosen),
                sum(each.ok for each in chosen),
                sum(each.bad for each in chosen),
                sorted(value for each in chosen for value in each.took_ms),
            )

    def steady(self, now_ns: int, for_ns: int, success: float, clients: int) -> bool:
        """Whether so many of the operations were ok, of every client, in so long a time before the first operation
        that is still under way; and none that came later has failed."""
        with self._lock:
            until_ns = min(self._started.values(), default=now_ns)
        if until_ns < for_ns:
            return False
        last, since = self.over(until_ns - for_ns, until_ns), self.over(until_ns, now_ns)
        good = last.ok > 0 and last.ok >= success * (last.ok + last.bad)
        return good and not since.bad and len(self._heard_of) == clients
