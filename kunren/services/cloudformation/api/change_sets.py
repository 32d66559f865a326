"""Change sets: what an operation would change, shown before it is carried out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.core.tags import tags_to_wire
from kunren.services.cloudformation import hooks, intrinsics, parameters
from kunren.services.cloudformation.api.base import Params, Result
from kunren.services.cloudformation.api.nested_change_sets import with_nested
from kunren.services.cloudformation.api.stacks import NO_UPDATES, Stacks, same
from kunren.services.cloudformation.change_set_engine import WAITING
from kunren.services.cloudformation.changes import changes
from kunren.services.cloudformation.changes import shown as change_shown
from kunren.services.cloudformation.engine import rows_of
from kunren.services.cloudformation.errors import (
    AlreadyExistsException,
    ChangeSetNotFoundException,
    InvalidChangeSetStatusException,
    ValidationError,
    not_implemented,
)
from kunren.services.cloudformation.gates import ACTIONS, change_set_target
from kunren.services.cloudformation.hooks import Target
from kunren.services.cloudformation.model import (
    CREATE_IN_PROGRESS,
    IMPORT_IN_PROGRESS,
    UPDATABLE,
    ChangeSet,
    Hook,
    Revision,
    Stack,
    StackResource,
)
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.resources.kind import Kind, Unreadable
from kunren.services.cloudformation.schemas import schema
from kunren.services.cloudformation.scopes import references_in
from kunren.services.cloudformation.structure import Plan
from kunren.services.cloudformation.transforms import transforms_of
from kunren.services.cloudformation.work import Failed

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
REVIEW = "REVIEW_IN_PROGRESS"
_PAGE = 100
GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED")


class ChangeSets(Stacks):
    async def create_change_set(self, ctx: RequestContext, params: Params) -> Result:
        made = await self._made(ctx, params, None)
        return {"Id": made.arn, "StackId": self._stack_of(self.store.snapshot(), made).arn}

    async def nested_change_set(self, ctx: RequestContext, params: Params, parent: ChangeSet) -> ChangeSet | None:
        made = await self._made(ctx, params, parent)
        if made.status != "FAILED":
            return made
        with self.store.write() as tx:
            tx.delete(made)
        if made.reason in (NO_CHANGES, NO_UPDATES):
            return None
        raise ValidationError(made.reason)

    async def _made(self, ctx: RequestContext, params: Params, parent: ChangeSet | None) -> ChangeSet:
        kind, name = params.get("ChangeSetType", "UPDATE"), params["ChangeSetName"]
        if (kind == "IMPORT") != bool(params.get("ResourcesToImport")):
            raise ValidationError(
                "ResourcesToImport must be specified for change sets of type IMPORT, and only for them."
            )
        if "DeploymentMode" in params:
            raise not_implemented("change sets with DeploymentMode")
        stack = self._stack_for(ctx, params, kind)
        held = self._held(self.store.snapshot(), stack)
        if any(each.name == name for each in held):
            raise AlreadyExistsException(
                f"ChangeSet {name} cannot be created due to a mismatch with existing attribute Template"
                if not params.get("ClientToken")
                else f"ChangeSet {name} already exists"
            )
        fresh = stack.status in ("", REVIEW)
        previous = self.revision_of(self.store.snapshot(), stack) if not fresh else None
        revision, plan = await self.revision(ctx, stack, 0, params, previous, in_change_set=True)
        self.check_types_stay(stack, plan)
        rows = rows_of(self.store.snapshot(), stack) if not fresh else {}
        stated = [each.get("Properties") for each in plan.resources.values()]
        dynamic, hidden = await references_in(stated, self.call_for(ctx), ctx.account, ctx.region)
        declared = json.loads(revision.processed).get("Parameters", {})
        hidden |= dict.fromkeys(parameters.secrets(declared, revision.texts), parameters.HIDDEN)
        shown = changes(plan, rows, revision.tags, dynamic, hidden)
        imports = self._imports(ctx, params, plan, shown)
        if params.get("ImportExistingResources"):
            imports |= await self._existing(ctx, stack, plan, shown)
        nothing = previous is not None and not shown and same(previous, revision)
        why = (NO_UPDATES if transforms_of(json.loads(revision.processed)) else NO_CHANGES) if nothing else ""
        made = ChangeSet(
            account=ctx.account,
            region=ctx.region,
            id=self.entropy.uuid(),
            name=name,
            stack=stack.id,
            type=kind,
            status="FAILED" if nothing else "CREATE_COMPLETE",
            reason=why,
            execution="UNAVAILABLE" if nothing else "AVAILABLE",
            description=params.get("Description", ""),
            revision=msgspec.json.encode(revision).decode(),
            changes=tuple(shown),
            created=self.clock.now(),
            on_failure=params.get("OnStackFailure", ""),
            token=params.get("ClientToken", ""),
            include_nested=bool(params.get("IncludeNestedStacks")),
            imports=imports,
            parent=parent.arn if parent is not None else "",
            root=(parent.root or parent.arn) if parent is not None else "",
        )
        if made.include_nested and not fresh:
            try:
                told = await with_nested(self, self.store.snapshot(), ctx, made, plan, rows)
                if told:
                    made = replace(
                        made, changes=tuple(told), status="CREATE_COMPLETE", reason="", execution="AVAILABLE"
                    )
                    nothing = False
            except ValidationError as error:
                made, nothing = replace(made, status="FAILED", reason=error.message, execution="UNAVAILABLE"), True
        held_hooks = self.store.snapshot().list(Hook, ctx.account, ctx.region)
        if not nothing and hooks.concerned(held_hooks, change_set_target(made), stack.name):
            made = replace(made, status=WAITING, execution="UNAVAILABLE")
        with self.store.write() as tx:
            if tx.get(Stack, stack.account, stack.region, stack.id) is None:
                self.records.stack(stack, REVIEW, "User Initiated")
            tx.put(made)
        return made

    def _stack_for(self, ctx: RequestContext, params: Params, kind: str) -> Stack:
        found = self.find(self.store.snapshot(), ctx, params["StackName"])
        if kind == "CREATE" or (kind == "IMPORT" and (found is None or found.status == REVIEW)):
            if found is None:
                return self.new_stack(ctx, self.checked_name(params["StackName"]), {})
            if found.status != REVIEW:
                raise ValidationError(
                    f"Stack [{found.name}] already exists and cannot be created again with the "
                    f"changeSet [{params['ChangeSetName']}]."
                )
            return found
        if found is None:
            raise ValidationError(f"Stack [{params['StackName']}] does not exist")
        return self.updatable(ctx, found.arn)

    def _stack_of(self, snapshot: Snapshot | Tx, made: ChangeSet) -> Stack:
        found = snapshot.get(Stack, made.account, made.region, made.stack)
        assert found is not None
        return found

    def _part_of(self, tx: Tx, found: ChangeSet) -> list[ChangeSet]:
        """The change sets of nested stacks that were made with it."""
        return [each for each in tx.list(ChangeSet, found.account, found.region) if each.root == found.arn]

    def _held(self, snapshot: Snapshot | Tx, stack: Stack) -> list[ChangeSet]:
        return [each for each in snapshot.list(ChangeSet, stack.account, stack.region) if each.stack == stack.id]

    def _change_set(self, snapshot: Snapshot | Tx, ctx: RequestContext, params: Params) -> tuple[ChangeSet, Stack]:
        name, stack_name = params["ChangeSetName"], params.get("StackName")
        if not name.startswith("arn:") and not stack_name:
            raise ValidationError("StackName must be specified if ChangeSetName is not specified as an ARN.")
        stack = self.find(snapshot, ctx, stack_name) if stack_name else None
        if stack_name and stack is None:
            raise ValidationError(f"Stack [{stack_name}] does not exist")
        for each in snapshot.list(ChangeSet, ctx.account, ctx.region):
            if name in (each.arn, each.name) and (stack is None or each.stack == stack.id):
                return each, self._stack_of(snapshot, each)
        raise ChangeSetNotFoundException(f"ChangeSet [{name}] does not exist")

    def _imports(self, ctx: RequestContext, params: Params, plan: Plan, shown: list[Result]) -> dict[str, Result]:
        """Logical id → type and physical id of what is taken in; `shown` says Import then. Raises ValidationError."""
        found: dict[str, Result] = {}
        held = {
            (each.type, each.physical)
            for each in self.store.snapshot().list(StackResource, ctx.account, ctx.region)
            if each.status not in GONE
        }
        for each in params.get("ResourcesToImport") or ():
            logical, type, named = each["LogicalResourceId"], each["ResourceType"], each["ResourceIdentifier"]
            stated, published = plan.resources.get(logical), schema(type)
            if stated is None or stated["Type"] != type or published is None:
                raise ValidationError(f"Resource [{logical}] of type {type} is not in the template")
            if "DeletionPolicy" not in stated:
                raise ValidationError(f"Resources [{logical}] is missing DeletionPolicy attribute in the template")
            if set(named) != set(published.primary):
                raise ValidationError(f"Resource identifiers of {logical} must be [{', '.join(published.primary)}]")
            if kind_of(type).read.__func__ is Kind.read or len(named) != 1:  # type: ignore[attr-defined]
                raise not_implemented(f"the import of {type} into stacks of CloudFormation")
            physical = next(iter(named.values()))
            if (type, physical) in held:
                raise ValidationError(f"{physical} of type {type} belongs to a stack already")
            found[logical] = {"type": type, "physical": physical}
        for change in shown:
            one = change["ResourceChange"]
            if one["LogicalResourceId"] in found and one["Action"] == "Add":
                one |= {"Action": "Import", "PhysicalResourceId": found[one["LogicalResourceId"]]["physical"]}
            elif found:
                raise ValidationError("As part of the import operation, you cannot modify or add [Resources]")
        return found

    async def _existing(self, ctx: RequestContext, stack: Stack, plan: Plan, shown: list[Result]) -> dict[str, Result]:
        """ImportExistingResources: those to be added whose own name somebody has already, and that a deletion would
        keep. `shown` says Import then."""
        found: dict[str, Result] = {}
        for change in shown:
            one = change["ResourceChange"]
            logical, type = one["LogicalResourceId"], one["ResourceType"]
            stated, published = plan.resources.get(logical, {}), schema(type)
            if one["Action"] != "Add" or published is None or len(published.primary) != 1:
                continue
            policy = intrinsics.resolve(stated.get("DeletionPolicy", ""), plan.scope)
            physical = (stated.get("Properties") or {}).get(published.primary[0])  # a function's would be dynamic
            if policy not in ("Retain", "RetainExceptOnCreate"):
                continue
            if isinstance(physical, str) and await self._there(ctx, stack, logical, type, physical):
                found[logical] = {"type": type, "physical": physical}
                one |= {"Action": "Import", "PhysicalResourceId": physical}
        return found

    async def _there(self, ctx: RequestContext, stack: Stack, logical: str, type: str, physical: str) -> bool:
        row = StackResource(
            account=stack.account,
            region=stack.region,
            id=f"{stack.id}/{logical}",
            stack=stack.id,
            logical=logical,
            type=type,
            physical=physical,
        )
        try:
            return await kind_of(type).read(self.looking_at(ctx, stack, row)) is not None
        except (Unreadable, Failed, AwsError):
            return False

    def _take_in(self, stack: Stack, found: ChangeSet, number: int) -> None:
        """What the change set imports becomes the stack's, as its operation `number`."""
        for logical, each in found.imports.items():
            row = StackResource(
                account=stack.account,
                region=stack.region,
                id=f"{stack.id}/{logical}",
                stack=stack.id,
                logical=logical,
                type=each["type"],
                physical=each["physical"],
                born=number,
                taken=True,
            )
            self.records.resource(stack, row, "IMPORT_IN_PROGRESS", "Resource import started.")

    def describe_change_set(self, ctx: RequestContext, params: Params) -> Result:
        found, stack = self._change_set(self.store.snapshot(), ctx, params)
        revision = msgspec.json.decode(found.revision, type=Revision)
        declared = json.loads(revision.processed).get("Parameters", {})
        chosen, token = self.paged([*enumerate(found.changes)], params, _PAGE, lambda each: f"{each[0]:06d}")
        shown: Result = {
            **self._summary_of(found, stack),
            "Parameters": parameters.shown(declared, revision.texts, revision.looked_up),
            "NotificationARNs": list(revision.notification_arns),
            "RollbackConfiguration": revision.rollback,
            "Capabilities": list(revision.capabilities),
            "Tags": tags_to_wire(revision.tags),
            "Changes": [change_shown(each, bool(params.get("IncludePropertyValues"))) for _, each in chosen],
            **token,
        }
        return {**shown, **({"OnStackFailure": found.on_failure} if found.on_failure else {})}

    def _summary_of(self, found: ChangeSet, stack: Stack) -> Result:
        shown = {
            "ChangeSetName": found.name,
            "ChangeSetId": found.arn,
            "StackId": stack.arn,
            "StackName": stack.name,
            "CreationTime": found.created,
            "ExecutionStatus": found.execution,
            "Status": found.status,
            "IncludeNestedStacks": found.include_nested,
        }
        optional = {
            "StatusReason": found.reason,
            "Description": found.description,
            "ParentChangeSetId": found.parent,
            "RootChangeSetId": found.root,
        }
        return {**shown, **{key: value for key, value in optional.items() if value}}

    def describe_change_set_hooks(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeChangeSetHooks: who will be asked about which resources."""
        found, stack = self._change_set(self.store.snapshot(), ctx, params)
        held, role = self.store.snapshot().list(Hook, ctx.account, ctx.region), change_set_target(found).role
        wanted = params.get("LogicalResourceId")
        planned = [
            _planned(hook, one)
            for one in (each["ResourceChange"] for each in found.changes)
            if wanted in (None, one["LogicalResourceId"])
            for hook in hooks.concerned(held, _target(one, role), stack.name)
        ]
        chosen, token = self.paged([*enumerate(planned)], params, _PAGE, lambda each: f"{each[0]:06d}")
        return {
            "ChangeSetId": found.arn,
            "ChangeSetName": found.name,
            "StackId": stack.arn,
            "StackName": stack.name,
            "Status": "PLANNED" if found.status == "CREATE_COMPLETE" else "UNAVAILABLE",
            "Hooks": [each for _, each in chosen],
            **token,
        }

    def list_change_sets(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        chosen, token = self.paged(
            sorted(self._held(self.store.snapshot(), stack), key=lambda each: each.id),
            params,
            _PAGE,
            lambda each: each.id,
        )
        return {"Summaries": [self._summary_of(each, stack) for each in chosen], **token}

    def delete_change_set(self, ctx: RequestContext, params: Params) -> Result:
        with self.store.write() as tx:
            try:
                found, _stack = self._change_set(tx, ctx, params)
            except ChangeSetNotFoundException:
                return {}
            if found.execution == "EXECUTE_IN_PROGRESS":
                raise InvalidChangeSetStatusException(f"The ChangeSet {found.arn} is being executed.")
            self._check_root(found)
            for each in (found, *self._part_of(tx, found)):
                tx.delete(each)
        return {}

    def _check_root(self, found: ChangeSet) -> None:
        if found.root:
            raise ValidationError(f"ChangeSet [{found.arn}] is a nested change set: use its root [{found.root}]")

    def execute_change_set(self, ctx: RequestContext, params: Params) -> Result:
        with self.store.write() as tx:
            found, stack = self._change_set(tx, ctx, params)
            self._check_root(found)
            if found.status != "CREATE_COMPLETE" or found.execution != "AVAILABLE":
                raise InvalidChangeSetStatusException(
                    f"ChangeSet [{found.arn}] cannot be executed in its current status of "
                    f"[{found.status if found.status != 'CREATE_COMPLETE' else found.execution}]"
                )
            revision = msgspec.json.decode(found.revision, type=Revision)
            changed: dict[str, Any] = {
                "policy_during": "",
                "actor": self.actor(ctx, revision.role_arn),
                "change_set": found.arn,
                "change_set_number": stack.number + 1,
                "token": params.get("ClientRequestToken", ""),
                "disable_rollback": bool(params.get("DisableRollback")) or found.on_failure == "DO_NOTHING",
                "retain_except_on_create": bool(params.get("RetainExceptOnCreate")),
            }
            number = stack.number + 1
            if found.type == "IMPORT":
                tx.put(replace(revision, id=f"{stack.id}/{number}"))
                self.records.stack(stack, IMPORT_IN_PROGRESS, "User Initiated", number=number, target=number, **changed)
            elif stack.status == REVIEW:
                changed["on_failure"] = found.on_failure or "ROLLBACK"
                tx.put(replace(revision, id=f"{stack.id}/{number}"))
                self.records.stack(stack, CREATE_IN_PROGRESS, "User Initiated", target=number, number=number, **changed)
            else:
                if stack.status not in UPDATABLE and stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
                    raise ValidationError(f"Stack:{stack.arn} is in {stack.status} state and can not be updated.")
                self.records.begin_update(stack, revision, changed)
            self._take_in(stack, found, number)
            for each in self._held(tx, stack):
                tx.delete(each)
            for each in (found, *self._part_of(tx, found)):
                tx.put(replace(each, execution="EXECUTE_COMPLETE"))
        return {}


def _target(change: Result, role: str) -> Target:
    logical, action = change["LogicalResourceId"], ACTIONS[change["Action"]]
    return Target("RESOURCE", change["ResourceType"], action, logical, "", logical, role=role)


def _planned(hook: Hook, change: Result) -> Result:
    """A ChangeSetHook."""
    resource = {
        "LogicalResourceId": change["LogicalResourceId"],
        "ResourceType": change["ResourceType"],
        "ResourceAction": change["Action"],
    }
    return {
        "InvocationPoint": "PRE_PROVISION",
        "FailureMode": hook.properties["FailureMode"],
        "TypeName": hook.id,
        "TypeVersionId": hooks.VERSION,
        "TargetDetails": {"TargetType": "RESOURCE", "ResourceTargetDetails": resource},
    }
