"""Session Manager and Run Command: the operations, and what runs of them."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.sessions.sessions import Sessions
from kunren.services.ssm.api import SsmApi
from kunren.services.ssm.commands.controller import CommandController
from kunren.services.ssm.managed import Managed
from kunren.services.ssm.model import KINDS, Session


class SsmService:
    """`api` answers calls, `sessions` is a front of the gateway. No session outlives this process: what a crash left
    open is over when this is built. The ec2 kinds are registered before."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        store.register(*KINDS)
        self._store = store
        self.sessions = Sessions(clock, entropy, beside_others=True)
        managed = Managed(store, call)
        self.api = SsmApi(store, clock, entropy, call, self.sessions, managed)
        self.commands = CommandController(store, clock, call, managed)
        for each in [each for each in store.snapshot().every(Session) if each.ended is None]:
            self.api.end(each.account, each.region, each.id)

    async def run(self) -> None:
        try:
            await self.commands.run()
        finally:
            await self.sessions.stop()

    def status(self) -> dict[str, Any]:
        return {"sessions": sum(each.ended is None for each in self._store.snapshot().every(Session))}
