"""Security groups beyond their VPC: associations with more VPCs, references over peering, and rules that went stale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, peerings, permissions, store
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import NetworkInterface, SecurityGroup, SecurityGroupRule, Vpc, VpcPeering

Association = tuple[SecurityGroup, str]
_ASSOCIATIONS: dict[str, Getter[Association]] = {
    "group-id": lambda each: each[0].id,
    "group-owner-id": lambda each: each[0].account,
    "state": lambda each: "associated",
    "vpc-id": lambda each: each[1],
    "vpc-owner-id": lambda each: each[0].account,
}
_FOR_VPC: dict[str, Getter[SecurityGroup]] = {
    "description": lambda group: group.description,
    "group-id": lambda group: group.id,
    "group-name": lambda group: group.name,
    "owner-id": lambda group: group.account,
    "primary-vpc-id": lambda group: group.vpc_id,
}


class SecurityGroupVpcOperations(Ec2Base):
    @operation
    def associate_security_group_vpc(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """The group is of use in the VPC at once, so it is never seen `associating`."""
        with self.store.write() as tx:
            group = self.get(tx, ctx, ids.SECURITY_GROUP, params["GroupId"])
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            if group.name == "default":
                raise errors.InvalidParameterValue(
                    f"The default security group {group.id} can't be associated with a VPC"
                )
            if vpc.is_default:
                raise errors.InvalidParameterValue(
                    f"A security group can't be associated with the default VPC {vpc.id}"
                )
            if vpc.id == group.vpc_id:
                raise errors.InvalidParameterValue(f"{vpc.id} is the VPC of the security group {group.id}")
            tx.put(replace(group, more_vpcs=tuple(sorted({*group.more_vpcs, vpc.id}))))
        return {"State": "associated"}

    @operation
    def disassociate_security_group_vpc(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            group = self.get(tx, ctx, ids.SECURITY_GROUP, params["GroupId"])
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            if vpc.id not in group.more_vpcs:
                raise errors.AssociationNotFound(f"{group.id}, {vpc.id}")
            held = tx.list(NetworkInterface, ctx.account, ctx.region)
            if any(each.vpc_id == vpc.id and group.id in each.groups for each in held):
                raise errors.DependencyViolation(f"resource {group.id} has a dependent object in {vpc.id}")
            tx.put(replace(group, more_vpcs=tuple(each for each in group.more_vpcs if each != vpc.id)))
        return {"State": "disassociated"}

    @operation
    def describe_security_group_vpc_associations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        groups = self.store.snapshot().list(SecurityGroup, ctx.account, ctx.region)
        held = [(group, vpc_id) for group in groups for vpc_id in group.more_vpcs]
        found = filters.select(held, params.get("Filters"), _ASSOCIATIONS)
        page, token = paged(found, params, lambda each: f"{each[0].id}/{each[1]}")
        return {
            "SecurityGroupVpcAssociations": [
                {
                    "GroupId": group.id,
                    "GroupOwnerId": group.account,
                    "VpcId": vpc_id,
                    "VpcOwnerId": group.account,
                    "State": "associated",
                }
                for group, vpc_id in page
            ],
            "NextToken": token,
        }

    @operation
    def get_security_groups_for_vpc(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        usable = store.usable_groups(snapshot, self.get(snapshot, ctx, ids.VPC, params["VpcId"]))
        found = filters.select(usable, params.get("Filters"), _FOR_VPC, lambda group: group.tags)
        page, token = paged(found, params, lambda group: group.id)
        return {
            "SecurityGroupForVpcs": [
                {
                    "GroupId": each.id,
                    "GroupName": each.name,
                    "Description": each.description,
                    "OwnerId": each.account,
                    "PrimaryVpcId": each.vpc_id,
                    "Tags": tags_to_wire(each.tags),
                }
                for each in page
            ],
            "NextToken": token,
        }

    @operation
    def describe_security_group_references(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """The VPCs on the other side of peering connections whose groups have rules that name these groups."""
        snapshot = self.store.snapshot()
        wanted = {self.get(snapshot, ctx, ids.SECURITY_GROUP, each).id for each in params["GroupId"]}
        found = {
            (rule.group_id, group.vpc_id, rule.peer.peering_id)
            for group in snapshot.every(SecurityGroup)
            for rule in group.rules
            if rule.peer is not None and rule.group_id in wanted
        }
        return {
            "SecurityGroupReferenceSet": [
                {"GroupId": group_id, "ReferencingVpcId": vpc_id, "VpcPeeringConnectionId": peering_id}
                for group_id, vpc_id, peering_id in sorted(found)
            ]
        }

    @operation
    def describe_stale_security_groups(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """The groups of a VPC with rules that name a peer's group which is gone, or is behind a connection that is."""
        snapshot = self.store.snapshot()
        vpc = self.get(snapshot, ctx, ids.VPC, params["VpcId"])
        found = []
        for group in store.groups_of(snapshot, vpc):
            stale = [each for each in group.rules if self._is_stale(snapshot, vpc, each)]
            if stale:
                found.append((group, stale))
        page, token = paged(found, params, lambda each: each[0].id)
        return {
            "StaleSecurityGroupSet": [
                {
                    "GroupId": group.id,
                    "GroupName": group.name,
                    "Description": group.description,
                    "VpcId": vpc.id,
                    "StaleIpPermissions": self._permissions(snapshot, group, stale, egress=False),
                    "StaleIpPermissionsEgress": self._permissions(snapshot, group, stale, egress=True),
                }
                for group, stale in page
            ],
            "NextToken": token,
        }

    def _is_stale(self, reader: store.Reader, vpc: Vpc, rule: SecurityGroupRule) -> bool:
        if rule.peer is None or rule.group_id is None:
            return False
        named = reader.get(SecurityGroup, rule.peer.account, vpc.region, rule.group_id)
        linked = {each.id for each, _ in peerings.others(reader, vpc)}
        return named is None or rule.peer.peering_id not in linked

    def _permissions(
        self, reader: store.Reader, group: SecurityGroup, stale: Iterable[SecurityGroupRule], *, egress: bool
    ) -> list[dict[str, Any]]:
        shown = permissions.to_permissions((each for each in stale if each.egress == egress), group.account)
        for permission in shown:
            del permission["Ipv6Ranges"]
            for pair in permission["UserIdGroupPairs"]:
                peering = reader.get(VpcPeering, group.account, group.region, pair["VpcPeeringConnectionId"])
                state = peerings.code(reader, peering, self.clock.now()) if peering is not None else "deleted"
                pair["PeeringStatus"] = state
        return shown
