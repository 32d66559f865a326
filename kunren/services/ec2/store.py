"""What is kept of EC2, and how it is found: registration of the kinds, lookups that raise EC2's errors, address pools.

Every writer of ec2 resources goes through this package. The pools of addresses (`AddressPool`, `AddressUse`) are an
index that makes giving out an address cost the same however many interfaces there are; they and the idempotency tokens
are kept in memory and built anew from the resources at start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TypeAlias, TypeVar

from kunren.control.store import Resource, Snapshot, Store, Tx
from kunren.core.errors import AwsError
from kunren.services.ec2 import cidr, errors
from kunren.services.ec2.access_model import PublicAccess, PublicAccessExclusion
from kunren.services.ec2.fleets.model import Fleet
from kunren.services.ec2.instances.model import KINDS as instance_kinds
from kunren.services.ec2.instances.model import Image, Instance, LaunchTemplate, SpotRequest, Volume
from kunren.services.ec2.ipv6_model import EgressOnlyInternetGateway
from kunren.services.ec2.model import (
    AccountRegion,
    AddressPool,
    AddressUse,
    AppliedPrefixLists,
    ClientToken,
    DhcpOptions,
    ElasticIp,
    EndpointEvent,
    EndpointNotification,
    EndpointServiceConfiguration,
    Entrance,
    FlowLog,
    FlowLogStatus,
    InterfacePermission,
    InterfaceStatus,
    InternetGateway,
    NatGateway,
    NetworkAcl,
    NetworkInterface,
    PeeringStatus,
    PrefixList,
    RouteTable,
    SecurityGroup,
    Subnet,
    SubnetReservation,
    Vpc,
    VpcEndpoint,
    VpcEndpointStatus,
    VpcPeering,
)
from kunren.services.ec2.zones import region_index
from kunren.world import addresses
from kunren.world.spec import WorldSpec

Reader: TypeAlias = Snapshot | Tx
Tokened: TypeAlias = (
    NetworkInterface
    | RouteTable
    | NetworkAcl
    | NatGateway
    | PrefixList
    | VpcEndpoint
    | EndpointServiceConfiguration
    | EndpointNotification
    | EgressOnlyInternetGateway
    | Fleet
    | Instance
    | LaunchTemplate
    | SpotRequest
    | Volume
    | Image
)
R = TypeVar("R", bound=Resource)
KINDS: tuple[type[Resource], ...] = (
    Vpc,
    Subnet,
    SubnetReservation,
    InternetGateway,
    EgressOnlyInternetGateway,
    RouteTable,
    SecurityGroup,
    NetworkInterface,
    Entrance,
    ElasticIp,
    NatGateway,
    VpcPeering,
    NetworkAcl,
    DhcpOptions,
    AccountRegion,
    InterfaceStatus,
    PeeringStatus,
    AddressPool,
    AddressUse,
    ClientToken,
    PrefixList,
    AppliedPrefixLists,
    VpcEndpoint,
    VpcEndpointStatus,
    EndpointServiceConfiguration,
    EndpointNotification,
    EndpointEvent,
    InterfacePermission,
    PublicAccess,
    PublicAccessExclusion,
    FlowLog,
    FlowLogStatus,
    *instance_kinds,
)
PUBLIC_POOL = "public"


def register(store: Store) -> None:
    """Make ec2's kinds known to the store, and rebuild the address pools from the interfaces it holds."""
    store.register(*KINDS)
    with store.write() as tx:
        private = [(IPv4Address(ip), each) for each in tx.every(NetworkInterface) for ip in private_ips(each)]
        for address, each in sorted(private, key=lambda pair: pair[0]):
            _use(tx, each.account, each.region, each.subnet_id, str(address), each.id, int(address) + 1)
        public = [(each.public_ip, each.region, each.id) for each in tx.every(ElasticIp)]
        public += [
            (each.public_ip, each.region, each.id)
            for each in tx.every(NetworkInterface)
            if each.public_ip is not None and each.allocation_id is None
        ]
        for text, region, id in sorted(public, key=lambda each: IPv4Address(each[0])):
            _use(tx, "", region, PUBLIC_POOL, text, id, int(IPv4Address(text)) + 1)
        tokened: list[Tokened] = [*tx.every(NetworkInterface), *tx.every(RouteTable)]
        for resource in (
            *tokened,
            *tx.every(NetworkAcl),
            *tx.every(NatGateway),
            *tx.every(PrefixList),
            *tx.every(VpcEndpoint),
            *tx.every(EndpointServiceConfiguration),
            *tx.every(EndpointNotification),
            *tx.every(EgressOnlyInternetGateway),
            *tx.every(Instance),
            *tx.every(LaunchTemplate),
            *tx.every(SpotRequest),
            *tx.every(Volume),
            *tx.every(Image),
        ):
            remember_token(tx, resource)


