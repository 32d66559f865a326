"""The intrinsic functions, as pure evaluation: a value with functions in it, and a `Scope`, give a plain value.

What a function needs from elsewhere (values of parameters, what resources were made, exports, zones) stands in the
scope. A resource that does not exist yet raises `NotYet`. "Intrinsic function reference", "Condition functions".
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kunren.services.cloudformation.errors import ValidationError

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
TEXT_MAX = 1_000_000  # as much as a whole template; nested functions could multiply it without end
CONDITIONS = frozenset({"Fn::And", "Fn::Equals", "Fn::If", "Fn::Not", "Fn::Or", "Condition"})


class _NoValue:
    """`AWS::NoValue`: what holds it is left out."""

    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE = _NoValue()


class NotYet(Exception):
    """A value depends on a resource that does not exist yet."""

    def __init__(self, logical: str, attribute: str = "") -> None:
        super().__init__(f"{logical}.{attribute}" if attribute else logical)
        self.logical, self.attribute = logical, attribute


@dataclass(frozen=True)
class Made:
    """A resource as references see it: what Ref gives, and what Fn::GetAtt gives."""

    ref: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _no_zones(region: str) -> list[str]:
    return []


def _no_export(name: str) -> str | None:
    return None


@dataclass(frozen=True)
class Scope:
    """What references lead to. `parameters` hold pseudo parameters too."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    resources: Mapping[str, Made] = field(default_factory=dict)
    zones: Callable[[str], list[str]] = _no_zones
    export: Callable[[str], str | None] = _no_export


def function(value: Any) -> tuple[str, Any] | None:
    """Name and argument, where the value is a function."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(argument, str)):
            return name, argument
    return None


def resolve(value: Any, scope: Scope) -> Any:
    """The plain value. Raises NotYet, ValidationError."""
    if isinstance(value, dict):
        called = function(value)
        if called is not None and called[0] in FUNCTIONS:
            return _short_enough(FUNCTIONS[called[0]](called[1], scope))
        if called is not None and called[0].startswith("Fn::"):
            raise ValidationError(unsupported(called[0]))
        found = {key: resolve(each, scope) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not NO_VALUE}
    if isinstance(value, list):
        return [each for each in (resolve(each, scope) for each in value) if each is not NO_VALUE]
    return value


def unsupported(name: str) -> str:
    """Why a template that calls such a function is refused."""
    return f"Template error: encountered unsupported function: {name} Supported functions are: [{', '.join(FUNCTIONS)}]"


def _short_enough(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT_MAX:
        raise _too_long()
    return value


def _too_long() -> ValidationError:
    return ValidationError(f"Template error: a function's text is longer than {TEXT_MAX} characters")


def text(value: Any) -> str:
    """A scalar as CloudFormation writes it into strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def conditions(template: Mapping[str, Any], scope: Scope) -> dict[str, bool]:
    """All conditions of a template. Raises ValidationError."""
    stated = template.get("Conditions") or {}
    found: dict[str, bool] = {}

    def decide(name: str, above: tuple[str, ...]) -> bool:
        if name in above:
            raise ValidationError("Template format error: Circular dependencies for condition " + name)
        if name not in stated:
            raise ValidationError(f"Template format error: Unresolved condition dependency {name}")
        if name not in found:
            for needed in _conditions_in(stated[name]):
                decide(needed, (*above, name))
            inner = Scope(scope.parameters, scope.mappings, found)
            try:
                found[name] = _truth(stated[name], inner)
            except NotYet as missing:
                raise ValidationError(
                    f"Template format error: Unresolved dependencies [{missing.logical}]. Cannot reference resources "
                    "in the Conditions block of the template"
                ) from None
        return found[name]

    for name in stated:
        decide(name, ())
    return found


def _conditions_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        called = function(value)
        if called is not None and called[0] == "Condition":
            yield called[1]
        elif called is not None and called[0] == "Fn::If" and isinstance(called[1], list) and called[1]:
            if not isinstance(called[1][0], str):
                raise ValidationError("Template error: Fn::If requires a list argument with three elements")
            yield called[1][0]
        for each in value.values():
            yield from _conditions_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _conditions_in(each)


def references(value: Any, scope: Scope) -> Iterator[tuple[str, str]]:
    """(name, attribute or "") of everything that Ref, Fn::GetAtt and Fn::Sub name, in the branches that the scope's
    conditions choose."""
    called = function(value)
    if called is None:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for each in inner:
            yield from references(each, scope)
        return
    name, argument = called
    if name == "Ref":
        yield text(argument), ""
    elif name == "Fn::GetAtt":
        logical, attribute = _get_att_parts(argument)
        yield logical, attribute if isinstance(attribute, str) else "?"
        yield from references(attribute, scope)
    elif name == "Fn::Sub":
        words, given = _sub_parts(argument)
        for each in _VARIABLE.findall(words):
            variable = each.strip()
            if not variable.startswith("!") and variable not in given:
                logical, _, attribute = variable.partition(".")
                yield logical, attribute
        yield from references(given, scope)
    elif name == "Fn::If" and isinstance(argument, list) and len(argument) == 3 and isinstance(argument[0], str):
        yield from references(argument[1 if scope.conditions.get(argument[0]) else 2], scope)
    elif name != "Condition":
        yield from references(list(argument.values()) if isinstance(argument, dict) else argument, scope)


