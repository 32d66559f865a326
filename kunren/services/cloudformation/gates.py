"""What hooks are asked before a stack's operation, before each of its resources' operations, before a change set is
made, and before a request of Cloud Control API is carried out.

A rollback asks nobody, nor does the cleanup behind an update: of deletions only DeleteStack's are asked about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.services.cloudformation.hooks import CHANGE_SET, CLOUD_CONTROL, Target
from kunren.services.cloudformation.model import ChangeSet, HookResult, Request, Revision, Stack, StackResource
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.records import masked

ACTIONS = {"Add": "CREATE", "Modify": "UPDATE", "Remove": "DELETE", "Import": "IMPORT"}
"""A change set's words for what a resource's operation is called."""
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


def change_set_target(found: ChangeSet) -> Target:
    revision = msgspec.json.decode(found.revision, type=Revision)
    changed = [_changed(each["ResourceChange"], revision.template) for each in found.changes]
    return Target(
        operation=CHANGE_SET,
        name=CHANGE_SET,
        action="CREATE",
        logical=found.arn,
        token=found.id,
        id=found.arn,
        payload=json.dumps({"template": revision.template, "changedResources": changed}),
        change_set=found.arn,
        role=revision.role_arn,
    )


async def change_set_refusal(parts: Parts, stack: Stack, found: ChangeSet, given_up: Callable[[], bool]) -> str:
    """Why hooks forbid that the change set is made ("": they don't)."""
    return (await parts.asking.refusal(stack, change_set_target(found), _untold, given_up))[1]


def _changed(change: Mapping[str, Any], template: str) -> dict[str, Any]:
    """A resource as hooks are told of it."""
    name = change["LogicalResourceId"]
    at = re.search(rf'^[ \t]*["\']?{name}["\']?[ \t]*:', template, re.MULTILINE)
    line = template.count("\n", 0, at.end()) + 1 if at is not None and change["Action"] != "Remove" else None
    return {
        "logicalResourceId": name,
        "resourceType": change["ResourceType"],
        "lineNumber": line,
        "action": ACTIONS[change["Action"]],
        "beforeContext": change.get("BeforeContext"),
        "afterContext": change.get("AfterContext"),
    }


async def request_refusal(parts: Parts, request: Request, given_up: Callable[[], bool]) -> str:
    """Why hooks forbid what Cloud Control API is asked for ("": they don't)."""
    row, attempt = request.row, request.row.attempt
    nobody = Stack(account=row.account, region=row.region, id=request.id, name="", status="")
    if attempt is None or attempt.journal or attempt.asked >= 0 or not parts.asking.any(nobody):
        return ""  # or it has begun, before a restart
    model = {
        "resourceProperties": {} if request.operation == "DELETE" else attempt.properties,
        "previousResourceProperties": {} if request.operation == "CREATE" else row.properties,
    }
    target = Target(
        operation=CLOUD_CONTROL,
        name=request.type,
        action=request.operation,
        logical=row.logical,
        token=request.id,
        id=request.id,
        model=model,
        execution=request.id,
    )
    return (await parts.asking.refusal(nobody, target, _untold, given_up))[1]


def _untold(tx: Tx, result: HookResult) -> None:
    """Only stacks have events."""


def _role(parts: Parts, stack: Stack) -> str:
    key = f"{stack.id}/{stack.target or stack.deployed}"
    found = parts.store.snapshot().get(Revision, stack.account, stack.region, key)
    return found.role_arn if found is not None else ""


def _change_set(stack: Stack) -> str:
    return stack.change_set if stack.change_set_number == stack.number else ""
