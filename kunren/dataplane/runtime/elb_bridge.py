"""Where Envoy sends requests for Lambda target groups: HTTP/1.1 on a unix socket, one invocation per request.

The route names the target group in `x-kunren-target-group`. The bridge asks what the group leads to, builds the event,
invokes, and answers what the function said, or the load balancer's own page when it cannot: 502 for a function that
failed, may not be invoked or answered nonsense, 413 for bodies over 1 MB, 400 for upgrades, 503 without a target. What
an event looks like is decided in `elb_event.py`; what may be invoked by the lambda service, behind `ElbInvoker`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any, Protocol, cast

import httptools

from kunren.core.errors import AwsError
from kunren.dataplane.runtime.elb_event import (
    REQUEST_BODY_BYTES_MAX,
    AnswerTooLarge,
    ElbTarget,
    HttpAnswer,
    InvalidAnswer,
    build_event,
    error_page,
    read_answer,
    render,
)
from kunren.settings import Settings

log = logging.getLogger(__name__)
TARGET_GROUP_HEADER = "x-kunren-target-group"


class ElbInvoker(Protocol):
    """The part of the lambda service that the bridge needs."""

    def elb_target(self, target_group_arn: str) -> ElbTarget | None: ...
    async def invoke_for_elb(self, function_arn: str, payload: bytes, trace_id: str) -> tuple[bytes, str | None]: ...


class ElbBridge:
    """`socket_path` is what Envoy's clusters point at, from `start` to `stop`."""

    def __init__(self, settings: Settings, invoker: ElbInvoker) -> None:
        self.socket_path = settings.run_dir / "lambda-elb.sock"
        self._invoker = invoker
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._requests = 0
        self._errors: Counter[str] = Counter()

    async def start(self) -> None:
        self.socket_path.parent.mkdir(parents=True, exist_ok=True)
        self.socket_path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), str(self.socket_path), backlog=1024)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.abort()
        self.socket_path.unlink(missing_ok=True)

    def status(self) -> dict[str, Any]:
        return {"requests": self._requests, "errors": dict(self._errors)}

    async def answer(
        self, group_arn: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> HttpAnswer:
        """One request, all the way. Never raises for what a function or caller can cause."""
        self._requests += 1
        answer = await self._answer(group_arn, method, target, headers, body)
        if answer.error_reason:
            self._errors[answer.error_reason] += 1
        return answer

    async def probe(self, group_arn: str, path: str) -> HttpAnswer:
        """A health check of the group's function, as the load balancer's checker sends it."""
        return await self._answer(group_arn, "GET", path, [("user-agent", "ELB-HealthChecker/2.0")], b"")

    async def _answer(
        self, group_arn: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> HttpAnswer:
        if any(name == "upgrade" for name, _ in headers):
            return error_page(400, "UpgradeRefused")
        group = self._invoker.elb_target(group_arn)
        if group is None or group.function_arn is None:
            return error_page(503, "NoTarget")
        if not group.allowed:
            return error_page(502, "LambdaAccessDenied")
        event = build_event(group_arn, method, target, headers, body, multi_value=group.multi_value)
        trace_id = next((value for name, value in headers if name == "x-amzn-trace-id"), "")
        try:
            payload, failed = await self._invoker.invoke_for_elb(group.function_arn, event, trace_id)
        except AwsError as error:
            log.info("%s for %s: %s", group.function_arn, group_arn, error.message)
            return error_page(502, _REASONS.get(error.code, "LambdaServiceException"))
        if failed is not None:
            return error_page(502, "LambdaUnhandled")
        try:
            return read_answer(payload, multi_value=group.multi_value)
        except InvalidAnswer as error:
            log.info("%s for %s: %s", group.function_arn, group_arn, error)
            large = isinstance(error, AnswerTooLarge)
            return error_page(502, "LambdaResponseTooLarge" if large else "LambdaInvalidResponse")

    def opened(self, connection: _Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: _Connection) -> None:
        self._connections.discard(connection)


_REASONS = {
    "TooManyRequestsException": "LambdaThrottling",
    "ResourceNotFoundException": "LambdaResourceNotFound",
    "ResourceConflictException": "LambdaResourceConflictException",
    "InvalidRuntimeException": "LambdaInvalidRuntimeException",
    "InvalidZipFileException": "LambdaInvalidZipFileException",
    "RequestTooLargeException": "LambdaRequestTooLarge",
}


class _Connection(asyncio.Protocol):
    """One connection from Envoy. Requests on it are answered in turn."""

    def __init__(self, bridge: ElbBridge) -> None:
        self._bridge = bridge
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[tuple[str, str, list[tuple[str, str]], bytes, bool]] = []
        self._refused = False
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of asyncio's
        self._bridge.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._bridge.closed(self)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "UpgradeRefused")
        except httptools.HttpParserError:
            self._refuse(400, "MalformedRequest")

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # httptools

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        self._headers.append((name.decode("latin-1").lower(), text))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > REQUEST_BODY_BYTES_MAX:
            self._refuse(413, "LambdaRequestTooLarge")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        request = (
            self._parser.get_method().decode("latin-1"),
            self._url.decode("latin-1"),
            self._headers,
            b"".join(self._body),
            not self._parser.should_keep_alive(),
        )
        self._reset()
        self._waiting.append(request)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            method, target, headers, body, close = self._waiting.pop(0)
            group = next((value for name, value in headers if name == TARGET_GROUP_HEADER), "")
            try:
                answer = await self._bridge.answer(group, method, target, headers, body)
            except Exception:
                log.exception("a request for %s could not be answered", group)
                answer = error_page(502, "LambdaServiceException")
            if self._transport is None:
                return
            self._transport.write(render(answer, head=method == "HEAD", close=close))
            if close:
                self._transport.close()
                return
        self._task = None

    def _refuse(self, status: int, reason: str) -> None:
        self._refused = True
        if self._transport is not None:
            self._transport.write(render(error_page(status, reason), head=False, close=True))
            self._transport.close()
