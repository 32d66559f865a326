"""moto behind the gateway: whole services that are not ours (`services.py`), each acknowledged change durable.

The gateway hands over the request as it came; the child process runs it in moto and journals it when it changed
something, before the answer goes out. Account and region come from the request's credential, as everywhere.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from kunren.core.authorization import Caller
from kunren.core.clock import Clock
from kunren.core.context import account_of
from kunren.core.entropy import Entropy
from kunren.core.errors import NotImplementedByKunren, WireError
from kunren.fallback.frames import NOT_IMPLEMENTED, OK, Answer, Call
from kunren.fallback.identities import QUESTION
from kunren.fallback.mutations import PURE, WRITE, kind
from kunren.fallback.process import ChildProcess, Lost, Running, Spawn, Unavailable
from kunren.fallback.services import SERVICES
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.settings import Settings
from kunren.wire.sigv4 import Credential, parse_credential
from kunren.world.interface import TRANSIT, ProcessSpec

POLL_S = 0.1
_NOT_FORWARDED = frozenset({"date", "content-length", "transfer-encoding", "connection"})

Judge = Callable[[str, str, str, bytes], Awaitable[None]]
"""Of an operation, account, region ("" where the request names none) and body. Raises AwsError to refuse it."""


class Fallback:
    """What contract `Gateway(fallback=...)` wants: `services` and `handle`."""

    services: frozenset[str] = frozenset(SERVICES)

    def __init__(self, settings: Settings, clock: Clock, entropy: Entropy, spawn: Spawn) -> None:
        self._clock = clock
        self._entropy = entropy
        self._numbers = 0
        self._sqs_changed = asyncio.Event()
        self.not_implemented: dict[str, int] = {}
        self.judges: dict[str, Judge] = {}
        """By service: what may refuse an operation before moto is asked."""
        self.before: defaultdict[str, list[Callable[[str], Awaitable[None]]]] = defaultdict(list)
        """By service: what is awaited before an operation, named to it, is asked for."""
        self.after: dict[str, Callable[[str], Awaitable[None]]] = {}
        """By service: what is awaited behind an operation that succeeded, before its answer goes out."""
        self.behind: dict[str, Callable[[str], None]] = {}
        """By service: what is told of each operation once it is over, however it ended."""
        journal = settings.data_dir / "moto" / "journal"
        self.child = ChildProcess(settings.run_dir, journal, settings.log_dir / "moto.log", clock, spawn)

    async def handle(
        self, service: str, operation: str, request: HttpRequest, caller: Caller | None = None
    ) -> HttpResponse:
        """moto's answer, for whom the key names or for a verified caller. Raises AwsError: 501 for what moto does not
        have, 503 where it cannot run, what judges say."""
        if service in self.judges:
            credential = parse_credential(request.headers, request.query)
            account = _account(credential, caller)
            region = credential.region if credential is not None else ""
            await self.judges[service](operation, account, region, request.body)
        for wait in self.before.get(service, ()):
            await wait(operation)
        try:
            answer = await self._ask(service, operation, request, caller)
            if answer.wait > 0:
                wait_s = self._clock.wall_seconds(answer.wait)
                answer = await self._ask_until(wait_s, service, operation, request, caller)
        finally:
            if service in self.behind:
                self.behind[service](operation)
        if service in self.after and answer.status < 400:
            await self.after[service](operation)
        return HttpResponse(
            answer.status,
            [(name, value) for name, value in answer.headers if name.lower() not in _NOT_FORWARDED]
            + [(name, value) for name, value in answer.headers if name.lower() == "content-length"],
            answer.body,
        )

    async def identities(self) -> bytes:
        """What moto knows of identities (`kunren.fallback.identities.told`). Raises AwsError."""
        answer = await self._answer(
            Call(0, QUESTION, "", "", PURE, 0, self._clock.now(), "GET", "/", "", {}, b"", False),
            "iam",
            "its identities",
        )
        return answer.body

    async def stop(self) -> None:
        await self.child.stop()

    def status(self) -> dict[str, Any]:
        hello = self.child.hello
        return {
            "running": self.child.running,
            "pid": self.child.pid,
            "starts": self.child.starts,
            "replayed": hello.replayed if hello else 0,
            "differing": hello.differing if hello else 0,
            "journal_bytes_at_start": hello.journal_bytes if hello else 0,
            "not_implemented": dict(self.not_implemented),
        }

    async def _ask_until(
        self, wall_s: float, service: str, operation: str, request: HttpRequest, caller: Caller | None
    ) -> Answer:
        """A long poll: ask again whenever something changed in SQS, and often enough to see what time made visible."""
        deadline = self._clock.monotonic() + wall_s
        while True:
            await self._sqs_change(min(POLL_S, max(0.0, deadline - self._clock.monotonic())))
            answer = await self._ask(service, operation, request, caller)
            if answer.wait <= 0 or self._clock.monotonic() >= deadline:
                return answer

    async def _sqs_change(self, at_most_s: float) -> None:
        pause = asyncio.ensure_future(self._clock.wall_sleep(at_most_s))
        change = asyncio.ensure_future(self._sqs_changed.wait())
        try:
            await asyncio.wait({pause, change}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            change.cancel()

    async def _ask(self, service: str, operation: str, request: HttpRequest, caller: Caller | None) -> Answer:
        call = self._call(service, operation, request, caller)
        answer = await self._answer(call, service, operation)
        if service in ("sqs", "sns", "events") and call.kind == WRITE:
            changed, self._sqs_changed = self._sqs_changed, asyncio.Event()
            changed.set()
        return answer

    async def _answer(self, call: Call, service: str, operation: str) -> Answer:
        """The answer, where it is one of moto's. Raises AwsError."""
        self._numbers += 1
        call = msgspec.structs.replace(call, id=self._numbers)
        try:
            answer = await self._ask_twice(call)
        except Unavailable as error:
            raise WireError(
                "ServiceUnavailable", f"moto, which answers for {service}, cannot run: {error}", 503
            ) from None
        except Lost:
            raise WireError(
                "InternalFailure",
                f"moto, which answers for {service}, ended while it worked on {operation}. Whether the change was made"
                " is not known; the next call starts it again from its journal.",
                500,
            ) from None
        if answer.outcome == NOT_IMPLEMENTED:
            name = f"{service}:{operation}"
            self.not_implemented[name] = self.not_implemented.get(name, 0) + 1
            raise NotImplementedByKunren(service, operation)
        if answer.outcome != OK:
            raise WireError("InternalFailure", answer.message, 500)
        return answer

    async def _ask_twice(self, call: Call) -> Answer:
        """What only reads is asked again when the child died under it."""
        try:
            return await self.child.ask(call)
        except Lost:
            if call.kind == WRITE:
                raise
        return await self.child.ask(call)

    def _call(self, service: str, operation: str, request: HttpRequest, caller: Caller | None) -> Call:
        return Call(
            id=0,
            service=service,
            operation=operation,
            account=_account(parse_credential(request.headers, request.query), caller),
            kind=kind(service, operation),
            seed=self._entropy.integer(0, 2**63 - 1),
            now=self._clock.now(),
            method=request.method,
            path=request.path,
            query=request.query,
            headers=dict(request.headers),
            body=request.body,
            secure=request.secure,
            caller={"arn": caller.arn, "id": caller.user_id, "account": caller.account} if caller is not None else {},
        )


def _account(credential: Credential | None, caller: Caller | None) -> str:
    if caller is not None:
        return caller.account
    return account_of(credential.access_key if credential is not None else "")


class _World(Protocol):
    async def spawn(self, spec: ProcessSpec) -> Running: ...


def spawn_in_world(world: _World) -> Spawn:
    """How `app.py` starts the child: inside the world, so that it ends with it and reaches nothing outside."""

    def spawn(argv: Any, env: Any, log_file: Any) -> Awaitable[Running]:
        return world.spawn(ProcessSpec(name="moto", argv=argv, namespace=TRANSIT, env=env, log=log_file))

    return spawn


__all__ = ["Fallback", "spawn_in_world"]
