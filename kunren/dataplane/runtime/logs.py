"""What functions print: read from the workers' pipes, kept per function in a file, handed on to CloudWatch Logs.

`WorkerLog` belongs to one worker: it reads the pipe that is the worker's standard output and error, and keeps the
last 4 KB of the invocation at hand for `LogType=Tail`. `FunctionLogs` gathers lines for a moment, then appends
them to the function's file and calls the sink. Lines are times in milliseconds since 1970 (AWS time) and text.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path

from kunren.core.clock import Clock
from kunren.dataplane.runtime.version import FunctionVersion

log = logging.getLogger(__name__)
LogSink = Callable[[str, str, str, str, list[tuple[int, str]]], None]
"""Called with account, region, log group, log stream and lines."""
TAIL_BYTES = 4096
FILE_BYTES_MAX = 10_000_000
_LINE_BYTES_MAX = 262_118  # CloudWatch Logs' event limit
_FLUSH_AFTER_S = 0.1
_FLUSH_BYTES = 500_000
_LINE_COST = 100  # bytes that a line takes beside its text


class FunctionLogs:
    """The log files of all functions under one folder, and the sink."""

    def __init__(self, folder: Path, clock: Clock, sink: LogSink | None) -> None:
        self._folder = folder
        self._clock = clock
        self.sink = sink
        self._pending: dict[tuple[str, str, str, str, str], list[tuple[int, str]]] = {}
        self._bytes = 0
        self._scheduled = False

    def path(self, account: str, region: str, name: str) -> Path:
        return self._folder / f"{account}.{region}.{name}.log"

    def now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def add(self, version: FunctionVersion, stream: str, lines: list[tuple[int, str]]) -> None:
        key = (version.account, version.region, version.name, version.log_group, stream)
        self._pending.setdefault(key, []).extend(lines)
        self._bytes += sum(len(text) + _LINE_COST for _, text in lines)
        if self._bytes >= _FLUSH_BYTES:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._clock.call_later(_FLUSH_AFTER_S * self._clock.speed, self.flush)

    def flush(self) -> None:
        """Write what has come. A full disk costs log lines, never invocations."""
        pending, self._pending, self._bytes, self._scheduled = self._pending, {}, 0, False
        for (account, region, name, group, stream), lines in pending.items():
            try:
                self._append(self.path(account, region, name), "".join(f"{text}\n" for _, text in lines))
                if self.sink is not None:
                    self.sink(account, region, group, stream, lines)
            except Exception as error:
                log.warning("%d log lines of function %s were lost: %s", len(lines), name, error)

    def _append(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > FILE_BYTES_MAX:
            path.replace(path.with_suffix(".log.1"))
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)


class WorkerLog:
    """Standard output and error of one worker, and the log lines that AWS writes around them."""

    def __init__(self, logs: FunctionLogs, version: FunctionVersion, stream: str) -> None:
        self.stream = stream
        self._logs = logs
        self._version = version
        self._tail = bytearray()
        self._partial = b""
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        self._room = fcntl.fcntl(self._reader, fcntl.F_GETPIPE_SZ)
        asyncio.get_running_loop().add_reader(self._reader, self.drain)

    def close_writer(self) -> None:
        """The worker has its own copy now; without ours the pipe ends when the worker does."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def drain(self) -> None:
        """Take all that the worker had written when this was called: what it printed before it answered is there
        already, and a pipe holds no more. One that goes on writing has to wait for its turn."""
        left = self._room
        while self._reader >= 0 and left > 0:
            try:
                data = os.read(self._reader, left)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._end_reading()
                return
            left -= len(data)
            *whole, self._partial = (self._partial + data).split(b"\n")
            if len(self._partial) > _LINE_BYTES_MAX:
                whole.append(self._partial)
                self._partial = b""
            if whole:
                self.write(*(each.decode("utf-8", "backslashreplace") for each in whole))

    def settle(self) -> None:
        """Drain, and let a last line without line break count as one."""
        self.drain()
        if self._partial:
            partial, self._partial = self._partial, b""
            self.write(partial.decode("utf-8", "backslashreplace"))

    def write(self, *lines: str) -> None:
        now_ms = self._logs.now_ms()
        self._logs.add(self._version, self.stream, [(now_ms, line) for line in lines])
        last: list[bytes] = []
        size = 0
        for line in reversed(lines):
            last.append(line.encode("utf-8", "backslashreplace") + b"\n")
            size += len(last[-1])
            if size > TAIL_BYTES:
                break
        self._tail += b"".join(reversed(last))
        if len(self._tail) > 4 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def take_tail(self) -> bytes:
        """The last 4 KB since the tail was last taken."""
        tail = bytes(self._tail[-TAIL_BYTES:])
        self._tail.clear()
        return tail

    def close(self) -> None:
        self.close_writer()
        self.settle()
        self._end_reading()

    def _end_reading(self) -> None:
        if self._reader >= 0:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
            if self._partial:
                self.settle()


def report_line(
    request_id: str,
    *,
    duration_ms: float,
    memory_mb: int,
    max_memory_mb: int | None,
    init_ms: float | None,
    status: str = "",
    error_type: str = "",
) -> str:
    """AWS's REPORT line; the billed time counts a cold start's init (since August 2025) in whole milliseconds."""
    billed = duration_ms + (init_ms or 0.0)
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {int(-(-billed // 1))} ms",
        f"Memory Size: {memory_mb} MB",
    ]
    if max_memory_mb is not None:
        parts.append(f"Max Memory Used: {max_memory_mb} MB")
    if init_ms is not None:
        parts.append(f"Init Duration: {init_ms:.2f} ms")
    if status:
        parts.append(f"Status: {status}")
    if error_type:
        parts.append(f"Error Type: {error_type}")
    return "\t".join(parts) + "\t"
