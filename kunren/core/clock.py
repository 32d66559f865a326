"""The clock that every part is handed: what time it is, and how to wait for it.

Two times exist side by side. *AWS time* (`now`, `sleep`, `call_later`) is what AWS's own waits are measured
in: health-check intervals, deregistration delays, bake times. `kunren up --speed 20` makes it pass twenty times
as fast. *Wall time* (`wall`, `monotonic`, `wall_sleep`) is for what a packet, a certificate or a signature
sees, and never changes speed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """A pending call that may be taken back."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time and waiting. All durations are seconds; `now` and `wall` are seconds since 1970 (UTC)."""

    @property
    def speed(self) -> float: ...
    def now(self) -> float:
        """AWS time: what a resource's CreatedTime says and what AWS's waits are measured in."""
        ...

    def wall(self) -> float:
        """Real time, for certificates, signatures and HTTP dates."""
        ...

    def monotonic(self) -> float:
        """Real elapsed seconds, for latencies and connect timeouts."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of AWS time."""
        ...

    async def wall_sleep(self, seconds: float) -> None:
        """Wait that many real seconds."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back after that many seconds of AWS time."""
        ...

    def wall_seconds(self, seconds: float) -> float:
        """How many real seconds that many seconds of AWS time last (for timers that others run, as Envoy's)."""
        ...


LEAST_S = 0.1
"""Real seconds between two ticks, however fast the clock."""


async def ticks(clock: Clock, every_s: float) -> AsyncIterator[float]:
    """The whole multiples of `every_s` (AWS time), each once it has come; those that pass in less than `LEAST_S`, or
    while the last one is worked on, are left out."""
    while True:
        now = clock.now()
        due = (now // every_s + 1) * every_s
        await clock.sleep(max(due - now, LEAST_S * clock.speed))
        yield clock.now() // every_s * every_s


class SystemClock:
    """The running system's clock; AWS time starts `ahead` seconds after real time and passes `speed` times as fast."""

    def __init__(self, speed: float = 1.0, ahead: float = 0.0) -> None:
        if not 0 < speed <= 10_000:
            raise ValueError(f"speed must be above 0 and at most 10000, not {speed}")
        self._speed = speed
        self._origin = time.time() + ahead
        self._origin_monotonic = time.monotonic()

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> float:
        return self._origin + (time.monotonic() - self._origin_monotonic) * self._speed

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    async def wall_sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds / self._speed, callback)

    def wall_seconds(self, seconds: float) -> float:
        return seconds / self._speed


class _SimTimer:
    def __init__(self, clock: SimClock, deadline: float, callback: Callable[[], None]) -> None:
        self.deadline = deadline
        self.callback = callback
        self._clock = clock

    def cancel(self) -> None:
        self._clock.forget(self)


class SimClock:
    """A clock for tests: time stands still until `advance` moves it; timers fire in order on the way."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._timers: list[_SimTimer] = []

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self.call_later(seconds, woken.set)
        await woken.wait()

    async def wall_sleep(self, seconds: float) -> None:
        await self.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = _SimTimer(self, self._now + seconds, callback)
        self._timers.append(timer)
        return timer

    def wall_seconds(self, seconds: float) -> float:
        return seconds

    def forget(self, timer: _SimTimer) -> None:
        if timer in self._timers:
            self._timers.remove(timer)

    def advance(self, seconds: float) -> None:
        """Move time forward, firing every timer whose deadline is passed, earliest first."""
        until = self._now + seconds
        while due := [timer for timer in self._timers if timer.deadline <= until]:
            timer = min(due, key=lambda each: each.deadline)
            self._timers.remove(timer)
            self._now = max(self._now, timer.deadline)
            timer.callback()
        self._now = until


def iso_utc(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC with milliseconds: 2026-01-02T03:04:05.678Z."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(seconds: int) -> str:
    """Seconds since 1970 as HTTP has dates (RFC 9110, IMF-fixdate): Mon, 02 Jan 2006 15:04:05 GMT."""
    moment = datetime.fromtimestamp(seconds, UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    time = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"  # strftime takes three times as long
    return f"{day}, {moment.day:02d} {month} {moment.year:04d} {time} GMT"
