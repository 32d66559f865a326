"""A world that only writes down what it was asked, and can be told to fail."""

from __future__ import annotations

from kunren.world.network import VpcNetwork


class FakeWorld:
    def __init__(self) -> None:
        self.regions: list[str] = []
        self.applied: list[VpcNetwork] = []
        self.removed: list[str] = []
        self.failures = 0

    async def ensure_region(self, region: str) -> str:
        self.regions.append(region)
        return f"region-{region}"

    async def apply_vpc(self, network: VpcNetwork) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the kernel says no")
        self.applied.append(network)

    async def remove_vpc(self, vpc_id: str) -> None:
        self.removed.append(vpc_id)