def remember_token(tx: Tx, resource: Tokened) -> None:
    """Note that the resource was made with an idempotency token, if it was."""
    if resource.client_token is not None:
        tx.put(
            ClientToken(
                account=resource.account,
                region=resource.region,
                id=f"{resource.kind}|{resource.client_token}",
                resource_id=resource.id,
                request=resource.client_request or "",
            )
        )


def forget_token(tx: Tx, resource: Tokened) -> None:
    """The resource is deleted: its token means nothing any more."""
    used = tx.get(ClientToken, resource.account, resource.region, f"{resource.kind}|{resource.client_token}")
    if used is not None:
        tx.delete(used)


# -- finding ---------------------------------------------------------------------------------------------------------


def find(reader: Reader, kind: type[R], account: str, region: str, id: str, missing: Callable[[str], AwsError]) -> R:
    """The resource of that id, or the error that `missing` makes of the id."""
    found = reader.get(kind, account, region, id)
    if found is None:
        raise missing(id)
    return found


def find_vpc(reader: Reader, account: str, region: str, id: str) -> Vpc:
    return find(reader, Vpc, account, region, id, errors.VpcNotFound)


def find_subnet(reader: Reader, account: str, region: str, id: str) -> Subnet:
    return find(reader, Subnet, account, region, id, errors.SubnetNotFound)


def find_group(reader: Reader, account: str, region: str, id: str) -> SecurityGroup:
    return find(reader, SecurityGroup, account, region, id, errors.GroupNotFound)


def find_interface(reader: Reader, account: str, region: str, id: str) -> NetworkInterface:
    return find(reader, NetworkInterface, account, region, id, errors.NetworkInterfaceNotFound)


def subnets_of(reader: Reader, vpc: Vpc) -> list[Subnet]:
    return [each for each in reader.list(Subnet, vpc.account, vpc.region) if each.vpc_id == vpc.id]


def reservations_of(reader: Reader, subnet: Subnet) -> list[SubnetReservation]:
    return [
        each for each in reader.list(SubnetReservation, subnet.account, subnet.region) if each.subnet_id == subnet.id
    ]


def interfaces_of(reader: Reader, vpc: Vpc) -> list[NetworkInterface]:
    return [each for each in reader.list(NetworkInterface, vpc.account, vpc.region) if each.vpc_id == vpc.id]


def private_ips(interface: NetworkInterface) -> list[str]:
    """All of the interface's private addresses, the primary first."""
    return [interface.private_ip, *(each.private_ip for each in interface.secondary)]


def public_addresses(interface: NetworkInterface) -> dict[str, str]:
    """Public address → private address, of those the interface has now."""
    pairs = [(interface.public_ip, interface.private_ip)]
    pairs += [(each.public_ip, each.private_ip) for each in interface.secondary]
    return {public: private for public, private in pairs if public is not None}


def gateway_of(reader: Reader, vpc: Vpc) -> InternetGateway | None:
    """The internet gateway that is attached to the VPC."""
    gateways = reader.list(InternetGateway, vpc.account, vpc.region)
    return next((each for each in gateways if each.vpc_id == vpc.id), None)


def egress_gateway_of(reader: Reader, vpc: Vpc) -> EgressOnlyInternetGateway | None:
    """An egress-only internet gateway of the VPC."""
    gateways = reader.list(EgressOnlyInternetGateway, vpc.account, vpc.region)
    return next((each for each in gateways if each.vpc_id == vpc.id), None)


def route_tables_of(reader: Reader, vpc: Vpc) -> list[RouteTable]:
    return [each for each in reader.list(RouteTable, vpc.account, vpc.region) if each.vpc_id == vpc.id]


def groups_of(reader: Reader, vpc: Vpc) -> list[SecurityGroup]:
    return [each for each in reader.list(SecurityGroup, vpc.account, vpc.region) if each.vpc_id == vpc.id]


def usable_groups(reader: Reader, vpc: Vpc) -> list[SecurityGroup]:
    """The groups that interfaces of the VPC may have: its own, and those that are associated with it."""
    held = reader.list(SecurityGroup, vpc.account, vpc.region)
    return [each for each in held if each.vpc_id == vpc.id or vpc.id in each.more_vpcs]


def acls_of(reader: Reader, vpc: Vpc) -> list[NetworkAcl]:
    return [each for each in reader.list(NetworkAcl, vpc.account, vpc.region) if each.vpc_id == vpc.id]


def default_acl_of(reader: Reader, vpc: Vpc) -> NetworkAcl:
    return next(each for each in acls_of(reader, vpc) if each.is_default)


def default_group_of(reader: Reader, vpc: Vpc) -> SecurityGroup:
    return next(each for each in groups_of(reader, vpc) if each.name == "default")


def vpc_cidrs(vpc: Vpc) -> tuple[str, ...]:
    """All of the VPC's blocks, the primary first."""
    return (vpc.cidr, *vpc.secondary_cidrs)


# -- addresses -------------------------------------------------------------------------------------------------------


