"""All of FIS together: operations, the engine that runs experiments, and what its actions change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.fis.api import FisApi
from kunren.services.fis.engine import Engine
from kunren.services.fis.injected import ApiErrors, InvocationFaults
from kunren.services.fis.machines import Interruptions, Machines
from kunren.services.fis.model import RESOURCES
from kunren.services.fis.network import Connectivity, Effect, Endpoints, Routes
from kunren.services.fis.records import Records
from kunren.services.fis.replication import PausedReplication
from kunren.services.fis.shifting import ZonalAutoshift
from kunren.services.fis.targets import Resolver
from kunren.services.fis.tasks import StopTasks
from kunren.world.spec import WorldSpec


class FisService:
    """`api` answers calls, `run` runs experiments. `api_errors` stands in the gateway's chain, `invocations` before
    each invocation of a function, `replication` before S3 copies. The ec2, elbv2 and lambda kinds are registered
    before this is built."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        *,
        ec2: Any,
        call: CallService,
        felt: Callable[[], Awaitable[bool]],
    ) -> None:
        store.register(*RESOURCES)
        self.api = FisApi(store, clock, entropy, call)
        self.api_errors = ApiErrors(store, entropy, call)
        self.invocations = InvocationFaults(store, entropy)
        self.replication = PausedReplication(store)
        self.records = Records(clock, call)
        effects: dict[str, Effect] = {
            "aws:arc:start-zonal-autoshift": ZonalAutoshift(store, clock, entropy),
            "aws:ec2:reboot-instances": Machines(store, ec2, spec, "reboot_instances"),
            "aws:ec2:send-spot-instance-interruptions": Interruptions(store, ec2, spec, clock),
            "aws:ec2:stop-instances": Machines(store, ec2, spec, "stop_instances"),
            "aws:ec2:terminate-instances": Machines(store, ec2, spec, "terminate_instances"),
            "aws:ecs:stop-task": StopTasks(store),
            "aws:network:disrupt-connectivity": Connectivity(store, ec2, spec),
            "aws:network:disrupt-vpc-endpoint": Endpoints(store, ec2, spec),
            "aws:network:route-table-disrupt-cross-region-connectivity": Routes(store, ec2, spec),
        }
        self._engine = Engine(store, clock, call, Resolver(store, entropy, spec, call), effects, felt, self.records)

    async def run(self) -> None:
        await self._engine.run()

    def status(self) -> dict[str, Any]:
        return self._engine.status()
