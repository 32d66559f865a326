"""Registered modules: `Type: My::Org::Thing::MODULE` becomes the resources of the module's fragment. Pure.

Each name of a fragment gets the module's logical id in front; its parameters become what the module's Properties say.
Which module a resource is from stands in its Metadata, innermost first, as in AWS's processed templates. "Using modules
to encapsulate and reuse resource configurations", "Module structure and requirements".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kunren.services.cloudformation.errors import ValidationError, not_implemented

Fragment = Mapping[str, Any]
SUFFIX = "::MODULE"
MARK = "AWS::CloudFormation::Module"
DEPTH_MAX = 3  # modules in modules
PARTS = ("Resources", "Conditions", "Mappings", "Outputs")
_SECTIONS = frozenset({"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", *PARTS})
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")
_ATTRIBUTES = frozenset({"Type", "Properties", "DependsOn", "Condition", "Metadata", *_POLICIES})


def used(template: Mapping[str, Any]) -> dict[str, str]:
    """The modules that a template names: their types by logical id."""
    resources = template.get("Resources")
    stated = resources.items() if isinstance(resources, dict) else ()
    types = ((logical, each.get("Type")) for logical, each in stated if isinstance(each, dict))
    return {logical: type for logical, type in types if isinstance(type, str) and type.endswith(SUFFIX)}


def info(metadata: Any) -> dict[str, Any]:
    """`{"ModuleInfo": ...}` of a resource with this metadata; empty if no module made it."""
    mark = metadata.get(MARK) if isinstance(metadata, Mapping) else None
    return {"ModuleInfo": dict(mark)} if isinstance(mark, Mapping) else {}


def check_fragment(fragment: Fragment) -> None:
    """What a fragment must be to be registered. Raises ValidationError."""
    if unknown := sorted(set(fragment) - _SECTIONS):
        raise ValidationError(f"Template fragment has sections that modules can't have: {', '.join(unknown)}")
    if any(not isinstance(fragment.get(each, {}), dict) for each in (*PARTS, "Parameters")):
        raise ValidationError("Template fragment has a section that is no object")
    if not fragment.get("Resources"):
        raise ValidationError("Template fragment must have resources")
    for logical, each in fragment["Resources"].items():
        if not logical.isalnum() or not isinstance(each, dict) or not isinstance(each.get("Type"), str):
            raise ValidationError(f"Template fragment's resource {logical} must have an alphanumeric name and a Type")
    for part in ("Parameters", "Outputs"):
        for name, each in fragment.get(part, {}).items():
            if not isinstance(each, dict) or not name.isalnum():
                raise ValidationError(
                    f"Template fragment's [/{part}/{name}] must be an object with an alphanumeric name"
                )
    if "Fn::Transform" in _keys(fragment):
        raise ValidationError("Template fragment must not have transforms")


def _keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_keys, value)) if value else set()
    return set(value).union(*map(_keys, value.values())) if isinstance(value, dict) else set()


def expanded(template: Mapping[str, Any], fragment: Callable[[str], Fragment | None], depth: int = 0) -> dict[str, Any]:
    """The template with its modules written out. `fragment` gives a module type's. Raises ValidationError."""
    modules = used(template)
    if not modules:
        return dict(template)
    if depth == DEPTH_MAX:
        raise ValidationError(f"Modules may be nested at most {DEPTH_MAX} levels deep")
    found = {**template, **{part: dict(template.get(part) or {}) for part in PARTS}}
    made: dict[str, list[str]] = {}
    for logical, type in modules.items():
        inner = fragment(type)
        if inner is None:
            raise ValidationError(f"Template format error: Unrecognized resource types: [{type}]")
        stated = found["Resources"].pop(logical)
        parts = _placed(logical, stated, expanded(inner, fragment, depth + 1))
        made[logical] = list(parts["Resources"])
        for part in PARTS:
            if twice := sorted(set(parts[part]) & set(found[part])):
                raise ValidationError(f"Module {logical} makes what the template has already: {', '.join(twice)}")
            found[part] |= parts[part]
    names = _Dotted(made=made)
    for part in ("Resources", "Conditions", "Outputs"):
        found[part] = {key: names.resource(each) for key, each in found[part].items()}
    return {key: each for key, each in found.items() if each or key in template}


