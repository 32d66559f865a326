"""How VPCs and subnets come to be, with all that AWS makes along with them. Used by the API and by the default VPC."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ec2 import acl_entries, store
from kunren.services.ec2.model import (
    DhcpOptions,
    NetworkAcl,
    RouteEntry,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
)
from kunren.services.ec2.zones import Zone


def new_vpc(
    tx: Tx,
    entropy: Entropy,
    *,
    account: str,
    region: str,
    cidr: str,
    dhcp_options_id: str,
    is_default: bool = False,
    instance_tenancy: str = "default",
    tags: dict[str, str] | None = None,
) -> Vpc:
    """A VPC with its main route table, default security group and default network ACL."""
    vpc = Vpc(
        account=account,
        region=region,
        id=entropy.resource_id("vpc"),
        cidr=cidr,
        is_default=is_default,
        instance_tenancy=instance_tenancy,
        dhcp_options_id=dhcp_options_id,
        enable_dns_hostnames=is_default,
        cidr_association_ids={cidr: entropy.resource_id("vpc-cidr-assoc")},
        tags=tags or {},
    )
    tx.put(vpc)
    tx.put(
        RouteTable(
            account=account,
            region=region,
            id=entropy.resource_id("rtb"),
            vpc_id=vpc.id,
            main=True,
            main_association_id=entropy.resource_id("rtbassoc"),
            routes=(local_route(cidr),),
        )
    )
    tx.put(
        NetworkAcl(
            account=account,
            region=region,
            id=entropy.resource_id("acl"),
            vpc_id=vpc.id,
            is_default=True,
            entries=acl_entries.OPEN,
        )
    )
    tx.put(_default_group(entropy, vpc))
    return vpc


def local_route(cidr: str) -> RouteEntry:
    return RouteEntry(destination=cidr, target="local", origin="CreateRouteTable")


def allow_all_egress(entropy: Entropy, *, six: bool = False) -> SecurityGroupRule:
    """Everything may go out, over IPv4 or (`six`) over IPv6."""
    four, other = (None, "::/0") if six else ("0.0.0.0/0", None)
    return SecurityGroupRule(id=entropy.resource_id("sgr"), egress=True, protocol="-1", cidr_v4=four, cidr_v6=other)


def first_rules(entropy: Entropy, vpc: Vpc) -> tuple[SecurityGroupRule, ...]:
    """What a new group of the VPC starts with."""
    return tuple(allow_all_egress(entropy, six=six) for six in ((False, True) if vpc.blocks_v6 else (False,)))


def _default_group(entropy: Entropy, vpc: Vpc) -> SecurityGroup:
    group_id = entropy.resource_id("sg")
    from_itself = SecurityGroupRule(id=entropy.resource_id("sgr"), egress=False, protocol="-1", group_id=group_id)
    return SecurityGroup(
        account=vpc.account,
        region=vpc.region,
        id=group_id,
        vpc_id=vpc.id,
        name="default",
        description="default VPC security group",
        rules=(from_itself, allow_all_egress(entropy)),
    )


def new_subnet(
    tx: Tx,
    entropy: Entropy,
    vpc: Vpc,
    *,
    cidr: str,
    zone: Zone,
    default_for_az: bool = False,
    tags: dict[str, str] | None = None,
    cidr_v6: str | None = None,
) -> Subnet:
    """A subnet, associated with the VPC's default network ACL. Rules about its CIDR are the caller's to check."""
    subnet = Subnet(
        account=vpc.account,
        region=vpc.region,
        id=entropy.resource_id("subnet"),
        vpc_id=vpc.id,
        cidr=cidr,
        availability_zone=zone.name,
        availability_zone_id=zone.id,
        default_for_az=default_for_az,
        map_public_ip_on_launch=default_for_az,
        cidr_v6=cidr_v6,
        cidr_v6_association_id=entropy.resource_id("subnet-cidr-assoc") if cidr_v6 else None,
        tags=tags or {},
    )
    tx.put(subnet)
    acl = store.default_acl_of(tx, vpc)
    associations = {**acl.associations, entropy.resource_id("aclassoc"): subnet.id}
    tx.put(replace(acl, associations=associations))
    return subnet


def new_dhcp_options(tx: Tx, entropy: Entropy, account: str, region: str) -> DhcpOptions:
    options = DhcpOptions(account=account, region=region, id=entropy.resource_id("dopt"))
    tx.put(options)
    return options
