"""Rules: assertions about a template's parameters, before anything is made. Pure. "Rules section", "Rule functions"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation import intrinsics
from kunren.services.cloudformation.errors import ValidationError, not_implemented
from kunren.services.cloudformation.intrinsics import Scope

_LACKING = ("Fn::ValueOf", "Fn::ValueOfAll")  # they ask what a VPC or subnet is like
_LISTS = {"Fn::Contains": (True, False), "Fn::EachMemberEquals": (True, False), "Fn::EachMemberIn": (True, True)}


def check(template: Mapping[str, Any], scope: Scope) -> None:
    """Every rule that applies holds. Raises ValidationError, NotImplemented."""
    for name, rule in (template.get("Rules") or {}).items():
        if "RuleCondition" in rule and not _holds(name, rule["RuleCondition"], template, scope):
            continue
        for each in rule.get("Assertions", ()):
            if not _holds(name, each["Assert"], template, scope):
                told = each.get("AssertDescription", "")
                raise ValidationError(f"Template error: Assertion failed in rule {name}: {told}")


def _holds(rule: str, asserted: Any, template: Mapping[str, Any], scope: Scope) -> bool:
    try:
        return bool(intrinsics.resolve(_decided(rule, asserted, template, scope), scope))
    except intrinsics.NotYet as missing:
        raise ValidationError(
            f"Template format error: Unresolved dependencies [{missing.logical}]. Cannot reference resources in the "
            "Rules block of the template"
        ) from None


def _decided(rule: str, value: Any, template: Mapping[str, Any], scope: Scope) -> Any:
    """The value with what each function of rules gives in its place."""
    if isinstance(value, list):
        return [_decided(rule, each, template, scope) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _decided(rule, each, template, scope) for key, each in value.items()}
    called = intrinsics.function(found)
    if called is None:
        return found
    name, argument = called
    if name in _LACKING:
        raise not_implemented(f"{name} in the rules of CloudFormation's templates (rule {rule})")
    if name == "Fn::RefAll":
        return _of_type(intrinsics.text(argument), template, scope)
    if name not in _LISTS:
        return found
    given = intrinsics.resolve(argument, scope)
    if not (
        isinstance(given, list)
        and len(given) == 2
        and all(isinstance(each, list) == wanted for each, wanted in zip(given, _LISTS[name], strict=True))
    ):
        raise ValidationError(f"Template error: every {name} object requires two parameters, the first being a list")
    members = [intrinsics.text(each) for each in given[0]]
    if name == "Fn::EachMemberIn":
        return set(members) <= {intrinsics.text(each) for each in given[1]}
    wanted = intrinsics.text(given[1])
    return wanted in members if name == "Fn::Contains" else all(each == wanted for each in members)


def _of_type(type: str, template: Mapping[str, Any], scope: Scope) -> list[Any]:
    found: list[Any] = []
    for name, each in (template.get("Parameters") or {}).items():
        if each["Type"] == type:
            value = scope.parameters[name]
            found += value if isinstance(value, list) else [value]
    return found
