"""Change sets of nested stacks, made with their parent's (`IncludeNestedStacks`).

Each shows what the parent's execution will change of its stack, and can't be executed by itself. "Change sets for
nested stacks"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.cloudformation.api.base import Params, Result
from kunren.services.cloudformation.changes import LATER, known_properties
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.intrinsics import Made
from kunren.services.cloudformation.model import ChangeSet, Revision, Stack, StackResource
from kunren.services.cloudformation.resources.own import texts
from kunren.services.cloudformation.structure import Plan

NESTED = "AWS::CloudFormation::Stack"
_ALL = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")  # the parent's were checked


class Api(Protocol):
    """What of the operations is needed here."""

    async def nested_change_set(self, ctx: RequestContext, params: Params, parent: ChangeSet) -> ChangeSet | None:
        """None where nothing of the stack would change. Raises AwsError."""
        ...

    def find(self, snapshot: Snapshot | Tx, ctx: RequestContext, name: str) -> Stack | None: ...
    def revision_of(self, snapshot: Snapshot | Tx, stack: Stack) -> Revision | None: ...


async def with_nested(
    api: Api, snapshot: Snapshot, ctx: RequestContext, parent: ChangeSet, plan: Plan, rows: Mapping[str, StackResource]
) -> list[Result]:
    """The parent's changes, each of a nested stack that there is with its own change set. Raises ValidationError where
    one can't be made."""
    known = {logical: Made(row.physical, row.attributes) for logical, row in rows.items() if row.physical}
    changes = {each["ResourceChange"]["LogicalResourceId"]: each for each in parent.changes}
    for logical, stated in plan.resources.items():
        row = rows.get(logical)
        child = api.find(snapshot, ctx, row.physical) if row is not None and row.physical else None
        if stated["Type"] != NESTED or row is None or child is None:
            continue
        held = api.revision_of(snapshot, child)
        properties = known_properties(plan, stated, known, {})
        params = _params(logical, parent, child, properties, held.texts if held is not None else {})
        try:
            made = await api.nested_change_set(ctx, params, parent)
        except ValidationError as error:
            raise ValidationError(f"Nested change set for {logical} was not created: {error.message}") from None
        if made is not None:
            change = changes.setdefault(logical, _automatic(row))
            changes[logical] = {**change, "ResourceChange": {**change["ResourceChange"], "ChangeSetId": made.arn}}
    return [changes[logical] for logical in sorted(changes)]


def _params(
    logical: str, parent: ChangeSet, child: Stack, properties: Mapping[str, Any], before: Mapping[str, str]
) -> Result:
    given = properties.get("Parameters") or {}
    if given == LATER:
        given = dict.fromkeys(before, LATER)
    return {
        "StackName": child.arn,
        "ChangeSetName": f"{parent.name[:80]}-{logical[:30]}-{parent.id[:12].replace('-', '')}",
        "TemplateURL": properties.get("TemplateURL", ""),
        "Parameters": [_parameter(key, value, key in before) for key, value in given.items()],
        "Capabilities": _ALL,
        "IncludeNestedStacks": True,
    }


def _parameter(key: str, value: Any, had: bool) -> Result:
    """What is not known yet is taken to stay."""
    if value == LATER and had:
        return {"ParameterKey": key, "UsePreviousValue": True}
    return {
        "ParameterKey": key,
        "ParameterValue": ",".join(map(str, value)) if isinstance(value, list) else texts(value),
    }


def _automatic(row: StackResource) -> Result:
    """The change of a nested stack whose properties stay: its template's file may say something else."""
    detail = {
        "Target": {"Attribute": "Properties", "RequiresRecreation": "Never"},
        "Evaluation": "Dynamic",
        "ChangeSource": "Automatic",
    }
    return {
        "Type": "Resource",
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": row.logical,
            "PhysicalResourceId": row.physical,
            "ResourceType": row.type,
            "Replacement": "False",
            "Scope": ["Properties"],
            "Details": [detail],
        },
    }