# -- the functions -----------------------------------------------------------------------------------------------------


def _wrong(name: str, needs: str) -> ValidationError:
    return ValidationError(f"Template error: every {name} object requires {needs}")


def _ref(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, str):
        raise ValidationError("Template error: every Ref object must have a single String value.")
    if argument == "AWS::NoValue":
        return NO_VALUE
    if argument in scope.parameters:
        return scope.parameters[argument]
    if argument in scope.resources:
        return scope.resources[argument].ref
    raise NotYet(argument)


def _get_att_parts(argument: Any) -> tuple[str, Any]:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) < 2 or not isinstance(parts[0], str):
        raise ValidationError(
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
            "resource attribute"
        )
    rest = parts[1:]
    return parts[0], rest[0] if len(rest) == 1 else ".".join(text(each) for each in rest)


def _get_att(argument: Any, scope: Scope) -> Any:
    logical, attribute = _get_att_parts(argument)
    return _attribute(logical, text(resolve(attribute, scope)), scope)


def _attribute(logical: str, attribute: str, scope: Scope) -> Any:
    made = scope.resources.get(logical)
    if made is None:
        raise NotYet(logical, attribute)
    if attribute not in made.attributes:
        raise ValidationError(
            f"Template error: resource {logical} does not support attribute type {attribute} in Fn::GetAtt"
        )
    return made.attributes[attribute]


def _sub_parts(argument: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(argument, str):
        return argument, {}
    if (
        isinstance(argument, list)
        and len(argument) == 2
        and isinstance(argument[0], str)
        and isinstance(argument[1], dict)
    ):
        return argument[0], argument[1]
    raise ValidationError(
        "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as "
        "first argument, and an optional second argument to specify a mapping of values to replace in the string"
    )


def _sub(argument: Any, scope: Scope) -> str:
    words, given = _sub_parts(argument)
    known: dict[str, str] = {}
    room = TEXT_MAX

    def found(match: re.Match[str]) -> str:
        nonlocal room
        name = match.group(1).strip()
        if name not in known:
            known[name] = filled(name)
        room -= len(known[name])
        if room < 0:
            raise _too_long()
        return known[name]

    def filled(name: str) -> str:
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in given:
            return _in_text(resolve(given[name], scope), "Fn::Sub")
        logical, dot, attribute = name.partition(".")
        if dot:
            return _in_text(_attribute(logical, attribute, scope), "Fn::Sub")
        return _in_text(_ref(name, scope), "Fn::Sub")

    return _VARIABLE.sub(found, words)


def _in_text(value: Any, name: str) -> str:
    if isinstance(value, list) and all(not isinstance(each, list | dict) for each in value):
        return ",".join(text(each) for each in value)  # a list parameter
    if isinstance(value, dict | list) or value is NO_VALUE:
        raise ValidationError(f"Template error: variable in {name} expression does not resolve to a string")
    return text(value)


def _join(argument: Any, scope: Scope) -> str:
    needs = (
        "two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a "
        "list of strings (such as Fn::GetAZs) to be joined."
    )
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        raise _wrong("Fn::Join", needs)
    parts = resolve(argument[1], scope)
    if not isinstance(parts, list) or any(isinstance(each, dict | list) for each in parts):
        raise _wrong("Fn::Join", needs)
    words = [text(each) for each in parts]
    if sum(map(len, words)) + len(argument[0]) * len(words) > TEXT_MAX:
        raise _too_long()
    return argument[0].join(words)


def _split(argument: Any, scope: Scope) -> list[str]:
    needs = (
        "two parameters, (1) a string delimiter and (2) a string to be split or a function that returns "
        "a string to be split."
    )
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str) or not argument[0]:
        raise _wrong("Fn::Split", needs)
    whole = resolve(argument[1], scope)
    if isinstance(whole, dict | list):
        raise _wrong("Fn::Split", needs)
    return text(whole).split(argument[0])


