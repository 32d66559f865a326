"""A whole template, checked before anything is made: its sections, what depends on what, and what it needs.

`checked` gives a `Plan` for one set of parameters: the resources that its conditions keep, each with what it waits for.
Pure. "Template anatomy", "DependsOn attribute".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kunren.services.cloudformation import intrinsics, parameters, signals
from kunren.services.cloudformation.errors import ValidationError, not_implemented
from kunren.services.cloudformation.intrinsics import Scope, references
from kunren.services.cloudformation.resources import TYPES, custom_type
from kunren.services.cloudformation.schemas import published, schema

RESOURCES_MAX = 500
OUTPUTS_MAX = MAPPINGS_MAX = 200
_SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Hooks",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
        "Transform",
    }
)
_ATTRIBUTES = frozenset(
    {
        "Condition",
        "CreationPolicy",
        "DeletionPolicy",
        "DependsOn",
        "Metadata",
        "Properties",
        "Type",
        "UpdatePolicy",
        "UpdateReplacePolicy",
    }
)
SECURE = "{{resolve:ssm-secure:"
_SECURE = {
    "AWS::DirectoryService::MicrosoftAD": ("Password",),
    "AWS::DirectoryService::SimpleAD": ("Password",),
    "AWS::ElastiCache::ReplicationGroup": ("AuthToken",),
    "AWS::IAM::User": ("LoginProfile/Password",),
    "AWS::KinesisFirehose::DeliveryStream": ("RedshiftDestinationConfiguration/Password",),
    "AWS::OpsWorks::App": ("AppSource/Password",),
    "AWS::OpsWorks::Stack": ("CustomCookbooksSource/Password", "RdsDbInstances/DbPassword"),
    "AWS::RDS::DBCluster": ("MasterUserPassword",),
    "AWS::RDS::DBInstance": ("MasterUserPassword",),
    "AWS::Redshift::Cluster": ("MasterUserPassword",),
}
"""Where secure texts of Systems Manager may stand: "Get a secure string value from Systems Manager Parameter Store"."""
POLICIES = ("Delete", "Retain", "RetainExceptOnCreate", "Snapshot")
_PSEUDO = frozenset(
    f"AWS::{each}"
    for each in ("AccountId", "NotificationARNs", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix")
)
_IAM_NAMES = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
}
_IAM = frozenset({*_IAM_NAMES, "AWS::IAM::AccessKey", "AWS::IAM::Policy", "AWS::IAM::UserToGroupAddition"})


@dataclass(frozen=True)
class Plan:
    """`resources` are those whose condition holds, by logical id; `waits_for` are the ones each depends on."""

    template: Mapping[str, Any]
    scope: Scope
    resources: Mapping[str, Mapping[str, Any]]
    waits_for: Mapping[str, frozenset[str]]


def check_sections(template: Mapping[str, Any]) -> None:
    """What can be said of a template without its parameters. Raises ValidationError."""
    version = template.get("AWSTemplateFormatVersion")
    if version is not None and str(version) != "2010-09-09":
        raise ValidationError(
            f"Template format error: {version} is not a supported value for AWSTemplateFormatVersion."
        )
    unknown = [each for each in template if each not in _SECTIONS]
    if unknown:
        raise ValidationError(f"Invalid template property or properties [{', '.join(unknown)}]")
    if not isinstance(template.get("Description", ""), str):
        raise ValidationError("Template format error: Description must be a string.")
    for name in ("Conditions", "Mappings", "Metadata", "Outputs", "Resources", "Rules"):
        if not isinstance(template.get(name, {}), dict):
            raise ValidationError(f"Template format error: [/{name}] must be an object.")
    parameters.check_declared(template.get("Parameters", {}))
    resources = template.get("Resources")
    if not resources:
        raise ValidationError("Template format error: At least one Resources member must be defined.")
    for name, most in (("Resources", RESOURCES_MAX), ("Outputs", OUTPUTS_MAX), ("Mappings", MAPPINGS_MAX)):
        if (count := len(template.get(name, {}))) > most:
            raise ValidationError(
                f"Template format error: Number of {name.lower()}, {count}, is greater than maximum allowed, {most}"
            )
    for name, each in (template.get("Rules") or {}).items():
        _check_rule(name, each)
    for logical, each in resources.items():
        _check_resource(logical, each)
        signals.check(logical, each["Type"], each)
    for name, each in (template.get("Outputs") or {}).items():
        if not isinstance(each, dict) or "Value" not in each:
            raise ValidationError(
                f"Template format error: Output {name} is malformed. Every Outputs member must contain a Value object"
            )
        if "Export" in each and not (isinstance(each["Export"], dict) and "Name" in each["Export"]):
            raise ValidationError(f"Template format error: Output {name} is malformed. Export must contain a Name")
    for section in ("Conditions", "Resources", "Outputs"):
        _check_functions({key: _without_metadata(each) for key, each in (template.get(section) or {}).items()})
    _check_names(template)
    check_types(resources)
    check_secure_references(resources)


def _check_rule(name: str, rule: Any) -> None:
    asserted = rule.get("Assertions", []) if isinstance(rule, dict) else None
    if not isinstance(asserted, list) or any(not isinstance(each, dict) or "Assert" not in each for each in asserted):
        raise ValidationError(
            f"Template format error: [/Rules/{name}] must be an object, and each of its Assertions must have an Assert"
        )


def _check_resource(logical: str, each: Any) -> None:
    if not logical.isalnum() or not logical.isascii():
        raise ValidationError(f"Template format error: Resource name {logical} is non alphanumeric.")
    if not isinstance(each, dict) or not isinstance(each.get("Type"), str):
        raise ValidationError(
            f"Template format error: [/Resources/{logical}] Every Resources object must contain a Type member."
        )
    for key in each:
        if key not in _ATTRIBUTES:
            raise ValidationError(f"Invalid template resource property '{key}'")
    if not isinstance(each.get("Properties", {}), dict):
        raise ValidationError(f"Template format error: [/Resources/{logical}/Properties] must be an object.")
    needed = each.get("DependsOn", [])
    if not isinstance(needed, str) and not (isinstance(needed, list) and all(isinstance(one, str) for one in needed)):
        raise ValidationError("Template format error: DependsOn must be a string or list of strings.")
    _check_policies(logical, each, None)


def _check_policies(logical: str, each: Mapping[str, Any], scope: Scope | None) -> None:
    """Policies are ones that there are; those that functions give, where there is a scope to ask."""
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = each.get(key)
        if isinstance(policy, dict):
            if scope is None:
                continue
            try:
                policy = intrinsics.resolve(policy, scope)
            except intrinsics.NotYet:
                raise ValidationError(
                    f"Template error: {key} of resource {logical} cannot reference a resource"
                ) from None
            if policy is intrinsics.NO_VALUE:
                continue
        allowed = POLICIES if key == "DeletionPolicy" else ("Delete", "Retain", "Snapshot")
        if policy is not None and policy not in allowed:
            raise ValidationError(f"Template format error: Unrecognized {key} {policy} for resource {logical}")
        if policy == "Snapshot" and not (each["Type"] in TYPES and TYPES[each["Type"]].can_be_snapshot):
            raise ValidationError(
                f"Template error: resource type {each['Type']} does not support deletion policy Snapshot"
            )


def check_types(resources: Mapping[str, Mapping[str, Any]]) -> None:
    """All types and properties are known, before anything is made. Raises ValidationError, NotImplemented."""
    unknown = sorted({each["Type"] for each in resources.values() if not _known(each["Type"])})
    if unknown:
        raise ValidationError(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    lacking = sorted(
        {each["Type"] for each in resources.values() if each["Type"] not in TYPES and not custom_type(each["Type"])}
    )
    if lacking:
        raise not_implemented(f"the resource types [{', '.join(lacking)}] of CloudFormation")
    for type in sorted({each["Type"] for each in resources.values()} & set(TYPES)):
        if why := TYPES[type].missing():
            raise not_implemented(why)
    for logical, each in resources.items():
        kind, published_as = TYPES.get(each["Type"]), schema(each["Type"])
        if kind is None or published_as is None or kind.properties is None:
            continue
        properties = each.get("Properties") or {}
        if intrinsics.function(properties) is not None:
            continue
        wanting = [
            name
            for name in properties
            if name in published_as.properties and name not in published_as.read_only and name not in kind.properties
        ]
        if wanting:
            raise not_implemented(f"the properties [{', '.join(wanting)}] of {each['Type']} (resource {logical})")


def _without_metadata(each: Any) -> Any:
    return {key: value for key, value in each.items() if key != "Metadata"} if isinstance(each, dict) else each


def _check_functions(value: Any) -> None:
    """Raises ValidationError where a function is called that there is not."""
    if isinstance(value, list):
        for each in value:
            _check_functions(each)
    elif isinstance(value, dict):
        called = intrinsics.function(value)
        if called is not None and called[0].startswith("Fn::") and called[0] not in intrinsics.FUNCTIONS:
            raise ValidationError(intrinsics.unsupported(called[0]))
        for each in value.values():
            _check_functions(each)


def check_secure_references(resources: Mapping[str, Mapping[str, Any]]) -> None:
    """`ssm-secure` stands only where AWS takes it. Raises ValidationError."""
    wrong = {
        f"{each['Type']}/Properties/{path}"
        for each in resources.values()
        for path, text in _texts(each.get("Properties") or {})
        if SECURE in text and path not in _SECURE.get(each["Type"], ())
    }
    if wrong:
        raise ValidationError(f"SSM Secure reference is not supported in: [{', '.join(sorted(wrong))}]")


def _texts(value: Any, at: str = "") -> Iterable[tuple[str, str]]:
    """Each text within, with its path; functions and places in lists are no part of it."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, at)
    elif isinstance(value, dict):
        for key, each in value.items():
            function = key == "Ref" or key.startswith("Fn::")
            yield from _texts(each, at if function else f"{at}/{key}" if at else key)


