"""IPv6 blocks of subnets that are there: associate and disassociate."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, ids, ipv6, quota_errors, store
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.model import NetworkInterface, Subnet


def association_to_wire(subnet: Subnet, state: str = "associated") -> dict[str, Any]:
    return {
        "AssociationId": subnet.cidr_v6_association_id,
        "Ipv6CidrBlock": subnet.cidr_v6,
        "Ipv6CidrBlockState": {"State": state},
        "Ipv6AddressAttribute": "public",
        "IpSource": "amazon",
    }


class SubnetBlockOperations(Ec2Base):
    @operation
    def associate_subnet_cidr_block(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("Ipv6IpamPoolId") or params.get("Ipv6NetmaskLength"):
            raise errors.NotYet("IP address manager (IPAM)")
        if params.get("Ipv6CidrBlock") is None:
            raise errors.MissingParameter("ipv6CidrBlock")
        with self.store.write() as tx:
            subnet = self.get(tx, ctx, ids.SUBNET, params["SubnetId"])
            if subnet.cidr_v6 is not None:
                raise quota_errors.VpcCidrLimitExceeded(subnet.id)
            vpc = store.find_vpc(tx, ctx.account, ctx.region, subnet.vpc_id)
            block = ipv6.subnet_block(tx, vpc, params["Ipv6CidrBlock"])
            id = self.entropy.resource_id("subnet-cidr-assoc")
            subnet = replace(subnet, cidr_v6=block, cidr_v6_association_id=id)
            tx.put(subnet)
        return {"SubnetId": subnet.id, "Ipv6CidrBlockAssociation": association_to_wire(subnet)}

    @operation
    def disassociate_subnet_cidr_block(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        wanted = params["AssociationId"]
        with self.store.write() as tx:
            held = tx.list(Subnet, ctx.account, ctx.region)
            subnet = next((each for each in held if each.cidr_v6_association_id == wanted), None)
            if subnet is None:
                raise errors.SubnetCidrAssociationNotFound(wanted)
            interfaces = tx.list(NetworkInterface, ctx.account, ctx.region)
            if any(each.subnet_id == subnet.id and each.ipv6 for each in interfaces):
                raise errors.SubnetCidrInUse(wanted)
            tx.put(replace(subnet, cidr_v6=None, cidr_v6_association_id=None, assign_ipv6=False))
        return {"SubnetId": subnet.id, "Ipv6CidrBlockAssociation": association_to_wire(subnet, "disassociated")}
