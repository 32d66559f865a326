"""Network interfaces as other services make them: functions inside the caller's transaction.

A load balancer makes one per node, a task or `kunren exec --subnet` one of its own. What answers on the address is the
attachment: "node" (Envoy, in the VPC's namespace), "workload", "function", "nat" or "link" (a namespace of its own;
functions call and are not called), "managed" (nothing: it stands for what a service does), or None (nothing).
"""

from __future__ import annotations

from collections.abc import Sequence

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ec2 import elastic_ips, errors, quota_errors, store
from kunren.services.ec2 import ipv6 as ipv6_of_vpcs
from kunren.services.ec2.model import InterfacePermission, NetworkInterface, Subnet, Vpc
from kunren.world.spec import WorldSpec

GROUPS_PER_INTERFACE_MAX = 5


def create_interface(
    tx: Tx,
    entropy: Entropy,
    spec: WorldSpec,
    *,
    account: str,
    region: str,
    subnet_id: str,
    groups: tuple[str, ...],
    description: str = "",
    attachment: str | None = None,
    attachment_id: str | None = None,
    instance_id: str | None = None,
    address: str | None = None,
    ipv6: Sequence[str | None] | None = None,
    public: bool | None = None,
    interface_type: str = "interface",
    requester_managed: bool = False,
    requester_id: str | None = None,
    attach_time: float | None = None,
    tags: dict[str, str] | None = None,
) -> NetworkInterface:
    """A new interface with a private address, and a public one where `public` says so (None: as the subnet does).
    `ipv6` are the IPv6 addresses that it is to have, None being any free one (None at all: as the subnet does).

    `groups` may be empty for the VPC's default group, except for a node or a NAT gateway: those have no firewall then,
    as a Network Load Balancer without groups. Raises SubnetNotFound, GroupNotFound, InvalidParameterValue,
    SecurityGroupsPerInterfaceLimitExceeded, InvalidIpAddressInUse, InsufficientFreeAddressesInSubnet,
    InsufficientAddressCapacity.
    """
    assert attachment in (None, "node", "nat", "link", "workload", "function", "managed")
    subnet = store.find_subnet(tx, account, region, subnet_id)
    vpc = store.find_vpc(tx, account, region, subnet.vpc_id)
    if not groups and attachment not in ("node", "nat"):
        groups = (store.default_group_of(tx, vpc).id,)
    check_groups(tx, vpc, groups)
    interface_id = entropy.resource_id("eni")
    private_ip = store.take_private(tx, subnet, interface_id, address)
    wants_public = subnet.map_public_ip_on_launch if public is None else public
    interface = NetworkInterface(
        account=account,
        region=region,
        id=interface_id,
        vpc_id=vpc.id,
        subnet_id=subnet.id,
        availability_zone=subnet.availability_zone,
        private_ip=private_ip,
        mac=_mac(entropy),
        public_ip=store.take_public(tx, spec, region, interface_id) if wants_public else None,
        groups=tuple(dict.fromkeys(groups)),
        description=description,
        interface_type=interface_type,
        attachment=attachment,
        attachment_id=attachment_id or (entropy.resource_id("eni-attach") if attachment else None),
        instance_id=instance_id,
        attach_time=attach_time,
        requester_id=requester_id,
        requester_managed=requester_managed,
        tags=tags or {},
    )
    tx.put(interface)
    if ipv6 is None:
        ipv6 = [None] if subnet.assign_ipv6 and attachment in (None, "workload") else []
    return ipv6_of_vpcs.take(tx, entropy, interface, subnet, ipv6) if ipv6 else interface


def delete_interface(tx: Tx, interface: NetworkInterface) -> None:
    """Delete the interface and give its addresses back, whatever holds it: asking first is the API's business. Its
    Elastic IPs stay the account's."""
    for address in elastic_ips.of_interface(tx, interface):
        interface = elastic_ips.disassociate(tx, address)
    for private_ip in store.private_ips(interface):
        store.release_private(tx, interface, private_ip)
    if interface.public_ip is not None:
        store.release_public(tx, interface.region, interface.public_ip)
    store.forget_token(tx, interface)
    for permission in tx.list(InterfacePermission, interface.account, interface.region):
        if permission.interface_id == interface.id:
            tx.delete(permission)
    tx.delete(interface)


def bind_elastic_ip(tx: Tx, entropy: Entropy, interface: NetworkInterface, allocation_id: str) -> NetworkInterface:
    """The interface with this Elastic IP of its account as its public address; it is let go with the interface.

    For NAT gateways and Network Load Balancer nodes. Raises AllocationNotFound, AlreadyAssociated, GatewayNotFound.
    """
    address = elastic_ips.find(tx, interface.account, interface.region, allocation_id)
    if address.association_id is not None:
        raise errors.AlreadyAssociated(address.id, address.association_id)
    return elastic_ips.associate(tx, entropy, address, interface, interface.private_ip)


def check_users_own(interface: NetworkInterface) -> None:
    """Raises AuthFailure for one that a service made and manages; a program's in the world is the user's own."""
    if interface.requester_managed and interface.attachment != "workload":
        raise errors.AuthFailure("You do not have permission to access the specified resource.")


def check_groups(reader: store.Reader, vpc: Vpc, groups: tuple[str, ...]) -> None:
    """All groups exist and are of the VPC."""
    if len(set(groups)) > GROUPS_PER_INTERFACE_MAX:
        raise quota_errors.SecurityGroupsPerInterfaceLimitExceeded()
    for group_id in groups:
        group = store.find_group(reader, vpc.account, vpc.region, group_id)
        if group.vpc_id != vpc.id and vpc.id not in group.more_vpcs:
            raise errors.InvalidParameterValue(
                f"You have specified two resources that belong to different networks: {group_id} and {vpc.id}"
            )


def subnet_of(reader: store.Reader, interface: NetworkInterface) -> Subnet:
    return store.find_subnet(reader, interface.account, interface.region, interface.subnet_id)


def _mac(entropy: Entropy) -> str:
    """A locally administered unicast address."""
    digits = entropy.hex(10)
    return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])
