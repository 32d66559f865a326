"""By which ways flows enter VPCs under their clients' addresses: which there should be, and the managed parts for them.

Where an endpoint sees clients' addresses, or is in a private subnet, AWS makes a network interface in each subnet that
has one, and one security group per VPC that these share ("Best practices for ENIs and security groups with client IP
address preservation"). Here each such endpoint's address has an entrance (`kunren.services.ec2.model.Entrance`), and
the subnet's interface stands for its entrances. Functions inside the caller's transaction, and pure reads.
"""

from __future__ import annotations

from typing import NamedTuple

from kunren.control.store import Snapshot, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.creation import allow_all_egress
from kunren.services.ec2.interfaces import create_interface, delete_interface
from kunren.services.ec2.model import Entrance, InterfaceStatus, NetworkInterface, SecurityGroup, Subnet, Vpc
from kunren.services.ec2.zones import region_index
from kunren.services.globalaccelerator import endpoints
from kunren.services.globalaccelerator.model import CustomGroup, EndpointGroup
from kunren.world.addresses import entrance_network
from kunren.world.spec import WorldSpec

REQUESTER = "globalaccelerator"
GROUP_NAME, GROUP_TEXT = "GlobalAccelerator", "GlobalAccelerator configured SecurityGroup"
INTERFACE_TYPE = "global_accelerator_managed"


class NoEntrance(Exception):
    """Flows have no way into a VPC, for want of what EC2 has none left of; it is tried again."""


class Way(NamedTuple):
    """What an entrance is for: an address of a subnet, or (`holder`) whatever an accelerator says of the subnet."""

    account: str
    region: str
    subnet_id: str
    private_ip: str
    holder: str = ""


def wanted(snapshot: Snapshot | Tx, accelerator: str | None = None) -> set[Way]:
    """The ways that an accelerator needs, or (None) all of them together."""
    of_subnets = {
        Way(each.owner or group.account, group.group_region, each.id, "", group.accelerator_arn)
        for group in snapshot.every(CustomGroup)
        if accelerator in (None, group.accelerator_arn)
        for each in group.endpoints
    }
    return of_subnets | {
        Way(interface.account, interface.region, interface.subnet_id, interface.private_ip)
        for group in snapshot.every(EndpointGroup)
        if accelerator in (None, group.accelerator_arn)
        for endpoint in group.endpoints
        for interface in endpoints.interfaces(snapshot, group, endpoint)
    }


def of(entrance: Entrance) -> Way:
    return Way(entrance.account, entrance.region, entrance.subnet_id, entrance.private_ip, entrance.holder)


def are_live(snapshot: Snapshot, accelerator: str) -> bool:
    """Whether every entrance of the accelerator is there, and the kernel has those that it can have: the ones of VPCs
    with an internet gateway. (Others' are no matter: nobody would tell this accelerator when they are there.) A subnet
    that is gone needs none."""
    there = {of(each): each for each in snapshot.every(Entrance)}
    for way in wanted(snapshot, accelerator):
        each = there.get(way)
        if each is None:
            if snapshot.get(Subnet, way.account, way.region, way.subnet_id) is not None:
                return False
            continue
        vpc = snapshot.get(Vpc, each.account, each.region, each.vpc_id)
        gateway = ec2.gateway_of(snapshot, vpc) if vpc is not None else None
        if gateway is not None and snapshot.get(InterfaceStatus, each.account, each.region, each.id) is None:
            return False
    return True


def synchronise(tx: Tx, entropy: Entropy, spec: WorldSpec, clock: Clock) -> dict[Way, str]:
    """Make entrances, their interfaces and groups exactly those that are wanted. Returns why some could not be made;
    a way into a subnet that is gone is none of them."""
    refused: dict[Way, str] = {}
    there = {of(each): each for each in tx.every(Entrance)}
    needed = wanted(tx)
    for way in sorted(there.keys() - needed):
        tx.delete(there[way])
        _release(tx, there[way])
    for way in sorted(needed - there.keys()):
        subnet = tx.get(Subnet, way.account, way.region, way.subnet_id)
        if subnet is None:
            continue
        address = _free(tx, spec, way.region)
        if address is None:
            refused[way] = f"{way.region} has no address for one more entrance"
            continue
        try:
            interface = _interface(tx, entropy, spec, clock, subnet)
        except AwsError as error:
            refused[way] = f"no interface on {subnet.id}: {error.message}"
            continue
        tx.put(
            Entrance(
                account=way.account,
                region=way.region,
                id=address,
                vpc_id=subnet.vpc_id,
                subnet_id=subnet.id,
                interface_id=interface.id,
                private_ip=way.private_ip,
                holder=way.holder,
            )
        )
    return refused


def _free(tx: Tx, spec: WorldSpec, region: str) -> str | None:
    taken = {each.id for each in tx.every(Entrance)}
    hosts = entrance_network(region_index(spec, region)).hosts()
    return next((str(each) for each in hosts if str(each) not in taken), None)


def _interface(tx: Tx, entropy: Entropy, spec: WorldSpec, clock: Clock, subnet: Subnet) -> NetworkInterface:
    """The subnet's managed interface, made if there is none."""
    for each in tx.list(NetworkInterface, subnet.account, subnet.region):
        if each.subnet_id == subnet.id and each.requester_id == REQUESTER:
            return each
    return create_interface(
        tx,
        entropy,
        spec,
        account=subnet.account,
        region=subnet.region,
        subnet_id=subnet.id,
        groups=(_group(tx, entropy, subnet).id,),
        description="GlobalAccelerator managed",
        attachment="managed",
        public=False,
        interface_type=INTERFACE_TYPE,
        requester_managed=True,
        requester_id=REQUESTER,
        attach_time=clock.now(),
    )


def _group(tx: Tx, entropy: Entropy, subnet: Subnet) -> SecurityGroup:
    """The VPC's group of these interfaces; customers name it as a source, and it stays when they are gone."""
    for each in tx.list(SecurityGroup, subnet.account, subnet.region):
        if each.vpc_id == subnet.vpc_id and each.name == GROUP_NAME:
            return each
    made = SecurityGroup(
        account=subnet.account,
        region=subnet.region,
        id=entropy.resource_id("sg"),
        vpc_id=subnet.vpc_id,
        name=GROUP_NAME,
        description=GROUP_TEXT,
        rules=(allow_all_egress(entropy),),
    )
    tx.put(made)
    return made


def _release(tx: Tx, gone: Entrance) -> None:
    """Delete the managed interface with the last entrance that it stood for."""
    if any(each.interface_id == gone.interface_id for each in tx.list(Entrance, gone.account, gone.region)):
        return
    interface = tx.get(NetworkInterface, gone.account, gone.region, gone.interface_id)
    if interface is not None:
        delete_interface(tx, interface)
