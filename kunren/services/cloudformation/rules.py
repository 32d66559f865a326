"""Rules: assertions about a template's parameters, before anything is made. Pure: what functions ask about an account's
networks is handed in (`rule_values`). "Rules section", "Rule functions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation import intrinsics
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.intrinsics import Scope
from kunren.services.cloudformation.rule_values import ATTRIBUTES, Known

_LISTS = {"Fn::Contains": (True, False), "Fn::EachMemberEquals": (True, False), "Fn::EachMemberIn": (True, True)}


def check(template: Mapping[str, Any], scope: Scope, known: Known) -> None:
    """Every rule that applies holds. Raises ValidationError."""
    for name, rule in (template.get("Rules") or {}).items():
        if "RuleCondition" in rule and not _holds(name, rule["RuleCondition"], template, scope, known):
            continue
        for each in rule.get("Assertions", ()):
            if not _holds(name, each["Assert"], template, scope, known):
                told = each.get("AssertDescription", "")
                raise ValidationError(f"Template error: Assertion failed in rule {name}: {told}")


def _holds(rule: str, asserted: Any, template: Mapping[str, Any], scope: Scope, known: Known) -> bool:
    try:
        return bool(intrinsics.resolve(_decided(asserted, template, scope, known), scope))
    except intrinsics.NotYet as missing:
        raise ValidationError(
            f"Template format error: Unresolved dependencies [{missing.logical}]. Cannot reference resources in the "
            "Rules block of the template"
        ) from None


def _decided(value: Any, template: Mapping[str, Any], scope: Scope, known: Known) -> Any:
    """The value with what each function of rules gives in its place."""
    if isinstance(value, list):
        return [_decided(each, template, scope, known) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _decided(each, template, scope, known) for key, each in value.items()}
    called = intrinsics.function(found)
    if called is None:
        return found
    name, argument = called
    if name == "Fn::RefAll":
        type = intrinsics.text(argument)
        return list(known[type]) if type in known else [each for _, each in _of_type(type, template, scope)]
    if name in ("Fn::ValueOf", "Fn::ValueOfAll"):
        return _value_of(name, argument, template, scope, known)
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


def _value_of(name: str, argument: Any, template: Mapping[str, Any], scope: Scope, known: Known) -> Any:
    """An attribute of what a parameter names, or of what all parameters of a type name: those that have it."""
    if not (isinstance(argument, list) and len(argument) == 2 and all(isinstance(each, str) for each in argument)):
        raise ValidationError(f"Template error: every {name} object requires two parameters, both of them strings")
    of, attribute = argument
    declared = template.get("Parameters") or {}
    if name == "Fn::ValueOf" and of not in declared:
        raise ValidationError(f"Template error: {name} names the parameter {of}, which the template does not declare")
    type = _inner(declared[of]["Type"]) if name == "Fn::ValueOf" else of
    if type not in ATTRIBUTES or not (attribute in ATTRIBUTES[type] or attribute.startswith("Tags.")):
        raise ValidationError(f"Template error: {name} does not support attribute {attribute} of {type}")
    asked = [each for each in _of_type(type, template, scope) if name == "Fn::ValueOfAll" or each[0] == of]
    for parameter, each in asked:
        if each not in known.get(type, {}):
            raise ValidationError(
                f"Parameter validation failed: parameter value {each} for parameter name {parameter} does not exist"
            )
    found = [known[type][each][attribute] for _, each in asked if attribute in known[type][each]]
    if name == "Fn::ValueOfAll" or isinstance(scope.parameters[of], list):
        return found
    return found[0] if found else ""


def _inner(type: str) -> str:
    return type.removeprefix("List<").removesuffix(">")


def _of_type(type: str, template: Mapping[str, Any], scope: Scope) -> list[tuple[str, Any]]:
    """(parameter, value) of each value of that type, those of lists too."""
    found: list[tuple[str, Any]] = []
    for name, each in (template.get("Parameters") or {}).items():
        if type in (each["Type"], _inner(each["Type"])):
            value = scope.parameters[name]
            found += [(name, one) for one in (value if isinstance(value, list) else [value])]
    return found
