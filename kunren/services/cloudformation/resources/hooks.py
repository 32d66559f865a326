"""Hooks that `asking.py` asks: AWS::CloudFormation::LambdaHook (a function), AWS::CloudFormation::GuardHook (rules)."""

from __future__ import annotations

import re

from msgspec.structs import replace

from kunren.services.cloudformation import guard
from kunren.services.cloudformation.model import Hook
from kunren.services.cloudformation.resources.kind import Kind
from kunren.services.cloudformation.work import AlreadyThere, Failed, Work

_ALIAS = re.compile(r"(?!(?i:aws))[A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}")


_COMMON = frozenset(
    {
        "Alias",
        "AutoUpdate",
        "ExecutionRole",
        "FailureMode",
        "HookStatus",
        "StackFilters",
        "TargetFilters",
        "TargetOperations",
    }
)


class AnyHook(Kind):
    """Ref gives the hook's ARN. `AutoUpdate` has nothing to do: there are no newer versions."""

    attributes = frozenset({"HookArn"})

    async def create(self, work: Work) -> None:
        alias = work.properties["Alias"]
        if not _ALIAS.fullmatch(alias):
            raise Failed(f"Hook type name {alias} must be Organization::Service::Hook, and not begin with AWS")
        await self._permitted(work, "ActivateType")
        held = self._held(work, alias)
        if held is not None and held.token != work.token:
            raise AlreadyThere(f"Resource of type '{self.type}' with identifier '{alias}' already exists.")
        made = Hook(account=work.account, region=work.region, id=alias, token=work.token, properties=work.properties)
        work.known(made.arn)
        self._put(work, made)

    async def update(self, work: Work) -> None:
        held = self._held(work, work.properties["Alias"])
        if held is None:
            raise Failed(f"Hook {work.properties['Alias']} does not exist")
        await self._permitted(work, "ActivateType")
        self._put(work, replace(held, properties=work.properties))

    async def _permitted(self, work: Work, operation: str) -> None:
        """A hook is a row here; on AWS it is an activated type. Raises AwsError where whoever asks may not have one, or
        not hand on its role."""
        asked = {"Type": "HOOK", "TypeNameAlias": work.properties["Alias"]}
        role = {"ExecutionRoleArn": work.properties["ExecutionRole"]} if operation == "ActivateType" else {}
        await work.permitted("cloudformation", operation, {**asked, **role})

    async def delete(self, work: Work) -> None:
        await self._permitted(work, "DeactivateType")
        with work.store.write() as tx:
            for each in tx.list(Hook, work.account, work.region):
                if each.arn == work.physical:
                    tx.delete(each)

    def _held(self, work: Work, alias: str) -> Hook | None:
        return work.store.snapshot().get(Hook, work.account, work.region, alias)

    def _put(self, work: Work, hook: Hook) -> None:
        work.attributes = {"HookArn": hook.arn}
        with work.store.write() as tx:
            tx.put(hook)


class LambdaHook(AnyHook):
    type = "AWS::CloudFormation::LambdaHook"
    properties = _COMMON | {"LambdaFunction"}


class GuardHook(AnyHook):
    type = "AWS::CloudFormation::GuardHook"
    properties = (_COMMON | {"Options", "RuleLocation"}) - {"AutoUpdate"}

    def missing(self) -> str:
        return "" if guard.there() else f"Guard hooks without AWS's program {guard.PROGRAM} on its PATH"


KINDS: tuple[Kind, ...] = (LambdaHook(), GuardHook())
