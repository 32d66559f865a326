"""Stacks: create, update, delete, and what steers a running operation."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.cloudformation import stack_policy
from kunren.services.cloudformation.api.base import Base, Params, Result
from kunren.services.cloudformation.engine import rows_of
from kunren.services.cloudformation.errors import AlreadyExistsException, TokenAlreadyExistsException, ValidationError
from kunren.services.cloudformation.model import (
    CREATE_IN_PROGRESS,
    DELETE_IN_PROGRESS,
    UPDATABLE,
    UPDATE_IN_PROGRESS,
    UPDATE_ROLLBACK,
    ChangeSet,
    Export,
    Import,
    Response,
    Revision,
    Stack,
    StackResource,
    in_update,
)
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.structure import Plan

STACKS_MAX = 2000
NO_UPDATES = "No updates are to be performed."


def same(before: Revision, after: Revision, plan: Plan | None = None) -> bool:
    """Whether a revision changes nothing that CloudFormation takes for an update."""

    def seen(each: Revision) -> Any:
        template = json.loads(each.processed)
        resources = {
            logical: {
                key: value
                for key, value in one.items()
                if key not in ("DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy")
            }
            for logical, one in template["Resources"].items()
        }
        kept = ("Mappings", "Conditions", "Outputs")
        return (
            resources,
            {key: template.get(key) for key in kept},
            each.texts,
            each.looked_up,
            each.tags,
            each.notification_arns,
        )

    return bool(seen(before) == seen(after))


class Stacks(Base):
    async def create_stack(self, ctx: RequestContext, params: Params) -> Result:
        name = self.checked_name(params["StackName"])
        self._none_of_that_name(ctx, name, params)
        if (found := self._by_token(ctx, name, params)) is not None:
            return {"StackId": found.arn}
        if "DisableRollback" in params and "OnFailure" in params:
            raise ValidationError("Either DisableRollback or OnFailure can be specified, not both.")
        stack = replace(self.new_stack(ctx, name, params), policy=await self._policy(ctx, params, "StackPolicy") or "")
        revision, _ = await self.revision(ctx, stack, 1, params, None)
        stack = replace(stack, actor=self.actor(ctx, revision.role_arn))
        self._none_of_that_name(ctx, name, params)  # meanwhile
        if (found := self._by_token(ctx, name, params)) is not None:
            return {"StackId": found.arn}
        with self.store.write() as tx:
            tx.put(revision)
            self.records.stack(stack, CREATE_IN_PROGRESS, "User Initiated", target=1, number=1)
        return {"StackId": stack.arn}

    async def _policy(self, ctx: RequestContext, params: Params, key: str) -> str | None:
        """A stack policy from its body or URL, checked; None where none is given."""
        body, url = params.get(f"{key}Body"), params.get(f"{key}URL")
        if body and url:
            raise ValidationError(f"You cannot specify both {key}Body and {key}URL")
        if url:
            body = await self.file(ctx, url, f"{key}URL")
        return stack_policy.checked(body) if body else None

    async def set_stack_policy(self, ctx: RequestContext, params: Params) -> None:
        policy = await self._policy(ctx, params, "StackPolicy")
        if policy is None:
            raise ValidationError("Either StackPolicyBody or StackPolicyURL must be specified.")
        with self.store.write() as tx:
            stack = self.stack(tx, ctx, params["StackName"], "Stack [{}] does not exist")
            tx.put(replace(stack, policy=policy))

    def get_stack_policy(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        return {"StackPolicyBody": stack.policy} if stack.policy else {}

    def new_stack(self, ctx: RequestContext, name: str, params: Params) -> Stack:
        minutes = params.get("TimeoutInMinutes")
        return Stack(
            account=ctx.account,
            region=ctx.region,
            id=self.entropy.uuid(),
            name=name,
            status="",
            created=self.clock.now(),
            timeout_minutes=minutes,
            deadline=self.clock.now() + minutes * 60 if minutes else None,
            on_failure=params.get("OnFailure", "ROLLBACK"),
            disable_rollback=bool(params.get("DisableRollback")),
            protected=bool(params.get("EnableTerminationProtection")),
            retain_except_on_create=bool(params.get("RetainExceptOnCreate")),
            token=params.get("ClientRequestToken", ""),
        )

    def _none_of_that_name(self, ctx: RequestContext, name: str, params: Params) -> None:
        found = self.find(self.store.snapshot(), ctx, name)
        if found is not None and not (params.get("ClientRequestToken") and found.token == params["ClientRequestToken"]):
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        if self.store.snapshot().count(Stack, ctx.account, ctx.region) >= STACKS_MAX:
            alive = [
                each
                for each in self.store.snapshot().list(Stack, ctx.account, ctx.region)
                if each.status != "DELETE_COMPLETE"
            ]
            if len(alive) >= STACKS_MAX:
                raise ValidationError(f"Limit for stack has been exceeded: {STACKS_MAX}")

    def _by_token(self, ctx: RequestContext, name: str, params: Params) -> Stack | None:
        found = self.find(self.store.snapshot(), ctx, name)
        if found is not None and found.number != 1:
            raise TokenAlreadyExistsException(
                f"Token {params['ClientRequestToken']} has already been used for another operation."
            )
        return found

    async def update_stack(self, ctx: RequestContext, params: Params) -> Result:
        if (asked := self._asked_before(ctx, params)) is not None:
            return {"StackId": asked.arn}
        stack = self.updatable(ctx, params["StackName"])
        previous = self.revision_of(self.store.snapshot(), stack)
        revision, plan = await self.revision(ctx, stack, stack.number + 1, params, previous)
        policy = await self._policy(ctx, params, "StackPolicy")
        policy_during = await self._policy(ctx, params, "StackPolicyDuringUpdate") or ""
        stack = self.updatable(ctx, stack.arn)  # after all that takes time
        self.check_types_stay(stack, plan)
        nested = any(kind_of(each["Type"]).always_updates for each in plan.resources.values())
        if previous is not None and same(previous, revision) and stack.status in UPDATABLE and not nested:
            raise ValidationError(NO_UPDATES)
        changed: dict[str, Any] = {
            "disable_rollback": bool(params.get("DisableRollback")),
            "retain_except_on_create": bool(params.get("RetainExceptOnCreate")),
            "token": params.get("ClientRequestToken", ""),
            "actor": self.actor(ctx, revision.role_arn),
        }
        if policy is not None:
            changed["policy"] = policy
        changed["policy_during"] = policy_during
        with self.store.write() as tx:
            self.records.begin_update(stack, revision, changed)
            for each in tx.list(ChangeSet, stack.account, stack.region):
                if each.stack == stack.id and each.execution != "EXECUTE_COMPLETE":
                    tx.put(replace(each, execution="OBSOLETE"))
        return {"StackId": stack.arn}

    def _asked_before(self, ctx: RequestContext, params: Params) -> Stack | None:
        """The stack, where its last operation is this very update. Raises TokenAlreadyExistsException where the token
        is another operation's."""
        token, found = params.get("ClientRequestToken"), self.find(self.store.snapshot(), ctx, params["StackName"])
        if not token or found is None or found.token != token:
            return None
        if not found.status.startswith("UPDATE_"):
            raise TokenAlreadyExistsException(f"Token {token} has already been used for another operation.")
        return found

    def updatable(self, ctx: RequestContext, name: str) -> Stack:
        stack = self.stack(self.store.snapshot(), ctx, name, "Stack [{}] does not exist")
        failed_kept = stack.status in ("CREATE_FAILED", "UPDATE_FAILED")
        if stack.status not in UPDATABLE and not failed_kept:
            raise ValidationError(f"Stack:{stack.arn} is in {stack.status} state and can not be updated.")
        return stack

    def check_types_stay(self, stack: Stack, plan: Plan) -> None:
        rows = rows_of(self.store.snapshot(), stack)
        wrong = [
            logical
            for logical, each in plan.resources.items()
            if logical in rows and rows[logical].type != each["Type"] and rows[logical].physical
        ]
        if wrong:
            raise ValidationError(
                "Update of resource type is not permitted. The new template modifies resource type "
                f"of the following resources: [{', '.join(wrong)}]"
            )

    def delete_stack(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            stack = self.find(tx, ctx, params["StackName"])
            if stack is None or stack.status == "DELETE_COMPLETE":
                return
            root = self.find(tx, ctx, stack.root) if stack.root else None
            if stack.protected or (root is not None and root.protected):
                raise ValidationError(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
            keep = tuple(params.get("RetainResources") or ())
            if keep and stack.status != "DELETE_FAILED":
                raise ValidationError(
                    f"Invalid operation on stack [{stack.arn}]. RetainResources is only supported for "
                    "stacks in the DELETE_FAILED state."
                )
            force = params.get("DeletionMode") == "FORCE_DELETE_STACK"
            if force and stack.status != "DELETE_FAILED":
                raise ValidationError(
                    f"Invalid operation on stack [{stack.arn}]. FORCE_DELETE_STACK is only supported "
                    "for stacks in the DELETE_FAILED state."
                )
            unknown = [each for each in keep if each not in rows_of(self.store.snapshot(), stack)]
            if unknown:
                raise ValidationError(
                    f"The specified resources to retain [{', '.join(unknown)}] do not exist in the stack"
                )
            if stack.status == DELETE_IN_PROGRESS:
                return
            if in_update(stack.status):
                raise ValidationError(f"Stack [{stack.arn}] cannot be deleted while in status {stack.status}")
            self._check_exports(tx, stack)
            for each in tx.list(ChangeSet, stack.account, stack.region):
                if each.stack == stack.id:
                    tx.delete(each)
            if stack.status == "REVIEW_IN_PROGRESS":
                self.records.stack(stack, DELETE_IN_PROGRESS, "User Initiated", number=stack.number + 1)
                return
            self.records.stack(
                stack,
                DELETE_IN_PROGRESS,
                "User Initiated",
                number=stack.number + 1,
                keep=keep,
                force=force,
                token=params.get("ClientRequestToken", ""),
                actor=self.acting(ctx, stack, params),
                deadline=None,
            )

    def _check_exports(self, tx: Any, stack: Stack) -> None:
        own = {each.id for each in tx.list(Export, stack.account, stack.region) if each.stack == stack.id}
        for each in tx.list(Import, stack.account, stack.region):
            if each.export in own and each.stack != stack.id:
                raise ValidationError(f"Export {each.export} cannot be deleted as it is in use by {each.stack_name}")

    # -- steering ----------------------------------------------------------------------------------------------------

    def cancel_update_stack(self, ctx: RequestContext, params: Params) -> None:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        if stack.status != UPDATE_IN_PROGRESS:
            raise ValidationError("CancelUpdateStack cannot be called from current stack status")
        self.records.stack(stack, UPDATE_ROLLBACK, "User Initiated")

    def continue_update_rollback(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise ValidationError(f"Stack:{stack.arn} is in {stack.status} state and can not continue update rollback.")
        skip, actor = tuple(params.get("ResourcesToSkip") or ()), self.acting(ctx, stack, params)
        self.records.stack(stack, UPDATE_ROLLBACK, "User Initiated", skip=skip, actor=actor)
        return {}

    def signal_resource(self, ctx: RequestContext, params: Params) -> None:
        """SignalResource: for what waits by its CreationPolicy, or is rolled by its UpdatePolicy."""
        logical, unique, status = params["LogicalResourceId"], params["UniqueId"], params["Status"]
        with self.store.write() as tx:
            stack = self.stack(tx, ctx, params["StackName"], "Stack [{}] does not exist")
            row = tx.get(StackResource, stack.account, stack.region, f"{stack.id}/{logical}")
            if row is None:
                raise ValidationError(f"Resource {logical} does not exist for stack {stack.name}")
            if row.attempt is None or row.status not in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
                raise ValidationError(f"Resource {logical} is in {row.status} state and cannot be signaled")
            tx.put(
                Response(
                    account=stack.account,
                    region=stack.region,
                    id=f"{row.attempt.token}/signal/{unique}",
                    body=status,
                    at=self.clock.now(),
                )
            )
            self.records.resource_event(tx, stack, row, row.status, f"Received {status} signal with UniqueId {unique}")

    def rollback_stack(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        into = {"CREATE_FAILED": "ROLLBACK_IN_PROGRESS", "UPDATE_FAILED": UPDATE_ROLLBACK}.get(stack.status)
        if into is None:
            raise ValidationError(f"Stack:{stack.arn} is in {stack.status} state and can not be rolled back.")
        self.records.stack(stack, into, "User Initiated", actor=self.acting(ctx, stack, params))
        return {"StackId": stack.arn}

    def update_termination_protection(self, ctx: RequestContext, params: Params) -> Result:
        with self.store.write() as tx:
            stack = self.stack(tx, ctx, params["StackName"], "Stack [{}] does not exist")
            if stack.parent:
                raise ValidationError(f"Termination protection can only be changed on the root stack: {stack.root}")
            tx.put(replace(stack, protected=params["EnableTerminationProtection"]))
        return {"StackId": stack.arn}
