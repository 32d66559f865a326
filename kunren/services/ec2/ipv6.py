"""IPv6 of VPCs: the blocks that Amazon provides, what they bring with them, and the addresses of interfaces.

Functions inside the caller's transaction. "VPC CIDR blocks", "Subnet CIDR blocks" and "IPv6 support for your VPC" of
the VPC user guide: a VPC gets a /56 from its region's range, a subnet a /64 to /56 of it; a default network ACL and
security groups that nobody has changed let IPv6 pass from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2 import acl_entries, cidr, creation, errors, quota_errors, store
from kunren.services.ec2.model import AclEntry, NetworkInterface, Subnet, Vpc
from kunren.services.ec2.zones import region_index
from kunren.world import addresses6
from kunren.world.spec import WorldSpec

EVERYWHERE = addresses6.EVERYWHERE
BLOCKS_PER_VPC_MAX, ADDRESSES_PER_INTERFACE_MAX = 5, 50
SUBNET_PREFIXES = range(44, 65, 4)
_FIRST, _LAST = 4, 1  # addresses of a subnet that AWS keeps, as with IPv4
_OPEN = tuple(
    AclEntry(number=101, egress=egress, allow=True, protocol="-1", cidr_v6=EVERYWHERE) for egress in (True, False)
)


class NoIpv6(AwsError):
    """This world has none."""

    code = "NotImplemented"
    status = 501

    def __init__(self) -> None:
        super().__init__(
            "There is no IPv6 in this world: the kernel of this machine has none, or the world file says so "
            "(`kunren doctor` tells which)."
        )


def require(spec: WorldSpec) -> None:
    """Raises NoIpv6 where the world has none."""
    if not spec.ipv6:
        raise NoIpv6()


# -- blocks ----------------------------------------------------------------------------------------------------------


def provide(tx: Tx, entropy: Entropy, spec: WorldSpec, vpc: Vpc) -> tuple[Vpc, str]:
    """The VPC with one more block of Amazon's, and the block. Raises NoIpv6, VpcCidrLimitExceeded."""
    require(spec)
    if len(vpc.blocks_v6) >= BLOCKS_PER_VPC_MAX:
        raise quota_errors.VpcCidrLimitExceeded(vpc.id)
    taken = {block for each in tx.every(Vpc) for block in each.blocks_v6}
    index, block = region_index(spec, vpc.region), ""
    while not block or block in taken:
        block = str(addresses6.vpc_block(index, entropy.integer(0, addresses6.VPC_BLOCKS)))
    vpc = replace(vpc, blocks_v6={**vpc.blocks_v6, block: entropy.resource_id("vpc-cidr-assoc")})
    tx.put(vpc)
    for table in store.route_tables_of(tx, vpc):
        tx.put(replace(table, routes=(creation.local_route(block), *table.routes)))
    _open_up(tx, entropy, vpc)
    return vpc, block


def withdraw(tx: Tx, vpc: Vpc, block: str) -> None:
    """Take the block away. Raises CidrInUse while a subnet has a part of it."""
    used = [IPv6Network(each.cidr_v6) for each in store.subnets_of(tx, vpc) if each.cidr_v6]
    if any(each.subnet_of(IPv6Network(block)) for each in used):
        raise errors.CidrInUse(vpc.blocks_v6[block])
    tx.put(replace(vpc, blocks_v6={each: id for each, id in vpc.blocks_v6.items() if each != block}))
    for table in store.route_tables_of(tx, vpc):
        tx.put(replace(table, routes=tuple(each for each in table.routes if each.destination != block)))


def _open_up(tx: Tx, entropy: Entropy, vpc: Vpc) -> None:
    """Let IPv6 pass where IPv4 passes because nobody has changed what AWS made."""
    acl = store.default_acl_of(tx, vpc)
    if acl.entries == acl_entries.OPEN:
        tx.put(replace(acl, entries=acl_entries.in_order((*acl.entries, *_OPEN))))
    for group in store.groups_of(tx, vpc):
        outward = [each for each in group.rules if each.egress]
        if len(outward) == 1 and outward[0].cidr_v4 == "0.0.0.0/0" and outward[0].protocol == "-1":
            tx.put(replace(group, rules=(*group.rules, creation.allow_all_egress(entropy, six=True))))


def subnet_block(tx: Tx, vpc: Vpc, text: str, but: Subnet | None = None) -> str:
    """The block that a subnet is to have, in canonical form. Raises InvalidParameterValue, InvalidSubnetRange,
    InvalidSubnetConflict."""
    block = cidr.parse_v6(text)
    if block is None:
        raise errors.InvalidParameterValue(
            f"Value ({text}) for parameter ipv6CidrBlock is invalid. This is not a valid IPv6 CIDR block."
        )
    if block.prefixlen not in SUBNET_PREFIXES or not any(block.subnet_of(IPv6Network(each)) for each in vpc.blocks_v6):
        raise errors.InvalidSubnetRange(str(block))
    others = (each for each in store.subnets_of(tx, vpc) if each.cidr_v6 and (but is None or each.id != but.id))
    if any(block.overlaps(IPv6Network(each.cidr_v6 or "")) for each in others):
        raise errors.InvalidSubnetConflict(str(block))
    return str(block)


# -- addresses -------------------------------------------------------------------------------------------------------


def take(
    tx: Tx, entropy: Entropy, interface: NetworkInterface, subnet: Subnet, wanted: Sequence[str | None]
) -> NetworkInterface:
    """The interface with these addresses more, None being any free one.

    Raises InvalidParameterValue, InvalidIpAddressInUse, PrivateAddressLimitExceeded.
    """
    if subnet.cidr_v6 is None:
        raise errors.InvalidParameterValue(
            f"The subnet '{subnet.id}' does not have an IPv6 CIDR block associated with it."
        )
    block, found = IPv6Network(subnet.cidr_v6), list(interface.ipv6)
    for each in wanted:
        if each is None:
            number = entropy.integer(_FIRST, block.num_addresses - 1 - _LAST)
            found.append(str(block[number]))
        else:
            found.append(_checked(tx, block, subnet, each))
    if len(found) > ADDRESSES_PER_INTERFACE_MAX:
        raise quota_errors.PrivateAddressLimitExceeded()
    interface = replace(interface, ipv6=tuple(dict.fromkeys(found)))
    tx.put(interface)
    return interface


def canonical(text: str) -> str:
    """Raises InvalidParameterValue."""
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise errors.InvalidParameterValue(f"Invalid IPv6 address '{text}'.") from None


def _checked(tx: Tx, block: IPv6Network, subnet: Subnet, text: str) -> str:
    address = IPv6Address(canonical(text))
    if address not in block:
        raise errors.InvalidParameterValue("Address does not fall within the subnet's address range")
    if not _FIRST <= int(address) - int(block.network_address) < block.num_addresses - _LAST:
        raise errors.InvalidParameterValue("Address is in subnet's reserved address range")
    held = tx.list(NetworkInterface, subnet.account, subnet.region)
    if any(str(address) in each.ipv6 for each in held):
        raise errors.InvalidIpAddressInUse(str(address))
    return str(address)
