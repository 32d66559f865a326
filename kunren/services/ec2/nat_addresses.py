"""A NAT gateway's addresses besides its first: taking them, letting them go, and when they are gone.

An address that leaves gets no new connections; those that it has go on until the drain duration is over ("Edit
secondary IP address associations"). What the kernel has is in the interface's status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Key, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ec2 import elastic_ips, errors, store
from kunren.services.ec2.model import (
    InterfaceStatus,
    NatAddress,
    NatGateway,
    NetworkInterface,
    SecondaryAddress,
    Subnet,
    Vpc,
)


def interface_of(reader: store.Reader, gateway: NatGateway) -> NetworkInterface:
    assert gateway.interface_id is not None
    return store.find_interface(reader, gateway.account, gateway.region, gateway.interface_id)


def leaving(reader: store.Reader, vpc: Vpc) -> set[str]:
    """The private addresses in the VPC that get no new connections."""
    gateways = (each for each in reader.list(NatGateway, vpc.account, vpc.region) if each.vpc_id == vpc.id)
    return {each.private_ip for gateway in gateways for each in gateway.secondary if each.leaves_at is not None}


def add(tx: Tx, gateway: NatGateway, wanted: Iterable[str | None]) -> NatGateway:
    """The gateway with these private addresses more, None being any free one. Raises what `take_private` does."""
    interface = interface_of(tx, gateway)
    subnet = store.find(tx, Subnet, gateway.account, gateway.region, gateway.subnet_id, errors.SubnetNotFound)
    taken = [store.take_private(tx, subnet, interface.id, each) for each in wanted]
    more = tuple(SecondaryAddress(private_ip=each) for each in taken)
    tx.put(replace(interface, secondary=(*interface.secondary, *more)))
    gateway = replace(gateway, secondary=(*gateway.secondary, *(NatAddress(private_ip=each) for each in taken)))
    tx.put(gateway)
    return gateway


def bind(tx: Tx, entropy: Entropy, gateway: NatGateway, private_ip: str, allocation_id: str) -> NatGateway:
    """The gateway with an Elastic IP for one of them. Raises AllocationNotFound, AlreadyAssociated."""
    address = elastic_ips.find(tx, gateway.account, gateway.region, allocation_id)
    if address.association_id is not None:
        raise errors.AlreadyAssociated(address.id, address.association_id)
    elastic_ips.associate(tx, entropy, address, interface_of(tx, gateway), private_ip)
    bound = elastic_ips.find(tx, gateway.account, gateway.region, allocation_id)
    gateway = replace(
        gateway,
        secondary=tuple(
            replace(each, public_ip=bound.public_ip, allocation_id=allocation_id, association_id=bound.association_id)
            if each.private_ip == private_ip
            else each
            for each in gateway.secondary
        ),
    )
    tx.put(gateway)
    return gateway


def settled(tx: Tx, gateway: NatGateway, now: float) -> NatGateway:
    """The gateway without those addresses whose time is over."""
    interface = interface_of(tx, gateway)
    over = {each.private_ip for each in gateway.secondary if each.leaves_at is not None and each.leaves_at <= now}
    for private_ip in over:
        address = elastic_ips.of_address(tx, interface, private_ip)
        if address is not None:
            interface = elastic_ips.disassociate(tx, address)
        store.release_private(tx, interface, private_ip)
    if over:
        tx.put(replace(interface, secondary=tuple(each for each in interface.secondary if each.private_ip not in over)))
        gateway = replace(gateway, secondary=tuple(each for each in gateway.secondary if each.private_ip not in over))
        tx.put(gateway)
    return gateway


def to_wire(reader: store.Reader, gateway: NatGateway, address: NatAddress) -> dict[str, Any]:
    status = reader.get(InterfaceStatus, gateway.account, gateway.region, gateway.interface_id or "")
    public = address.allocation_id is not None
    if address.leaves_at is not None:
        state = "disassociating" if public else "unassigning"
    elif status is not None and address.private_ip in status.secondary:
        state = "succeeded"
    else:
        state = "associating" if public else "assigning"
    return {
        "AllocationId": address.allocation_id,
        "AssociationId": address.association_id,
        "NetworkInterfaceId": gateway.interface_id,
        "PrivateIp": address.private_ip,
        "PublicIp": address.public_ip,
        "IsPrimary": False,
        "Status": state,
    }


class NatAddressSweeper:
    """Takes addresses away when they have drained. Their times are stored, so a restart changes nothing."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._changed = asyncio.Event()
        store.subscribe(self._look, wants=lambda kind: kind == NatGateway.kind)

    def _look(self, keys: frozenset[Key]) -> None:
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            due = self.sweep()
            timer = None if due is None else self._clock.call_later(due - self._clock.now(), self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def sweep(self) -> float | None:
        """Take away what is over; the AWS time at which the next address goes."""
        now, dues = self._clock.now(), []
        for gateway in self._store.snapshot().every(NatGateway):
            ends = [each.leaves_at for each in gateway.secondary if each.leaves_at is not None]
            if gateway.deleted_at is None and any(end <= now for end in ends):
                with self._store.write() as tx:
                    current = tx.get(NatGateway, gateway.account, gateway.region, gateway.id)
                    if current is not None:
                        settled(tx, current, now)
            dues += [end for end in ends if end > now and gateway.deleted_at is None]
        return min(dues, default=None)
