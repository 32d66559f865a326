"""Security group rules: authorize, revoke, modify, describe, descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, peerings, permissions, store, tagging
from kunren.services.ec2.api.base import Params, operation, paged
from kunren.services.ec2.api.prefix_lists import PrefixListOperations
from kunren.services.ec2.api.security_groups import SecurityGroupOperations
from kunren.services.ec2.model import PeerGroup, SecurityGroup, SecurityGroupRule

Owned = tuple[SecurityGroup, SecurityGroupRule]
FILTERS: dict[str, filters.Getter[Owned]] = {
    "group-id": lambda owned: owned[0].id,
    "security-group-rule-id": lambda owned: owned[1].id,
}
_PEERS = {
    "CidrIpv4": ("cidr_v4", "IPv4 CIDR"),
    "CidrIpv6": ("cidr_v6", "IPv6 CIDR"),
    "ReferencedGroupId": ("group_id", "referenced group"),
    "PrefixListId": ("prefix_list_id", "prefix list"),
}


def rule_to_wire(group: SecurityGroup, rule: SecurityGroupRule) -> dict[str, Any]:
    referenced = {"GroupId": rule.group_id, **permissions.owner_of(rule, group.account)} if rule.group_id else None
    return {
        "SecurityGroupRuleId": rule.id,
        "SecurityGroupRuleArn": build_arn("ec2", group.region, group.account, f"security-group-rule/{rule.id}"),
        "GroupId": group.id,
        "GroupOwnerId": group.account,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
        "CidrIpv4": rule.cidr_v4,
        "CidrIpv6": rule.cidr_v6,
        "PrefixListId": rule.prefix_list_id,
        "ReferencedGroupInfo": referenced,
        "Description": rule.description,
        "Tags": tags_to_wire(rule.tags),
    }


def _revoked_to_wire(group: SecurityGroup, rule: SecurityGroupRule) -> dict[str, Any]:
    wire = rule_to_wire(group, rule)
    for member in ("SecurityGroupRuleArn", "GroupOwnerId", "ReferencedGroupInfo", "Tags"):
        del wire[member]
    return {**wire, "ReferencedGroupId": rule.group_id}


class SecurityGroupRuleOperations(SecurityGroupOperations, PrefixListOperations):
    @operation
    def authorize_security_group_ingress(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._authorize(ctx, params, egress=False)

    @operation
    def authorize_security_group_egress(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._authorize(ctx, params, egress=True)

    def _authorize(self, ctx: RequestContext, params: Params, *, egress: bool) -> dict[str, Any]:
        tags = tagging.at_creation(params, "security-group-rule")
        with self.store.write() as tx:
            group = self.named_group(tx, ctx, params)
            rules = [
                replace(each, id=self.entropy.resource_id("sgr"), tags=tags)
                for each in self._asked(tx, ctx, group, params, egress)
            ]
            changed = replace(group, rules=permissions.added(group.rules, rules))
            self.check_rule_count(tx, changed)
            tx.put(changed)
        return {"Return": True, "SecurityGroupRules": [rule_to_wire(group, each) for each in rules]}

    def _asked(
        self, tx: Tx, ctx: RequestContext, group: SecurityGroup, params: Params, egress: bool
    ) -> list[SecurityGroupRule]:
        """The rules of a request, in either form. The flat members work for ingress only, as AWS says."""
        asked = params.get("IpPermissions") or ([] if egress else permissions.flat(params))
        if not asked:
            raise errors.MissingParameter("ipPermissions")
        if params.get("IpPermissions") and not egress and permissions.flat(params):
            raise errors.InvalidParameterCombination(
                "The parameter ipPermissions cannot be used with the parameters of a single permission"
            )

        def group_of(pair: Mapping[str, Any]) -> tuple[str, PeerGroup | None]:
            return self._peer_group(tx, ctx, group, pair)

        rules = permissions.from_permissions(asked, egress=egress, group_of=group_of)
        for each in rules:
            if each.prefix_list_id is not None:
                self.get_prefix_list(tx, ctx, each.prefix_list_id)
        return rules

    def _peer_group(
        self, tx: Tx, ctx: RequestContext, group: SecurityGroup, pair: Mapping[str, Any]
    ) -> tuple[str, PeerGroup | None]:
        """The id of the group that a rule of `group` names: of the same VPC, or of one that is linked to it by peering
        in the same region ("Update your security groups to reference peer security groups")."""
        owner = pair.get("UserId") or ctx.account
        vpc = store.find_vpc(tx, ctx.account, ctx.region, group.vpc_id)
        for peering, side in peerings.others(tx, vpc):
            if pair.get("VpcPeeringConnectionId") not in (None, "", peering.id):
                continue
            if (side.account, side.region) == (owner, ctx.region):
                found = tx.get(SecurityGroup, owner, ctx.region, pair.get("GroupId") or "")
                if found is not None and found.vpc_id == side.vpc_id:
                    return found.id, PeerGroup(account=owner, vpc_id=side.vpc_id, peering_id=peering.id)
        if owner != ctx.account:
            raise errors.GroupNotFound(pair.get("GroupId") or pair.get("GroupName") or "")
        same = self.named_group(tx, ctx, dict(pair))
        if same.vpc_id != group.vpc_id:
            raise errors.DifferentNetworks()
        return same.id, None

    @operation
    def revoke_security_group_ingress(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._revoke(ctx, params, egress=False)

    @operation
    def revoke_security_group_egress(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._revoke(ctx, params, egress=True)

    def _revoke(self, ctx: RequestContext, params: Params, *, egress: bool) -> dict[str, Any]:
        with self.store.write() as tx:
            group = self.named_group(tx, ctx, params)
            if params.get("SecurityGroupRuleIds"):
                if params.get("IpPermissions"):
                    raise errors.InvalidParameterCombination(
                        "The parameter securityGroupRuleIds cannot be used with the parameter ipPermissions"
                    )
                gone = _by_ids(group, params["SecurityGroupRuleIds"], egress)
                unknown: list[SecurityGroupRule] = []
            else:
                asked = self._asked(tx, ctx, group, params, egress)
                gone, unknown = permissions.removed(group.rules, asked)
            vpc = store.find_vpc(tx, ctx.account, ctx.region, group.vpc_id)
            if unknown and not vpc.is_default:
                raise errors.PermissionNotFound()
            if gone:
                dead = {each.id for each in gone}
                tx.put(replace(group, rules=tuple(each for each in group.rules if each.id not in dead)))
        return {
            "Return": True,
            "RevokedSecurityGroupRules": [_revoked_to_wire(group, each) for each in gone],
            "UnknownIpPermissions": permissions.to_permissions(unknown, ctx.account) or None,
        }

    @operation
    def modify_security_group_rules(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            group = self.get(tx, ctx, ids.SECURITY_GROUP, params["GroupId"])
            changed: dict[str, SecurityGroupRule] = {}
            for update in params["SecurityGroupRules"]:
                rule_id = update["SecurityGroupRuleId"]
                if rule_id in changed:
                    raise errors.InvalidParameterValue(f"Duplicate security group rule ID {rule_id}")
                rule = _owned_rule(group, rule_id)
                changed[rule_id] = self._modified_rule(tx, ctx, group, rule, update.get("SecurityGroupRule") or {})
            kept = [each for each in group.rules if each.id not in changed]
            permissions.added(kept, list(changed.values()))  # refuses what would be there twice
            after = replace(group, rules=tuple(changed.get(each.id, each) for each in group.rules))
            self.check_rule_count(tx, after)
            tx.put(after)
        return {"Return": True}

    def _modified_rule(
        self, tx: Tx, ctx: RequestContext, group: SecurityGroup, rule: SecurityGroupRule, wanted: Mapping[str, Any]
    ) -> SecurityGroupRule:
        given = [each for each in _PEERS if wanted.get(each)]
        if len(given) != 1:
            raise errors.MissingParameterText(
                "The request must contain exactly one of cidrIpv4, cidrIpv6, prefixListId and referencedGroupId"
            )
        attribute = _PEERS[given[0]][0]
        kind = next(words for name, words in _PEERS.values() if getattr(rule, name) is not None)
        if getattr(rule, attribute) is None:
            raise errors.InvalidParameterValue(
                f"Invalid rule type for security group rule '{rule.id}'. "
                f"You may not specify {given[0]} for an existing {kind} rule."
            )
        protocol = permissions.protocol_of(wanted.get("IpProtocol"))
        from_port, to_port = wanted.get("FromPort"), wanted.get("ToPort")
        if protocol == "-1" and (from_port, to_port) not in ((None, None), (-1, -1)):
            raise errors.InvalidParameterValue(
                "You may not specify all protocols and specific ports. Please specify each protocol and port range "
                "combination individually, or all protocols and no port range."
            )
        ports = permissions.ports_of(protocol, from_port, to_port)
        peer: str = wanted[given[0]]
        elsewhere = None
        if attribute == "cidr_v4":
            peer = permissions.cidr_v4_of(peer)
        elif attribute == "cidr_v6":
            peer = permissions.cidr_v6_of(peer)
        elif attribute == "group_id":
            owner = rule.peer.account if rule.peer is not None else ctx.account
            peer, elsewhere = self._peer_group(tx, ctx, group, {"GroupId": peer, "UserId": owner})
        else:
            peer = self.get_prefix_list(tx, ctx, peer).id
        return SecurityGroupRule(
            id=rule.id,
            egress=rule.egress,
            protocol=protocol,
            from_port=ports[0],
            to_port=ports[1],
            description=permissions.description_of(wanted.get("Description")),
            tags=rule.tags,
            peer=elsewhere,
            **{attribute: peer},
        )

    @operation
    def describe_security_group_rules(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        groups = self.store.snapshot().list(SecurityGroup, ctx.account, ctx.region)
        rules: list[Owned] = sorted(
            ((group, rule) for group in groups for rule in group.rules), key=lambda owned: owned[1].id
        )
        wanted = params.get("SecurityGroupRuleIds") or ()
        if wanted:
            have = {rule.id for _, rule in rules}
            if missing := [each for each in wanted if each not in have]:
                for each in missing:
                    ids.SECURITY_GROUP_RULE.check(each)
                raise errors.SecurityGroupRuleNotFound(*missing)
            rules = [owned for owned in rules if owned[1].id in set(wanted)]
        found = filters.select(rules, params.get("Filters"), FILTERS, lambda owned: owned[1].tags)
        page, token = paged(found, params, lambda owned: owned[1].id, "SecurityGroupRuleIds")
        return {"SecurityGroupRules": [rule_to_wire(*each) for each in page], "NextToken": token}

    @operation
    def update_security_group_rule_descriptions_ingress(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._describe_rules(ctx, params, egress=False)

    @operation
    def update_security_group_rule_descriptions_egress(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._describe_rules(ctx, params, egress=True)

    def _describe_rules(self, ctx: RequestContext, params: Params, *, egress: bool) -> dict[str, Any]:
        """Change descriptions only; one that is left out is removed."""
        by_ids = params.get("SecurityGroupRuleDescriptions") or ()
        if bool(by_ids) == bool(params.get("IpPermissions")):
            raise errors.InvalidParameterCombination(
                "You must specify either the IP permissions or the description parameter, but not both."
            )
        with self.store.write() as tx:
            group = self.named_group(tx, ctx, params)
            texts: dict[str, str | None] = {}
            for each in by_ids:
                rule_id = each.get("SecurityGroupRuleId") or ""
                _by_ids(group, (rule_id,), egress)
                texts[rule_id] = permissions.description_of(each.get("Description"))
            if not by_ids:
                asked = self._asked(tx, ctx, group, params, egress)
                have = {permissions.identity(each): each.id for each in group.rules}
                for rule in asked:
                    if permissions.identity(rule) not in have:
                        raise errors.PermissionNotFound()
                    texts[have[permissions.identity(rule)]] = rule.description
            changed = tuple(
                replace(each, description=texts[each.id]) if each.id in texts else each for each in group.rules
            )
            tx.put(replace(group, rules=changed))
        return {"Return": True}


def _owned_rule(group: SecurityGroup, rule_id: str) -> SecurityGroupRule:
    found = next((each for each in group.rules if each.id == rule_id), None)
    if found is None:
        ids.SECURITY_GROUP_RULE.check(rule_id)
        raise errors.SecurityGroupRuleNotFound(rule_id)
    return found


def _by_ids(group: SecurityGroup, rule_ids: Sequence[str], egress: bool) -> list[SecurityGroupRule]:
    found = [_owned_rule(group, each) for each in dict.fromkeys(rule_ids)]
    if wrong := [each.id for each in found if each.egress != egress]:
        raise errors.SecurityGroupRuleNotFound(*wrong)
    return found