def _select(argument: Any, scope: Scope) -> Any:
    needs = "two parameters, the first being an index and the second being a list of items to select from"
    if not isinstance(argument, list) or len(argument) != 2:
        raise _wrong("Fn::Select", needs)
    index, items = resolve(argument[0], scope), resolve(argument[1], scope)
    if not re.fullmatch("[0-9]{1,9}", text(index)) or not isinstance(items, list):
        raise _wrong("Fn::Select", needs)
    if int(index) >= len(items):
        raise ValidationError(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
    return items[int(index)]


def _find_in_map(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        raise _wrong("Fn::FindInMap", "three parameters, the map name, map key and the attribute for return value")
    names = [text(resolve(each, scope)) for each in argument[:3]]
    has_default = len(argument) == 4 and isinstance(argument[3], dict) and "DefaultValue" in argument[3]
    if names[0] not in scope.mappings and not has_default:
        raise ValidationError(
            f"Template error: Mapping named '{names[0]}' is not present in the 'Mappings' section of template."
        )
    found = scope.mappings.get(names[0])
    for each in names[1:]:
        found = found.get(each) if isinstance(found, dict) else None
    if found is not None:
        return found
    if has_default:
        return resolve(argument[3]["DefaultValue"], scope)
    raise ValidationError(f"Template error: Unable to get mapping for {'::'.join(names)}")


def _get_azs(argument: Any, scope: Scope) -> list[str]:
    region = resolve(argument, scope)
    return scope.zones(text(region) if region else text(scope.parameters["AWS::Region"]))


def _import_value(argument: Any, scope: Scope) -> str:
    name = text(resolve(argument, scope))
    found = scope.export(name)
    if found is None:
        raise ValidationError(f"No export named {name} found.")
    return found


def _base64(argument: Any, scope: Scope) -> str:
    plain = resolve(argument, scope)
    if isinstance(plain, dict | list) or plain is NO_VALUE:
        raise ValidationError("Template error: every Fn::Base64 object must have a String-typed value.")
    return base64.b64encode(text(plain).encode()).decode()


def _cidr(argument: Any, scope: Scope) -> list[str]:
    """ "Fn::Cidr": so many blocks, one behind the other, each with so many host bits."""
    if not isinstance(argument, list) or len(argument) not in (2, 3):
        raise _wrong("Fn::Cidr", "an ipBlock, a count and, optionally, cidrBits")
    given = [resolve(each, scope) for each in argument]
    try:
        block = ipaddress.ip_network(text(given[0]), strict=False)
        count = int(given[1])
        bits = int(given[2]) if len(given) == 3 else 32 if block.version == 4 else 64
        length = block.max_prefixlen - bits
        room = length - block.prefixlen
        if not 1 <= count <= 256 or bits < 0 or room < 0 or count > 2**room:
            raise ValueError
    except (ValueError, TypeError):
        raise ValidationError(f"Template error: Fn::Cidr cannot make {given[1]} blocks of {given[0]}") from None
    first, step = int(block.network_address), 2**bits
    make = ipaddress.IPv4Address if block.version == 4 else ipaddress.IPv6Address
    return [f"{make(first + index * step)}/{length}" for index in range(count)]


def _length(argument: Any, scope: Scope) -> int:
    found = resolve(argument, scope)
    if not isinstance(found, list):
        raise ValidationError("Template error: Fn::Length requires a list")
    return len(found)


def _to_json(argument: Any, scope: Scope) -> str:
    return json.dumps(resolve(argument, scope), separators=(",", ":"))


def _if(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
        raise ValidationError("Template error: Fn::If requires a list argument with three elements")
    if argument[0] not in scope.conditions:
        raise ValidationError(f"Template error: unresolved condition dependency: {argument[0]}")
    return resolve(argument[1 if scope.conditions[argument[0]] else 2], scope)


def _truth(value: Any, scope: Scope) -> bool:
    found = resolve(value, scope)
    if isinstance(found, str) and found.lower() in ("true", "false"):
        return found.lower() == "true"
    if not isinstance(found, bool):
        raise ValidationError("Template format error: Every condition must be a condition function")
    return found


def _equals(argument: Any, scope: Scope) -> bool:
    if not isinstance(argument, list) or len(argument) != 2:
        raise ValidationError("Template error: every Fn::Equals object requires a list of 2 string parameters.")
    left, right = (resolve(each, scope) for each in argument)
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return bool(left == right)
    return text(left) == text(right)


def _all(argument: Any, scope: Scope) -> bool:
    return all(_truth(each, scope) for each in _terms("Fn::And", argument))


def _any(argument: Any, scope: Scope) -> bool:
    return any(_truth(each, scope) for each in _terms("Fn::Or", argument))


def _terms(name: str, argument: Any) -> list[Any]:
    if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
        raise _wrong(name, "a list of at least 2 and at most 10 boolean parameters.")
    return argument


def _not(argument: Any, scope: Scope) -> bool:
    if not isinstance(argument, list) or len(argument) != 1:
        raise _wrong("Fn::Not", "a list of 1 boolean parameter.")
    return not _truth(argument[0], scope)


def _condition(argument: Any, scope: Scope) -> bool:
    if argument not in scope.conditions:
        raise ValidationError(f"Template format error: Unresolved condition dependency {argument}")
    return scope.conditions[argument]


FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Condition": _condition,
    "Fn::And": _all,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _get_azs,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": _length,
    "Fn::Not": _not,
    "Fn::Or": _any,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
    "Fn::ToJsonString": _to_json,
}
