"""What becomes of a physical resource, by its policies and what happens: a pure table.

"DeletionPolicy attribute", "UpdateReplacePolicy attribute", `RetainExceptOnCreate` of CreateStack and UpdateStack.
"""

from __future__ import annotations

from typing import Literal

Event = Literal["rollback", "removal", "stack delete", "replacement"]
Outcome = Literal["delete", "retain", "snapshot"]


def outcome(event: Event, deletion: str, replace: str, *, flag: bool = False) -> Outcome:
    """`deletion` and `replace` are the policies ("" where none is stated); `rollback` is that of the operation that
    made the resource; `flag` is the operation's own RetainExceptOnCreate."""
    policy = replace if event == "replacement" else deletion
    if policy == "Snapshot":
        return "snapshot"
    if event == "replacement":
        return "retain" if replace == "Retain" else "delete"
    if deletion == "Retain":
        return "delete" if event == "rollback" and flag else "retain"
    if deletion == "RetainExceptOnCreate":
        return "delete" if event == "rollback" else "retain"
    return "delete"
