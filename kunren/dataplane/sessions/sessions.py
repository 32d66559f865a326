"""The sessions that there are, and the endpoint at which their clients open a data channel ("ssmmessages.REGION").

A client says by its first message, in JSON, by which token it may (OpenDataChannel); all that follows is binary.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.dataplane.sessions.forwarding import Connect, Forwarding
from kunren.dataplane.sessions.session import Session, Start
from kunren.dataplane.sessions.socket import WebSocket, upgrade
from kunren.world.interface import Process

log = logging.getLogger(__name__)
PATH = "/v1/data-channel/"
SESSIONS_MAX = 256
OPENED_WITHIN_S = 60.0
"""How long a token is good for before the first client has come (real time)."""
_POLICY_VIOLATED = 1008
Ended = Callable[[Session], Awaitable[None]]
Over = Callable[[Session], None]


class TooMany(Exception):
    """As many sessions as are allowed run already."""


class Sessions:
    """A front of the gateway. One that is `beside_others` leaves to those what it does not know."""

    def __init__(self, clock: Clock, entropy: Entropy, *, beside_others: bool = False) -> None:
        self._clock, self._entropy, self._beside_others = clock, entropy, beside_others
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def open(
        self, prefix: str, target: str, session_type: str, start: Start, ended: Ended | None = None,
        over: Over | None = None,
    ) -> tuple[str, str]:  # fmt: skip
        """A new session, which begins when its client comes: its id and a token. What it prints is recorded where
        there is somebody who wants it when it has `ended`, which one whose client never came has not; `over` is told
        of either. Raises TooMany."""
        id = self._new_id(prefix)
        session = Session(
            self._clock, self._entropy, id, target, session_type, start, recorded=ended is not None
        )  # fmt: skip
        return id, self._opened(session, ended, over)

    def forward(
        self, prefix: str, target: str, connect: Connect, properties: dict[str, str], over: Over
    ) -> tuple[str, str]:  # fmt: skip
        """A session by which connections of its client's lead to where `connect` does: its id and a token. Raises
        TooMany."""
        id = self._new_id(prefix)
        session = Forwarding(
            self._clock, self._entropy, id, target, "Port", _no_program, recorded=False, connect=connect,
            properties=properties,
        )  # fmt: skip
        return id, self._opened(session, None, over)

    def _new_id(self, prefix: str) -> str:
        """Raises TooMany."""
        if len(self._sessions) >= SESSIONS_MAX:
            raise TooMany()
        return f"{prefix}-0{self._entropy.hex(16)}"

    def _opened(self, session: Session, ended: Ended | None, over: Over | None) -> str:
        self._sessions[session.id] = session
        task = asyncio.get_running_loop().create_task(self._live(session, ended, over), name=f"session {session.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return self._token(session)

    def resume(self, id: str) -> str | None:
        """Another token for a session; None where it has ended."""
        session = self._sessions.get(id)
        return self._token(session) if session is not None else None

    def end(self, id: str) -> None:
        """Have it end, if it has not."""
        if id in self._sessions:
            self._sessions[id].end()

    def status(self, id: str) -> str | None:
        """As DescribeSessions says it; None where it has ended."""
        session = self._sessions.get(id)
        return session.status if session is not None else None

    def stream_url(self, ctx: RequestContext, id: str) -> str:
        """Where the session's client connects, by the endpoint that the caller came through."""
        path = f"{PATH}{id}?role=publish_subscribe"
        if not ctx.host or ctx.host.partition(":")[0].endswith(".amazonaws.com"):
            return f"wss://ssmmessages.{ctx.region}.amazonaws.com{path}"
        return f"{'wss' if ctx.secure else 'ws'}://{ctx.host}{path}"

    async def stop(self) -> None:
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _token(self, session: Session) -> str:
        token = self._entropy.hex(64)
        session.tokens.add(token)
        return token

    async def _live(self, session: Session, ended: Ended | None, over: Over | None) -> None:
        try:
            began = await session.awaited(OPENED_WITHIN_S)
            if began:
                await session.run()
            del self._sessions[session.id]
            if began and ended is not None:
                await ended(session)
        except Exception:
            log.exception("session %s was lost", session.id)
        finally:
            self._sessions.pop(session.id, None)
            if over is not None:
                over(session)

    # -- a front -------------------------------------------------------------------------------------------------------

    def claims(self, host: str, path: str) -> bool:
        return path.startswith(PATH) and (not self._beside_others or path.removeprefix(PATH) in self._sessions)

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        session = self._sessions.get(request.path.removeprefix(PATH))
        if session is None:
            return FrontAnswer(404, [])
        return upgrade(request, lambda: _Client(session))


async def _no_program(terminal: int) -> Process:
    raise OSError("port forwarding has no program")


class _Client:
    """One client of a session: nobody until it has shown a token."""

    def __init__(self, session: Session) -> None:
        self._session, self._known = session, False

    def opened(self, socket: WebSocket) -> None:
        pass

    def text(self, socket: WebSocket, told: bytes) -> None:
        token = ""
        try:
            token = str(json.loads(told)["TokenValue"])
        except (ValueError, KeyError, TypeError):
            pass
        if self._known or token not in self._session.tokens:
            socket.close(_POLICY_VIOLATED)
            return
        self._known = True
        self._session.connect(socket)

    def binary(self, socket: WebSocket, told: bytes) -> None:
        if not self._known:
            socket.close(_POLICY_VIOLATED)
            return
        self._session.heard(socket, told)

    def lost(self, socket: WebSocket) -> None:
        self._session.disconnected(socket)

    def writable(self, socket: WebSocket) -> None:
        self._session.writable()
