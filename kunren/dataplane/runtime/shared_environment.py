"""An execution environment that several invocations share, as on managed instances: one process, /tmp and log.

Whatever asks for the next event is a worker: runtime clients keep as many requests parked as they can work at
(AWS_LAMBDA_MAX_CONCURRENCY says how many they may be). What an invocation overstepped concerns it alone: past the
function's timeout its caller gets the timeout's error, while the code runs on and its late answer is taken and dropped;
a worker that dies fails its own invocation, the others go on (developer guide, "Understanding the Lambda Managed
Instances execution environment").
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

from kunren.core.clock import Timer, iso_utc
from kunren.dataplane.runtime import faults
from kunren.dataplane.runtime.api_server import RESPONSE_BYTES_MAX, Connection
from kunren.dataplane.runtime.environment import (
    ACCEPTED,
    TOO_LARGE,
    UNREAD,
    WRONG_ID,
    WRONG_STATE,
    Environment,
)
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.logs import report_line
from kunren.dataplane.runtime.streams import ResponseStream
from kunren.dataplane.runtime.version import Invocation


@dataclass(slots=True)
class _Serving:
    """One invocation that a worker has."""

    call: Invocation
    connection: Connection
    done: asyncio.Future[Reply]
    given_at: float
    timer: Timer


class SharedEnvironment(Environment):
    """See the module. Its phases are `init`, `idle` (it has asked for events, whatever it is busy with) and `ended`."""

    def _prepare(self) -> None:
        self._workers: list[Connection] = []
        self._servings: dict[str, _Serving] = {}
        self._late: set[str] = set()

    @property
    def initialization(self) -> str:
        return "lambda-managed-instances"

    @property
    def busy(self) -> int:
        """How many invocations it has."""
        return len(self._servings)

    @property
    def free(self) -> int:
        """How many more it could have now."""
        if self.phase != "idle":
            return 0
        return min(len(self._workers), self.version.concurrency - self.busy)

    async def invoke(self, call: Invocation) -> tuple[Reply, bytes] | None:
        """Give one event to a worker and wait for its answer; with it, the tail of the log. None when no worker could
        take it."""
        connection = self._take()
        if connection is None:
            return None
        timeout_s = self.version.timeout_s
        done = asyncio.get_running_loop().create_future()
        timer = self._after(timeout_s, lambda: self._time_out(call.request_id))
        serving = _Serving(call, connection, done, self._clock.monotonic(), timer)
        self._servings[call.request_id] = serving
        self._log.settle()
        self._log.write(f"START RequestId: {call.request_id} Version: {self.version.version}")
        self._give(connection, call)
        try:
            reply = await asyncio.shield(done)
        except asyncio.CancelledError:  # the caller has gone; the function runs on, and its log is closed all the same
            done.add_done_callback(lambda ended: None if ended.cancelled() else self._close(serving, ended.result()))
            raise
        return (reply, self._close(serving, reply)) if reply is not UNREAD else None

    def _take(self) -> Connection | None:
        while self.free:
            connection = self._workers.pop(0)
            if connection.alive:
                return connection
        return None

    def _close(self, serving: _Serving, reply: Reply) -> bytes:
        """The log lines that end an invocation; the tail."""
        request_id = serving.call.request_id
        duration_ms = (self._clock.monotonic() - serving.given_at) * 1000
        self._log.settle()
        self._log.write(
            *reply.log_lines(request_id, iso_utc(self._clock.now())),
            f"END RequestId: {request_id}",
            report_line(
                request_id,
                duration_ms=self.version.timeout_s * 1000 if reply.status == "timeout" else duration_ms,
                memory_mb=self.version.memory_mb,
                max_memory_mb=self._max_memory_mb(),
                init_ms=None,
                status=reply.status,
                error_type=reply.report_type,
            ),
        )
        return self._log.take_tail()

    def _end_serving(self, request_id: str, reply: Reply) -> None:
        serving = self._servings.pop(request_id)
        serving.timer.cancel()
        if serving.call.stream is not None and reply is not UNREAD:
            serving.call.stream.finish(reply.document(request_id), reply.error_type)
        if not serving.done.done():
            serving.done.set_result(reply)
        self.idle_since = self._clock.now()

    def _time_out(self, request_id: str) -> None:
        if request_id in self._servings:
            self._late.add(request_id)
            self._end_serving(request_id, faults.timed_out(self.version.timeout_s))

    # What the workers say (called by the Runtime API)

    def next_asked(self, connection: Connection) -> None:
        if self.phase == "ended":
            connection.send(*WRONG_STATE)
            return
        first, self.phase = self.phase == "init", "idle"
        self._workers.append(connection)
        if first:
            self.idle_since = self._clock.now()
            self._settle_init(None)
        self._on_idle(self)

    def responded(self, request_id: str, body: bytes) -> tuple[int, bytes]:
        if request_id not in self._servings:
            return self._answered_late(request_id)
        if len(body) > RESPONSE_BYTES_MAX:
            self._end_serving(request_id, faults.response_too_large(RESPONSE_BYTES_MAX))
            return TOO_LARGE
        self._end_serving(request_id, Reply(payload=body))
        return ACCEPTED

    def _answered_late(self, request_id: str) -> tuple[int, bytes]:
        if request_id not in self._late:
            return WRONG_ID
        self._late.discard(request_id)
        return ACCEPTED

    def streaming(self, request_id: str, content_type: str) -> ResponseStream | None:
        serving = self._servings.get(request_id)
        if serving is None or serving.call.stream is None:
            return None
        serving.call.stream.begin(content_type)
        return serving.call.stream

    def streamed(self, request_id: str, kind: str, error: bytes) -> tuple[int, bytes]:
        if request_id not in self._servings:
            return self._answered_late(request_id)
        try:
            document = base64.b64decode(error)
        except ValueError:
            document = b""
        self._end_serving(request_id, Reply(payload=document if kind else b"", error_type=kind))
        return ACCEPTED

    def failed(self, request_id: str, body: bytes, kind: str) -> tuple[int, bytes]:
        if request_id not in self._servings:
            return self._answered_late(request_id)
        self._end_serving(request_id, Reply(payload=body, error_type=kind or "Unknown"))
        return ACCEPTED

    def connection_ended(self, connection: Connection, *, reset: bool) -> None:
        if connection in self._workers:
            self._workers.remove(connection)
        for request_id, serving in list(self._servings.items()):
            if serving.connection is connection:
                self._log.settle()
                self._end_serving(request_id, UNREAD if reset else faults.exited(1))

    def _exited(self, code: int) -> None:
        reply = faults.exited(code)
        self._settle_init(reply)
        for request_id in list(self._servings):
            self._end_serving(request_id, reply)
        self._task(self.end())

    def _leave(self) -> None:
        super()._leave()
        for request_id in list(self._servings):
            self._end_serving(request_id, faults.exited(0))
