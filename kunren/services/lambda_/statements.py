"""The form of a policy that is put on a function as a whole. Pure. What policies mean is `core/policies.py`'s."""

from __future__ import annotations

import re
from typing import Any

from kunren.core.policies import like, many
from kunren.services.lambda_.errors import InvalidParameterValueException


def check_statements(told: Any, resource: str) -> tuple[dict[str, Any], ...]:
    """The statements of a policy document that is to be put on a resource.
    Raises InvalidParameterValueException where they have no such form (IAM user guide, "Grammar of the IAM JSON policy
    language") or speak of something else."""
    statements = many(told)
    if not statements:
        raise _invalid("the policy has no statement")
    for each in statements:
        if not isinstance(each, dict):
            raise _invalid("a statement is a JSON object")
        _check_statement(each, resource)
    sids = [each["Sid"] for each in statements if "Sid" in each]
    if len(sids) != len(set(sids)):
        raise _invalid("statement ids (SID) in a policy must be unique")
    return tuple(statements)


def _check_statement(statement: dict[str, Any], resource: str) -> None:
    if unknown := set(statement) - _MEMBERS:
        raise _invalid(f"unknown element {sorted(unknown)[0]}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _invalid("Effect is Allow or Deny")
    for one, other in (("Principal", "NotPrincipal"), ("Action", "NotAction")):
        if (one in statement) == (other in statement):
            raise _invalid(f"a statement has either {one} or {other}")
    if not all(isinstance(each, str) for member in ("Action", "NotAction") for each in many(statement.get(member))):
        raise _invalid("Action is a string or a list of strings")
    for each in many(statement.get("Action")):
        if each != "*" and not each.lower().startswith("lambda:"):
            raise _invalid(f"{each} is not an action of Lambda")
    for member in ("Principal", "NotPrincipal"):
        _check_principal(statement.get(member))
    resources = many(statement.get("Resource"))
    if not resources or not all(isinstance(each, str) and like(each, resource) for each in resources):
        raise _invalid(f"Resource must be {resource}")
    conditions = statement.get("Condition", {})
    if not isinstance(conditions, dict) or not all(isinstance(each, dict) for each in conditions.values()):
        raise _invalid("Condition is a JSON object of JSON objects")
    for operator in conditions:
        if not _OPERATOR.fullmatch(operator):
            raise _invalid(f"unknown condition operator {operator}")


def _check_principal(principal: Any) -> None:
    if principal is None or principal == "*":
        return
    if not isinstance(principal, dict) or not principal or set(principal) - _PRINCIPALS:
        raise _invalid("Principal is * or a JSON object of AWS, Service, Federated or CanonicalUser")
    for value in principal.values():
        if not many(value) or not all(isinstance(each, str) for each in many(value)):
            raise _invalid("a principal is a string or a list of strings")


def _invalid(why: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(f"The provided policy document is invalid: {why}.")


_MEMBERS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition",
}  # fmt: skip
_PRINCIPALS = {"AWS", "Service", "Federated", "CanonicalUser"}
_OPERATOR = re.compile(
    r"(ForAnyValue:|ForAllValues:)?"
    r"(String(Not)?(Equals(IgnoreCase)?|Like)|Arn(Not)?(Equals|Like)|Bool|(Not)?IpAddress|BinaryEquals"
    r"|(Numeric|Date)((Not)?Equals|(LessThan|GreaterThan)(Equals)?))(IfExists)?|Null"
)
