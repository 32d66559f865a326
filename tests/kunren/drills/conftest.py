"""Histories made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kunren.drills.history import Event, History, records_of

MS = 1_000_000


class Made:
    """Collects what happened, in milliseconds, and gives a history of it."""

    def __init__(self, **header: Any) -> None:
        told = {
            "drill": "made",
            "objectives": [],
            "steady_s": 1.0,
            "success": 1.0,
            "speed": 1.0,
            "seed": 1,
            "faults": [],
        }
        self.notes: list[dict[str, Any]] = [{"note": "drill", "time_ns": 0, **told, **header}]
        self.rows: list[tuple[int, ...]] = []
        self.client(1)

    def client(self, number: int, traffic: str = "users", writes: bool = False) -> Made:
        self.notes = [each for each in self.notes if each.get("client") != number]
        return self.note("client", 0, client=number, traffic=traffic, place="tokyo", writes=writes)

    def note(self, kind: str, at_ms: float, **told: Any) -> Made:
        self.notes.append({"note": kind, "time_ns": int(at_ms * MS), **told})
        return self

    def operation(
        self, number: int, start_ms: float, took_ms: float | None = 1.0, event: int = Event.OK, *,
        client: int = 1, reason: int = 0, late_us: int = 0,
    ) -> Made:  # fmt: skip
        """One that never ended where it took None."""
        self.rows.append((int(start_ms * MS), number, client, Event.INVOKE, 0, 0, 0, late_us))
        if took_ms is not None:
            self.rows.append((int((start_ms + took_ms) * MS), number, client, event, reason, 0, 0, 0))
        return self

    def every(self, period_ms: float, until_ms: float, bad: Callable[[float], bool], **more: Any) -> Made:
        """Operations at a constant rate; those that `bad` says of their start fail."""
        number, at = 0, 0.0
        while at < until_ms:
            self.operation(number, at, event=Event.FAIL if bad(at) else Event.OK, **more)
            number, at = number + 1, at + period_ms
        return self

    def fault(self, start_ms: float, healed_ms: float | None = None, name: str = "fault", **more: Any) -> Made:
        self.note("fault", start_ms, name=name, state="started", **more)
        if healed_ms is not None:
            self.note("fault", healed_ms, name=name, state="healed")
        return self

    def seen(self, *numbers: int, client: int = 1, at_ms: float = 1e6) -> Made:
        self.rows += [(int(at_ms * MS), number, client, Event.SEEN, 0, 0, 0, 0) for number in numbers]
        return self.note("read", at_ms, client=client, error="")

    def ended(self, stop_ms: float, reason: str = "", steady_ms: float = 0.0) -> History:
        self.note("steady", steady_ms).note("stop", stop_ms).note("end", stop_ms + 1, reason=reason)
        return self.history()

    def history(self) -> History:
        return History(tuple(self.notes), records_of(self.rows))


@pytest.fixture
def made() -> Callable[..., Made]:
    """`made(objectives=[...])` begins a history by hand."""

    def make(**header: Any) -> Made:
        wanted = [
            {"name": name, "target": target, "traffic": ""} for name, target in header.pop("objectives", {}).items()
        ]
        return Made(objectives=wanted, **header)

    return make
