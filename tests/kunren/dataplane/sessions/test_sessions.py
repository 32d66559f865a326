"""Sessions as they are kept: one whose client never comes."""

from __future__ import annotations

import asyncio

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.sessions import sessions as kept
from kunren.dataplane.sessions.session import Session


def test_a_session_whose_client_never_came_has_no_log(monkeypatch) -> None:
    monkeypatch.setattr(kept, "OPENED_WITHIN_S", 0.01)
    told = []

    async def ended(session: Session) -> None:
        told.append(session.id)

    async def start(terminal: int):
        raise AssertionError("nobody asked for it")

    async def main() -> None:
        sessions = kept.Sessions(SystemClock(), Entropy())
        id, _ = sessions.open("p", "t", "InteractiveCommands", start, ended)
        assert sessions.claims("", kept.PATH + id)
        await asyncio.gather(*sessions._tasks)

    asyncio.run(main())
    assert told == []
