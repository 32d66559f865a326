"""Whether the statements of a resource policy let somebody do something. Pure.

A statement that denies outweighs any that allows (IAM user guide, "Policy evaluation logic"). Whose identity policies
allow what is IAM's to know. Condition keys that nobody here can fill have no value: positive operators then do not fit,
negative ones and those with IfExists do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

ALLOW, DENY = "Allow", "Deny"


class Asker(NamedTuple):
    """Who asks: a service's name, or an account (`None`: anybody, unsigned), or one identity by its ARN and canonical
    user id."""

    service: str = ""
    account: str | None = None
    arn: str = ""
    canonical: str = ""


class Acting(NamedTuple):
    """A service of AWS that acts for a resource: in whose account, as whom, and condition keys that say for what."""

    account: str
    asker: Asker
    known: Mapping[str, str]


def allowed(statements: Iterable[Mapping[str, Any]], asker: Asker, action: str, known: Mapping[str, str]) -> bool:
    """Whether a statement allows it and none denies it, where all speak of one resource. `known` are condition keys'
    values, by lower-case name."""
    return decision(statements, asker, action, None, known) == ALLOW


def decision(
    statements: Iterable[Mapping[str, Any]], asker: Asker, action: str, resource: str | None, known: Mapping[str, str]
) -> str | None:
    """`ALLOW`, `DENY`, or None where no statement is about it. `resource` None fits every statement."""
    effects = {each["Effect"] for each in statements if _fits(each, asker, action, known) and _is_about(each, resource)}
    return DENY if DENY in effects else ALLOW if ALLOW in effects else None


def like(pattern: str, text: str) -> bool:
    """Whether the text fits a pattern of `*` and `?`."""
    return _compiled(pattern).fullmatch(text) is not None


def many(value: Any) -> list[Any]:
    """What may be written alone or as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_about(statement: Mapping[str, Any], resource: str | None) -> bool:
    if resource is None:
        return True
    if "NotResource" in statement:
        return not any(like(each, resource) for each in many(statement["NotResource"]))
    return any(like(each, resource) for each in many(statement.get("Resource")))


def _fits(statement: Mapping[str, Any], asker: Asker, action: str, known: Mapping[str, str]) -> bool:
    if "NotPrincipal" in statement:
        if _is_principal(statement["NotPrincipal"], asker):
            return False
    elif not _is_principal(statement["Principal"], asker):
        return False
    named = "Action" if "Action" in statement else "NotAction"
    if any(like(each.lower(), action.lower()) for each in many(statement[named])) != (named == "Action"):
        return False
    return all(
        _holds(operator, known.get(name.lower()), many(wanted))
        for operator, names in statement.get("Condition", {}).items()
        for name, wanted in names.items()
    )


def _is_principal(principal: Any, asker: Asker) -> bool:
    if principal == "*":
        return True
    services, people = many(principal.get("Service")), many(principal.get("AWS"))
    if asker.service:
        return asker.service in services
    if asker.canonical and asker.canonical in many(principal.get("CanonicalUser")):
        return True
    return any(
        each == "*"
        or (asker.arn and each == asker.arn)
        or (asker.account is not None and _account(each) == asker.account)
        for each in people
    )


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


def _in_network(wanted: str, have: str) -> bool:
    try:
        return ipaddress.ip_address(have) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _never(wanted: str, have: str) -> bool:
    return False


_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_in_any_case,
    "StringLike": like,
    "ArnEquals": like,
    "ArnLike": like,
    "Bool": _equals_in_any_case,
    "IpAddress": _in_network,
}
"""By operator; numbers and dates are of keys that have no value here."""


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return re.compile("".join(parts), re.DOTALL)
