"""With whom an image or a snapshot is shared: other accounts, or everybody. Pure.

"ModifyImageAttribute" and "ModifySnapshotAttribute" in the EC2 API reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from kunren.core.errors import AwsError
from kunren.services.ec2 import errors
from kunren.services.ec2.instances.model import Image, Snapshot

Params = dict[str, Any]
Shared = TypeVar("Shared", Image, Snapshot)
_ACCOUNT = re.compile(r"[0-9]{12}")


def may_use(shared: Image | Snapshot, account: str) -> bool:
    return shared.account == account or shared.everyones or account in shared.accounts


def to_wire(shared: Image | Snapshot) -> list[dict[str, str]]:
    everyone = [{"Group": "all"}] if shared.everyones else []
    return everyone + [{"UserId": each} for each in shared.accounts]


def asked(params: Params, structure: str, groups: str) -> tuple[list[Params], list[Params]]:
    """Who is permitted, and who is not any more: told as a structure, or by OperationType, UserIds and groups, by the
    names of their members. Raises InvalidParameterValue, MissingParameter."""
    told, kind = params.get(structure) or {}, params.get("OperationType")
    added, removed = list(told.get("Add") or ()), list(told.get("Remove") or ())
    listed = [{"UserId": each} for each in params.get("UserIds") or ()]
    listed += [{"Group": each} for each in params.get(groups) or ()]
    if listed and kind not in ("add", "remove"):
        raise errors.InvalidParameterValue(f"Value ({kind or ''}) for parameter operationType is invalid.")
    (removed if kind == "remove" else added).extend(listed)
    if not added and not removed:
        raise errors.MissingParameterText("The request must contain the parameter UserId or UserGroup")
    return added, removed


def changed(
    shared: Shared, added: Sequence[Params], removed: Sequence[Params], refused: Callable[[str, str], AwsError]
) -> Shared:
    """`refused` makes the error for what is neither an account nor `all`, of the value and what it should have been
    (userId, userGroup)."""
    accounts, everyones = dict.fromkeys(shared.accounts), shared.everyones
    for each, on in [*((each, True) for each in added), *((each, False) for each in removed)]:
        group, account = each.get("Group"), each.get("UserId")
        if group is not None:
            if group != "all":
                raise refused(group, "userGroup")
            everyones = on
        elif account is None or not _ACCOUNT.fullmatch(account):
            raise refused(account or "", "userId")
        elif on:
            accounts[account] = None
        else:
            accounts.pop(account, None)
    return replace(shared, accounts=tuple(accounts), everyones=everyones)
