"""Parameters: what a template declares and a caller gives, checked, as the values that Ref gives.

Pure. What a type needs looked up (`AWS::SSM::Parameter::Value<…>`) is asked for by `lookups` and handed in.
"CloudFormation template Parameters syntax".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kunren.core.patterns import BadPattern, matches
from kunren.services.cloudformation.errors import ValidationError

PARAMETERS_MAX = 200
_SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_LIST = re.compile(r"List<(.+)>")
_TYPES = frozenset({"String", "Number", "CommaDelimitedList", "AWS::SSM::Parameter::Name"})
_AWS_TYPES = frozenset(
    {
        "AWS::EC2::AvailabilityZone::Name",
        "AWS::EC2::Image::Id",
        "AWS::EC2::Instance::Id",
        "AWS::EC2::KeyPair::KeyName",
        "AWS::EC2::SecurityGroup::GroupName",
        "AWS::EC2::SecurityGroup::Id",
        "AWS::EC2::Subnet::Id",
        "AWS::EC2::Volume::Id",
        "AWS::EC2::VPC::Id",
        "AWS::Route53::HostedZone::Id",
    }
)
_MEMBERS = frozenset(
    {
        "AllowedPattern",
        "AllowedValues",
        "ConstraintDescription",
        "Default",
        "Description",
        "MaxLength",
        "MaxValue",
        "MinLength",
        "MinValue",
        "NoEcho",
        "Type",
    }
)
HIDDEN = "****"


def given_values(given: Iterable[Mapping[str, Any]], before: Mapping[str, str] | None) -> dict[str, str]:
    """The texts that the caller gives, by name; `UsePreviousValue` takes that of `before`. Raises ValidationError."""
    found: dict[str, str] = {}
    for each in given:
        name = each.get("ParameterKey", "")
        if each.get("UsePreviousValue"):
            if before is None:
                raise ValidationError("UsePreviousValue cannot be used when creating a stack")
            if name in before:
                found[name] = before[name]
        else:
            found[name] = each.get("ParameterValue", "")
    return found


def chosen(declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> dict[str, str]:
    """Each declared parameter's text: what is given, or its default. Raises ValidationError."""
    unknown = [each for each in given if each not in declared]
    if unknown:
        raise ValidationError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, each in declared.items() if name not in given and "Default" not in each]
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    found = {name: given.get(name, _text(each.get("Default"))) for name, each in declared.items()}
    for name, each in declared.items():
        _check(name, each, found[name])
    return found


def lookups(declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> dict[str, str]:
    """Parameter → name of the Systems Manager parameter whose value it has."""
    return {name: texts[name] for name, each in declared.items() if _SSM_VALUE.fullmatch(each["Type"])}


def values(
    declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str], looked_up: Mapping[str, str]
) -> dict[str, Any]:
    """What Ref gives for each parameter: a text, or a list of them."""
    found: dict[str, Any] = {}
    for name, each in declared.items():
        kind, text = each["Type"], texts[name]
        if match := _SSM_VALUE.fullmatch(kind):
            kind, text = match[1], looked_up[name]
        is_list = kind == "CommaDelimitedList" or _LIST.fullmatch(kind)
        found[name] = [part.strip() for part in text.split(",")] if is_list and text else [] if is_list else text
    return found


def check_declared(declared: Any) -> None:
    """Raises ValidationError where the Parameters section is wrong in itself."""
    if not isinstance(declared, dict):
        raise ValidationError("Template format error: [/Parameters] must be an object.")
    if len(declared) > PARAMETERS_MAX:
        raise ValidationError(
            f"Template format error: Number of parameters, {len(declared)}, is greater than maximum "
            f"allowed, {PARAMETERS_MAX}"
        )
    for name, each in declared.items():
        if not name.isalnum():
            raise ValidationError(f"Template format error: Parameter name {name} is non alphanumeric.")
        if not isinstance(each, dict) or not isinstance(each.get("Type"), str):
            raise ValidationError(
                f"Template format error: Every Parameters object must contain a Type member. ([/Parameters/{name}])"
            )
        inner = each["Type"]
        for shape in (_SSM_VALUE, _LIST):
            if match := shape.fullmatch(inner):
                inner = match[1]
        if inner not in _TYPES and inner not in _AWS_TYPES:
            raise ValidationError(f"Template format error: Unrecognized parameter type: {each['Type']}")
        _check_constraints(name, each)


