"""Stack policies: which updates of which resources a stack lets happen. Pure. "Prevent updates to stack resources"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from kunren.services.cloudformation.errors import ValidationError

BODY_BYTES_MAX = 16_384
ACTIONS = {"update": "Update:Modify", "replace": "Update:Replace", "remove": "Update:Delete"}
_CONDITIONS = {
    "StringEquals": lambda value, patterns: value in patterns,
    "StringNotEquals": lambda value, patterns: value not in patterns,
    "StringLike": lambda value, patterns: any(fnmatchcase(value, each) for each in patterns),
    "StringNotLike": lambda value, patterns: not any(fnmatchcase(value, each) for each in patterns),
}


def checked(body: str) -> str:
    """The policy's text, where it is one. Raises ValidationError."""
    try:
        parsed = json.loads(body)
        statements = _list(parsed["Statement"])
        for each in statements:
            good = each["Effect"] in ("Allow", "Deny") and ("Action" in each) != ("NotAction" in each)
            good = good and ("Resource" in each) != ("NotResource" in each) and each.get("Principal") == "*"
            if not good or not all(
                set(one) == {"ResourceType"} and name in _CONDITIONS for name, one in each.get("Condition", {}).items()
            ):
                raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValidationError("Error validating stack policy: Invalid stack policy") from None
    if len(body.encode()) > BODY_BYTES_MAX:
        raise ValidationError(f"Error validating stack policy: it is longer than {BODY_BYTES_MAX} bytes")
    return body


def refusal(body: str, decision: str, logical: str, type: str) -> str | None:
    """Why a policy ("": none, which allows all) does not let an update happen; `decision` is a key of `ACTIONS`."""
    if not body:
        return None
    action, allowed = ACTIONS[decision], False
    for number, each in enumerate(_list(json.loads(body)["Statement"]), 1):
        if _covers(each, action, logical, type):
            if each["Effect"] == "Deny":
                told = f"Statement [#{number}] does not allow [{action}] for resource [LogicalResourceId/{logical}]"
                return f"Action denied by stack policy: {told}"
            allowed = True
    if allowed:
        return None
    return (
        f"Action not allowed by stack policy: no statement allows [{action}] for resource [LogicalResourceId/{logical}]"
    )


def _covers(statement: Mapping[str, Any], action: str, logical: str, type: str) -> bool:
    def named(key: str, value: str) -> bool:
        if f"Not{key}" in statement:
            return not any(fnmatchcase(value, each) for each in _list(statement[f"Not{key}"]))
        return any(fnmatchcase(value, each) for each in _list(statement[key]))

    conditions = (
        _CONDITIONS[name](type, _list(one["ResourceType"])) for name, one in statement.get("Condition", {}).items()
    )
    return named("Action", action) and named("Resource", f"LogicalResourceId/{logical}") and all(conditions)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
