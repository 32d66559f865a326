"""Kinds that nothing can make yet, so that the honest answer is an empty list: address ranges of one's own (BYOIP),
associations of endpoints with VPC Lattice."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2 import errors
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.ids import VPC_ENDPOINT


class AbsentOperations(Ec2Base):
    @operation
    def describe_public_ipv4_pools(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        for each in params.get("PoolIds") or ():
            raise errors.PublicPoolNotFound(each)
        return {"PublicIpv4Pools": []}

    @operation
    def describe_ipv6_pools(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        for each in params.get("PoolIds") or ():
            raise errors.PublicPoolNotFound(each)
        return {"Ipv6Pools": []}

    @operation
    def describe_vpc_endpoint_associations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        for each in params.get("VpcEndpointIds") or ():
            self.get(snapshot, ctx, VPC_ENDPOINT, each)
        return {"VpcEndpointAssociations": []}
