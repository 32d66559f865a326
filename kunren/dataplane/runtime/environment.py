"""One execution environment: a worker process, its log, its /tmp, and at most one invocation at a time.

Phases: `init` (started, has not asked for an event yet), `idle` (its request for the next event is parked here), `busy`
(has an event), `finishing` (has answered, not yet asked for more), `ended`. The table of what may follow what is the
code of `next_asked`, `responded`, `failed`, `init_failed` and `_exited`; everything else is refused to the worker
with 403 or 400. An invocation belongs to the process that it was given to: when that process ends, the invocation
fails at once. Only one that the process had not read is handed to another: a socket that is closed with unread bytes
answers with a reset, so the kernel says which it was.

Times that AWS measures in a running process (init 10 s, the function's timeout) are wall times here, whatever the
speed of the clock: the code in the process is not faster for it.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kunren.core.clock import Clock, Timer, iso_utc
from kunren.dataplane.runtime import faults
from kunren.dataplane.runtime.api_server import RESPONSE_BYTES_MAX, Connection, RuntimeApi, problem
from kunren.dataplane.runtime.environ import worker_environment
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.host import OPEN_FILES_MAX, PROCESSES_MAX, FunctionHost
from kunren.dataplane.runtime.interpreters import Command
from kunren.dataplane.runtime.layout import start_of
from kunren.dataplane.runtime.logs import FunctionLogs, WorkerLog, report_line
from kunren.dataplane.runtime.memory import MemoryMeter
from kunren.dataplane.runtime.streams import ResponseStream
from kunren.dataplane.runtime.version import FunctionVersion, Invocation
from kunren.world.interface import Confinement, Process, ProcessSpec

INIT_LIMIT_S = 10.0
_MEMORY_CHECK_S = 0.1
UNREAD = Reply(message="the worker died before it read the event")
_CLOSING_S = 0.05
_NOT_EXECUTABLE = (errno.ENOEXEC, errno.EACCES, errno.ENOENT, errno.ELIBBAD)
ACCEPTED = (202, b'{"status":"OK"}')
WRONG_ID = (400, problem("InvalidRequestID", "Invalid request ID"))
WRONG_STATE = (403, problem("InvalidStateTransition", "The state transition is not allowed"))
TOO_LARGE = (
    413,
    problem("RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."),
)


Credentials = Callable[[str, str], Mapping[str, str]]


def usual_credentials(name: str, token: str) -> Mapping[str, str]:
    """Those that every function has where nobody checks them."""
    return {}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all environments of one runtime share."""

    host: FunctionHost
    api: RuntimeApi
    clock: Clock
    logs: FunctionLogs
    trust: Mapping[str, str]
    credentials: Credentials
    """Variables with credentials for a function's name and session token, where the usual ones are no good."""


@dataclass(frozen=True, slots=True)
class Place:
    """What outlives a crash of the process: its /tmp, by name, and the log stream."""

    scratch: str
    stream: str


