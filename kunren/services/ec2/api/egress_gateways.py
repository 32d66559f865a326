"""Egress-only internet gateways: create, describe, delete. One is attached to its VPC for as long as it is there."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import ids, ipv6, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.ipv6_model import EgressOnlyInternetGateway

FILTERS: dict[str, Getter[EgressOnlyInternetGateway]] = {}
PER_REGION_MAX = 5


def gateway_to_wire(gateway: EgressOnlyInternetGateway) -> dict[str, Any]:
    return {
        "EgressOnlyInternetGatewayId": gateway.id,
        "Attachments": [{"VpcId": gateway.vpc_id, "State": "attached"}],
        "Tags": tags_to_wire(gateway.tags),
    }


class EgressGatewayOperations(Ec2Base):
    @operation
    def create_egress_only_internet_gateway(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        ipv6.require(self.spec)
        tags = tagging.at_creation(params, "egress-only-internet-gateway")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, EgressOnlyInternetGateway)
            if made is not None:
                gateway = self.get(tx, ctx, ids.EGRESS_GATEWAY, made)
            else:
                vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
                if len(tx.list(EgressOnlyInternetGateway, ctx.account, ctx.region)) >= PER_REGION_MAX:
                    raise quota_errors.EgressOnlyInternetGatewayLimitExceeded()
                gateway = EgressOnlyInternetGateway(
                    account=ctx.account,
                    region=ctx.region,
                    id=self.entropy.resource_id("eigw"),
                    vpc_id=vpc.id,
                    tags=tags,
                    **token_of(params),
                )
                tx.put(gateway)
                store.remember_token(tx, gateway)
        return {"EgressOnlyInternetGateway": gateway_to_wire(gateway), "ClientToken": params.get("ClientToken")}

    @operation
    def delete_egress_only_internet_gateway(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            gateway = self.get(tx, ctx, ids.EGRESS_GATEWAY, params["EgressOnlyInternetGatewayId"])
            store.forget_token(tx, gateway)
            tx.delete(gateway)
        return {"ReturnCode": True}

    @operation
    def describe_egress_only_internet_gateways(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        member = "EgressOnlyInternetGatewayIds"
        gateways = chosen(self.store.snapshot(), ctx, ids.EGRESS_GATEWAY, params, member, FILTERS)
        page, token = paged(gateways, params, resource_id, member)
        return {"EgressOnlyInternetGateways": [gateway_to_wire(each) for each in page], "NextToken": token}
