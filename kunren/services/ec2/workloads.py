"""Interfaces for `kunren exec --subnet`: made when a program starts there, deleted when it ends.

No program of the world outlives the daemon, so what an earlier daemon left behind is deleted at start (`sweep`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ec2 import errors, interfaces
from kunren.services.ec2 import store as ec2_store
from kunren.services.ec2.controllers import resolver_addresses
from kunren.services.ec2.model import NetworkInterface, Subnet
from kunren.world.network import workload_namespace
from kunren.world.spec import WorldSpec

DESCRIPTION = "kunren exec"
REQUESTER = "kunren-exec"
COMMAND_TAG = "kunren:command"
COMMAND_MAX = 255


class Workloads:
    """`applied` waits until an interface is live (`VpcController.applied`)."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        applied: Callable[[str], Awaitable[None]],
        *,
        start_timeout_s: float = 10.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._spec = spec
        self._applied = applied
        self._start_timeout_s = start_timeout_s

    def find_subnet(self, subnet_id: str) -> Subnet:
        """The subnet of that id in whatever account and region: ids are unique. Raises SubnetNotFound."""
        for subnet in self._store.snapshot().every(Subnet):
            if subnet.id == subnet_id:
                return subnet
        raise errors.SubnetNotFound(subnet_id)

    @asynccontextmanager
    async def running(
        self, subnet_id: str, *, address: str | None = None, groups: Sequence[str] = (), command: str = ""
    ) -> AsyncIterator[NetworkInterface]:
        """A live interface of its own on the subnet; `namespace_of` names where to run the program.

        It is deleted at the end. Raises the ec2 errors of `create_interface`, NotDurable, and TimeoutError when the
        world does not make it.
        """
        interface = self.create(subnet_id, address=address, groups=groups, command=command)
        try:
            await self._store.durable()
            async with asyncio.timeout(self._start_timeout_s):
                await self._applied(interface.id)
            yield interface
        finally:
            self.delete(interface)

    def create(
        self, subnet_id: str, *, address: str | None = None, groups: Sequence[str] = (), command: str = ""
    ) -> NetworkInterface:
        """The interface as desired state. Without groups it has the VPC's default one."""
        subnet = self.find_subnet(subnet_id)
        with self._store.write() as tx:
            return interfaces.create_interface(
                tx,
                self._entropy,
                self._spec,
                account=subnet.account,
                region=subnet.region,
                subnet_id=subnet.id,
                groups=tuple(groups),
                description=DESCRIPTION,
                attachment="workload",
                address=address,
                requester_managed=True,
                requester_id=REQUESTER,
                attach_time=self._clock.now(),
                tags={COMMAND_TAG: command[:COMMAND_MAX]} if command else {},
            )

    def delete(self, interface: NetworkInterface) -> None:
        """Delete it; one that is gone already is no error."""
        with self._store.write() as tx:
            found = tx.get(NetworkInterface, interface.account, interface.region, interface.id)
            if found is not None:
                interfaces.delete_interface(tx, found)

    def all(self) -> list[NetworkInterface]:
        """The interfaces of programs that run now."""
        every = self._store.snapshot().every(NetworkInterface)
        return sorted((each for each in every if each.requester_id == REQUESTER), key=lambda each: each.id)

    def sweep(self) -> int:
        """Delete what an earlier daemon left; how many there were. Called once, before any program is started."""
        left = self.all()
        for each in left:
            self.delete(each)
        return len(left)


def namespace_of(interface: NetworkInterface) -> str:
    """The network namespace that the interface's program runs in."""
    return workload_namespace(interface.id)


def subnet_resolver(reader: ec2_store.Reader, interface: NetworkInterface) -> str | None:
    """The address of the resolver of the interface's VPC, None where its DNS support is off."""
    vpc = ec2_store.find_vpc(reader, interface.account, interface.region, interface.vpc_id)
    addresses = resolver_addresses(vpc)
    return addresses[0] if addresses else None
