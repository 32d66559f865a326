"""Health as Kunren's own picture of the architecture has it, four times a second: what changed goes into the history.

It explains an outage to who reads the report. No checker looks at it: the verdict comes from the traffic alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from kunren.drills.access import Access
from kunren.management.client import NotRunning, Refused

EVERY_S = 0.25
KINDS = {"target", "load-balancer-node", "health-check", "record", "endpoint"}
"""Of the graph's nodes: those whose state is a health."""


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[dict[str, str]]:
    """What became of each part: `what`, `before`, `now` (empty: not there)."""
    return [
        {"what": what, "before": before.get(what, ""), "now": now.get(what, "")}
        for what in sorted(before.keys() | now.keys())
        if before.get(what) != now.get(what)
    ]


def states(graph: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a graph that have a health."""
    return {
        f"{each['kind']} {each['name']}" + (f" in {each['region']}" if each.get("region") else ""): each["state"]
        for each in graph["nodes"]
        if each["kind"] in KINDS and each.get("state")
    }


class HealthWatch:
    """Runs in a thread of its own between `start` and `end`."""

    def __init__(self, access: Access, changed: Callable[..., object]) -> None:
        self._management, self._changed = access.management, changed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        seen: dict[str, str] | None = None
        while not self._ended.is_set():
            try:
                now = states(self._management.post("/graph", {"account": None, "region": None, "name": None}))
            except (NotRunning, Refused):
                now = seen or {}
            for each in changes(seen, now) if seen is not None else []:
                self._changed(**each)
            seen = now
            self._ended.wait(EVERY_S)
