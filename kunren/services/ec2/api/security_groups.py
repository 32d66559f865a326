"""Security groups: create, delete, describe. Their rules are in `security_group_rules`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from kunren.control.store import Tx
from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import creation, default_vpc, errors, ids, permissions, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.group_uses import GroupUses
from kunren.services.ec2.model import SecurityGroup, SecurityGroupRule, Vpc

_NAME_MAX = 255
_NAME_MARKS = set(" ._-:/()#,@[]+=&;{}!$*")


def _rule_filters(egress: bool) -> dict[str, Getter[SecurityGroup]]:
    def each(of: Callable[[SecurityGroup, SecurityGroupRule], str | int | None]) -> Getter[SecurityGroup]:
        def values(group: SecurityGroup) -> list[str | None]:
            found = (of(group, rule) for rule in group.rules if rule.egress == egress)
            return [None if value is None else str(value) for value in found]

        return values

    def has_port(rule: SecurityGroupRule) -> bool:
        return rule.protocol not in ("-1",) and rule.from_port != -1

    return {
        "cidr": each(lambda group, rule: rule.cidr_v4),
        "from-port": each(lambda group, rule: rule.from_port if has_port(rule) else None),
        "group-id": each(lambda group, rule: rule.group_id),
        "group-name": each(lambda group, rule: None),
        "ipv6-cidr": each(lambda group, rule: rule.cidr_v6),
        "prefix-list-id": each(lambda group, rule: rule.prefix_list_id),
        "protocol": each(lambda group, rule: rule.protocol),
        "to-port": each(lambda group, rule: rule.to_port if has_port(rule) else None),
        "user-id": each(
            lambda group, rule: (rule.peer.account if rule.peer else group.account) if rule.group_id else None
        ),
    }


def filters_for(reader: store.Reader) -> dict[str, Getter[SecurityGroup]]:
    def peer_names(egress: bool) -> Getter[SecurityGroup]:
        def names(group: SecurityGroup) -> list[str | None]:
            peers = [each.group_id for each in group.rules if each.egress == egress and each.group_id]
            found = (reader.get(SecurityGroup, group.account, group.region, each) for each in peers)
            return [each.name if each else None for each in found]

        return names

    table: dict[str, Getter[SecurityGroup]] = {
        "description": lambda group: group.description,
        "group-id": lambda group: group.id,
        "group-name": lambda group: group.name,
        "owner-id": lambda group: group.account,
        "vpc-id": lambda group: group.vpc_id,
    }
    for prefix, egress in (("ip-permission.", False), ("egress.ip-permission.", True)):
        table |= {prefix + name: getter for name, getter in _rule_filters(egress).items()}
        table[prefix + "group-name"] = peer_names(egress)
    return table


def group_arn(group: SecurityGroup) -> str:
    return build_arn("ec2", group.region, group.account, f"security-group/{group.id}")


def group_to_wire(group: SecurityGroup) -> dict[str, Any]:
    ingress = (each for each in group.rules if not each.egress)
    egress = (each for each in group.rules if each.egress)
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "OwnerId": group.account,
        "SecurityGroupArn": group_arn(group),
        "IpPermissions": permissions.to_permissions(ingress, group.account),
        "IpPermissionsEgress": permissions.to_permissions(egress, group.account),
        "Tags": tags_to_wire(group.tags) or None,
    }


class SecurityGroupOperations(Ec2Base):
    @cached_property
    def _uses(self) -> GroupUses:
        return GroupUses(self.store)

    @operation
    def create_security_group(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        name, description = params["GroupName"].strip(), params["Description"]
        _check_name(name)
        _check_text("GroupDescription", description)
        tags = tagging.at_creation(params, "security-group")
        with self.store.write() as tx:
            vpc = self._vpc_for_group(tx, ctx, params.get("VpcId"))
            if any(each.name == name for each in store.groups_of(tx, vpc)):
                raise errors.GroupDuplicate(name, vpc.id)
            if len(tx.list(SecurityGroup, ctx.account, ctx.region)) >= self.limits.security_groups:
                raise quota_errors.SecurityGroupLimitExceeded()
            group = SecurityGroup(
                account=ctx.account,
                region=ctx.region,
                id=self.entropy.resource_id("sg"),
                vpc_id=vpc.id,
                name=name,
                description=description,
                rules=creation.first_rules(self.entropy, vpc),
                tags=tags,
            )
            tx.put(group)
        return {"GroupId": group.id, "SecurityGroupArn": group_arn(group), "Tags": tags_to_wire(tags) or None}

    def _vpc_for_group(self, tx: Tx, ctx: RequestContext, vpc_id: str | None) -> Vpc:
        if vpc_id is not None:
            return self.get(tx, ctx, ids.VPC, vpc_id)
        vpc = default_vpc.default_vpc(tx, ctx.account, ctx.region)
        if vpc is None:
            raise errors.VpcIdNotSpecified()
        return vpc

    def named_group(self, reader: store.Reader, ctx: RequestContext, params: Params) -> SecurityGroup:
        """The group of `GroupId`, or of `GroupName` in the default VPC."""
        if params.get("GroupId"):
            return self.get(reader, ctx, ids.SECURITY_GROUP, params["GroupId"])
        if not params.get("GroupName"):
            raise errors.MissingParameterText("The request must contain the parameter groupName or groupId")
        return self.group_by_name(reader, ctx, params["GroupName"])

    def group_by_name(self, reader: store.Reader, ctx: RequestContext, name: str) -> SecurityGroup:
        """A group of the default VPC: names are known nowhere else."""
        vpc = default_vpc.default_vpc(reader, ctx.account, ctx.region)
        if vpc is None:
            raise errors.VpcIdNotSpecified()
        found = next((each for each in store.groups_of(reader, vpc) if each.name == name), None)
        if found is None:
            raise errors.GroupNotFound(name, vpc.id)
        return found

    @operation
    def delete_security_group(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            group = self.named_group(tx, ctx, params)
            if group.name == "default":
                raise errors.CannotDelete(
                    f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
                )
            if self._uses.is_used(tx, group) or group.more_vpcs:
                raise errors.DependencyViolation(f"resource {group.id} has a dependent object")
            tx.delete(group)
        return {"Return": True, "GroupId": group.id}

    @operation
    def describe_security_groups(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        if names := params.get("GroupNames"):
            named = {self.group_by_name(snapshot, ctx, each).id for each in names}
            named |= set(params.get("GroupIds") or ())
            params = {**params, "GroupIds": sorted(named)}
        groups = chosen(snapshot, ctx, ids.SECURITY_GROUP, params, "GroupIds", filters_for(snapshot))
        page, token = paged(groups, params, resource_id, "GroupIds")
        return {"SecurityGroups": [group_to_wire(each) for each in page], "NextToken": token}


def _check_name(name: str) -> None:
    _check_text("GroupName", name)
    if name.startswith("sg-"):
        raise errors.InvalidParameterValue(
            f"Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
        )
    if name.lower() == "default":
        raise errors.InvalidParameterValue(f"Cannot use reserved security group name: {name}")


def _check_text(member: str, text: str) -> None:
    """Names and descriptions have the same characters ("CreateSecurityGroup")."""
    if not text:
        raise errors.MissingParameter(member)
    if len(text) > _NAME_MAX:
        raise errors.InvalidParameterValue(
            f"Value ({text}) for parameter {member} is invalid. Character sets beyond {_NAME_MAX} are not supported."
        )
    if not all(each in _NAME_MARKS or (each.isascii() and each.isalnum()) for each in text):
        raise errors.InvalidParameterValue(
            f"Value ({text}) for parameter {member} is invalid. Character sets beyond ASCII are not supported."
        )
