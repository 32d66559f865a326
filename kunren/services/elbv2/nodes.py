"""A load balancer's nodes: one network interface per zone, in the customer's subnets.

Functions inside the caller's transaction; EC2's own functions make and release the interfaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.ec2 import ipv6
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.interfaces import GROUPS_PER_INTERFACE_MAX, bind_elastic_ip, create_interface, delete_interface
from kunren.services.ec2.model import ElasticIp, NetworkInterface, SecondaryAddress, SecurityGroup, Subnet
from kunren.services.elbv2 import errors
from kunren.services.elbv2.arns import interface_description
from kunren.services.elbv2.attribute_rules import value
from kunren.services.elbv2.limits import FREE_ADDRESSES_PER_SUBNET, SUBNET_PREFIX_MAX
from kunren.services.elbv2.model import AvailabilityZone, LoadBalancer
from kunren.services.elbv2.network_attributes import LOAD_BALANCER, SECONDARY
from kunren.services.elbv2.parts import Parts

REQUESTER = "amazon-elb"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node shall stand: a subnet, and what the customer chose of its addresses."""

    subnet_id: str
    address: str | None = None
    allocation_id: str | None = None


def check_subnets(
    tx: Tx, ctx: RequestContext, subnet_ids: Sequence[str], scheme: str, kind: str = "application"
) -> list[Subnet]:
    """The subnets a load balancer may stand in, sorted by zone.

    Raises ValidationError, SubnetNotFound, InvalidConfigurationRequest, InvalidSubnet.
    """
    found: list[Subnet] = []
    for subnet_id in dict.fromkeys(subnet_ids):
        subnet = tx.get(Subnet, ctx.account, ctx.region, subnet_id)
        if subnet is None:
            raise errors.SubnetNotFound(f"The subnet ID '{subnet_id}' does not exist")
        found.append(subnet)
    zones = [subnet.availability_zone for subnet in found]
    vpcs = sorted({subnet.vpc_id for subnet in found})
    if len(vpcs) > 1:
        raise errors.InvalidConfigurationRequest(f"All subnets must belong to the same VPC: '{', '.join(vpcs)}'")
    if len(set(zones)) != len(zones):
        raise errors.InvalidConfigurationRequest(
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
        )
    if len(zones) < 2 and kind == "application":
        raise errors.validation_error("At least two subnets in two different Availability Zones must be specified")
    if not zones:
        raise errors.validation_error("At least one subnet must be specified")
    for subnet in found if kind == "application" else ():
        if IPv4Network(subnet.cidr).prefixlen > SUBNET_PREFIX_MAX:
            raise errors.InvalidSubnet(
                f"Subnet '{subnet.id}' must have a CIDR block with at least a /{SUBNET_PREFIX_MAX} bitmask"
            )
    vpc = ec2.find_vpc(tx, ctx.account, ctx.region, vpcs[0])
    if scheme == "internet-facing" and ec2.gateway_of(tx, vpc) is None:
        raise errors.InvalidSubnet(f"VPC {vpc.id} has no internet gateway")
    return sorted(found, key=lambda subnet: subnet.availability_zone)


def check_room(tx: Tx, subnets: Sequence[Subnet], kind: str = "application") -> None:
    """Raises InvalidSubnet where a subnet has not the free addresses that AWS asks for."""
    needed = FREE_ADDRESSES_PER_SUBNET if kind == "application" else 1
    for subnet in subnets:
        if ec2.addresses_free(tx, subnet) < needed:
            raise errors.InvalidSubnet(
                f"Not enough IP space available in {subnet.id}. ELB requires at least {needed} free IP addresses in"
                " each subnet."
            )


def check_groups(
    tx: Tx, ctx: RequestContext, vpc_id: str, group_ids: Sequence[str], kind: str = "application"
) -> tuple[str, ...]:
    """The security groups; for none the VPC's default group, or none for a Network Load Balancer. Raises
    InvalidSecurityGroup, InvalidConfigurationRequest."""
    if not group_ids and kind == "network":
        return ()
    if not group_ids:
        return (ec2.default_group_of(tx, ec2.find_vpc(tx, ctx.account, ctx.region, vpc_id)).id,)
    unique = tuple(dict.fromkeys(group_ids))
    for group_id in unique:
        group = tx.get(SecurityGroup, ctx.account, ctx.region, group_id)
        if group is None:
            raise errors.InvalidSecurityGroup(f"Security group '{group_id}' does not exist")
        if group.vpc_id != vpc_id:
            raise errors.InvalidConfigurationRequest("One or more security groups are invalid")
    if len(unique) > GROUPS_PER_INTERFACE_MAX:
        raise errors.InvalidConfigurationRequest(
            f"A load balancer can only have '{GROUPS_PER_INTERFACE_MAX}' security groups"
        )
    return unique


