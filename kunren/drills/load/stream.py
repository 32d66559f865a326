"""Open-loop arrivals: one client's operations at a constant rate, each with a deadline of its own.

An operation is meant to start at its place in the schedule; when it does start does not move the next one. Its latency
and its deadline count from the time that was meant, so that a client that had to wait is not told from one that was
served slowly, as its user would not tell either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from kunren.drills.history import Event, Reason
from kunren.drills.load.loop import Recorder, now_ns

FAR = 1 << 62


class Operation:
    """One operation under way."""

    __slots__ = ("done", "intended_ns", "number", "sent", "using")

    def __init__(self, number: int, intended_ns: int) -> None:
        self.number = number
        self.intended_ns = intended_ns
        self.done = False
        self.sent = False
        """Whether the other side may have acted on it."""
        self.using: Any = None


class Stream:
    """A client's operations. Subclasses say how one begins, and how one is given up."""

    def __init__(self, recorder: Recorder, client: int, wanted: dict[str, Any]) -> None:
        self.client = client
        self.recorder = recorder
        self.writes = bool(wanted.get("write"))
        self._period_ns = 1e9 / wanted["rate"]
        self._offset_ns = int(wanted.get("offset_s", 0.0) * 1e9)
        self.timeout_ns = int(wanted["timeout_s"] * 1e9)
        self._started_ns = 0
        self._next_ns = FAR
        self._number = 0
        self._pending: deque[Operation] = deque()
        self._addresses: dict[str, int] = {}
        self.told_address: Callable[[int, int, str], None] = lambda client, index, address: None

    def begin(self, operation: Operation) -> None:
        raise NotImplementedError

    def give_up(self, operation: Operation) -> None:
        """Its time is over: call `finish`, and let go of what it uses."""
        raise NotImplementedError

    def start(self, at_ns: int) -> None:
        self._started_ns = at_ns + self._offset_ns
        self._next_ns = self._started_ns

    def stop(self) -> None:
        """Begin no more; those under way go on until their deadlines."""
        self._next_ns = FAR

    @property
    def idle(self) -> bool:
        return self._next_ns == FAR and all(each.done for each in self._pending)

    def due(self, now: int) -> int:
        """Begin what is due and give up what is too late; when to be asked again."""
        pending, timeout = self._pending, self.timeout_ns
        while self._next_ns <= now:
            operation = Operation(self._number, self._next_ns)
            late_us = (now - operation.intended_ns) // 1000
            self.recorder.record(operation.intended_ns, operation.number, self.client, Event.INVOKE, late_us=late_us)
            pending.append(operation)
            self._number += 1
            self._next_ns = self._started_ns + int(self._number * self._period_ns)
            self.begin(operation)
            if self._number & 15 == 0:
                now = now_ns()
        while pending and (pending[0].done or pending[0].intended_ns + timeout <= now):
            operation = pending.popleft()
            if not operation.done:
                self.give_up(operation)
        return min(self._next_ns, pending[0].intended_ns + timeout if pending else FAR)

    def finish(self, operation: Operation, reason: int = 0, status: int = 0, address: int = 0) -> None:
        """The operation's completion: ok without a reason; a write that may have happened all the same is unknown."""
        if operation.done:
            return
        operation.done = True
        if not reason:
            event = Event.OK
        elif self.writes and operation.sent and not refused(reason, status):
            event = Event.UNKNOWN
        else:
            event = Event.FAIL
        self.recorder.record(now_ns(), operation.number, self.client, event, reason, status, address)

    def address(self, address: str) -> int:
        """The number by which records name that server (0 is none)."""
        index = self._addresses.get(address)
        if index is None:
            index = self._addresses[address] = len(self._addresses) + 1
            self.told_address(self.client, index, address)
        return index


def refused(reason: int, status: int) -> bool:
    """Whether the server has said that nothing was done."""
    return reason == Reason.ERROR or (reason == Reason.STATUS and definite(status))


def definite(status: int) -> bool:
    """Whether that HTTP status says that nothing was done: the request was refused, or reached no server."""
    return 400 <= status < 500 or status == 503