class Environment:
    """See the module. `on_idle` and its like tell the pool; `on_ended` comes when the process is gone."""

    def __init__(
        self,
        version: FunctionVersion,
        command: Command,
        surroundings: Surroundings,
        place: Place,
        network: str,
        address: str,
        *,
        provisioned: bool = False,
        on_idle: Callable[[Environment], None],
        on_finishing: Callable[[Environment], None],
        on_leaving: Callable[[Environment], None],
        on_ended: Callable[[Environment], None],
    ) -> None:
        self.version = version
        self.place = place
        self.network = network
        self.phase = "init"
        self.place_kept = False
        self.provisioned = provisioned
        self.idle_since = 0.0
        self._command = command
        self._with = surroundings
        self._clock = surroundings.clock
        self._address = address
        self._on_idle = on_idle
        self._on_finishing = on_finishing
        self._on_leaving = on_leaving
        self._on_ended = on_ended
        self._ending: asyncio.Task[None] | None = None
        self._log = WorkerLog(surroundings.logs, version, place.stream)
        self._process: Process | None = None
        self._memory = MemoryMeter(f"AWS_LAMBDA_LOG_STREAM_NAME={place.stream}\0", version.memory_mb)
        self._parked: Connection | None = None
        self._current: Invocation | None = None
        self._serving: Connection | None = None
        self._serving_ended = asyncio.Event()
        self._given_at = 0.0
        self._init_ms: float | None = None
        self._memory_at = 0.0
        self._ready: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._done: asyncio.Future[Reply] | None = None
        self._timers: list[Timer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._prepare()

    def _prepare(self) -> None:
        """What another kind of environment has besides."""

    @property
    def initialization(self) -> str:
        """Why it was started, in AWS's words."""
        return "provisioned-concurrency" if self.provisioned else "on-demand"

    # Lifecycle

    async def start(self, limit_s: float) -> Reply | None:
        """Start the process and wait until it asks for its first event. None when it did, else what went wrong."""
        began = self._clock.monotonic()
        self._log.write(f"INIT_START Runtime Version: {self._command.describes}")
        failure = await self._spawn()
        if failure is None:
            timeout = faults.timed_out(limit_s)
            timer = self._after(limit_s, lambda: self._settle_init(timeout))
            failure = await self._ready
            timer.cancel()
        self._init_ms = (self._clock.monotonic() - began) * 1000
        if failure is not None:
            self._log.settle()
            status = failure.status or "error"
            kind = f"\tError Type: {failure.report_type or failure.error_type}" if status == "error" else ""
            self._log.write(f"INIT_REPORT Init Duration: {self._init_ms:.2f} ms\tPhase: init\tStatus: {status}{kind}")
        return failure

    async def _spawn(self) -> Reply | None:
        start = start_of(self.version, self._command, self._with.trust, self._with.host.lays_files)
        if isinstance(start, Reply):
            return start
        api = self._with.api
        api.attach(self.network, self._address, self)
        spec = ProcessSpec(
            name=f"function-{self.version.name}",
            argv=start.argv,
            namespace="",
            env=worker_environment(
                self.version,
                task_root=start.task_root,
                runtime_api=f"{self._address}:{api.port(self.network)}",
                log_stream=self.place.stream,
                path=self._command.path,
                runtime_dir=str(Path(self._command.argv[-1]).parent),
                trust=start.trust,
                initialization=self.initialization,
                extra={
                    **self._command.environment,
                    **self._with.credentials(self.version.name, self.version.session_token),
                },
            ),
            cwd=start.cwd,
            stdout=self._log.writer,
            stderr=self._log.writer,
            binds=start.binds,
        )
        try:
            process = self._process = await self._confined(spec)
        except OSError as error:
            if not start.own_program or error.errno not in _NOT_EXECUTABLE:
                raise  # not the function's fault
            return faults.not_executable((error.strerror or str(error)).lower(), start.own_program)
        self._log.close_writer()
        self._task(self._watch(process))
        self._task(self._memory.find())
        return None

    async def _confined(self, spec: ProcessSpec) -> Process:
        version, host = self.version, self._with.host
        if not host.lays_files:
            return await host.spawn(self.network, spec)
        group = self._memory.group = host.make_group(self._address, version.memory_mb, version.storage_mb)
        entrances = tuple(group.open()) if group is not None else ()
        size = version.storage_mb << 20
        root = version.image.root if version.image is not None else ""
        confined = Confinement(self.place.scratch, size, OPEN_FILES_MAX, PROCESSES_MAX, root, entrances)
        try:
            return await host.spawn(self.network, replace(spec, confined=confined))
        finally:
            for each in entrances:
                os.close(each)

    async def _watch(self, process: Process) -> None:
        code = await process.wait()
        if self.phase == "busy":  # the kernel has closed its sockets; see whether it had read the event
            timer = self._after(_CLOSING_S, self._serving_ended.set)
            await self._serving_ended.wait()
            timer.cancel()
        self._log.settle()
        self._exited(code)

    async def end(self, grace_s: float = 0.0, *, keep_place: bool = False) -> None:
        """End the process, whatever it does, and everything it started; returns when that is done."""
        if self._ending is None:
            self.place_kept = keep_place
            self._leave()
            self._ending = asyncio.get_running_loop().create_task(self._end(grace_s))
        await asyncio.shield(self._ending)

    async def _end(self, grace_s: float) -> None:
        if self._process is not None:
            await self._process.stop(grace_s)
        self._log.close()
        if self._memory.group is not None:
            self._with.host.discard_group(self._memory.group)
        if not self.place_kept:
            await self._with.host.drop_scratch(self.place.scratch)
        self._on_ended(self)

    def _leave(self) -> None:
        self.phase = "ended"
        self._parked = None
        self._cancel_timers()
        self._with.api.detach(self.network, self._address)
        self._on_leaving(self)

    # Invocations

    async def invoke(self, call: Invocation) -> tuple[Reply, bytes] | None:
        """Give the worker one event and wait for its answer; with it, the tail of the log.

        None means that the worker had died before it could get the event: nothing ran, and another may have it.
        """
        connection = self._parked
        if self.phase != "idle" or connection is None or not connection.alive:
            self._task(self.end())
            return None
        self.phase, self._parked, self._current, self._serving = "busy", None, call, connection
        self._serving_ended.clear()
        done = self._done = asyncio.get_running_loop().create_future()
        self._log.settle()
        self._log.write(f"START RequestId: {call.request_id} Version: {self.version.version}")
        self._given_at = self._clock.monotonic()
        timeout = faults.timed_out(self.version.timeout_s)
        self._timers = [
            self._after(self.version.timeout_s, lambda: self._kill(timeout)),
            self._after(_MEMORY_CHECK_S, self._check_memory),
        ]
        self._give(connection, call)
        try:
            reply = await asyncio.shield(done)
        except asyncio.CancelledError:  # the caller has gone; the function runs on, and its log is closed all the same
            done.add_done_callback(lambda ended: None if ended.cancelled() else self._close_log(call, ended.result()))
            raise
        return (reply, self._close_log(call, reply)) if reply is not UNREAD else None

    def _give(self, connection: Connection, call: Invocation) -> None:
        headers = self._event_headers(call)

        def send() -> None:
            if connection.alive:
                connection.send(200, call.payload or b"{}", headers)

        if call.delay_s:
            self._timers.append(self._after(call.delay_s, send))
        else:
            send()

    def _event_headers(self, call: Invocation) -> bytes:
        deadline_ms = int((self._clock.wall() + self.version.timeout_s) * 1000)
        headers = [
            ("Lambda-Runtime-Aws-Request-Id", call.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", call.invoked_arn),
        ]
        if call.trace_id:
            headers.append(("Lambda-Runtime-Trace-Id", call.trace_id))
        if call.client_context:
            headers.append(("Lambda-Runtime-Client-Context", call.client_context))
        text = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in headers)
        return text.encode("latin-1", "replace")

    def _close_log(self, call: Invocation, reply: Reply) -> bytes:
        duration_ms = (self._clock.monotonic() - self._given_at) * 1000
        self._log.settle()
        self._log.write(
            *reply.log_lines(call.request_id, iso_utc(self._clock.now())),
            f"END RequestId: {call.request_id}",
            report_line(
                call.request_id,
                duration_ms=self.version.timeout_s * 1000 if reply.status == "timeout" else duration_ms,
                memory_mb=self.version.memory_mb,
                max_memory_mb=self._max_memory_mb(),
                init_ms=self._init_ms,
                status=reply.status,
                error_type=reply.report_type,
            ),
        )
        self._init_ms = None
        return self._log.take_tail()

    def _max_memory_mb(self) -> int | None:
        """The process's high-water mark, looked at no more often than every 0.1 s: /proc costs more than an event."""
        now = self._clock.monotonic()
        if self._memory.highest_mb is None or now - self._memory_at > _MEMORY_CHECK_S:
            self._memory_at = now
            self._memory.look(search=self._process is not None and self._process.returncode is None)
        return self._memory.highest_mb

    def failed_init_log(self, call: Invocation, reply: Reply) -> bytes:
        """The log of an invocation whose environment never came up."""
        self._given_at = self._clock.monotonic() - (self._init_ms or 0.0) / 1000
        self._init_ms = None
        self._log.write(f"START RequestId: {call.request_id} Version: {self.version.version}")
        return self._close_log(call, reply)

    def _finish(self, reply: Reply) -> None:
        call, self._current = self._current, None
        self.phase = "finishing"
        if call is not None and call.stream is not None and reply is not UNREAD:
            call.stream.finish(reply.document(call.request_id), reply.error_type)
        if self._done is not None and not self._done.done():
            self._done.set_result(reply)
        self._on_finishing(self)

    def _kill(self, reply: Reply) -> None:
        """The function overstepped a limit: the process goes; the place (/tmp) stays."""
        if self.phase == "busy":
            self._finish(reply)
        self._task(self.end(keep_place=True))

    def _check_memory(self) -> None:
        if self.phase != "busy":
            return
        if not self._memory.found:  # a look just after the start may come before the program's environment is there
            self._task(self._memory.find())
        now_mb = self._memory.look()
        if now_mb is not None and now_mb > self.version.memory_mb:
            self._kill(faults.out_of_memory())
            return
        self._timers.append(self._after(_MEMORY_CHECK_S, self._check_memory))
        if len(self._timers) > 16:  # those that have fired need not be kept
            del self._timers[1:-1]

    # What the worker says (called by the Runtime API)

    def next_asked(self, connection: Connection) -> None:
        if self.phase in ("busy", "ended"):
            connection.send(*WRONG_STATE)
            return
        first = self.phase == "init"
        self._cancel_timers()
        self.phase, self._parked, self.idle_since = "idle", connection, self._clock.now()
        if first:
            self._settle_init(None)
        self._on_idle(self)

    def responded(self, request_id: str, body: bytes) -> tuple[int, bytes]:
        if self._current is None or self._current.request_id != request_id:
            return WRONG_ID
        if len(body) > RESPONSE_BYTES_MAX:
            self._finish(faults.response_too_large(RESPONSE_BYTES_MAX))
            return TOO_LARGE
        self._finish(Reply(payload=body))
        return ACCEPTED

    def streaming(self, request_id: str, content_type: str) -> ResponseStream | None:
        """Where a streamed answer goes, or None where it is to be kept until whole."""
        if self._current is None or self._current.request_id != request_id or self._current.stream is None:
            return None
        self._current.stream.begin(content_type)
        return self._current.stream

    def streamed(self, request_id: str, kind: str, error: bytes) -> tuple[int, bytes]:
        """A streamed answer is whole; or it broke off with an error (its document in base64)."""
        if self._current is None or self._current.request_id != request_id:
            return WRONG_ID
        try:
            document = base64.b64decode(error)
        except ValueError:
            document = b""
        self._finish(Reply(payload=document if kind else b"", error_type=kind))
        return ACCEPTED

    def failed(self, request_id: str, body: bytes, kind: str) -> tuple[int, bytes]:
        if self._current is None or self._current.request_id != request_id:
            return WRONG_ID
        self._finish(Reply(payload=body, error_type=kind or "Unknown"))
        return ACCEPTED

    def init_failed(self, body: bytes, kind: str) -> tuple[int, bytes]:
        if self.phase != "init":
            return WRONG_STATE
        self._settle_init(Reply(payload=body, error_type=kind or "Runtime.Unknown", status="error"))
        return ACCEPTED

    def connection_ended(self, connection: Connection, *, reset: bool) -> None:
        if self._serving is connection:
            self._serving = None
            if reset and self.phase == "busy":
                self._finish(UNREAD)
            self._serving_ended.set()
        if self._parked is connection and self.phase == "idle":
            self._task(self.end())  # it no longer waits for events: it is dead, or as good as

    def _exited(self, code: int) -> None:
        killed = code == -signal.SIGKILL and self._memory.was_killed()
        reply = faults.out_of_memory() if killed else faults.exited(code)
        self._settle_init(reply)
        if self.phase == "busy":
            self._finish(reply)
        self._task(self.end(keep_place=True))

    def _settle_init(self, failure: Reply | None) -> None:
        if not self._ready.done():
            self._ready.set_result(failure)

    # Small things

    def _after(self, wall_s: float, callback: Callable[[], None]) -> Timer:
        return self._clock.call_later(wall_s * self._clock.speed, callback)

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _one_line(value: str) -> str:
    return value.replace("\r", "").replace("\n", "")
