"""When to look again for a record that was not there: after 0.25, 0.5, 1, 2 real seconds, and so on up to a minute of
AWS time, and once more when the time for it is over."""

from __future__ import annotations

from collections.abc import Callable

from kunren.core.clock import Clock, Timer

POLL_FIRST_S = 0.25  # real seconds: a script that has just made the record is waiting
POLL_LAST_S = 60.0  # AWS seconds, never less than POLL_LEAST_S real ones
POLL_LEAST_S = 2.0


class Polls:
    """One timer per id; `enqueue(id)` is called when it is time."""

    def __init__(self, clock: Clock, enqueue: Callable[[str], None]) -> None:
        self._clock = clock
        self._enqueue = enqueue
        self._counts: dict[str, int] = {}
        self._timers: dict[str, Timer] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def later(self, id: str, ends_at: float) -> None:
        """`ends_at` is AWS time."""
        count = self._counts[id] = self._counts.get(id, -1) + 1
        ceiling = max(POLL_LEAST_S, self._clock.wall_seconds(POLL_LAST_S))
        delay = min(POLL_FIRST_S * 2 ** min(count, 16), ceiling)
        left = self._clock.wall_seconds(max(0.0, ends_at - self._clock.now()))
        self._timers[id] = self._clock.call_later(min(delay, left) * self._clock.speed, lambda: self._enqueue(id))

    def arrived(self, id: str) -> None:
        """Somebody looks now: no timer is needed."""
        if timer := self._timers.pop(id, None):
            timer.cancel()

    def hasten(self, id: str) -> None:
        """Something changed: begin with short waits again."""
        self._counts.pop(id, None)

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