def placed(
    tx: Tx,
    parts: Parts,
    balancer: LoadBalancer,
    subnets: Sequence[Subnet],
    chosen: Mapping[str, Place] | None = None,
) -> LoadBalancer:
    """The load balancer with a node in each of the subnets and nowhere else; nodes already there are kept. `chosen` are
    the customer's own addresses by subnet. Raises InvalidConfigurationRequest where one can't be had."""
    wanted = {subnet.id: subnet for subnet in subnets}
    kept = {zone.subnet_id: zone for zone in balancer.zones if zone.subnet_id in wanted}
    for zone in balancer.zones:
        if zone.subnet_id not in wanted:
            _release_zone(tx, balancer, zone)
    nodes = tuple(
        kept.get(subnet.id) or _new_zone(tx, parts, balancer, subnet, (chosen or {}).get(subnet.id))
        for subnet in subnets
    )
    return spread(tx, msgspec.structs.replace(balancer, zones=nodes))


def spread(tx: Tx, balancer: LoadBalancer) -> LoadBalancer:
    """The load balancer with as many secondary addresses at each node as its attributes say; they never become fewer.
    Raises InvalidConfigurationRequest."""
    if balancer.type != "network":
        return balancer
    count = int(value(LOAD_BALANCER, balancer.attributes, SECONDARY))
    return msgspec.structs.replace(balancer, zones=tuple(_spread(tx, balancer, each, count) for each in balancer.zones))


def _spread(tx: Tx, balancer: LoadBalancer, zone: AvailabilityZone, count: int) -> AvailabilityZone:
    more = count - len(zone.secondary)
    if more < 0:
        raise errors.InvalidConfigurationRequest(f"The value of '{SECONDARY}' cannot be decreased")
    interface = tx.get(NetworkInterface, balancer.account, balancer.region, zone.interface_id)
    if not more or interface is None:
        return zone
    subnet = ec2.find_subnet(tx, balancer.account, balancer.region, zone.subnet_id)
    try:
        taken = tuple(ec2.take_private(tx, subnet, interface.id, None) for _ in range(more))
    except AwsError as error:
        raise errors.InvalidConfigurationRequest(
            f"Not enough IP space available in {subnet.id} for {count} secondary addresses"
        ) from error
    secondary = tuple(SecondaryAddress(private_ip=each) for each in taken)
    tx.put(msgspec.structs.replace(interface, secondary=(*interface.secondary, *secondary)))
    return msgspec.structs.replace(zone, secondary=(*zone.secondary, *taken))


def release(tx: Tx, balancer: LoadBalancer) -> None:
    """Give back all interfaces and addresses."""
    for zone in balancer.zones:
        _release_zone(tx, balancer, zone)


def addressed(tx: Tx, parts: Parts, balancer: LoadBalancer, address_type: str) -> LoadBalancer:
    """The load balancer with this IP address type: its nodes get or lose IPv6 and public IPv4 addresses.

    Raises InvalidSubnet where a subnet has no IPv6 block.
    """
    changed = msgspec.structs.replace(balancer, ip_address_type=address_type)
    return msgspec.structs.replace(
        changed, zones=tuple(_addressed(tx, parts, changed, zone) for zone in balancer.zones)
    )


