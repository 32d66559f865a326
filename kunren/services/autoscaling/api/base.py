"""What the operations of Auto Scaling share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store, Tx
from kunren.core import pagination
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.autoscaling import errors
from kunren.services.autoscaling.model import Group, Member

Params = dict[str, Any]
Result = dict[str, Any]


class Operations:
    """State and helpers of every file of operations."""

    _store: Store
    _clock: Clock
    _entropy: Entropy
    _call: CallService


def find(reader: Snapshot | Tx, ctx: RequestContext, name: str) -> Group:
    found = reader.get(Group, ctx.account, ctx.region, name)
    if found is None or found.deleting:
        raise errors.no_group(name)
    return found


def find_member(tx: Tx, ctx: RequestContext, id: str) -> tuple[Group, Member]:
    for group in tx.list(Group, ctx.account, ctx.region):
        if id in group.members:
            return group, group.members[id]
    raise errors.ValidationError(f"Instance Id not found - No managed instance found for instance ID: {id}")


def members_named(group: Group, ids: list[str]) -> list[Member]:
    """Those members of the group. Raises ValidationError."""
    for id in ids:
        if id not in group.members:
            raise errors.ValidationError(f"The instance {id} is not part of Auto Scaling group {group.id}.")
    return [group.members[id] for id in dict.fromkeys(ids)]


def put_member(tx: Tx, group: Group, member: Member) -> Group:
    changed = replace(group, members={**group.members, member.id: member})
    tx.put(changed)
    return changed


def paged(items: list[Any], params: Params, key: Callable[[Any], str], most: int) -> tuple[list[Any], str | None]:
    try:
        return pagination.page(items, params.get("NextToken"), min(params.get("MaxRecords") or most, 100), key)
    except pagination.InvalidToken as error:
        raise errors.InvalidNextToken("The NextToken value is not valid.") from error
