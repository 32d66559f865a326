"""Managed prefix lists: create, modify, restore, delete, describe, their entries and what refers to them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, prefix_lists, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged, resource_id, tags_of, token_of
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import PrefixList, RouteTable, SecurityGroup
from kunren.services.ec2.prefix_list_errors import (
    IncorrectState,
    PrefixListLimitExceeded,
    PrefixListMaxEntriesExceeded,
    PrefixListVersionMismatch,
    PrefixListVersionNotFound,
)

FILTERS: dict[str, Getter[PrefixList]] = {
    "owner-id": lambda found: found.account,
    "prefix-list-id": lambda found: found.id,
    "prefix-list-name": lambda found: found.name,
}
_OLD_FILTERS = {name: FILTERS[name] for name in ("prefix-list-id", "prefix-list-name")}
_FAMILIES = ("IPv4", "IPv6")


def state_of(reader: store.Reader, found: PrefixList) -> str:
    return f"{found.last_change}-{'in-progress' if prefix_lists.in_progress(reader, found) else 'complete'}"


def list_to_wire(found: PrefixList, state: str) -> dict[str, Any]:
    own = found.account != prefix_lists.AWS
    return {
        "PrefixListId": found.id,
        "PrefixListName": found.name,
        "PrefixListArn": build_arn("ec2", found.region, "aws" if not own else found.account, f"prefix-list/{found.id}"),
        "AddressFamily": found.family,
        "State": state,
        "MaxEntries": found.max_entries,
        "Version": found.version if own else None,
        "OwnerId": found.account,
        "Tags": tags_to_wire(found.tags),
    }


class PrefixListOperations(Ec2Base):
    @operation
    def create_managed_prefix_list(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        name, family = params["PrefixListName"], params["AddressFamily"]
        _check_name(name)
        if family not in _FAMILIES:
            raise errors.InvalidParameterValue(f"Value ({family}) for parameter addressFamily is invalid.")
        entries = prefix_lists.added((), params.get("Entries") or (), family)
        _check_room(params["MaxEntries"], len(entries))
        tags = tagging.at_creation(params, "prefix-list")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, PrefixList)
            if made is not None:
                return {"PrefixList": list_to_wire(self.get(tx, ctx, ids.PREFIX_LIST, made), "create-in-progress")}
            if len(tx.list(PrefixList, ctx.account, ctx.region)) >= self.limits.prefix_lists:
                raise PrefixListLimitExceeded()
            found = PrefixList(
                account=ctx.account,
                region=ctx.region,
                id=self.entropy.resource_id("pl"),
                name=name,
                family=family,
                max_entries=params["MaxEntries"],
                versions={"1": tuple(entries)},
                tags=tags,
                **token_of(params),
            )
            tx.put(found)
            store.remember_token(tx, found)
        return {"PrefixList": list_to_wire(found, "create-in-progress")}

    @operation
    def modify_managed_prefix_list(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("IpamPrefixListResolverSyncEnabled") is not None:
            raise errors.NotYet("IP address manager (IPAM)")
        more, less = params.get("AddEntries") or (), params.get("RemoveEntries") or ()
        if (more or less) and params.get("MaxEntries") is not None:
            raise errors.InvalidParameterCombination(
                "You cannot modify the entries and the maximum entries for the prefix list in the same request."
            )
        with self.store.write() as tx:
            found = self._own_list(tx, ctx, params["PrefixListId"])
            _check_version(found, params.get("CurrentVersion"))
            _check_settled(tx, found)
            changes: dict[str, Any] = {}
            if params.get("PrefixListName") is not None:
                _check_name(params["PrefixListName"])
                changes["name"] = params["PrefixListName"]
            if params.get("MaxEntries") is not None:
                _check_room(params["MaxEntries"], len(found.entries))
                changes["max_entries"] = params["MaxEntries"]
            if more or less:
                changes |= self._changed_entries(found, more, less)
            changed = replace(found, **changes)
            if changed != found:
                tx.put(changed)
            if changed.max_entries != found.max_entries:
                self._check_users(tx, ctx, changed)
        shown = replace(changed, version=found.version)
        return {"PrefixList": list_to_wire(shown, "modify-in-progress")}

    def _changed_entries(self, found: PrefixList, more: Any, less: Any) -> dict[str, Any]:
        both = {each.get("Cidr") for each in more} & {each.get("Cidr") for each in less}
        if both:
            raise errors.InvalidParameterValue(
                f"The CIDR ({sorted(map(str, both))[0]}) cannot be added and removed in the same request."
            )
        entries = prefix_lists.removed(found.entries, less, found.family)
        entries = prefix_lists.added(entries, more, found.family)
        _check_room(found.max_entries or 0, len(entries))
        return prefix_lists.with_version(found, entries, "modify")

    def _check_users(self, tx: Tx, ctx: RequestContext, changed: PrefixList) -> None:
        """Everything that refers to the list has room for its new maximum."""
        for id in prefix_lists.users(tx, ctx.account, ctx.region, changed.id):
            if id.startswith("sg-"):
                self.check_rule_count(tx, self.get(tx, ctx, ids.SECURITY_GROUP, id))
            else:
                self.check_route_count(tx, self.get(tx, ctx, ids.ROUTE_TABLE, id))

    @operation
    def restore_managed_prefix_list_version(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self._own_list(tx, ctx, params["PrefixListId"])
            _check_version(found, params["CurrentVersion"])
            _check_settled(tx, found)
            before = found.versions.get(str(params["PreviousVersion"]))
            if before is None:
                raise PrefixListVersionNotFound(found.id, params["PreviousVersion"])
            _check_room(found.max_entries or 0, len(before))
            tx.put(replace(found, **prefix_lists.with_version(found, before, "restore")))
        return {"PrefixList": list_to_wire(found, "restore-in-progress")}

    @operation
    def delete_managed_prefix_list(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self._own_list(tx, ctx, params["PrefixListId"])
            if used := prefix_lists.users(tx, ctx.account, ctx.region, found.id):
                raise errors.DependencyViolation(f"The prefix list '{found.id}' is referenced by {', '.join(used)}.")
            store.forget_token(tx, found)
            tx.delete(found)
        return {"PrefixList": list_to_wire(found, "delete-in-progress")}

    def _own_list(self, tx: Tx, ctx: RequestContext, id: str) -> PrefixList:
        """A list that the caller may change: AWS's own are not among them."""
        found = self.get_prefix_list(tx, ctx, id)
        if found.account != ctx.account:
            raise errors.AuthFailure("You do not have permission to access the specified resource.")
        return found

    def get_prefix_list(self, reader: store.Reader, ctx: RequestContext, id: str) -> PrefixList:
        """A list of the account or of AWS. Raises MalformedId and PrefixListNotFound."""
        found = prefix_lists.find(reader, self.spec, ctx.account, ctx.region, id)
        return found if found is not None else self.get(reader, ctx, ids.PREFIX_LIST, id)

    @operation
    def describe_managed_prefix_lists(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        found = self._lists(snapshot, ctx, params)
        found = filters.select(found, params.get("Filters"), FILTERS, tags_of)
        page, token = paged(found, params, resource_id, least=1)
        return {"PrefixLists": [list_to_wire(each, state_of(snapshot, each)) for each in page], "NextToken": token}

    def _lists(self, reader: store.Reader, ctx: RequestContext, params: Params) -> list[PrefixList]:
        wanted = params.get("PrefixListIds") or ()
        if wanted:
            found = {each: self.get_prefix_list(reader, ctx, each) for each in wanted}
            return [found[id] for id in sorted(found)]
        return prefix_lists.all_lists(reader, self.spec, ctx.account, ctx.region)

    @operation
    def describe_prefix_lists(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """The older operation: AWS's own lists, with their blocks."""
        found = [each for each in self._lists(self.store.snapshot(), ctx, params) if each.account == prefix_lists.AWS]
        found = filters.select(found, params.get("Filters"), _OLD_FILTERS)
        page, token = paged(found, params, resource_id)
        shown = [
            {
                "PrefixListId": each.id,
                "PrefixListName": each.name,
                "Cidrs": [entry.cidr for entry in each.entries],
            }
            for each in page
        ]
        return {"PrefixLists": shown, "NextToken": token}

    @operation
    def get_managed_prefix_list_entries(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        found = self.get_prefix_list(self.store.snapshot(), ctx, params["PrefixListId"])
        version = params.get("TargetVersion") or found.version
        entries = found.versions.get(str(version))
        if entries is None:
            raise PrefixListVersionNotFound(found.id, version)
        ordered = sorted(entries, key=lambda each: each.cidr)
        page, token = paged(ordered, params, lambda each: each.cidr, least=1)
        return {
            "Entries": [{"Cidr": each.cidr, "Description": each.description} for each in page],
            "NextToken": token,
        }

    @operation
    def get_managed_prefix_list_associations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        found = self.get_prefix_list(snapshot, ctx, params["PrefixListId"])
        used = prefix_lists.users(snapshot, ctx.account, ctx.region, found.id)
        page, token = paged(used, params, lambda id: id)
        shown = [{"ResourceId": each, "ResourceOwner": ctx.account} for each in page]
        return {"PrefixListAssociations": shown, "NextToken": token}

    # -- quotas, which references count against ----------------------------------------------------------------------

    def check_rule_count(self, reader: store.Reader, group: SecurityGroup) -> None:
        """A rule that names a prefix list counts for as many as the list may have. Raises
        RulesPerSecurityGroupLimitExceeded."""
        for egress in (False, True):
            rules = [each for each in group.rules if each.egress == egress]
            if (
                sum(self._weight(reader, group, each.prefix_list_id) for each in rules)
                > self.limits.rules_per_direction
            ):
                raise quota_errors.RulesPerSecurityGroupLimitExceeded()

    def check_route_count(self, reader: store.Reader, table: RouteTable) -> None:
        """Raises RouteLimitExceeded."""
        lists = (each.destination if prefix_lists.is_list_id(each.destination) else None for each in table.routes)
        if sum(self._weight(reader, table, each) for each in lists) > self.limits.routes_per_table:
            raise quota_errors.RouteLimitExceeded()

    def _weight(self, reader: store.Reader, owner: SecurityGroup | RouteTable, list_id: str | None) -> int:
        found = prefix_lists.find(reader, self.spec, owner.account, owner.region, list_id) if list_id else None
        return prefix_lists.weight(found) if found is not None else 1


def _check_name(name: str) -> None:
    if not name or len(name) > 255 or name.startswith("com.amazonaws"):
        raise errors.InvalidParameterValue(f"Value ({name}) for parameter prefixListName is invalid.")


def _check_room(most: int, count: int) -> None:
    if not 1 <= most <= prefix_lists.ENTRIES_MAX:
        raise errors.InvalidParameterValue(
            f"Value ({most}) for parameter maxEntries is invalid. It must be from 1 to {prefix_lists.ENTRIES_MAX}."
        )
    if count > most:
        raise PrefixListMaxEntriesExceeded()


def _check_version(found: PrefixList, version: int | None) -> None:
    if version is not None and version != found.version:
        raise PrefixListVersionMismatch()


def _check_settled(reader: store.Reader, found: PrefixList) -> None:
    """One change at a time: the data plane has the version before."""
    if prefix_lists.in_progress(reader, found):
        raise IncorrectState(f"The prefix list '{found.id}' is in the state {state_of(reader, found)}.")