def _known(type: str) -> bool:
    return type in TYPES or type in published() or custom_type(type)


def check_allowed(resources: Mapping[str, Mapping[str, Any]], allowed: Sequence[str]) -> None:
    """`ResourceTypes` of a request: names, or `AWS::*`, `AWS::service::*` and `Custom::*`. Raises ValidationError."""
    for type in sorted({each["Type"] for each in resources.values()}):
        if allowed and not any(fnmatchcase(type, each) for each in allowed):
            raise ValidationError(
                f"Resource type {type} is not allowed by parameter ResourceTypes [{', '.join(allowed)}]"
            )


def _check_names(template: Mapping[str, Any]) -> None:
    """Every reference leads somewhere, whichever conditions hold."""
    declared, resources = template.get("Parameters", {}), template["Resources"]

    def missing(value: Any) -> Iterable[str]:
        for name, attribute in _all_references(value):
            if attribute and name not in resources:
                raise ValidationError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
            if not attribute and name not in resources and name not in declared and name not in _PSEUDO:
                yield name

    for section in ("Resources", "Outputs"):
        unresolved = sorted(
            {
                name
                for each in (template.get(section) or {}).values()
                for name in missing({k: v for k, v in each.items() if k != "Condition"})
            }
        )
        if section == "Resources":
            unresolved += sorted(
                {name for each in resources.values() for name in _depends_on(each) if name not in resources}
                - set(unresolved)
            )
        if unresolved:
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{', '.join(unresolved)}] in the {section} "
                "block of the template"
            )
    stated = template.get("Conditions") or {}
    for section in ("Resources", "Outputs"):
        for each in (template.get(section) or {}).values():
            if "Condition" in each and not (isinstance(each["Condition"], str) and each["Condition"] in stated):
                raise ValidationError(
                    f"Template format error: Unresolved condition dependency {each['Condition']} in "
                    f"the {section} block of the template"
                )


