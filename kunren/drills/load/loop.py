"""An epoll loop that starts operations when they are meant to start, whatever became of those before them.

Made for one purpose: 20,000 operations a second from one Python process. Readiness calls back by file descriptor; a
kernel timer (timerfd) wakes the loop within microseconds, since epoll's own waits are counted in milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from collections.abc import Callable

from kunren.drills.history import FRAME, NOTE, RECORD, RECORDS

FLUSH_EVERY_NS = 50_000_000
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLOCK_MONOTONIC, _ABSOLUTE, _NONBLOCK = 1, 1, os.O_NONBLOCK
_TIMER = struct.Struct("qqqq")
now_ns = time.monotonic_ns


class Recorder:
    """Records on their way to the runner: frames on a file descriptor, a few times a second."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rows: list[bytes] = []
        self._flushed_ns = 0
        self.origin_ns = 0

    def record(
        self, at_ns: int, operation: int, client: int, event: int,
        reason: int = 0, status: int = 0, address: int = 0, late_us: int = 0,
    ) -> None:  # fmt: skip
        """One record; `at_ns` as the kernel's monotonic clock has it."""
        since = at_ns - self.origin_ns
        self._rows.append(
            RECORD.pack(since if since > 0 else 0, operation, client, event, reason, status, address, late_us)
        )

    def note(self, payload: bytes) -> None:
        """A note, in JSON, after all records so far."""
        self.flush()
        _write_all(self._descriptor, FRAME.pack(NOTE, len(payload)) + payload)

    def flush(self, at_ns: int = 0) -> None:
        """Write what there is; with a time, only if the last flush is long enough ago."""
        if at_ns and at_ns - self._flushed_ns < FLUSH_EVERY_NS:
            return
        self._flushed_ns = at_ns or self._flushed_ns
        if self._rows:
            payload = b"".join(self._rows)
            self._rows.clear()
            _write_all(self._descriptor, FRAME.pack(RECORDS, len(payload)) + payload)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Loop:
    """`run` until `end`; `watch` descriptors; whoever is in `due` is asked each time around.

    A member of `due` does what is due at a time and returns when it wants to be asked again (monotonic nanoseconds).
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.due: list[Callable[[int], int]] = []
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._ended = False
        self._timer = _LIBC.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self.watch(self._timer, select.EPOLLIN, self._rang)

    def watch(self, descriptor: int, events: int, handler: Callable[[int], None]) -> None:
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def rewatch(self, descriptor: int, events: int) -> None:
        self._epoll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Before it is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def end(self) -> None:
        self._ended = True

    def run(self) -> None:
        handlers, poll, recorder = self._handlers, self._epoll.poll, self.recorder
        while not self._ended:
            now = now_ns()
            wake = now + FLUSH_EVERY_NS
            for each in self.due:
                wanted = each(now)
                if wanted < wake:
                    wake = wanted
            recorder.flush(now)
            if wake > now_ns():
                self._wake_at(wake)
                ready = poll(-1)
            else:
                ready = poll(0)
            for descriptor, events in ready:
                handler = handlers.get(descriptor)
                if handler is not None:
                    handler(events)
        recorder.flush()

    def _wake_at(self, at_ns: int) -> None:
        at_ns = max(at_ns, 1)
        spec = _TIMER.pack(0, 0, at_ns // 1_000_000_000, at_ns % 1_000_000_000)
        _LIBC.timerfd_settime(self._timer, _ABSOLUTE, spec, None)

    def _rang(self, _events: int) -> None:
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            pass