@dataclass(frozen=True)
class _Names:
    """Names inside one template, and what they become; `values` are in place of parameters."""

    values: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    mappings: Mapping[str, str] = field(default_factory=dict)

    def place(self, path: str) -> str:
        """`logical` or `logical.attribute`, renamed."""
        return path

    def needed(self, logical: str) -> list[str]:
        return [self.place(logical)]

    def resource(self, stated: Any) -> Any:
        """A resource or an output: its Condition and DependsOn are names too."""
        if not isinstance(stated, dict):
            return self.walk(stated)
        found = {key: self.walk(each) for key, each in stated.items()}
        if isinstance(stated.get("Condition"), str):
            found["Condition"] = self.conditions.get(stated["Condition"], stated["Condition"])
        if waits := _listed(stated.get("DependsOn")):
            found["DependsOn"] = [name for each in waits for name in (self.needed(each) if each else [])]
        return found

    def walk(self, value: Any) -> Any:
        """A value with its references renamed."""
        if isinstance(value, list):
            return [self.walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((key, given),) = value.items()
            if key == "Ref" and isinstance(given, str):
                return self.values[given] if given in self.values else {"Ref": self.place(given)}
            if key == "Fn::GetAtt":
                return {key: self._attribute(given)}
            if key == "Fn::Sub":
                return {key: self._filled(given)}
            if key == "Condition" and isinstance(given, str):
                return {key: self.conditions.get(given, given)}
            if key in ("Fn::If", "Fn::FindInMap") and isinstance(given, list) and given and isinstance(given[0], str):
                names = self.conditions if key == "Fn::If" else self.mappings
                return {key: [names.get(given[0], given[0]), *map(self.walk, given[1:])]}
        return {key: self.walk(each) for key, each in value.items()}

    def _attribute(self, given: Any) -> Any:
        path = given if isinstance(given, str) else None
        if isinstance(given, list) and len(given) == 2 and isinstance(given[0], str):
            if not isinstance(given[1], str):
                return [self.place(given[0]), self.walk(given[1])]
            path = ".".join(given)
        return self.place(path).split(".", 1) if path is not None else self.walk(given)

    def _filled(self, given: Any) -> Any:
        text, own = given if isinstance(given, list) and len(given) == 2 else (given, {})
        if not isinstance(text, str) or not isinstance(own, dict):
            return self.walk(given)
        own = {key: self.walk(each) for key, each in own.items()}
        shadowed = frozenset(own)

        def renamed(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in shadowed:
                return match[0]
            if name in self.values:
                own[name] = self.values[name]
                return match[0]
            return "${" + self.place(name) + "}"

        text = _VARIABLE.sub(renamed, text)
        return [text, own] if own else text


@dataclass(frozen=True)
class _Inner(_Names):
    """Of a fragment: the module's logical id goes before each name."""

    prefix: str = ""
    resources: frozenset[str] = frozenset()

    def place(self, path: str) -> str:
        return self.prefix + path if path.partition(".")[0] in self.resources else path


@dataclass(frozen=True)
class _Dotted(_Names):
    """Of what has modules in it: `Module.Resource` is `ModuleResource`, and a module is all its resources."""

    made: Mapping[str, list[str]] = field(default_factory=dict)

    def place(self, path: str) -> str:
        parts = path.split(".")
        if parts[0] not in self.made:
            return path
        for many in range(2, len(parts) + 1):
            if (name := "".join(parts[:many])) in self.made[parts[0]]:
                return ".".join([name, *parts[many:]])
        return path

    def needed(self, logical: str) -> list[str]:
        return self.made.get(logical) or [self.place(logical)]


def _placed(logical: str, stated: Mapping[str, Any], fragment: Fragment) -> dict[str, dict[str, Any]]:
    """What a module adds to each part of the template that has it."""
    if unknown := sorted(set(stated) - _ATTRIBUTES):
        raise ValidationError(f"Module {logical} can't have the attributes {', '.join(unknown)}")
    if not isinstance(stated.get("Metadata", {}), dict):
        raise ValidationError(f"Template format error: [/Resources/{logical}/Metadata] must be an object.")
    parts = {part: fragment.get(part) or {} for part in PARTS}
    names = _Inner(
        values=_values(logical, stated.get("Properties", {}), fragment.get("Parameters") or {}),
        conditions={each: logical + each for each in parts["Conditions"]},
        mappings={each: logical + each for each in parts["Mappings"]},
        prefix=logical,
        resources=frozenset(parts["Resources"]),
    )
    found = {
        part: {logical + key: names.resource(each) for key, each in parts[part].items()}
        for part in ("Resources", "Outputs")
    }
    found["Conditions"] = {logical + key: names.walk(each) for key, each in parts["Conditions"].items()}
    found["Mappings"] = {logical + key: each for key, each in parts["Mappings"].items()}
    for each in found["Resources"].values():
        _handed_on(logical, stated, each)
    if outer := stated.get("Condition"):
        for each in (*found["Resources"].values(), *found["Outputs"].values()):
            each["Condition"] = _both(logical, str(outer), each.get("Condition"), found["Conditions"])
    return found


def _handed_on(logical: str, stated: Mapping[str, Any], resource: dict[str, Any]) -> None:
    """A module's attributes go to its resources, where those do not have their own."""
    for key in _POLICIES:
        if key in stated:
            resource.setdefault(key, stated[key])
    if waits := _listed(stated.get("DependsOn")):
        resource["DependsOn"] = [*_listed(resource.get("DependsOn")), *waits]
    own = resource["Metadata"] if isinstance(resource.get("Metadata"), dict) else {}
    inner = own.get(MARK) or {}
    resource["Metadata"] = {
        **(stated.get("Metadata") or {}),
        **own,
        MARK: {
            "TypeHierarchy": "/".join(filter(None, (inner.get("TypeHierarchy"), stated["Type"]))),
            "LogicalIdHierarchy": "/".join(filter(None, (inner.get("LogicalIdHierarchy"), logical))),
        },
    }


def _both(logical: str, outer: str, own: str | None, conditions: dict[str, Any]) -> str:
    """The name of a condition that holds where both do."""
    if own is None:
        return outer
    name = f"{own}And{outer}"
    conditions[name] = {"Fn::And": [{"Condition": outer}, {"Condition": own}]}
    return name


def _values(logical: str, given: Any, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in place of a fragment's parameters: expressions of the template that has the module."""
    if not isinstance(given, dict):
        raise ValidationError(f"Template format error: [/Resources/{logical}/Properties] must be an object.")
    if unknown := sorted(set(given) - set(declared)):
        raise ValidationError(f"Module {logical} has no parameters {', '.join(unknown)}")
    found = {}
    for name, each in declared.items():
        type = str(each.get("Type", "String"))
        if type.startswith("AWS::SSM::Parameter::"):
            raise not_implemented(f"module parameters of type {type}")
        if name not in given and "Default" not in each:
            raise ValidationError(f"Module {logical} must have a value for parameter {name}")
        value = given.get(name, each.get("Default"))
        many = type == "CommaDelimitedList" or type.startswith("List<")
        found[name] = [one.strip() for one in value.split(",")] if many and isinstance(value, str) else _text(value)
    return found


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _listed(names: Any) -> list[str]:
    if isinstance(names, str):
        return [names]
    return [each for each in names if isinstance(each, str)] if isinstance(names, list) else []