def _all_references(value: Any) -> Iterable[tuple[str, str]]:
    yield from references(value, Scope(conditions=_Both(True)))
    yield from references(value, Scope(conditions=_Both(False)))


class _Both(dict[str, bool]):
    """Conditions that all have one value."""

    def __init__(self, value: bool) -> None:
        super().__init__()
        self._value = value

    def get(self, key: str, default: Any = None) -> bool:
        return self._value


def _depends_on(resource: Mapping[str, Any]) -> list[str]:
    found = resource.get("DependsOn", [])
    return [found] if isinstance(found, str) else list(found)


def planned(template: Mapping[str, Any], scope: Scope) -> Plan:
    """The resources whose conditions hold, and their order. Raises ValidationError."""
    found = intrinsics.conditions(template, scope)
    scope = Scope(scope.parameters, template.get("Mappings", {}), found, scope.resources, scope.zones, scope.export)
    resources = {
        logical: each
        for logical, each in template["Resources"].items()
        if "Condition" not in each or found.get(each["Condition"])
    }
    waits: dict[str, frozenset[str]] = {}
    for logical, each in resources.items():
        _check_policies(logical, each, scope)
        stated = [each.get(key, {}) for key in ("Properties", "CreationPolicy", "UpdatePolicy")]
        named = {name for name, _ in references(stated, scope) if name in template["Resources"]}
        gone = sorted(named - resources.keys())
        if gone:
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{', '.join(gone)}] in the "
                "Resources block of the template"
            )
        waits[logical] = frozenset(named | {name for name in _depends_on(each) if name in resources})
    if cycle := circular(waits):
        raise ValidationError(f"Circular dependency between resources: [{', '.join(cycle)}]")
    _check_attributes(template, resources, scope)
    return Plan(template, scope, resources, waits)


