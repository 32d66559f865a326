"""All of fleets together."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ec2.fleets.api import FleetsApi
from kunren.services.ec2.fleets.controller import FleetController
from kunren.services.ec2.fleets.model import KINDS, Fleet, SpotFleet
from kunren.services.ec2.fleets.spot_api import SpotFleetsApi
from kunren.services.ec2.store import remember_token
from kunren.world.spec import WorldSpec


class FleetsApis(FleetsApi, SpotFleetsApi):
    """The operations of EC2 Fleets and of Spot Fleets."""


class FleetService:
    """`api` answers calls, `run` keeps the fleets. EC2's kinds are registered before this is built."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, call: CallService, ec2: Any
    ) -> None:
        store.register(*KINDS)
        with store.write() as tx:
            for each in (*tx.every(Fleet), *tx.every(SpotFleet)):
                remember_token(tx, each)
        self.api = FleetsApis(store, clock, entropy, spec, ec2)
        self.controller = FleetController(store, clock, entropy, call, ec2)

    async def run(self) -> None:
        await self.controller.run()

    async def settled(self) -> None:
        await self.controller.settled()

    def status(self) -> dict[str, Any]:
        return self.controller.status()
