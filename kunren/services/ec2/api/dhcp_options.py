"""DHCP options: create, describe, associate, delete. Workloads find them in their resolv.conf."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import dhcp, errors, ids, quota_errors, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.default_vpc import account_region
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import DhcpOptions, Vpc

NONE = "default"  # what AssociateDhcpOptions calls "no DHCP options"
FILTERS: dict[str, Getter[DhcpOptions]] = {
    "dhcp-options-id": lambda options: options.id,
    "key": lambda options: tuple(dhcp.values_of(options)),
    "owner-id": lambda options: options.account,
    "value": lambda options: [value for values in dhcp.values_of(options).values() for value in values],
}


class DhcpOptionsOperations(Ec2Base):
    @operation
    def create_dhcp_options(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        values = dhcp.checked(params["DhcpConfigurations"])
        tags = tagging.at_creation(params, "dhcp-options")
        with self.store.write() as tx:
            if len(tx.list(DhcpOptions, ctx.account, ctx.region)) >= self.limits.dhcp_options:
                raise quota_errors.DhcpOptionsLimitExceeded()
            options = DhcpOptions(
                account=ctx.account, region=ctx.region, id=self.entropy.resource_id("dopt"), values=values, tags=tags
            )
            tx.put(options)
        return {"DhcpOptions": _to_wire(options)}

    @operation
    def delete_dhcp_options(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            options = self.get(tx, ctx, ids.DHCP_OPTIONS, params["DhcpOptionsId"])
            used = any(each.dhcp_options_id == options.id for each in tx.list(Vpc, ctx.account, ctx.region))
            if used or options.id == account_region(tx, ctx.account, ctx.region).dhcp_options_id:
                raise errors.DependencyViolation(
                    f"The dhcpOptions '{options.id}' has dependencies and cannot be deleted."
                )
            tx.delete(options)

    @operation
    def associate_dhcp_options(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            wanted = params["DhcpOptionsId"]
            if wanted != NONE:
                self.get(tx, ctx, ids.DHCP_OPTIONS, wanted)
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            if vpc.dhcp_options_id != wanted:
                tx.put(replace(vpc, dhcp_options_id=wanted))

    @operation
    def describe_dhcp_options(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        options = chosen(self.store.snapshot(), ctx, ids.DHCP_OPTIONS, params, "DhcpOptionsIds", FILTERS)
        page, token = paged(options, params, resource_id, "DhcpOptionsIds")
        return {"DhcpOptions": [_to_wire(each) for each in page], "NextToken": token}


def _to_wire(options: DhcpOptions) -> dict[str, Any]:
    return {
        "DhcpOptionsId": options.id,
        "OwnerId": options.account,
        "DhcpConfigurations": [
            {"Key": key, "Values": [{"Value": each} for each in values]}
            for key, values in sorted(dhcp.values_of(options).items())
        ],
        "Tags": tags_to_wire(options.tags),
    }
