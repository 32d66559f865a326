"""What hooks were asked, and said."""

from __future__ import annotations

from kunren.core.context import RequestContext
from kunren.services.cloudformation import hooks
from kunren.services.cloudformation.api.base import Base, Params, Result
from kunren.services.cloudformation.errors import HookResultNotFoundException, ValidationError
from kunren.services.cloudformation.model import HookResult

PAGE = 100


class Hooks(Base):
    def list_hook_results(self, ctx: RequestContext, params: Params) -> Result:
        """ListHookResults: all, those of one hook, or those about one target."""
        type, target, arn = params.get("TargetType"), params.get("TargetId"), params.get("TypeArn")
        if bool(type) != bool(target):
            raise ValidationError("TargetType and TargetId must be specified together")
        if params.get("Status") and not arn:
            raise ValidationError("Status can only be specified together with TypeArn")
        found = [
            each
            for each in self.store.snapshot().list(HookResult, ctx.account, ctx.region)
            if (not target or (each.operation, each.target) == (type, target))
            and arn in (None, each.arn)
            and params.get("Status") in (None, each.status)
        ]
        if target and not found:
            raise HookResultNotFoundException(f"No Hook results were found for {type} {target}")
        chosen, token = self.paged(sorted(found, key=_order), params, PAGE, _order)
        shown = [_summary(each, whole=not target) for each in chosen]
        asked = {"TargetType": type, "TargetId": target} if target else {}
        return {**asked, "HookResults": shown, **token}

    def get_hook_result(self, ctx: RequestContext, params: Params) -> Result:
        id = params.get("HookResultId")
        if not id:
            raise ValidationError("HookResultId must be specified")
        found = self.store.snapshot().get(HookResult, ctx.account, ctx.region, id)
        if found is None:
            raise HookResultNotFoundException(f"Hook result {id} was not found")
        shown = {**_summary(found, whole=True), "OriginalTypeName": found.original}
        for key in ("TargetType", "TargetId", "HookExecutionTarget"):
            shown.pop(key)
        if found.operation == "RESOURCE":
            shown["Target"] = {
                "TargetType": "RESOURCE",
                "TargetTypeName": found.target_name,
                "TargetId": found.target,
                "Action": found.action,
            }
        return {**shown, "Annotations": [_note(each) for each in found.annotations]}


def _order(result: HookResult) -> str:
    """Newest first, as a text that sorts."""
    return f"{10**14 - int(result.at * 1000):015d}/{result.id}"


def _summary(result: HookResult, whole: bool) -> Result:
    shown = {
        "HookResultId": result.id,
        "InvocationPoint": "PRE_PROVISION",
        "FailureMode": result.mode,
        "TypeName": result.name,
        "TypeVersionId": hooks.VERSION,
        "TypeArn": result.arn,
        "Status": result.status,
        "TargetType": result.operation,
        "TargetId": result.target,
        **({"HookStatusReason": result.reason} if result.reason else {}),
    }
    return {**shown, "InvokedAt": result.at, "HookExecutionTarget": result.execution} if whole else shown


def _note(given: Result) -> Result:
    names = ("annotationName", "status", "statusMessage", "remediationMessage", "remediationLink", "severityLevel")
    return {name[0].upper() + name[1:]: str(given[name]) for name in names if given.get(name)}