def _check_attributes(template: Mapping[str, Any], resources: Mapping[str, Any], scope: Scope) -> None:
    outputs = [
        each
        for each in (template.get("Outputs") or {}).values()
        if "Condition" not in each or scope.conditions.get(each["Condition"])
    ]
    for value in (*(each.get("Properties", {}) for each in resources.values()), *(each["Value"] for each in outputs)):
        for logical, attribute in references(value, scope):
            if not attribute or attribute == "?" or logical not in resources:
                continue
            type = resources[logical]["Type"]
            kind, published_as = TYPES.get(type), schema(type)
            if kind is None or kind.has_attribute(attribute):
                continue
            if published_as is not None and attribute.replace(".", "/") in published_as.read_only:
                raise not_implemented(f"the attribute {attribute} of {type} (resource {logical})")
            raise ValidationError(
                f"Template error: resource {logical} does not support attribute type {attribute} in Fn::GetAtt"
            )


def circular(waits: Mapping[str, frozenset[str]]) -> list[str]:
    """The members of cycles and of what leads to them only from them, sorted; none where there is an order."""
    left = {name: set(needs) for name, needs in waits.items()}
    while True:
        free = [name for name, needs in left.items() if not needs]
        if not free:
            break
        for name in free:
            del left[name]
        for needs in left.values():
            needs.difference_update(free)
    while True:  # what nothing in the rest waits for is in no cycle
        waited_for = set().union(*left.values()) if left else set()
        loose = [name for name in left if name not in waited_for]
        if not loose:
            return sorted(left)
        for name in loose:
            del left[name]


def capabilities(template: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The capabilities that a template needs, and the types that are the reason."""
    types = sorted({each["Type"] for each in template["Resources"].values() if each["Type"] in _IAM})
    named = any(
        _IAM_NAMES.get(each["Type"], "-") in (each.get("Properties") or {}) for each in template["Resources"].values()
    )
    if not types:
        return [], []
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"], types