def _addressed(tx: Tx, parts: Parts, balancer: LoadBalancer, zone: AvailabilityZone) -> AvailabilityZone:
    interface = ec2.find_interface(tx, balancer.account, balancer.region, zone.interface_id)
    if has_ipv6(balancer) and not interface.ipv6:
        subnet = ec2.find_subnet(tx, balancer.account, balancer.region, zone.subnet_id)
        _check_ipv6(parts, subnet)
        interface = ipv6.take(tx, parts.entropy, interface, subnet, [None])
    if not has_ipv6(balancer):
        interface = msgspec.structs.replace(interface, ipv6=())
    if interface.allocation_id is None:
        if _is_public(balancer) and interface.public_ip is None:
            public = ec2.take_public(tx, parts.spec, balancer.region, interface.id)
            interface = msgspec.structs.replace(interface, public_ip=public)
        elif not _is_public(balancer) and interface.public_ip is not None:
            ec2.release_public(tx, balancer.region, interface.public_ip)
            interface = msgspec.structs.replace(interface, public_ip=None)
    tx.put(interface)
    return msgspec.structs.replace(zone, public_ip=interface.public_ip, ipv6=next(iter(interface.ipv6), None))


def has_ipv6(balancer: LoadBalancer) -> bool:
    return balancer.ip_address_type != "ipv4"


def _is_public(balancer: LoadBalancer) -> bool:
    """Whether its nodes have public IPv4 addresses."""
    return balancer.scheme == "internet-facing" and balancer.ip_address_type != "dualstack-without-public-ipv4"


def _check_ipv6(parts: Parts, subnet: Subnet) -> None:
    ipv6.require(parts.spec)
    if subnet.cidr_v6 is None:
        raise errors.InvalidSubnet(f"Subnet '{subnet.id}' does not have an associated IPv6 CIDR block")


def regroup(tx: Tx, balancer: LoadBalancer, groups: tuple[str, ...]) -> None:
    """Put the nodes' interfaces into other security groups."""
    for zone in balancer.zones:
        interface = tx.get(NetworkInterface, balancer.account, balancer.region, zone.interface_id)
        if interface is not None:
            tx.put(msgspec.structs.replace(interface, groups=groups))


def _new_zone(tx: Tx, parts: Parts, balancer: LoadBalancer, subnet: Subnet, place: Place | None) -> AvailabilityZone:
    address, elastic = (place.address, place.allocation_id) if place is not None else (None, None)
    try:
        interface = _interface(tx, parts, balancer, subnet, address, elastic)
    except AwsError as error:
        if address is None:
            raise
        raise errors.InvalidConfigurationRequest(
            f"The private IPv4 address '{address}' is not available in the subnet '{subnet.id}'"
        ) from error
    if elastic is not None:
        interface = _with_elastic_ip(tx, parts, interface, elastic)
    return AvailabilityZone(
        zone_name=subnet.availability_zone,
        subnet_id=subnet.id,
        interface_id=interface.id,
        private_ip=interface.private_ip,
        public_ip=interface.public_ip,
        allocation_id=elastic,
        chosen=address is not None,
        ipv6=next(iter(interface.ipv6), None),
    )


def _with_elastic_ip(tx: Tx, parts: Parts, interface: NetworkInterface, allocation_id: str) -> NetworkInterface:
    """The interface with the customer's Elastic IP. Raises AllocationIdNotFound, ResourceInUse."""
    address = tx.get(ElasticIp, interface.account, interface.region, allocation_id)
    if address is None:
        raise errors.AllocationIdNotFound(f"The allocation IDs '{allocation_id}' do not exist")
    if address.association_id is not None:
        raise errors.ResourceInUse(f"The allocation IDs are not available for use: '{allocation_id}'")
    return bind_elastic_ip(tx, parts.entropy, interface, allocation_id)


def _interface(
    tx: Tx, parts: Parts, balancer: LoadBalancer, subnet: Subnet, address: str | None, elastic: str | None
) -> NetworkInterface:
    network = balancer.type == "network"
    if has_ipv6(balancer):
        _check_ipv6(parts, subnet)
    return create_interface(
        tx,
        parts.entropy,
        parts.spec,
        account=balancer.account,
        region=balancer.region,
        subnet_id=subnet.id,
        groups=balancer.security_groups,
        description=interface_description(balancer.id),
        attachment="node",
        address=address,
        interface_type="network_load_balancer" if network else "interface",
        public=_is_public(balancer) and not elastic,
        ipv6=[None] if has_ipv6(balancer) else [],
        requester_managed=True,
        requester_id=REQUESTER,
        attach_time=parts.clock.now(),
    )


def _release_zone(tx: Tx, balancer: LoadBalancer, zone: AvailabilityZone) -> None:
    interface = tx.get(NetworkInterface, balancer.account, balancer.region, zone.interface_id)
    if interface is not None:
        delete_interface(tx, interface)
