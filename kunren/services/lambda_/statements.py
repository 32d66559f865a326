"""Whether the statements of a resource policy let somebody do something. Pure.

A statement that denies outweighs any that allows (IAM user guide, "Policy evaluation logic"). Whose identity policies
allow what is IAM's to know. Condition keys that nobody here can fill have no value: positive operators then do not fit,
negative ones and those with IfExists do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kunren.services.lambda_.errors import InvalidParameterValueException


class Asker(NamedTuple):
    """Who asks: a service's name, or an account (`None`: anybody, unsigned)."""

    service: str = ""
    account: str | None = None


def allowed(statements: Iterable[Mapping[str, Any]], asker: Asker, action: str, known: Mapping[str, str]) -> bool:
    """Whether a statement allows it and none denies it. `known` are condition keys' values, by lower-case name."""
    effects = {each["Effect"] for each in statements if _fits(each, asker, action, known)}
    return "Allow" in effects and "Deny" not in effects


def like(pattern: str, text: str) -> bool:
    """Whether the text fits a pattern of `*` and `?`."""
    return _compiled(pattern).fullmatch(text) is not None


def check_statements(told: Any, resource: str) -> tuple[dict[str, Any], ...]:
    """The statements of a policy document that is to be put on a resource.
    Raises InvalidParameterValueException where they have no such form (IAM user guide, "Grammar of the IAM JSON policy
    language") or speak of something else."""
    statements = _many(told)
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
    if not all(isinstance(each, str) for member in ("Action", "NotAction") for each in _many(statement.get(member))):
        raise _invalid("Action is a string or a list of strings")
    for each in _many(statement.get("Action")):
        if each != "*" and not each.lower().startswith("lambda:"):
            raise _invalid(f"{each} is not an action of Lambda")
    for member in ("Principal", "NotPrincipal"):
        _check_principal(statement.get(member))
    resources = _many(statement.get("Resource"))
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
        if not _many(value) or not all(isinstance(each, str) for each in _many(value)):
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


def _fits(statement: Mapping[str, Any], asker: Asker, action: str, known: Mapping[str, str]) -> bool:
    if "NotPrincipal" in statement:
        if _is_principal(statement["NotPrincipal"], asker):
            return False
    elif not _is_principal(statement["Principal"], asker):
        return False
    named = "Action" if "Action" in statement else "NotAction"
    if any(like(each.lower(), action.lower()) for each in _many(statement[named])) != (named == "Action"):
        return False
    return all(
        _holds(operator, known.get(name.lower()), _many(wanted))
        for operator, names in statement.get("Condition", {}).items()
        for name, wanted in names.items()
    )


def _is_principal(principal: Any, asker: Asker) -> bool:
    if principal == "*":
        return True
    services, people = _many(principal.get("Service")), _many(principal.get("AWS"))
    if asker.service:
        return asker.service in services
    return any(each == "*" or (asker.account is not None and _account(each) == asker.account) for each in people)


def _account(principal: str) -> str:
    """The account of an AWS principal: a bare number, or the fifth part of an ARN."""
    return principal.split(":")[4] if principal.count(":") >= 4 else principal


def _holds(operator: str, have: str | None, wanted: list[Any]) -> bool:
    """Whether one condition holds for a key's value; several wanted values are alternatives."""
    operator = operator.rpartition(":")[2]
    if operator == "Null":
        return any(_text(each) == str(have is None).lower() for each in wanted)
    base = operator.removesuffix("IfExists")
    negative = "Not" in base
    if have is None:
        return negative or base != operator
    compare = _COMPARE.get(base.replace("Not", "", 1), _never)
    return any(compare(_text(each), have) for each in wanted) != negative


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equals(wanted: str, have: str) -> bool:
    return wanted == have


def _equals_in_any_case(wanted: str, have: str) -> bool:
    return wanted.lower() == have.lower()


def _never(wanted: str, have: str) -> bool:
    return False


_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_in_any_case,
    "StringLike": like,
    "ArnEquals": like,
    "ArnLike": like,
    "Bool": _equals_in_any_case,
}
"""By operator; numbers, dates and addresses are of keys that have no value here."""


def _many(value: Any) -> list[Any]:
    """What may be written alone or as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return re.compile("".join(parts), re.DOTALL)
