"""Health check sources: network interfaces on a customer's subnets, from which private endpoints are probed.

"Health check sources" in the developer guide. A source is made when all its interfaces are live in the world, and fails
with AWS's reason where EC2 refuses one; then none is there. Interfaces live in namespaces of their own, as functions
do: they call, and are not called.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2 import cidr, interfaces
from kunren.services.ec2 import store as ec2_store
from kunren.services.ec2.model import NetworkInterface
from kunren.services.route53.health import Checker, Vantage
from kunren.services.route53.model import HealthCheckSource, SourceSubnet
from kunren.services.route53.store import GLOBAL
from kunren.world.network import workload_namespace
from kunren.world.spec import WorldSpec

log = logging.getLogger(__name__)
PENDING, IN_PROGRESS, COMPLETED, FAILED = "CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_COMPLETED", "CREATE_FAILED"
DELETE_PENDING = "DELETE_PENDING"
REQUESTER = "route53-health-checks"
_LIVE_WITHIN_S = 10.0
_CODES = {
    "InvalidSubnetID.NotFound": "INVALID_SUBNET",
    "InvalidGroup.NotFound": "INVALID_SECURITY_GROUP",
    "InsufficientFreeAddressesInSubnet": "INSUFFICIENT_SUBNET_IPS",
    "SecurityGroupsPerInterfaceLimitExceeded": "EC2_LIMIT_EXCEEDED",
    "InvalidParameterValue": "INVALID_CONFIGURATION",
}


class Refused(Exception):
    """Why a source can't be made: the reason's code and its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class HealthCheckSourceController:
    """`applied` waits until an interface is live (`VpcController.applied`). `run` lives until it is cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        applied: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._spec = spec
        self._applied = applied
        self.controller = Controller(
            "health-check-sources",
            store,
            clock,
            keys=lambda snapshot, key: (_work(key),),
            every=lambda snapshot: [_work(each.key) for each in snapshot.every(HealthCheckSource)],
            reconcile=self._reconcile,
            wants=lambda kind: kind == HealthCheckSource.kind,
        )

    async def run(self) -> None:
        await self.controller.run()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self.controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        source = self._store.snapshot().get(HealthCheckSource, *work.split("/"))
        if source is None:
            return
        if source.status == PENDING:
            self._begin(source)
        elif source.status == IN_PROGRESS:
            await self._finish(source)
        elif source.status == DELETE_PENDING:
            with self._store.write() as tx:
                for each in interfaces_of(tx, source):
                    interfaces.delete_interface(tx, each)
                tx.delete(source)

    def _begin(self, source: HealthCheckSource) -> None:
        try:
            with self._store.write() as tx:
                made = tuple(self._interface(tx, source, each) for each in source.subnets)
                tx.put(msgspec.structs.replace(source, status=IN_PROGRESS, interfaces=made))
        except Refused as error:
            with self._store.write() as tx:
                tx.put(msgspec.structs.replace(source, status=FAILED, reason_code=error.code, reason=str(error)))

    def _interface(self, tx: Tx, source: HealthCheckSource, wanted: SourceSubnet) -> str:
        """Raises Refused."""
        region = source.vpc_region
        try:
            subnet = ec2_store.find_subnet(tx, source.account, region, wanted.subnet_id)
            if subnet.availability_zone_id != wanted.zone_id:
                raise Refused("INVALID_SUBNET", f"The subnet {subnet.id} is not in the zone {wanted.zone_id}.")
            if subnet.vpc_id != source.vpc_id:
                raise Refused("INVALID_CONFIGURATION", f"The subnet {subnet.id} is not in the VPC {source.vpc_id}.")
            return interfaces.create_interface(
                tx,
                self._entropy,
                self._spec,
                account=source.account,
                region=region,
                subnet_id=subnet.id,
                groups=wanted.groups,
                description=f"Route 53 health check source {source.id}",
                attachment="function",
                public=False,
                requester_managed=True,
                requester_id=REQUESTER,
                attach_time=self._clock.now(),
            ).id
        except AwsError as error:
            raise Refused(_CODES.get(error.code, "INTERNAL_ERROR"), error.message) from error

    async def _finish(self, source: HealthCheckSource) -> None:
        """Raises TimeoutError while the world has not all interfaces; it is tried again. Somebody may delete the source
        meanwhile."""
        await self._store.durable()
        async with asyncio.timeout(_LIVE_WITHIN_S):
            for each in source.interfaces:
                await self._applied(each)
        with self._store.write() as tx:
            present = tx.get(HealthCheckSource, source.account, source.region, source.id)
            if present is not None and present.status == IN_PROGRESS:
                tx.put(msgspec.structs.replace(present, status=COMPLETED))


def interfaces_of(reader: Snapshot | Tx, source: HealthCheckSource) -> list[NetworkInterface]:
    found = (reader.get(NetworkInterface, source.account, source.vpc_region, each) for each in source.interfaces)
    return [each for each in found if each is not None]


def vantages(reader: Snapshot | Tx, account: str, source_id: str) -> dict[Checker, Vantage]:
    """A source's checkers, by region and address: one for each of its interfaces, once all of them are live."""
    source = find_source(reader, account, source_id)
    if source is None or source.status != COMPLETED:
        return {}
    return {
        (each.region, each.private_ip): Vantage(
            workload_namespace(each.id),
            cidr.resolver(ec2_store.find_vpc(reader, account, each.region, each.vpc_id).cidr),
        )
        for each in interfaces_of(reader, source)
    }


def find_source(reader: Snapshot | Tx, account: str, source_id: str) -> HealthCheckSource | None:
    return reader.get(HealthCheckSource, account, GLOBAL, source_id)


def zones_distinct(subnets: Iterable[SourceSubnet]) -> bool:
    zones = [each.zone_id for each in subnets]
    return len(zones) == len(set(zones))


def _work(key: Key) -> str:
    return f"{key.account}/{key.region}/{key.id}"
