"""Lambda hooks: functions that are asked before something is made, changed or deleted, and may forbid it.

Pure here: whom a hook concerns, what it is told, what its answer means. "Create Lambda functions to evaluate resources
for Lambda Hooks", "CloudFormation Hooks stack level filters".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from kunren.services.cloudformation.model import Hook, HookResult, Stack

IN_PROGRESS, SUCCEEDED = "HOOK_IN_PROGRESS", "HOOK_COMPLETE_SUCCEEDED"
REFUSED, BROKEN = "HOOK_COMPLETE_FAILED", "HOOK_FAILED"
CLOUD_CONTROL, CHANGE_SET = "CLOUD_CONTROL", "CHANGE_SET"
INVOCATIONS_MAX = 3
CALL_WITHIN_S = 30.0
"""Real seconds: a function's code runs in them."""
DELAY_MAX_S = 7200.0
"""What a hook's handler has by default, in the registry's schema of types (`timeoutInMinutes`)."""
REASON_MAX = 4096
CLOUD_CONTROL_REASON_MAX = 1024
PRINCIPAL, SESSION = "hooks.cloudformation.amazonaws.com", "AWSCloudFormationHook"
"""Who assumes a hook's role, and under which name."""
VERSION = "00000001"
"""AWS's own hook has had no other here."""
_ACTIONS = ("CREATE", "UPDATE", "DELETE")


class Target(NamedTuple):
    """What is about to happen. `operation` is RESOURCE, STACK, CHANGE_SET or CLOUD_CONTROL; `name` a resource's type,
    or the operation; `token` tells this attempt from all others. `model` is what a resource is to be and what it was;
    `payload` what a URL leads to, for stacks and change sets. `role` is the stack's; `execution` what asks, where that
    is no stack."""

    operation: str
    name: str
    action: str  # CREATE, UPDATE, DELETE
    logical: str
    token: str
    id: str  # of the target, as ListHookResults has it
    model: Mapping[str, Any] | None = None
    payload: str = ""
    change_set: str = ""
    role: str = ""
    execution: str = ""


class Answer(NamedTuple):
    """`status` is IN_PROGRESS where the function wants to be asked again, in `delay` seconds, with `context`."""

    status: str
    message: str
    delay: float = 0.0
    context: Any = None
    annotations: tuple[dict[str, Any], ...] = ()


def concerns(properties: Mapping[str, Any], target: Target, stack: str) -> bool:
    """Whether a hook of these properties is to be asked; `stack` is the stack's name."""
    if properties["HookStatus"] != "ENABLED" or target.operation not in properties["TargetOperations"]:
        return False
    return _targeted(properties.get("TargetFilters") or {}, target) and (
        target.operation == CLOUD_CONTROL or _of_stack(properties.get("StackFilters") or {}, stack, target.role)
    )


def concerned(held: Iterable[Hook], target: Target, stack: str) -> list[Hook]:
    """Those of the hooks that are to be asked."""
    return [each for each in held if concerns(each.properties, target, stack)]


def _targeted(filters: Mapping[str, Any], target: Target) -> bool:
    typed = target.operation in ("RESOURCE", CLOUD_CONTROL)
    if "Targets" in filters:
        return any(
            each["Action"] == target.action and (not typed or fnmatchcase(target.name, each["TargetName"]))
            for each in filters["Targets"]
        )
    names = filters.get("TargetNames") or ["*"]
    return target.action in filters.get("Actions", _ACTIONS) and (
        not typed or any(fnmatchcase(target.name, each) for each in names)
    )


def _of_stack(filters: Mapping[str, Any], name: str, role: str) -> bool:
    found = [
        _listed(filters[key], value) for key, value in (("StackNames", name), ("StackRoles", role)) if key in filters
    ]
    return not found or (any if filters.get("FilteringCriteria") == "ANY" else all)(found)


def _listed(lists: Mapping[str, Any], value: str) -> bool:
    included = any(fnmatchcase(value, each) for each in lists.get("Include", ["*"]))
    return included and not any(fnmatchcase(value, each) for each in lists.get("Exclude", ()))


def event(hook: Hook, result: HookResult, target: Target, stack: Stack, url: str) -> dict[str, Any]:
    """What the function is told. `url` leads to the payload of stacks."""
    data: dict[str, Any] = {
        "targetName": target.name,
        "targetType": target.name,
        "targetLogicalId": target.logical,
        **({"targetModel": target.model} if target.model is not None else {"payload": url}),
    }
    return {
        "clientRequestToken": result.id,
        "awsAccountId": hook.account,
        "stackId": None if target.operation == CLOUD_CONTROL else stack.arn,
        "changeSetId": target.change_set or None,
        "hookTypeName": hook.id,
        "hookTypeVersion": VERSION,
        "hookModel": {"LambdaFunction": function_arn(hook)},
        "actionInvocationPoint": f"{target.action}_PRE_PROVISION",
        "requestData": data,
        "requestContext": {"invocation": result.invocation, "callbackContext": result.context},
    }


def function_arn(hook: Hook) -> str:
    named: str = hook.properties["LambdaFunction"]
    prefix = f"arn:aws:lambda:{hook.region}:{hook.account}:function:"
    return named if named.startswith("arn:") else prefix + named.rpartition("function:")[2]


def answer(told: Mapping[str, Any]) -> Answer:
    """What a function's answer (lambda's Invoke) means."""
    try:
        given = json.loads(told.get("Payload") or b"null")
    except (RecursionError, ValueError):
        given = None
    if told.get("FunctionError"):
        why = given.get("errorMessage", "") if isinstance(given, dict) else ""
        return Answer(BROKEN, f"The function failed: {why}"[:REASON_MAX])
    status = given.get("hookStatus") if isinstance(given, dict) else None
    if not isinstance(given, dict) or status not in ("SUCCESS", "FAILED", "IN_PROGRESS"):
        return Answer(BROKEN, "The function's answer has no hookStatus of SUCCESS, FAILED or IN_PROGRESS")
    message = str(given.get("message") or "")[:REASON_MAX]
    if status == "IN_PROGRESS":
        stated = given.get("callbackDelaySeconds")
        delay = min(max(0, stated), DELAY_MAX_S) if isinstance(stated, int | float) else 0
        return Answer(IN_PROGRESS, message, float(delay), given.get("callbackContext"))
    notes = given.get("annotations")
    found = tuple(each for each in notes if isinstance(each, dict)) if isinstance(notes, list) else ()
    if status == "SUCCESS":
        return Answer(SUCCEEDED, message, annotations=found)
    if given.get("errorCode") not in ("NonCompliant", "InternalFailure"):
        return Answer(BROKEN, "The function's answer has no errorCode of NonCompliant or InternalFailure")
    return Answer(REFUSED if given["errorCode"] == "NonCompliant" else BROKEN, message, annotations=found)


def reason(status: str, message: str, mode: str) -> str:
    """A HookStatusReason."""
    if status == SUCCEEDED:
        return f"Hook succeeded with message: {message}"
    ignored = ". Failure was ignored under WARN mode." if mode == "WARN" else ""
    return f"Hook failed with message: {message}{ignored}"


def forbids(result: HookResult) -> bool:
    return result.status in (REFUSED, BROKEN) and result.mode == "FAIL"


def refused(names: list[str]) -> str:
    """The reason of what hooks forbade."""
    return f"The following hook(s) failed: [{', '.join(sorted(names))}]"
