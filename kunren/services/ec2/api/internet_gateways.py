"""Internet gateways: create, attach, detach, delete, describe."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, ids, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import InternetGateway

FILTERS: dict[str, Getter[InternetGateway]] = {
    "attachment.state": lambda gateway: "available" if gateway.vpc_id else None,
    "attachment.vpc-id": lambda gateway: gateway.vpc_id,
    "internet-gateway-id": lambda gateway: gateway.id,
    "owner-id": lambda gateway: gateway.account,
}


def gateway_to_wire(gateway: InternetGateway) -> dict[str, Any]:
    return {
        "InternetGatewayId": gateway.id,
        "OwnerId": gateway.account,
        # EC2 has a word of its own here: an attached gateway is "available", not "attached"
        "Attachments": [{"VpcId": gateway.vpc_id, "State": "available"}] if gateway.vpc_id else [],
        "Tags": tags_to_wire(gateway.tags),
    }


class InternetGatewayOperations(Ec2Base):
    @operation
    def create_internet_gateway(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        tags = tagging.at_creation(params, "internet-gateway")
        with self.store.write() as tx:
            if len(tx.list(InternetGateway, ctx.account, ctx.region)) >= self.limits.internet_gateways:
                raise quota_errors.InternetGatewayLimitExceeded()
            gateway = InternetGateway(
                account=ctx.account, region=ctx.region, id=self.entropy.resource_id("igw"), tags=tags
            )
            tx.put(gateway)
        return {"InternetGateway": gateway_to_wire(gateway)}

    @operation
    def attach_internet_gateway(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            gateway = self.get(tx, ctx, ids.INTERNET_GATEWAY, params["InternetGatewayId"])
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            if gateway.vpc_id is not None:
                raise errors.ResourceAlreadyAssociated(
                    f"resource {gateway.id} is already attached to network {gateway.vpc_id}"
                )
            if store.gateway_of(tx, vpc) is not None:
                raise errors.InvalidParameterValue(f"Network {vpc.id} already has an internet gateway attached")
            tx.put(replace(gateway, vpc_id=vpc.id))

    @operation
    def detach_internet_gateway(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            gateway = self.get(tx, ctx, ids.INTERNET_GATEWAY, params["InternetGatewayId"])
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            if gateway.vpc_id != vpc.id:
                raise errors.GatewayNotAttached(gateway.id, vpc.id)
            if any(store.public_addresses(each) for each in store.interfaces_of(tx, vpc)):
                raise errors.DependencyViolation(
                    f"Network {vpc.id} has some mapped public address(es). "
                    "Please unmap those public address(es) before detaching the gateway."
                )
            tx.put(replace(gateway, vpc_id=None))

    @operation
    def delete_internet_gateway(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            gateway = self.get(tx, ctx, ids.INTERNET_GATEWAY, params["InternetGatewayId"])
            if gateway.vpc_id is not None:
                raise errors.DependencyViolation(
                    f"The internetGateway '{gateway.id}' has dependencies and cannot be deleted."
                )
            tx.delete(gateway)

    @operation
    def describe_internet_gateways(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        gateways = chosen(self.store.snapshot(), ctx, ids.INTERNET_GATEWAY, params, "InternetGatewayIds", FILTERS)
        page, token = paged(gateways, params, resource_id, "InternetGatewayIds")
        return {"InternetGateways": [gateway_to_wire(each) for each in page], "NextToken": token}
