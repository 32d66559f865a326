"""All of CloudFormation together: operations, the engine that carries them out, the URLs that answers come in by."""

from __future__ import annotations

import asyncio
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallAndNote, CallService, Permit
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.cloudformation.api import CloudFormationApi
from kunren.services.cloudformation.change_set_engine import ChangeSetEngine
from kunren.services.cloudformation.control.api import CloudControlApi
from kunren.services.cloudformation.control.engine import ControlEngine
from kunren.services.cloudformation.engine import Engine
from kunren.services.cloudformation.model import RESOURCES
from kunren.services.cloudformation.notices import Notices
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.records import Records
from kunren.services.cloudformation.responses import ResponseUrls
from kunren.services.cloudformation.set_engine import SetEngine
from kunren.world.spec import WorldSpec


class CloudFormationService:
    """`api` and `control` (Cloud Control API) answer calls, `run` carries out what they asked for, `responses` is a
    front of the gateway."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, call: CallService, noting: CallAndNote,
        permit: Permit | None = None,
    ) -> None:  # fmt: skip
        store.register(*RESOURCES)
        records = Records(store, clock, entropy)
        self.api = CloudFormationApi(store, clock, entropy, spec, call, records, permit)
        self.responses = ResponseUrls(store, clock)
        self._sets = SetEngine(store, clock, call, permit)
        self._notices = Notices(store, call)
        parts = Parts(store, clock, entropy, call, noting, records, permit)
        self._engine, self._control = Engine(parts, spec), ControlEngine(parts)
        self._change_sets = ChangeSetEngine(parts)
        self.control = CloudControlApi(store, clock, entropy, parts)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._engine.run())
            group.create_task(self._control.run())
            group.create_task(self._change_sets.run())
            group.create_task(self._sets.run())
            group.create_task(self._notices.run())

    def status(self) -> dict[str, Any]:
        return self._engine.status()