def _use(tx: Tx, account: str, region: str, pool_id: str, address: str, interface_id: str, goes_on: int) -> None:
    """Note that the address is taken; the search for the next one goes on at `goes_on`."""
    pool = tx.get(AddressPool, account, region, pool_id)
    used = pool.used if pool is not None else 0
    tx.put(AddressPool(account=account, region=region, id=pool_id, next=goes_on, used=used + 1))
    tx.put(AddressUse(account=account, region=region, id=f"{pool_id}|{address}", interface_id=interface_id))


def _take_next(
    tx: Tx,
    account: str,
    region: str,
    pool_id: str,
    first: int,
    last: int,
    interface_id: str,
    reserved: Sequence[IPv4Network] = (),
) -> str | None:
    """Give out the next free address from `first` to `last` that is not reserved; None where there is none."""
    pool = tx.get(AddressPool, account, region, pool_id)
    used, start = (pool.used, pool.next) if pool is not None else (0, first)
    if used > last - first:
        return None

    def taken(number: int) -> bool:
        address = IPv4Address(number)
        used = tx.get(AddressUse, account, region, f"{pool_id}|{address}") is not None
        return used or any(address in each for each in reserved)

    number = cidr.next_free(start, first, last, taken)
    if number is None:
        return None
    address = str(IPv4Address(number))
    _use(tx, account, region, pool_id, address, interface_id, number + 1)
    return address


def _release(tx: Tx, account: str, region: str, pool_id: str, address: str) -> None:
    use = tx.get(AddressUse, account, region, f"{pool_id}|{address}")
    pool = tx.get(AddressPool, account, region, pool_id)
    assert use is not None, f"{address} was not taken"
    assert pool is not None, f"{address} was not taken"
    tx.delete(use)
    tx.put(AddressPool(account=account, region=region, id=pool_id, next=pool.next, used=pool.used - 1))


def take_private(tx: Tx, subnet: Subnet, interface_id: str, wanted: str | None) -> str:
    """An address of the subnet: the one that is wanted, or the next free one."""
    block = IPv4Network(subnet.cidr)
    first, last = cidr.usable(block)
    if wanted is None:
        reserved = [IPv4Network(each.cidr) for each in reservations_of(tx, subnet)]
        address = _take_next(tx, subnet.account, subnet.region, subnet.id, first, last, interface_id, reserved)
        if address is None:
            raise errors.InsufficientFreeAddressesInSubnet(subnet.id)
        return address
    if not cidr.is_address(wanted):
        raise errors.InvalidParameterValue(f"Invalid value '{wanted}' for PrivateIpAddress. Not a valid IPv4 address.")
    if IPv4Address(wanted) not in block:
        raise errors.InvalidParameterValue("Address does not fall within the subnet's address range")
    if not first <= int(IPv4Address(wanted)) <= last:
        raise errors.InvalidParameterValue("Address is in subnet's reserved address range")
    if tx.get(AddressUse, subnet.account, subnet.region, f"{subnet.id}|{wanted}") is not None:
        raise errors.InvalidIpAddressInUse(wanted)
    # a wanted address says nothing about where the search for the next free one should go on
    pool = tx.get(AddressPool, subnet.account, subnet.region, subnet.id)
    goes_on = pool.next if pool is not None else first
    _use(tx, subnet.account, subnet.region, subnet.id, wanted, interface_id, goes_on)
    return wanted


def release_private(tx: Tx, interface: NetworkInterface, address: str) -> None:
    _release(tx, interface.account, interface.region, interface.subnet_id, address)


def take_public(tx: Tx, spec: WorldSpec, region: str, holder_id: str) -> str:
    """A public address of the region, unique in the whole world, for an interface or an allocation."""
    first, last = addresses.customer_addresses(region_index(spec, region))
    address = _take_next(tx, "", region, PUBLIC_POOL, int(first), int(last), holder_id)
    if address is None:
        raise errors.InsufficientAddressCapacity(region)
    return address


def release_public(tx: Tx, region: str, address: str) -> None:
    _release(tx, "", region, PUBLIC_POOL, address)


def forget_pool(tx: Tx, subnet: Subnet) -> None:
    """The subnet is deleted."""
    pool = tx.get(AddressPool, subnet.account, subnet.region, subnet.id)
    if pool is not None:
        tx.delete(pool)


def addresses_free(reader: Reader, subnet: Subnet) -> int:
    """What DescribeSubnets calls AvailableIpAddressCount."""
    pool = reader.get(AddressPool, subnet.account, subnet.region, subnet.id)
    return cidr.capacity(IPv4Network(subnet.cidr)) - (pool.used if pool is not None else 0)


def missing_ids(wanted: Iterable[str], found: Iterable[Resource]) -> list[str]:
    """Those of the wanted ids that were not found, in order."""
    have = {each.id for each in found}
    return [each for each in wanted if each not in have]
