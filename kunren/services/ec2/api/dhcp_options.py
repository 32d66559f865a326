"""DHCP options: the default set of each account and region. Others cannot be made yet."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import ids
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import DhcpOptions

SERVERS = "AmazonProvidedDNS"
FILTERS: dict[str, Getter[DhcpOptions]] = {
    "dhcp-options-id": lambda options: options.id,
    "key": lambda options: ("domain-name", "domain-name-servers"),
    "owner-id": lambda options: options.account,
    "value": lambda options: (domain_name(options.region), SERVERS),
}


def domain_name(region: str) -> str:
    """What names in a VPC end with; us-east-1 keeps its older form."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


class DhcpOptionsOperations(Ec2Base):
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
            {"Key": "domain-name", "Values": [{"Value": domain_name(options.region)}]},
            {"Key": "domain-name-servers", "Values": [{"Value": SERVERS}]},
        ],
        "Tags": tags_to_wire(options.tags),
    }
