"""Network ACLs, their entries and associations. The kernel enforces them at each subnet's border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import acl_entries, errors, ids, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import AclEntry, NetworkAcl

_PROTOCOL_NAMES = {"1": "icmp", "6": "tcp", "17": "udp"}


def _shown(acl: NetworkAcl) -> tuple[AclEntry, ...]:
    """All entries, the last ones too."""
    six = acl_entries.LAST_V6 if any(each.cidr_v6 for each in acl.entries) else ()
    return acl_entries.in_order((*acl.entries, *acl_entries.LAST, *six))


def _of_entries(member: Callable[[AclEntry], str | int | None]) -> Getter[NetworkAcl]:
    def values(acl: NetworkAcl) -> list[str]:
        return [str(value) for each in _shown(acl) if (value := member(each)) is not None]

    return values


def _protocols(acl: NetworkAcl) -> list[str]:
    """Numbers and names: a filter may have either."""
    numbers = [each.protocol for each in _shown(acl)]
    return numbers + [_PROTOCOL_NAMES[each] for each in numbers if each in _PROTOCOL_NAMES]


FILTERS: dict[str, Getter[NetworkAcl]] = {
    "association.association-id": lambda acl: tuple(acl.associations),
    "association.network-acl-id": lambda acl: acl.id if acl.associations else None,
    "association.subnet-id": lambda acl: tuple(acl.associations.values()),
    "default": lambda acl: acl.is_default,
    "entry.cidr": _of_entries(lambda each: each.cidr_v4),
    "entry.egress": _of_entries(lambda each: str(each.egress).lower()),
    "entry.icmp.code": _of_entries(lambda each: each.icmp_code),
    "entry.icmp.type": _of_entries(lambda each: each.icmp_type),
    "entry.ipv6-cidr": _of_entries(lambda each: each.cidr_v6),
    "entry.port-range.from": _of_entries(lambda each: each.from_port),
    "entry.port-range.to": _of_entries(lambda each: each.to_port),
    "entry.protocol": _protocols,
    "entry.rule-action": _of_entries(acl_entries.action),
    "entry.rule-number": _of_entries(lambda each: each.number),
    "network-acl-id": lambda acl: acl.id,
    "owner-id": lambda acl: acl.account,
    "vpc-id": lambda acl: acl.vpc_id,
}


class NetworkAclOperations(Ec2Base):
    @operation
    def create_network_acl(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        tags = tagging.at_creation(params, "network-acl")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, NetworkAcl)
            acl = self.get(tx, ctx, ids.NETWORK_ACL, made) if made else self._new_acl(tx, ctx, params, tags)
        return {"NetworkAcl": _to_wire(acl), "ClientToken": params.get("ClientToken")}

    def _new_acl(self, tx: Tx, ctx: RequestContext, params: Params, tags: dict[str, str]) -> NetworkAcl:
        vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
        if len(store.acls_of(tx, vpc)) >= self.limits.network_acls_per_vpc:
            raise quota_errors.NetworkAclLimitExceeded()
        acl = NetworkAcl(
            account=ctx.account,
            region=ctx.region,
            id=self.entropy.resource_id("acl"),
            vpc_id=vpc.id,
            tags=tags,
            **token_of(params),
        )
        tx.put(acl)
        store.remember_token(tx, acl)
        return acl

    @operation
    def delete_network_acl(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            acl = self.get(tx, ctx, ids.NETWORK_ACL, params["NetworkAclId"])
            if acl.is_default:
                raise errors.InvalidParameterValue(f"cannot delete default network ACL {acl.id}")
            if acl.associations:
                raise errors.DependencyViolation(f"The networkAcl '{acl.id}' has dependencies and cannot be deleted.")
            store.forget_token(tx, acl)
            tx.delete(acl)

    @operation
    def create_network_acl_entry(self, ctx: RequestContext, params: Params) -> None:
        entry = acl_entries.from_request(params)
        with self.store.write() as tx:
            acl = self.get(tx, ctx, ids.NETWORK_ACL, params["NetworkAclId"])
            if acl_entries.find(acl.entries, entry.number, entry.egress) is not None:
                raise errors.NetworkAclEntryAlreadyExists(entry.number)
            if sum(each.egress == entry.egress for each in acl.entries) >= self.limits.entries_per_direction:
                raise quota_errors.NetworkAclEntryLimitExceeded()
            tx.put(replace(acl, entries=acl_entries.in_order((*acl.entries, entry))))

    @operation
    def replace_network_acl_entry(self, ctx: RequestContext, params: Params) -> None:
        entry = acl_entries.from_request(params)
        with self.store.write() as tx:
            acl = self.get(tx, ctx, ids.NETWORK_ACL, params["NetworkAclId"])
            before = _entry(acl, entry.number, entry.egress)
            if before != entry:
                tx.put(replace(acl, entries=tuple(entry if each is before else each for each in acl.entries)))

    @operation
    def delete_network_acl_entry(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            acl = self.get(tx, ctx, ids.NETWORK_ACL, params["NetworkAclId"])
            gone = _entry(acl, params["RuleNumber"], params["Egress"])
            tx.put(replace(acl, entries=tuple(each for each in acl.entries if each is not gone)))

    @operation
    def replace_network_acl_association(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        wanted = params["AssociationId"]
        with self.store.write() as tx:
            acls = tx.list(NetworkAcl, ctx.account, ctx.region)
            before = next((each for each in acls if wanted in each.associations), None)
            if before is None:
                ids.ACL_ASSOCIATION.check(wanted)
                raise errors.AssociationNotFound(wanted)
            acl = self.get(tx, ctx, ids.NETWORK_ACL, params["NetworkAclId"])
            subnet_id = before.associations[wanted]
            if acl.vpc_id != before.vpc_id:
                raise errors.InvalidParameterValue(
                    f"Network ACL {acl.id} and subnet {subnet_id} belong to different networks"
                )
            new_id = self.entropy.resource_id("aclassoc")
            left = {id: each for id, each in before.associations.items() if id != wanted}
            tx.put(replace(before, associations=left))
            kept = left if acl.id == before.id else acl.associations
            tx.put(replace(acl, associations={**kept, new_id: subnet_id}))
        return {"NewAssociationId": new_id}

    @operation
    def describe_network_acls(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        acls = chosen(self.store.snapshot(), ctx, ids.NETWORK_ACL, params, "NetworkAclIds", FILTERS)
        page, token = paged(acls, params, resource_id, "NetworkAclIds")
        return {"NetworkAcls": [_to_wire(each) for each in page], "NextToken": token}


def _entry(acl: NetworkAcl, number: int, egress: bool) -> AclEntry:
    found = acl_entries.find(acl.entries, number, egress)
    if found is None:
        raise errors.NetworkAclEntryNotFound(number)
    return found


def _to_wire(acl: NetworkAcl) -> dict[str, Any]:
    return {
        "NetworkAclId": acl.id,
        "VpcId": acl.vpc_id,
        "OwnerId": acl.account,
        "IsDefault": acl.is_default,
        "Entries": [acl_entries.to_wire(each) for each in _shown(acl)],
        "Associations": [
            {"NetworkAclAssociationId": id, "NetworkAclId": acl.id, "SubnetId": subnet_id}
            for id, subnet_id in sorted(acl.associations.items())
        ],
        "Tags": tags_to_wire(acl.tags),
    }
