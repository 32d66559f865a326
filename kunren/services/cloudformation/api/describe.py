"""What is asked of stacks: their state, resources, events, exports."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.cloudformation import modules, parameters
from kunren.services.cloudformation.api.base import Base, Params, Result
from kunren.services.cloudformation.api.stacks import STACKS_MAX
from kunren.services.cloudformation.engine import rows_of
from kunren.services.cloudformation.errors import ValidationError, not_implemented
from kunren.services.cloudformation.model import Event, Export, Import, Stack, StackResource
from kunren.services.cloudformation.operations import event_type, failed, operation_id, operation_status
from kunren.services.cloudformation.structure import OUTPUTS_MAX

PAGE = 100


class _Head(msgspec.Struct):
    """What of a template is shown with its stack; the rest is passed over."""

    Parameters: dict[str, Any] = {}
    Description: Any = None


_HEAD = msgspec.json.Decoder(_Head)


class Describe(Base):
    def describe_stacks(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self.store.snapshot()
        if name := params.get("StackName"):
            return {"Stacks": [self.shown(self.stack(snapshot, ctx, name))]}
        found = [each for each in snapshot.list(Stack, ctx.account, ctx.region) if each.status != "DELETE_COMPLETE"]
        chosen, token = self.paged(_newest(found), params, PAGE, _order)
        return {"Stacks": [self.shown(each) for each in chosen], **token}

    def shown(self, stack: Stack) -> Result:
        snapshot = self.store.snapshot()
        revision = self.revision_of(snapshot, stack, stack.target)
        found: Result = {
            "StackId": stack.arn,
            "StackName": stack.name,
            "CreationTime": stack.created,
            "StackStatus": stack.status,
            "DisableRollback": stack.disable_rollback,
            "NotificationARNs": list(revision.notification_arns) if revision else [],
            "Capabilities": list(revision.capabilities) if revision else [],
            "Tags": tags_to_wire(revision.tags) if revision else [],
            "Outputs": list(stack.outputs),
            "EnableTerminationProtection": stack.protected,
            "RollbackConfiguration": revision.rollback if revision else {},
            "DriftInformation": {
                "StackDriftStatus": stack.drift,
                **({"LastCheckTimestamp": stack.drift_checked} if stack.drift_checked else {}),
            },
        }
        if revision is not None:
            processed = _HEAD.decode(revision.processed)
            found["Parameters"] = parameters.shown(processed.Parameters, revision.texts, revision.looked_up)
            if processed.Description is not None:
                found["Description"] = processed.Description
            if revision.role_arn:
                found["RoleARN"] = revision.role_arn
        optional = {
            "StackStatusReason": stack.reason,
            "LastUpdatedTime": stack.updated,
            "DeletionTime": stack.deleted,
            "TimeoutInMinutes": stack.timeout_minutes,
            "ParentId": stack.parent,
            "RootId": stack.root,
            "ChangeSetId": stack.change_set,
            "RetainExceptOnCreate": stack.retain_except_on_create,
        }
        return {**found, **{key: value for key, value in optional.items() if value}}

    def list_stacks(self, ctx: RequestContext, params: Params) -> Result:
        wanted = set(params.get("StackStatusFilter") or ())
        found = [
            each
            for each in self.store.snapshot().list(Stack, ctx.account, ctx.region)
            if not wanted or each.status in wanted
        ]
        chosen, token = self.paged(_newest(found), params, PAGE, _order)
        return {"StackSummaries": [self._summary(each) for each in chosen], **token}

    def _summary(self, stack: Stack) -> Result:
        shown = self.shown(stack)
        keys = (
            "StackId",
            "StackName",
            "CreationTime",
            "LastUpdatedTime",
            "DeletionTime",
            "StackStatus",
            "StackStatusReason",
            "ParentId",
            "RootId",
            "DriftInformation",
        )
        found = {key: shown[key] for key in keys if key in shown}
        return {**found, **({"TemplateDescription": shown["Description"]} if "Description" in shown else {})}

    def describe_account_limits(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeAccountLimits: those that count here."""
        limits = {"StackLimit": STACKS_MAX, "StackOutputsLimit": OUTPUTS_MAX}
        return {"AccountLimits": [{"Name": name, "Value": value} for name, value in limits.items()]}

    def describe_stack_events(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self.store.snapshot()
        stack = self.stack(snapshot, ctx, params["StackName"], "Stack [{}] does not exist")
        prefix = f"{stack.id}/"
        found = [each for id, each in snapshot.by_id(Event, ctx.account, ctx.region).items() if id.startswith(prefix)]
        chosen, token = self.paged(sorted(found, key=_event_order), params, PAGE, _event_order)
        return {"StackEvents": [_event(stack, each) for each in chosen], **token}

    def describe_events(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeEvents: those of a stack or of one of its operations, newest first."""
        snapshot, wanted = self.store.snapshot(), params.get("OperationId")
        if params.get("ChangeSetName"):
            raise not_implemented("DescribeEvents of CloudFormation's change sets")
        if not wanted and not params.get("StackName"):
            raise ValidationError("One of ChangeSetName, OperationId or StackName must be specified")
        held = list(snapshot.by_id(Event, ctx.account, ctx.region).values())
        if params.get("StackName"):
            stack = self.stack(snapshot, ctx, params["StackName"], "Stack [{}] does not exist")
            held = [each for each in held if each.stack == stack.id]
        if wanted:
            held = [each for each in held if each.operation and operation_id(each.stack, each.operation) == wanted]
        if (params.get("Filters") or {}).get("FailedEvents"):
            held = [each for each in held if failed(each)]
        order = lambda each: f"{10**14 - int(each.at * 1000):015d}/{_event_order(each)}/{each.stack}"  # noqa: E731
        chosen, token = self.paged(sorted(held, key=order), params, PAGE, order)
        stacks = {each.id: each for each in snapshot.list(Stack, ctx.account, ctx.region)}
        return {"OperationEvents": [_operation_event(stacks[each.stack], each) for each in chosen], **token}

    def describe_stack_resource(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack '{}' does not exist")
        row = rows_of(self.store.snapshot(), stack).get(params["LogicalResourceId"])
        if row is None or not row.status:
            raise ValidationError(f"Resource {params['LogicalResourceId']} does not exist for stack {stack.name}")
        found = {**_resource(stack, row, "LastUpdatedTimestamp"), "StackId": stack.arn, "StackName": stack.name}
        found["Metadata"] = json.dumps(row.metadata if row.metadata is not None else {})
        return {"StackResourceDetail": found}

    def describe_stack_resources(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self.store.snapshot()
        physical, name = params.get("PhysicalResourceId"), params.get("StackName")
        if bool(physical) == bool(name):
            raise ValidationError("Exactly one of StackName and PhysicalResourceId must be specified")
        if physical:
            held = [
                each
                for each in snapshot.list(StackResource, ctx.account, ctx.region)
                if each.physical == physical and each.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
            ]
            if not held:
                raise ValidationError(f"Stack for {physical} does not exist")
            stack = self.stack(snapshot, ctx, f"arn:/{held[0].stack}")
        else:
            stack = self.stack(snapshot, ctx, name or "")
        rows = [
            each
            for each in rows_of(snapshot, stack).values()
            if params.get("LogicalResourceId") in (None, each.logical) and each.status
        ]
        if params.get("LogicalResourceId") and not rows:
            raise ValidationError(f"Resource {params['LogicalResourceId']} does not exist for stack {stack.name}")
        shown = [
            {**_resource(stack, each, "Timestamp"), "StackId": stack.arn, "StackName": stack.name} for each in rows
        ]
        return {"StackResources": shown[:PAGE]}

    def list_stack_resources(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"])
        rows = [each for each in rows_of(self.store.snapshot(), stack).values() if each.status]
        chosen, token = self.paged(sorted(rows, key=lambda each: each.logical), params, PAGE, lambda each: each.logical)
        return {"StackResourceSummaries": [_resource(stack, each, "LastUpdatedTimestamp") for each in chosen], **token}

    def list_exports(self, ctx: RequestContext, params: Params) -> Result:
        found = sorted(self.store.snapshot().list(Export, ctx.account, ctx.region), key=lambda each: each.id)
        chosen, token = self.paged(found, params, PAGE, lambda each: each.id)
        return {
            "Exports": [{"ExportingStackId": each.stack_arn, "Name": each.id, "Value": each.value} for each in chosen],
            **token,
        }

    def list_imports(self, ctx: RequestContext, params: Params) -> Result:
        name = params["ExportName"]
        if self.store.snapshot().get(Export, ctx.account, ctx.region, name) is None:
            raise ValidationError(f"Export '{name}' does not exist.")
        found = sorted(
            {
                each.stack_name
                for each in self.store.snapshot().list(Import, ctx.account, ctx.region)
                if each.export == name
            }
        )
        if not found:
            raise ValidationError(f"Export '{name}' is not imported by any stack.")
        chosen, token = self.paged(found, params, PAGE, str)
        return {"Imports": chosen, **token}


def _newest(stacks: list[Stack]) -> list[Stack]:
    return sorted(stacks, key=_order)


def _order(stack: Stack) -> str:
    """Newest first, as a text that sorts."""
    return f"{10**14 - int(stack.created * 1000):015d}/{stack.id}"


def _event_order(event: Event) -> str:
    return f"{10**8 - int(event.id.rpartition('/')[2]):09d}"


def _event(stack: Stack, event: Event) -> dict[str, Any]:
    found = {
        "StackId": stack.arn,
        "EventId": event.event_id,
        "StackName": stack.name,
        "LogicalResourceId": event.logical,
        "PhysicalResourceId": event.physical,
        "ResourceType": event.type,
        "Timestamp": event.at,
        "ResourceStatus": event.status,
    }
    optional = {
        "OperationId": operation_id(event.stack, event.operation) if event.operation else "",
        "ResourceStatusReason": event.reason,
        "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
    }
    return {**found, **event.hook, **{key: value for key, value in optional.items() if value}}


def _operation_event(stack: Stack, event: Event) -> dict[str, Any]:
    whole = event.physical == stack.arn
    shown = {key: each for key, each in _event(stack, event).items() if key not in ("StackName", "HookInvocationId")}
    own = {"OperationStatus": operation_status(event.status)} if whole and not event.hook else {}
    type = {"OperationType": event.operation.partition("/")[2]} if event.operation else {}
    return {**shown, **type, **own, "EventType": event_type(event, whole)}


def _resource(stack: Stack, row: StackResource, time: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "LogicalResourceId": row.logical,
        "ResourceType": row.type,
        time: row.at,
        "ResourceStatus": row.status,
        "DriftInformation": {
            ("StackResourceDriftStatus"): row.drift,
            **({"LastCheckTimestamp": row.drift_checked} if row.drift_checked else {}),
        },
    }
    if row.physical:
        found["PhysicalResourceId"] = row.physical
    return {**found, **modules.info(row.metadata), **({"ResourceStatusReason": row.reason} if row.reason else {})}
