"""What hooks are asked before a stack's operation, and before each of its resources' operations.

A rollback asks nobody, nor does the cleanup behind an update: of deletions only DeleteStack's are asked about.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from kunren.services.cloudformation.hooks import Target
from kunren.services.cloudformation.model import Revision, Stack, StackResource
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.records import masked

_DOES = {"CREATE": "creation", "UPDATE": "update", "DELETE": "deletion"}


async def resource_refusal(parts: Parts, stack: Stack, row: StackResource, given_up: Callable[[], bool]) -> str:
    """Why hooks forbid what the row's attempt is about to do ("": they don't)."""
    attempt = row.attempt
    if attempt is None or attempt.journal or attempt.asked >= 0 or not parts.asking.any(stack):
        return ""  # or it has begun, before a restart
    action = row.status.removesuffix("_IN_PROGRESS")
    previous = row.before.properties if row.before is not None and action == "UPDATE" else row.properties
    model = {
        "resourceProperties": {} if action == "DELETE" else attempt.properties,
        "previousResourceProperties": {} if action == "CREATE" else previous,
    }
    target = Target(
        operation="RESOURCE",
        name=row.type,
        action=action,
        logical=row.logical,
        token=attempt.token,
        id=row.logical,
        model=masked(model, row.secrets),
        change_set=_change_set(stack),
        role=_role(parts, stack),
    )
    asked, why = await parts.asking.refusal(
        stack, target, lambda tx, result: parts.records.hook_event(tx, stack, row, result), given_up
    )
    if asked and not why:
        with parts.store.write() as tx:
            told = f"Hook invocations complete.  Resource {_DOES[action]} initiated"
            parts.records.resource_event(tx, stack, row, row.status, told)
    return why


async def stack_refusal(parts: Parts, stack: Stack, template: str, previous: str, given_up: Callable[[], bool]) -> str:
    """Why hooks forbid the stack's operation ("": they don't). Both templates are as they were given."""
    if not parts.asking.any(stack):
        return ""
    action = stack.status.removesuffix("_IN_PROGRESS")
    target = Target(
        operation="STACK",
        name="STACK",
        action=action,
        logical=stack.name,
        token=f"{stack.id}/{stack.number}/{action}",
        id=stack.arn,
        payload=json.dumps({"template": template, "previousTemplate": previous}),
        change_set=_change_set(stack),
        role=_role(parts, stack),
    )
    _, why = await parts.asking.refusal(
        stack, target, lambda tx, result: parts.records.hook_event(tx, stack, None, result), given_up
    )
    return why


def _role(parts: Parts, stack: Stack) -> str:
    key = f"{stack.id}/{stack.target or stack.deployed}"
    found = parts.store.snapshot().get(Revision, stack.account, stack.region, key)
    return found.role_arn if found is not None else ""


def _change_set(stack: Stack) -> str:
    return stack.change_set if stack.change_set_number == stack.number else ""
