"""Network ACLs: each VPC's default one, which lets everything pass. Others cannot be made yet: it is all there is."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import ids
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import NetworkAcl

LAST_RULE = 32767  # shown as `*`: what no other rule matched
ENTRIES = tuple(
    {"CidrBlock": "0.0.0.0/0", "Egress": egress, "Protocol": "-1", "RuleAction": action, "RuleNumber": number}
    for egress in (True, False)
    for number, action in ((100, "allow"), (LAST_RULE, "deny"))
)
FILTERS: dict[str, Getter[NetworkAcl]] = {
    "association.association-id": lambda acl: tuple(acl.associations),
    "association.network-acl-id": lambda acl: acl.id if acl.associations else None,
    "association.subnet-id": lambda acl: tuple(acl.associations.values()),
    "default": lambda acl: True,
    "entry.cidr": lambda acl: "0.0.0.0/0",
    "entry.egress": lambda acl: ("true", "false"),
    "entry.icmp.code": lambda acl: None,
    "entry.icmp.type": lambda acl: None,
    "entry.ipv6-cidr": lambda acl: None,
    "entry.port-range.from": lambda acl: None,
    "entry.port-range.to": lambda acl: None,
    "entry.protocol": lambda acl: "-1",
    "entry.rule-action": lambda acl: ("allow", "deny"),
    "entry.rule-number": lambda acl: ("100", str(LAST_RULE)),
    "network-acl-id": lambda acl: acl.id,
    "owner-id": lambda acl: acl.account,
    "vpc-id": lambda acl: acl.vpc_id,
}


class NetworkAclOperations(Ec2Base):
    @operation
    def describe_network_acls(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        acls = chosen(self.store.snapshot(), ctx, ids.NETWORK_ACL, params, "NetworkAclIds", FILTERS)
        page, token = paged(acls, params, resource_id, "NetworkAclIds")
        return {"NetworkAcls": [_to_wire(each) for each in page], "NextToken": token}


def _to_wire(acl: NetworkAcl) -> dict[str, Any]:
    return {
        "NetworkAclId": acl.id,
        "VpcId": acl.vpc_id,
        "OwnerId": acl.account,
        "IsDefault": True,
        "Entries": list(ENTRIES),
        "Associations": [
            {"NetworkAclAssociationId": id, "NetworkAclId": acl.id, "SubnetId": subnet_id}
            for id, subnet_id in sorted(acl.associations.items())
        ],
        "Tags": tags_to_wire(acl.tags),
    }
