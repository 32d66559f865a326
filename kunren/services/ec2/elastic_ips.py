"""Elastic IPs and the private addresses they stand for: functions inside the caller's transaction.

An association is written on both sides, so that either is read at one place: the `ElasticIp` names the interface and
private address, the interface the public address and allocation. The internet gateway translates one to one.
"""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ec2 import errors, store
from kunren.services.ec2.model import ElasticIp, NetworkInterface


def find(reader: store.Reader, account: str, region: str, allocation_id: str) -> ElasticIp:
    """Raises AllocationNotFound."""
    return store.find(reader, ElasticIp, account, region, allocation_id, errors.AllocationNotFound)


def of_interface(reader: store.Reader, interface: NetworkInterface) -> list[ElasticIp]:
    ids = (interface.allocation_id, *(each.allocation_id for each in interface.secondary))
    return [held(reader, interface, each) for each in ids if each is not None]


def held(reader: store.Reader, interface: NetworkInterface, allocation_id: str) -> ElasticIp:
    """An address that the interface has: its own account's, or that of another which may give it one."""
    found = reader.get(ElasticIp, interface.account, interface.region, allocation_id)
    others = (each for each in reader.every(ElasticIp) if (each.id, each.region) == (allocation_id, interface.region))
    return found if found is not None else next(others)


def interface_of(reader: store.Reader, address: ElasticIp) -> NetworkInterface | None:
    """The interface that has the address."""
    id = address.interface_id
    if id is None:
        return None
    found = reader.get(NetworkInterface, address.account, address.region, id)
    others = (each for each in reader.every(NetworkInterface) if (each.id, each.region) == (id, address.region))
    return found if found is not None else next(others, None)


def of_address(reader: store.Reader, interface: NetworkInterface, private_ip: str) -> ElasticIp | None:
    """The Elastic IP that stands for this private address of the interface."""
    return next((each for each in of_interface(reader, interface) if each.private_ip == private_ip), None)


def associate(
    tx: Tx, entropy: Entropy, address: ElasticIp, interface: NetworkInterface, private_ip: str
) -> NetworkInterface:
    """The interface with the address, in place of what public address that private one had. The Elastic IP is free.

    Raises NoGatewayAttached.
    """
    assert address.association_id is None
    vpc = store.find_vpc(tx, interface.account, interface.region, interface.vpc_id)
    if store.gateway_of(tx, vpc) is None:
        raise errors.NoGatewayAttached(vpc.id)
    before = of_address(tx, interface, private_ip)
    if before is not None:
        interface = disassociate(tx, before)
    elif private_ip == interface.private_ip and interface.public_ip is not None:
        store.release_public(tx, interface.region, interface.public_ip)
    tx.put(
        replace(
            address,
            association_id=entropy.resource_id("eipassoc"),
            interface_id=interface.id,
            private_ip=private_ip,
        )
    )
    changed = _with_public(interface, private_ip, address.public_ip, address.id)
    tx.put(changed)
    return changed


def disassociate(tx: Tx, address: ElasticIp) -> NetworkInterface:
    """The interface without the address, which stays the account's."""
    interface = interface_of(tx, address)
    assert interface is not None
    assert address.private_ip is not None
    changed = _with_public(interface, address.private_ip, None, None)
    tx.put(changed)
    tx.put(replace(address, association_id=None, interface_id=None, private_ip=None))
    return changed


def _with_public(
    interface: NetworkInterface, private_ip: str, public_ip: str | None, allocation_id: str | None
) -> NetworkInterface:
    if private_ip == interface.private_ip:
        return replace(interface, public_ip=public_ip, allocation_id=allocation_id)
    secondary = tuple(
        replace(each, public_ip=public_ip, allocation_id=allocation_id) if each.private_ip == private_ip else each
        for each in interface.secondary
    )
    return replace(interface, secondary=secondary)
