"""What a revision would change of a stack, as change sets tell it. Pure: nothing is asked or made.

A value that depends on a resource that is to be made or replaced is not known beforehand; such a change is Dynamic, and
its replacement Conditional. "Viewing change sets".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation import intrinsics, modules
from kunren.services.cloudformation.decisions import tags_of
from kunren.services.cloudformation.intrinsics import Made, NotYet, Scope
from kunren.services.cloudformation.model import StackResource
from kunren.services.cloudformation.policies import outcome
from kunren.services.cloudformation.records import masked
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.schemas import coerced, differing, replaces, schema
from kunren.services.cloudformation.structure import Plan

_ACTIONS = {"delete": "Delete", "retain": "Retain", "snapshot": "Snapshot"}
_OTHERS = (("DeletionPolicy", "deletion_policy"), ("UpdateReplacePolicy", "replace_policy"))
_VALUES = ("BeforeContext", "AfterContext", "BeforeValue", "AfterValue", "AttributeChangeType")
LATER = "{{changeSet:KNOWN_AFTER_APPLY}}"
NONE: Mapping[str, str] = {}
Parameters = Mapping[str, Any]


def changes(
    plan: Plan,
    rows: Mapping[str, StackResource],
    stack_tags: Mapping[str, str],
    dynamic: Mapping[str, str] = NONE,
    hidden: Mapping[str, str] = NONE,
) -> list[dict[str, Any]]:
    """The wire's Changes, by logical id, with the values that are shown where they are asked for. `dynamic` are
    references with what they give now, `hidden` values with what is shown in place of them."""
    held = {
        logical: row
        for logical, row in rows.items()
        if row.physical and row.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
    }
    known = {logical: Made(row.physical, row.attributes) for logical, row in held.items()}
    found: dict[str, dict[str, Any]] = {}
    for logical in in_sequence(plan.waits_for):
        stated = plan.resources[logical]
        if logical not in held:
            found[logical] = {
                "Action": "Add",
                "LogicalResourceId": logical,
                "ResourceType": stated["Type"],
                "Scope": [],
                "Details": [],
                "AfterContext": _context(known_properties(plan, stated, known, dynamic), stated, hidden),
            }
            continue
        change = _modified(plan, held[logical], stated, known, stack_tags, dynamic, hidden)
        if change is not None:
            found[logical] = change
            if change["Replacement"] != "False":
                known.pop(logical)
    for logical, row in held.items():
        if logical not in plan.resources:
            policy = _ACTIONS[outcome("removal", row.deletion_policy, row.replace_policy)]
            found[logical] = {
                "Action": "Remove",
                "LogicalResourceId": logical,
                "PhysicalResourceId": row.physical,
                "ResourceType": row.type,
                "PolicyAction": policy,
                "Scope": [],
                "Details": [],
                "BeforeContext": _context(row.properties, _policies(row), {**hidden, **row.secrets}),
            }
    for logical, each in found.items():
        here = logical in plan.resources
        each |= modules.info(plan.resources[logical].get("Metadata") if here else held[logical].metadata)
    return [{"Type": "Resource", "ResourceChange": found[logical]} for logical in sorted(found)]


def in_sequence(waits_for: Mapping[str, frozenset[str]]) -> list[str]:
    """Each behind what it waits for."""
    done: dict[str, None] = {}
    left = {name: set(needs) for name, needs in waits_for.items()}
    while left:
        free = sorted(name for name, needs in left.items() if not needs - done.keys())
        if not free:
            break
        for name in free:
            done[name] = None
            del left[name]
    return list(done)


def _scope(plan: Plan, known: Mapping[str, Made]) -> Scope:
    of = plan.scope
    return Scope(of.parameters, of.mappings, of.conditions, known, of.zones, of.export)


def _after(
    plan: Plan, stated: Mapping[str, Any], known: Mapping[str, Made], dynamic: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, NotYet]]:
    """A resource's properties as far as they are known, and why others are not."""
    scope, published, kind = _scope(plan, known), schema(stated["Type"]), kind_of(stated["Type"])
    after: dict[str, Any] = {}
    unknown: dict[str, NotYet] = {}
    for name, value in (stated.get("Properties") or {}).items():
        try:
            resolved = intrinsics.resolve(value, scope)
            if resolved is not intrinsics.NO_VALUE:
                after[name] = _filled(resolved, dynamic)
        except NotYet as error:
            unknown[name] = error
    if published is not None and kind.properties is not None:
        after = coerced(published, after)
    return after, unknown


def known_properties(
    plan: Plan, stated: Mapping[str, Any], known: Mapping[str, Made], dynamic: Mapping[str, str]
) -> dict[str, Any]:
    """All its properties; those that are not known yet say so."""
    after, unknown = _after(plan, stated, known, dynamic)
    return {**after, **dict.fromkeys(unknown, LATER)}


def _filled(value: Any, dynamic: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, dynamic) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, dynamic) for each in value]
    if isinstance(value, str) and "{{resolve:" in value:
        for reference, text in dynamic.items():
            value = value.replace(reference, text)
    return value


def _context(properties: Mapping[str, Any], others: Mapping[str, Any], hidden: Mapping[str, str]) -> str:
    """A resource as BeforeContext and AfterContext show it."""
    kept = {key: others[key] for key in ("DeletionPolicy", "UpdateReplacePolicy") if isinstance(others.get(key), str)}
    return json.dumps({"Properties": masked(dict(properties), hidden), **kept}, default=str)


