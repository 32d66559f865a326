"""What a revision would change of a stack, as change sets tell it. Pure: nothing is asked or made.

A value that depends on a resource that is to be made or replaced is not known beforehand; such a change is Dynamic, and
its replacement Conditional. "Viewing change sets".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation import intrinsics, modules
from kunren.services.cloudformation.decisions import tags_of
from kunren.services.cloudformation.intrinsics import Made, NotYet, Scope
from kunren.services.cloudformation.model import StackResource
from kunren.services.cloudformation.policies import outcome
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.schemas import coerced, differing, replaces, schema
from kunren.services.cloudformation.structure import Plan

_ACTIONS = {"delete": "Delete", "retain": "Retain", "snapshot": "Snapshot"}
_OTHERS = (("DeletionPolicy", "deletion_policy"), ("UpdateReplacePolicy", "replace_policy"))
Parameters = Mapping[str, Any]


def changes(plan: Plan, rows: Mapping[str, StackResource], stack_tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """The wire's Changes, by logical id."""
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
            }
            continue
        change = _modified(plan, held[logical], stated, known, stack_tags)
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


def _modified(
    plan: Plan, row: StackResource, stated: Mapping[str, Any], known: Mapping[str, Made], stack_tags: Mapping[str, str]
) -> dict[str, Any] | None:
    scope = Scope(
        plan.scope.parameters, plan.scope.mappings, plan.scope.conditions, known, plan.scope.zones, plan.scope.export
    )
    published, kind = schema(row.type), kind_of(row.type)
    given = stated.get("Properties") or {}
    after: dict[str, Any] = {}
    unknown: dict[str, NotYet] = {}
    for name, value in given.items():
        try:
            resolved = intrinsics.resolve(value, scope)
            if resolved is not intrinsics.NO_VALUE:
                after[name] = resolved
        except NotYet as error:
            unknown[name] = error
    if published is not None and kind.properties is not None:
        after = coerced(published, after)
    before = {name: value for name, value in row.properties.items() if name not in unknown}
    paths = sorted(differing(before, after))
    must = set(replaces(published, paths)) if published is not None else set()
    if not unknown and not must and paths and kind.must_replace(row.properties, after):
        must = set(paths)
    details = [
        _detail(path, "Always" if path in must else "Never", "Static", given.get(path.split("/")[0])) for path in paths
    ]
    for name, missing in unknown.items():
        needs = "Conditionally" if published is not None and replaces(published, [name]) else "Never"
        details.append(_detail(name, needs, "Dynamic", given[name], missing))
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
