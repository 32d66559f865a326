"""Reading a template: JSON or YAML with its short forms, into plain dictionaries, lists, strings and numbers.

What it refuses, as AWS does: text that is neither, YAML aliases (so that no few lines become gigabytes), anything that
is no mapping, and more than the limits. "AWS CloudFormation template formats", "CloudFormation quotas".
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from kunren.services.cloudformation.errors import ValidationError

BODY_BYTES_MAX = 51_200
FILE_BYTES_MAX = 1_000_000
DEPTH_MAX = 100
_NUMBER_MAX = 10**100  # more than any property takes, and few enough digits to be written
_SHORT = (
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "RefAll",
    "ValueOf",
    "ValueOfAll",
)
_YAML_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_YAML_BASE):  # type: ignore[misc]
    """SafeLoader that knows the short forms, leaves dates as texts, and takes no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands there twice", node.start_mark)
        return found


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")]
    for first, resolvers in _YAML_BASE.yaml_implicit_resolvers.items()
}


def _plain(loader: Any, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


def _named(name: str) -> Any:
    return lambda loader, node: {name: _plain(loader, node)}


def _get_att(loader: Any, node: Any) -> Any:
    value = _plain(loader, node)
    return {"Fn::GetAtt": value.split(".", 1) if isinstance(value, str) else value}


for _name in _SHORT:
    _Loader.add_constructor(f"!{_name}", _named(f"Fn::{_name}"))
_Loader.add_constructor("!Ref", _named("Ref"))
_Loader.add_constructor("!Condition", _named("Condition"))
_Loader.add_constructor("!GetAtt", _get_att)


def parse(text: str) -> dict[str, Any]:
    """The template as plain values. Raises ValidationError."""
    if len(text.encode()) > FILE_BYTES_MAX:
        raise ValidationError(f"Template may not exceed {FILE_BYTES_MAX} bytes in size.")
    try:
        found = checked(_json(text) if text.lstrip().startswith("{") else _yaml(text))
    except RecursionError:
        raise ValidationError("Template format error: the template is nested too deeply.") from None
    if not isinstance(found, dict):
        raise ValidationError("Template format error: unsupported structure.")
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        try:
            return _yaml(text)  # flow style is YAML too
        except ValidationError:
            where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            raise ValidationError(f"Template format error: JSON not well-formed.{where}") from None


def _yaml(text: str) -> Any:
    try:
        if "*" in text and any(isinstance(each, yaml.AliasEvent) for each in yaml.parse(text, Loader=_Loader)):
            raise ValidationError("Template format error: YAML aliases are not allowed in CloudFormation templates")
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise ValidationError(f"Template format error: YAML not well-formed.{where}") from None
    except (yaml.YAMLError, ValueError, TypeError):
        raise ValidationError("Template format error: YAML not well-formed.") from None


def checked(value: Any, depth: int = 0) -> Any:
    """What JSON can say, no deeper than evaluation can follow; keys that YAML took for numbers or truth values are the
    texts they are in JSON. Raises ValidationError."""
    if depth > DEPTH_MAX:
        raise ValidationError("Template format error: the template is nested too deeply.")
    if isinstance(value, dict):
        return {_key(key): checked(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [checked(each, depth + 1) for each in value]
    if isinstance(value, int | float) and not abs(value) <= _NUMBER_MAX:
        raise ValidationError("Template format error: a number is too large.")
    if value is not None and not isinstance(value, str | int | float):
        raise ValidationError("Template format error: unsupported structure.")
    return value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(key)