def _policies(row: StackResource) -> dict[str, str]:
    return {attribute: getattr(row, field) for attribute, field in _OTHERS if getattr(row, field)}


def _at(properties: Any, path: str) -> Any:
    """The value at a path of `differing`; None where there is none."""
    for part in path.split("/"):
        properties = properties.get(part) if isinstance(properties, dict) else None
    return properties


def _values(path: str, before: Any, after: Any) -> dict[str, str]:
    """A change's values, as a detail's target has them."""
    old, new = _at(before, path), _at(after, path)
    told = {"BeforeValue": old, "AfterValue": new}
    texts = {key: each if isinstance(each, str) else json.dumps(each, default=str) for key, each in told.items()
             if each is not None}  # fmt: skip
    return {"AttributeChangeType": "Add" if old is None else "Remove" if new is None else "Modify", **texts}


def shown(change: Mapping[str, Any], values: bool) -> dict[str, Any]:
    """A change as DescribeChangeSet gives it, with the values or without."""
    if values:
        return dict(change)
    one = change["ResourceChange"]
    details = [
        {**each, "Target": {key: value for key, value in each["Target"].items() if key not in _VALUES}}
        for each in one["Details"]
    ]
    plain = {key: each for key, each in one.items() if key not in _VALUES}
    return {**change, "ResourceChange": {**plain, "Details": details}}


def _modified(
    plan: Plan,
    row: StackResource,
    stated: Mapping[str, Any],
    known: Mapping[str, Made],
    stack_tags: Mapping[str, str],
    dynamic: Mapping[str, str],
    hidden: Mapping[str, str],
) -> dict[str, Any] | None:
    scope = _scope(plan, known)
    published, kind = schema(row.type), kind_of(row.type)
    given = stated.get("Properties") or {}
    after, unknown = _after(plan, stated, known, dynamic)
    before = {name: value for name, value in row.properties.items() if name not in unknown}
    paths = sorted(differing(before, after))
    must = set(replaces(published, paths)) if published is not None else set()
    if not unknown and not must and paths and kind.must_replace(row.properties, after):
        must = set(paths)
    details = [
        _detail(path, "Always" if path in must else "Never", "Static", given.get(path.split("/")[0])) for path in paths
    ]
    hidden = {**hidden, **row.secrets}
    old, new = masked(before, hidden), masked(after, hidden)
    for path, each in zip(paths, details, strict=True):
        each["Target"] |= _values(path, old, new)
    for name, missing in unknown.items():
        needs = "Conditionally" if published is not None and replaces(published, [name]) else "Never"
        details.append(_detail(name, needs, "Dynamic", given[name], missing))
        details[-1]["Target"] |= _values(name, masked(row.properties, hidden), {name: LATER})
    tag_property = published.tag_property if published is not None else "Tags"
    scopes = sorted({"Tags" if each["Target"]["Name"] == tag_property else "Properties" for each in details})
    if not unknown and "Tags" not in scopes and tags_of(kind, row.type, after, stack_tags) != row.tags:
        details.append(
            {
                "Target": {"Attribute": "Tags", "RequiresRecreation": "Never"},
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }
        )
        scopes.append("Tags")
    for attribute, field in _OTHERS:
        if str(intrinsics.resolve(stated.get(attribute, ""), scope)) != getattr(row, field):
            scopes.append(attribute)
            details.append(
                {
                    "Target": {"Attribute": attribute, "RequiresRecreation": "Never"},
                    "Evaluation": "Static",
                    "ChangeSource": "DirectModification",
                }
            )
    if not details:
        return None
    replacement = (
        "True"
        if must
        else "Conditional"
        if any(each["Target"]["RequiresRecreation"] == "Conditionally" for each in details)
        else "False"
    )
    found = {
        "Action": "Modify",
        "LogicalResourceId": row.logical,
        "PhysicalResourceId": row.physical,
        "ResourceType": row.type,
        "Replacement": replacement,
        "Scope": scopes,
        "Details": details,
        "BeforeContext": _context(row.properties, _policies(row), hidden),
        "AfterContext": _context(known_properties(plan, stated, known, dynamic), stated, hidden),
    }
    if replacement != "False":
        found["PolicyAction"] = "ReplaceAnd" + _ACTIONS[outcome("replacement", row.deletion_policy, row.replace_policy)]
    return found


def _detail(path: str, recreation: str, evaluation: str, stated: Any, missing: NotYet | None = None) -> dict[str, Any]:
    name = path.split("/")[0]
    found: dict[str, Any] = {
        "Target": {
            "Attribute": "Properties",
            "Name": name,
            "RequiresRecreation": recreation,
            "Path": f"/Properties/{path}",
        },
        "Evaluation": evaluation,
    }
    called = intrinsics.function(stated)
    if missing is not None:
        found["ChangeSource"] = "ResourceAttribute" if missing.attribute else "ResourceReference"
        found["CausingEntity"] = f"{missing.logical}.{missing.attribute}" if missing.attribute else missing.logical
    elif called is not None and called[0] == "Ref":
        found |= {"ChangeSource": "ParameterReference", "CausingEntity": called[1]}
    else:
        found["ChangeSource"] = "DirectModification"
    return found