def _check_constraints(name: str, each: Mapping[str, Any]) -> None:
    wrong = [key for key in each if key not in _MEMBERS]
    if wrong:
        raise ValidationError(f"Invalid template parameter property '{wrong[0]}'")
    if isinstance(each.get("Default"), dict | list):
        raise ValidationError(
            f"Template format error: Every Default member must be a string. ([/Parameters/{name}/Default])"
        )
    if not isinstance(each.get("AllowedValues", []), list):
        raise ValidationError(f"Template format error: AllowedValues must be a list. ([/Parameters/{name}])")
    for key in ("MinLength", "MaxLength", "MinValue", "MaxValue"):
        if key in each and _number(_text(each[key])) is None:
            raise ValidationError(f"Template format error: {key} must be a number. ([/Parameters/{name}])")
    try:
        re.compile(_text(each.get("AllowedPattern")))
    except (re.error, RecursionError, OverflowError):
        raise ValidationError(
            f"Template format error: AllowedPattern must be a regular expression. ([/Parameters/{name}])"
        ) from None


def shown(
    declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str], looked_up: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The wire's Parameters, with NoEcho values hidden."""
    return [
        {
            "ParameterKey": name,
            "ParameterValue": HIDDEN if _truth(declared.get(name, {}).get("NoEcho")) else text,
            **({"ResolvedValue": looked_up[name]} if name in looked_up else {}),
        }
        for name, text in texts.items()
    ]


def secrets(declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> frozenset[str]:
    """The values that nobody is to see."""
    return frozenset(text for name, text in texts.items() if text and _truth(declared.get(name, {}).get("NoEcho")))


def summary(name: str, each: Mapping[str, Any]) -> dict[str, Any]:
    """A declared parameter as GetTemplateSummary and ValidateTemplate show it (the latter without type)."""
    found: dict[str, Any] = {"ParameterKey": name, "ParameterType": each["Type"], "NoEcho": _truth(each.get("NoEcho"))}
    if "Default" in each:
        found["DefaultValue"] = _text(each["Default"])
    if "Description" in each:
        found["Description"] = each["Description"]
    constraints = {}
    if "AllowedValues" in each:
        constraints["AllowedValues"] = [_text(value) for value in each["AllowedValues"]]
    found["ParameterConstraints"] = constraints
    return found


def _truth(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _check(name: str, declared: Mapping[str, Any], text: str) -> None:
    kind = declared["Type"]
    if _SSM_VALUE.fullmatch(kind) or kind == "AWS::SSM::Parameter::Name":
        if not text:
            raise ValidationError(f"Parameter '{name}' must be the name of a Systems Manager parameter")
        return
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    parts = [part.strip() for part in text.split(",")] if is_list else [text]
    numeric = kind in ("Number", "List<Number>")
    for part in parts:
        if numeric and _number(part) is None:
            raise ValidationError(f"Parameter '{name}' must be a number")
        _constrain(name, declared, part, numeric)


def _constrain(name: str, declared: Mapping[str, Any], text: str, numeric: bool) -> None:
    def refuse(words: str) -> ValidationError:
        told = declared.get("ConstraintDescription")
        return ValidationError(f"Parameter {name} failed to satisfy constraint: {told}" if told else words)

    allowed = declared.get("AllowedValues")
    if allowed is not None and text not in [_text(each) for each in allowed]:
        raise refuse(f"Parameter '{name}' must be one of AllowedValues")
    pattern = declared.get("AllowedPattern")
    if pattern is not None and not numeric:
        try:
            fits = matches(_text(pattern), text)
        except BadPattern as error:
            raise ValidationError(
                f"The AllowedPattern of parameter '{name}' can't be held against its value: {error}"
            ) from None
        if not fits:
            raise refuse(f"Parameter '{name}' must match pattern {pattern}")
    have = _number(text) if numeric else float(len(text))
    least, most = ("MinValue", "MaxValue") if numeric else ("MinLength", "MaxLength")
    words = "be a number not {} than {}" if numeric else "contain at {} {} characters"
    if have is not None and least in declared and have < float(declared[least]):
        raise refuse(f"Parameter '{name}' must " + words.format("less" if numeric else "least", declared[least]))
    if have is not None and most in declared and have > float(declared[most]):
        raise refuse(f"Parameter '{name}' must " + words.format("greater" if numeric else "most", declared[most]))


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
