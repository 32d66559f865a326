"""Whether the statements of a policy let somebody do something: resource policies and identity policies alike. Pure.

A statement that denies outweighs any that allows (IAM user guide, "Policy evaluation logic"). How the policies of one
request are weighed against each other is `kunren.core.authorization`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kunren.core.conditions import Known, arn_like, hold, like, many, variables_in

ALLOW, DENY = "Allow", "Deny"
UNKNOWN = ""
"""A resource that could not be told from the request."""
LITERAL = "literal"
"""A member of statements whose document is older than variables: there, `${...}` is a text like any other."""


class Asker(NamedTuple):
    """Who asks: a service's name, or an account (`None`: anybody, unsigned), or one identity by its ARN and canonical
    user id. An ARN beside an account is one identity of it, which may have more `names` (a session's role)."""

    service: str = ""
    account: str | None = None
    arn: str = ""
    canonical: str = ""
    names: tuple[str, ...] = ()


class Acting(NamedTuple):
    """A service of AWS that acts for a resource: in whose account, as whom, and condition keys that say for what."""

    account: str
    asker: Asker
    known: Mapping[str, str]


def allowed(statements: Iterable[Mapping[str, Any]], asker: Asker, action: str, known: Known) -> bool:
    """Whether a statement allows it and none denies it, where all speak of one resource. `known` are condition keys'
    values, by lower-case name."""
    return decision(statements, asker, action, None, known) == ALLOW


def decision(
    statements: Iterable[Mapping[str, Any]], asker: Asker, action: str, resource: str | None, known: Known
) -> str | None:
    """`ALLOW`, `DENY`, or None where no statement is about it. `resource` None fits every statement; `UNKNOWN` all that
    allow, and of those that deny the ones about everything. A statement without a principal is an identity's own."""
    found = None
    for each in statements:
        effect = each["Effect"]
        if effect == found or not _fits(each, asker, action, known) or not _is_about(each, resource, known):
            continue
        if effect == DENY:
            return DENY
        found = ALLOW
    return found


def keys_of(statement: Mapping[str, Any]) -> Iterator[str]:
    """The condition keys whose values a statement looks at, in its conditions and its variables, in lower case."""
    for names in statement.get("Condition", {}).values():
        for name in names:
            yield name.lower()
    yield from variables_in(str(statement))


def _is_about(statement: Mapping[str, Any], resource: str | None, known: Known) -> bool:
    if resource is None:
        return True
    if resource == UNKNOWN:
        return statement["Effect"] == ALLOW or _concerns_all(statement)
    values = None if statement.get(LITERAL) else known
    if "NotResource" in statement:
        return not any(arn_like(each, resource, values) for each in many(statement["NotResource"]))
    return any(arn_like(each, resource, values) for each in many(statement.get("Resource")))


def _concerns_all(statement: Mapping[str, Any]) -> bool:
    """Whether it is about every resource, or names none where it stands (a role's trust policy)."""
    return "NotResource" not in statement and ("Resource" not in statement or "*" in many(statement["Resource"]))


def _fits(statement: Mapping[str, Any], asker: Asker, action: str, known: Known) -> bool:
    named = "Action" if "Action" in statement else "NotAction"
    lowered = action.lower()
    if any(like(each.lower(), lowered) for each in many(statement[named])) != (named == "Action"):
        return False
    if "NotPrincipal" in statement:
        if _is_principal(statement["NotPrincipal"], asker):
            return False
    elif "Principal" in statement and not _is_principal(statement["Principal"], asker):
        return False
    conditions = statement.get("Condition")
    return not conditions or hold(conditions, known, variables=not statement.get(LITERAL))


def _is_principal(principal: Any, asker: Asker) -> bool:
    if not isinstance(principal, Mapping):
        return bool(principal == "*")
    services, people = many(principal.get("Service")), many(principal.get("AWS"))
    if asker.service:
        return asker.service in services
    if asker.canonical and asker.canonical in many(principal.get("CanonicalUser")):
        return True
    return any(each == "*" or _is_named(each, asker) for each in people)


def _is_named(principal: str, asker: Asker) -> bool:
    if asker.arn and (principal == asker.arn or principal in asker.names):
        return True
    if asker.account is None or _account(principal) != asker.account:
        return False
    return not asker.arn or principal == asker.account or principal.endswith(":root")


def _account(principal: str) -> str:
    """The account of an AWS principal: a bare number, or the fifth part of an ARN."""
    return principal.split(":")[4] if principal.count(":") >= 4 else principal


__all__ = ["ALLOW", "DENY", "LITERAL", "UNKNOWN", "Acting", "Asker", "allowed", "decision", "like", "many"]
