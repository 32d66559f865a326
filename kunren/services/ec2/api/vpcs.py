"""VPCs: create, describe, delete, attributes, the default VPC, secondary CIDR blocks."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import (
    cidr,
    creation,
    default_vpc,
    errors,
    ids,
    ipv6,
    peerings,
    public_access,
    quota_errors,
    store,
    tagging,
)
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import NetworkAcl, NetworkInterface, RouteTable, SecurityGroup, Subnet, Vpc, VpcEndpoint
from kunren.services.ec2.prefix_lists import is_list_id

FILTERS: dict[str, Getter[Vpc]] = {
    "cidr": lambda vpc: vpc.cidr,
    "cidr-block": lambda vpc: vpc.cidr,
    "cidr-block-association.association-id": lambda vpc: tuple(vpc.cidr_association_ids.values()),
    "cidr-block-association.cidr-block": store.vpc_cidrs,
    "cidr-block-association.state": lambda vpc: "associated",
    "dhcp-options-id": lambda vpc: vpc.dhcp_options_id,
    "ipv6-cidr-block-association.association-id": lambda vpc: tuple(vpc.blocks_v6.values()),
    "ipv6-cidr-block-association.ipv6-cidr-block": lambda vpc: tuple(vpc.blocks_v6),
    "ipv6-cidr-block-association.ipv6-pool": lambda vpc: "Amazon" if vpc.blocks_v6 else None,
    "ipv6-cidr-block-association.state": lambda vpc: "associated" if vpc.blocks_v6 else None,
    "is-default": lambda vpc: vpc.is_default,
    "isDefault": lambda vpc: vpc.is_default,
    "owner-id": lambda vpc: vpc.account,
    "state": lambda vpc: "available",
    "vpc-id": lambda vpc: vpc.id,
}
_NOT_YET = {
    "Ipv4IpamPoolId": "IP address manager (IPAM)",
    "Ipv4NetmaskLength": "IP address manager (IPAM)",
    "Ipv6IpamPoolId": "IP address manager (IPAM)",
    "Ipv6NetmaskLength": "IP address manager (IPAM)",
    "Ipv6CidrBlock": "IPv6 address ranges of one's own (BYOIP)",
    "Ipv6Pool": "IPv6 address ranges of one's own (BYOIP)",
    "VpcEncryptionControl": "VPC encryption control",
}
_ATTRIBUTES = {
    "enableDnsSupport": ("EnableDnsSupport", "enable_dns_support"),
    "enableDnsHostnames": ("EnableDnsHostnames", "enable_dns_hostnames"),
    "enableNetworkAddressUsageMetrics": (
        "EnableNetworkAddressUsageMetrics",
        "enable_network_address_usage_metrics",
    ),
}


def vpc_to_wire(vpc: Vpc) -> dict[str, Any]:
    return {
        "VpcId": vpc.id,
        "OwnerId": vpc.account,
        "CidrBlock": vpc.cidr,
        "CidrBlockAssociationSet": [_association(vpc, each) for each in store.vpc_cidrs(vpc)],
        "DhcpOptionsId": vpc.dhcp_options_id,
        "InstanceTenancy": vpc.instance_tenancy,
        "IsDefault": vpc.is_default,
        "State": "available",
        "Ipv6CidrBlockAssociationSet": [_association_v6(vpc, each) for each in vpc.blocks_v6] or None,
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
        "Tags": tags_to_wire(vpc.tags) or None,
    }


def _association(vpc: Vpc, block: str, state: str = "associated") -> dict[str, Any]:
    return {
        "AssociationId": vpc.cidr_association_ids[block],
        "CidrBlock": block,
        "CidrBlockState": {"State": state},
    }


def _association_v6(vpc: Vpc, block: str, state: str = "associated") -> dict[str, Any]:
    return {
        "AssociationId": vpc.blocks_v6[block],
        "Ipv6CidrBlock": block,
        "Ipv6CidrBlockState": {"State": state},
        "NetworkBorderGroup": vpc.region,
        "Ipv6Pool": "Amazon",
        "Ipv6AddressAttribute": "public",
        "IpSource": "amazon",
    }


class VpcOperations(Ec2Base):
    @operation
    def create_vpc(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse(params)
        _check_border_group(ctx, params)
        text = params.get("CidrBlock")
        if text is None:
            raise errors.MissingParameter("cidrBlock")
        block = _parse(text)
        if not cidr.possible_vpc(block):
            raise errors.InvalidVpcRange(str(block))
        if params.get("InstanceTenancy", "default") == "host":
            raise errors.InvalidParameterValue("Value (host) for parameter instanceTenancy is invalid.")
        tags = tagging.at_creation(params, "vpc")
        with self.store.write() as tx:
            self._check_vpc_limit(tx, ctx)
            vpc = creation.new_vpc(
                tx,
                self.entropy,
                account=ctx.account,
                region=ctx.region,
                cidr=str(block),
                dhcp_options_id=default_vpc.account_region(tx, ctx.account, ctx.region).dhcp_options_id,
                instance_tenancy=params.get("InstanceTenancy", "default"),
                tags=tags,
            )
            if params.get("AmazonProvidedIpv6CidrBlock"):
                vpc, _ = ipv6.provide(tx, self.entropy, self.spec, vpc)
        return {"Vpc": vpc_to_wire(vpc)}

    def _check_vpc_limit(self, tx: Tx, ctx: RequestContext) -> None:
        if len(tx.list(Vpc, ctx.account, ctx.region)) >= self.limits.vpcs:
            raise quota_errors.VpcLimitExceeded()

    @operation
    def create_default_vpc(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            if default_vpc.default_vpc(tx, ctx.account, ctx.region) is not None:
                raise errors.DefaultVpcAlreadyExists()
            self._check_vpc_limit(tx, ctx)
            vpc = default_vpc.new_default_vpc(tx, self.entropy, self.ensure_region(ctx), ctx.account)
        return {"Vpc": vpc_to_wire(vpc)}

    @operation
    def describe_vpcs(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        vpcs = chosen(self.store.snapshot(), ctx, ids.VPC, params, "VpcIds", FILTERS)
        page, token = paged(vpcs, params, resource_id, "VpcIds")
        return {"Vpcs": [vpc_to_wire(each) for each in page], "NextToken": token}

    @operation
    def delete_vpc(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            if _depends(tx, vpc):
                raise errors.DependencyViolation(f"The vpc '{vpc.id}' has dependencies and cannot be deleted.")
            for kind in (RouteTable, SecurityGroup, NetworkAcl):
                for each in tx.list(kind, ctx.account, ctx.region):
                    if each.vpc_id == vpc.id:  # type: ignore[attr-defined]
                        tx.delete(each)
            peerings.end_all(tx, vpc, self.clock.now())
            public_access.forget(tx, vpc.account, vpc.region, vpc_id=vpc.id)
            tx.delete(vpc)
            used = default_vpc.account_region(tx, ctx.account, ctx.region)
            if used.default_vpc_id == vpc.id:
                tx.put(replace(used, default_vpc_id=None))

    @operation
    def modify_vpc_attribute(self, ctx: RequestContext, params: Params) -> None:
        asked = [each for each in _ATTRIBUTES.values() if params.get(each[0]) is not None]
        if len(asked) != 1:
            raise errors.InvalidParameterCombination("Fields for multiple attribute types specified.")
        member, attribute = asked[0]
        value = params[member].get("Value", False)
        with self.store.write() as tx:
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            changed = replace(vpc, **{attribute: value})
            if changed != vpc:
                tx.put(changed)

    @operation
    def modify_vpc_tenancy(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """From dedicated to default, which is all that AWS does."""
        with self.store.write() as tx:
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            tx.put(replace(vpc, instance_tenancy=params["InstanceTenancy"]))
        return {"ReturnValue": True}

    @operation
    def describe_vpc_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        vpc = self.get(self.store.snapshot(), ctx, ids.VPC, params["VpcId"])
        known = _ATTRIBUTES.get(params["Attribute"])
        if known is None:
            raise errors.InvalidParameterValue(
                f"Value ({params['Attribute']}) for parameter attribute is invalid. Unknown attribute."
            )
        return {"VpcId": vpc.id, known[0]: {"Value": getattr(vpc, known[1])}}

    @operation
    def associate_vpc_cidr_block(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse(params)
        _check_border_group(ctx, params)
        if params.get("AmazonProvidedIpv6CidrBlock"):
            if params.get("CidrBlock") is not None:
                raise errors.InvalidParameterCombination(
                    "The parameters amazonProvidedIpv6CidrBlock and cidrBlock cannot be used together"
                )
            with self.store.write() as tx:
                vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
                vpc, text = ipv6.provide(tx, self.entropy, self.spec, vpc)
            return {"VpcId": vpc.id, "Ipv6CidrBlockAssociation": _association_v6(vpc, text)}
        if params.get("CidrBlock") is None:
            raise errors.MissingParameter("cidrBlock")
        block = _parse(params["CidrBlock"])
        with self.store.write() as tx:
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            _check_secondary(tx, vpc, block)
            if len(store.vpc_cidrs(vpc)) >= self.limits.cidrs_per_vpc:
                raise quota_errors.VpcCidrLimitExceeded(vpc.id)
            text = str(block)
            association_ids = {**vpc.cidr_association_ids, text: self.entropy.resource_id("vpc-cidr-assoc")}
            vpc = replace(vpc, secondary_cidrs=(*vpc.secondary_cidrs, text), cidr_association_ids=association_ids)
            tx.put(vpc)
            for table in store.route_tables_of(tx, vpc):
                tx.put(replace(table, routes=(creation.local_route(text), *table.routes)))
        return {"VpcId": vpc.id, "CidrBlockAssociation": _association(vpc, text)}

    @operation
    def disassociate_vpc_cidr_block(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        wanted = params["AssociationId"]
        with self.store.write() as tx:
            vpc, block = _by_association(tx, ctx, wanted)
            if block in vpc.blocks_v6:
                ipv6.withdraw(tx, vpc, block)
                return {"VpcId": vpc.id, "Ipv6CidrBlockAssociation": _association_v6(vpc, block, "disassociated")}
            if block == vpc.cidr:
                raise errors.OperationNotPermitted(
                    f"The vpc CIDR block with association ID {wanted} may not be disassociated. "
                    "It is the primary IPv4 CIDR block of the VPC"
                )
            if any(IPv4Network(each.cidr).subnet_of(IPv4Network(block)) for each in store.subnets_of(tx, vpc)):
                raise errors.CidrInUse(wanted)
            remaining = {each: id for each, id in vpc.cidr_association_ids.items() if each != block}
            secondary = tuple(each for each in vpc.secondary_cidrs if each != block)
            tx.put(replace(vpc, secondary_cidrs=secondary, cidr_association_ids=remaining))
            for table in store.route_tables_of(tx, vpc):
                routes = tuple(each for each in table.routes if each.destination != block)
                tx.put(replace(table, routes=routes))
        return {"VpcId": vpc.id, "CidrBlockAssociation": _association(vpc, block, "disassociated")}


def _parse(text: str) -> IPv4Network:
    block = cidr.parse_v4(text)
    if block is None:
        raise errors.InvalidParameterValue(
            f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        )
    return block


def _refuse(params: Params) -> None:
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)


def _check_border_group(ctx: RequestContext, params: Params) -> None:
    group = params.get("Ipv6CidrBlockNetworkBorderGroup")
    if group is not None and not params.get("AmazonProvidedIpv6CidrBlock"):
        raise errors.MissingParameter("amazonProvidedIpv6CidrBlock")
    if group not in (None, ctx.region):
        raise errors.InvalidParameterValue(
            f"Value ({group}) for parameter ipv6CidrBlockNetworkBorderGroup is invalid. There is {ctx.region}."
        )


def _depends(tx: Tx, vpc: Vpc) -> bool:
    """Is there anything in the VPC besides what was made with it."""

    def of_vpc(kind: type[Subnet] | type[NetworkInterface] | type[VpcEndpoint]) -> bool:
        return any(each.vpc_id == vpc.id for each in tx.list(kind, vpc.account, vpc.region))

    return (
        of_vpc(Subnet)
        or of_vpc(NetworkInterface)
        or of_vpc(VpcEndpoint)
        or store.gateway_of(tx, vpc) is not None
        or store.egress_gateway_of(tx, vpc) is not None
        or any(not each.main for each in store.route_tables_of(tx, vpc))
        or any(each.name != "default" for each in store.usable_groups(tx, vpc))
        or any(not each.is_default for each in store.acls_of(tx, vpc))
    )


def _check_secondary(tx: Tx, vpc: Vpc, block: IPv4Network) -> None:
    """May the block join the VPC: "IPv4 CIDR block association restrictions"."""
    if block.prefixlen not in cidr.VPC_PREFIXES:
        raise errors.InvalidVpcRange(str(block))
    if cidr.restricted_secondary(IPv4Network(vpc.cidr), block):
        raise errors.InvalidVpcRange(
            str(block),
            "is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a "
            "publicly-routable CIDR. For additional restrictions, see "
            "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html",
        )
    if cidr.overlapping(block, store.vpc_cidrs(vpc)) is not None:
        raise errors.InvalidVpcRange(str(block), f"conflicts with one of the CIDRs of the VPC '{vpc.id}'")
    for table in store.route_tables_of(tx, vpc):
        for route in table.routes:
            if is_list_id(route.destination) or ":" in route.destination:
                continue
            # a route that is as specific or more so would take the new block's traffic away
            other = IPv4Network(route.destination)
            if route.target != "local" and other.overlaps(block) and other.prefixlen >= block.prefixlen:
                raise errors.InvalidVpcRange(str(block), f"conflicts with a route in {table.id}")


def _by_association(tx: Tx, ctx: RequestContext, association_id: str) -> tuple[Vpc, str]:
    for vpc in tx.list(Vpc, ctx.account, ctx.region):
        for block, id in (*vpc.cidr_association_ids.items(), *vpc.blocks_v6.items()):
            if id == association_id:
                return vpc, block
    raise errors.CidrAssociationNotFound(association_id)
