"""Stack refactors: resources change their stacks and logical ids, and nothing else. "Stack refactoring".

What is to be is worked out when a refactor is created; its execution is one transaction of the store, so that a crash
finds it done or not begun. No operation of a resource's service is called: it goes on as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.cloudformation import intrinsics
from kunren.services.cloudformation.api.base import Params, Result
from kunren.services.cloudformation.api.stacks import Stacks
from kunren.services.cloudformation.engine import outputs_of, publish, rows_of
from kunren.services.cloudformation.errors import StackRefactorNotFoundException, ValidationError
from kunren.services.cloudformation.intrinsics import Made, NotYet, Scope
from kunren.services.cloudformation.model import (
    UPDATABLE,
    ChangeSet,
    Export,
    Import,
    Refactored,
    Revision,
    Stack,
    StackRefactor,
    StackResource,
)
from kunren.services.cloudformation.refactoring import STACKS_MAX, Move, Place, Refused, moves
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.schemas import coerced, schema
from kunren.services.cloudformation.scopes import with_dynamic
from kunren.services.cloudformation.structure import Plan
from kunren.services.cloudformation.work import Failed

PAGE = 100
_GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED")
_ALL = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")  # the resources are there: none is asked for


class _Side:
    """A stack with what it has and what it is to be."""

    def __init__(self, stack: Stack, revision: Revision, plan: Plan, rows: Mapping[str, StackResource]) -> None:
        self.stack, self.revision, self.plan, self.rows = stack, revision, plan, rows


class Refactors(Stacks):
    async def create_stack_refactor(self, ctx: RequestContext, params: Params) -> Result:
        stated = params["StackDefinitions"]
        names = [_name(each.get("StackName", "")) for each in stated]
        if not 1 <= len(names) <= STACKS_MAX or len(set(names)) < len(names) or not all(names):
            raise ValidationError(f"StackDefinitions must name one to {STACKS_MAX} stacks, each once")
        sides = {name: await self._side(ctx, each, params) for name, each in zip(names, stated, strict=True)}
        made = StackRefactor(
            account=ctx.account, region=ctx.region, id=self.entropy.uuid(), created=self.clock.now(),
            description=params.get("Description", ""),
            stacks=tuple(each.stack.arn for each in sides.values()), status="CREATE_COMPLETE", execution="AVAILABLE",
        )  # fmt: skip
        mapped = [
            (_place(each["Source"]), _place(each["Destination"])) for each in params.get("ResourceMappings") or ()
        ]
        try:
            before = {(name, one): row.type for name, side in sides.items() for one, row in side.rows.items()}
            after = {
                (name, one): str(each["Type"])
                for name, side in sides.items()
                for one, each in side.plan.resources.items()
            }
            found = moves(before, after, mapped)
            made = replace(
                made,
                moves=tuple(found),
                becomes=await self._becomes(sides, found),
                physical=tuple(sides[each.source[0]].rows[each.source[1]].physical for each in found),
            )
        except Refused as error:
            made = replace(made, status="CREATE_FAILED", reason=str(error), execution="UNAVAILABLE")
        with self.store.write() as tx:
            tx.put(made)
        return {"StackRefactorId": made.id}

    async def _side(self, ctx: RequestContext, stated: Params, params: Params) -> _Side:
        """Raises ValidationError, also where the template is wrong in itself."""
        name = stated["StackName"]
        found = self.find(self.store.snapshot(), ctx, name)
        if found is None and not params.get("EnableStackCreation"):
            raise ValidationError(f"Stack [{name}] does not exist")
        stack = self.new_stack(ctx, self.checked_name(name), {}) if found is None else self.updatable(ctx, found.arn)
        if found is not None and found.status not in UPDATABLE:
            raise ValidationError(f"Stack:{found.arn} is in {found.status} state and can not be refactored.")
        previous = self.revision_of(self.store.snapshot(), stack) if found is not None else None
        asked = {key: stated[key] for key in ("TemplateBody", "TemplateURL") if key in stated}
        if not asked and previous is not None:
            asked["UsePreviousTemplate"] = True
        keep = [{"ParameterKey": each, "UsePreviousValue": True} for each in (previous.texts if previous else ())]
        more = {"Parameters": keep, "Capabilities": _ALL}
        revision, plan = await self.revision(ctx, stack, stack.number + 1, {**asked, **more}, previous)
        revision = replace(revision, capabilities=previous.capabilities if previous is not None else ())
        rows = rows_of(self.store.snapshot(), stack) if found is not None else {}
        return _Side(stack, revision, plan, {one: row for one, row in rows.items() if row.status not in _GONE})

    async def _becomes(self, sides: Mapping[str, _Side], found: list[Move]) -> tuple[Refactored, ...]:
        """What each stack is behind the moves. Raises Refused where anything but places would change."""
        placed: dict[str, dict[str, StackResource]] = {name: {} for name in sides}
        sources = {each.destination: each.source for each in found}
        for name, side in sides.items():
            self._sections_stay(side)
            for one in side.plan.resources:
                source = sources.get((name, one), (name, one))
                row = sides[source[0]].rows[source[1]]
                if row.attempt is not None or row.old or not row.physical:
                    raise Refused(f"Resource {source[1]} of stack {source[0]} is in {row.status} state")
                placed[name][one] = row
        ids = {side.stack.id for side in sides.values()}
        one_side = next(iter(sides.values())).stack
        held_exports = self.store.snapshot().list(Export, one_side.account, one_side.region)
        exports: dict[str, str | None] = {each.id: None for each in held_exports if each.stack in ids}  # told anew
        told: dict[str, tuple[list[dict[str, Any]], set[str]]] = {}
        waiting: Exception | None = None
        for _ in sides:  # a stack may import what another one exports from now on
            for name, side in sides.items():
                used: set[str] = set()
                try:
                    outputs = outputs_of(side.plan.template, _scope(side, placed[name], exports, used))
                    told[name] = outputs, used
                    exports |= {each["ExportName"]: each["OutputValue"] for each in outputs if "ExportName" in each}
                except (ValidationError, NotYet) as error:
                    waiting = error
        if len(told) < len(sides):
            raise Refused(str(waiting))
        made = []
        for name, side in sides.items():
            used = told[name][1]
            scope = _scope(side, placed[name], exports, used)
            for one, row in placed[name].items():
                await self._stays(side, one, row, scope)
            waits = {one: tuple(sorted(side.plan.waits_for[one])) for one in side.plan.resources}
            made.append(
                Refactored(
                    stack=side.stack, revision=side.revision, outputs=tuple(told[name][0]), used=tuple(sorted(used)),
                    waits=waits,
                )
            )  # fmt: skip
        return tuple(made)

    def _sections_stay(self, side: _Side) -> None:
        previous = self.revision_of(self.store.snapshot(), side.stack) if side.stack.number else None
        if previous is None:
            return
        before = msgspec.json.decode(previous.processed)
        for section in ("Parameters", "Conditions", "Mappings"):
            if (before.get(section) or {}) != (side.plan.template.get(section) or {}):
                raise Refused(f"{section} of stack {side.stack.name} cannot change in a stack refactor")

    async def _stays(self, side: _Side, logical: str, row: StackResource, scope: Scope) -> None:
        """The template says of the resource what it is. Raises Refused."""
        stated, where = side.plan.resources[logical], f"Resource {logical} of stack {side.stack.name}"
        try:
            plain = intrinsics.resolve(stated.get("Properties") or {}, scope)
            after = await with_dynamic(
                {} if plain is intrinsics.NO_VALUE else plain, self.call, row.account, row.region, {}
            )
            policies = [
                str(intrinsics.resolve(stated.get(key, ""), scope)) for key in ("DeletionPolicy", "UpdateReplacePolicy")
            ]
        except (Failed, NotYet, ValidationError) as error:
            raise Refused(f"{where}: {error}") from None
        published = schema(row.type)
        if published is not None and kind_of(row.type).properties is not None:
            after = coerced(published, after)
        if after != row.properties or policies != [row.deletion_policy, row.replace_policy]:
            raise Refused(f"{where} would change: a stack refactor cannot change the configuration of resources")

    # -- asking ------------------------------------------------------------------------------------------------------

    def _refactor(self, ctx: RequestContext, id: str) -> StackRefactor:
        found = self.store.snapshot().get(StackRefactor, ctx.account, ctx.region, id)
        if found is None:
            raise StackRefactorNotFoundException(f"Stack refactor {id} does not exist")
        return found

    def describe_stack_refactor(self, ctx: RequestContext, params: Params) -> Result:
        found = self._refactor(ctx, params["StackRefactorId"])
        return {**_summary(found), "StackIds": list(found.stacks)}

    def list_stack_refactors(self, ctx: RequestContext, params: Params) -> Result:
        wanted = params.get("ExecutionStatusFilter") or ()
        held = self.store.snapshot().list(StackRefactor, ctx.account, ctx.region)
        found = sorted((each for each in held if not wanted or each.execution in wanted), key=lambda each: each.id)
        chosen, token = self.paged(found, params, params.get("MaxResults") or PAGE, lambda each: each.id)
        return {"StackRefactorSummaries": [_summary(each) for each in chosen], **token}

    def list_stack_refactor_actions(self, ctx: RequestContext, params: Params) -> Result:
        found = self._refactor(ctx, params["StackRefactorId"])
        shown: list[Result] = [
            {"Action": "CREATE", "Entity": "STACK", "Description": f"Stack {each.stack.name} created.",
             "Detection": "AUTO", "TagResources": [], "UntagResources": []}
            for each in found.becomes if not each.stack.number
        ] + [
            {"Action": "MOVE", "Entity": "RESOURCE", "PhysicalResourceId": physical,
             "Detection": "MANUAL" if each.mapped else "AUTO", "TagResources": [], "UntagResources": [],
             "ResourceMapping": {"Source": _shown(each.source), "Destination": _shown(each.destination)}}
            for each, physical in zip(found.moves, found.physical, strict=True)
        ]  # fmt: skip
        size = params.get("MaxResults") or PAGE
        chosen, token = self.paged([*enumerate(shown)], params, size, lambda each: f"{each[0]:06d}")
        return {"StackRefactorActions": [each for _, each in chosen], **token}

    # -- execution ---------------------------------------------------------------------------------------------------

    def execute_stack_refactor(self, ctx: RequestContext, params: Params) -> None:
        found = self._refactor(ctx, params["StackRefactorId"])
        if found.execution != "AVAILABLE":
            raise ValidationError(f"Stack refactor {found.id} is in {found.execution} state and cannot be executed")
        if stale := self._moved_on(ctx, found):
            self._ended(found, "OBSOLETE", stale)
            raise ValidationError(stale)
        try:
            with self.store.write() as tx:
                self._carry_out(tx, found)
                tx.put(replace(found, execution="EXECUTE_COMPLETE"))
        except ValidationError as error:  # an export that others use
            self._ended(found, "EXECUTE_FAILED", error.message)

    def _ended(self, found: StackRefactor, execution: str, reason: str) -> None:
        with self.store.write() as tx:
            tx.put(replace(found, execution=execution, execution_reason=reason))

    def _moved_on(self, ctx: RequestContext, found: StackRefactor) -> str:
        """Which stack is no longer as it was when the refactor was created."""
        snapshot = self.store.snapshot()
        for each in found.becomes:
            if each.stack.number:
                now = self.updatable(ctx, each.stack.arn)
                if now.number == each.stack.number:
                    continue
            elif self.find(snapshot, ctx, each.stack.name) is None:
                continue
            return f"Stack [{each.stack.name}] has changed since stack refactor {found.id} was created"
        return ""

    def _carry_out(self, tx: Tx, found: StackRefactor) -> None:
        """Raises ValidationError where another stack's import is in the way."""
        becomes = {each.stack.name: each for each in found.becomes}
        rows: dict[Place, StackResource] = {}
        for move in found.moves:
            row = tx.get(StackResource, found.account, found.region, _id(becomes, move.source))
            assert row is not None  # no operation has been at its stack since
            rows[move.destination] = row
            tx.delete(row)
        for (name, logical), row in rows.items():
            stack, number = becomes[name].stack, becomes[name].stack.number + 1
            tx.put(
                replace(
                    row, id=f"{stack.id}/{logical}", stack=stack.id, logical=logical, done=number, born=number,
                    before=None, taken=False,
                )
            )  # fmt: skip
        self._free_exports(tx, found)
        for each in found.becomes:
            stack, number, now = each.stack, each.stack.number + 1, self.clock.now()
            for logical, needs in each.waits.items():
                held = tx.get(StackResource, found.account, found.region, f"{stack.id}/{logical}")
                assert held is not None
                tx.put(replace(held, depends_on=needs))
            tx.put(each.revision)
            publish(tx, stack, list(each.outputs), set(each.used))
            changed: dict[str, Any] = {"number": number, "target": number, "deployed": number, "outputs": each.outputs}
            if stack.number:
                self.records.stack(stack, "UPDATE_COMPLETE", "Stack refactor", updated=now, **changed)
            else:
                self.records.stack(stack, "CREATE_COMPLETE", "Stack refactor", created=now, **changed)
            for change in tx.list(ChangeSet, stack.account, stack.region):
                if change.stack == stack.id:
                    tx.put(replace(change, execution="OBSOLETE"))

    def _free_exports(self, tx: Tx, found: StackRefactor) -> None:
        """What stacks no longer export, another one may; what they import themselves is in nobody's way. Raises
        ValidationError where others use it."""
        for used in tx.list(Import, found.account, found.region):
            if used.stack in {each.stack.id for each in found.becomes}:
                tx.delete(used)
        for each in found.becomes:
            held = {one.id for one in tx.list(Export, found.account, found.region) if one.stack == each.stack.id}
            publish(tx, each.stack, [one for one in each.outputs if one.get("ExportName") in held], set())


def _id(becomes: Mapping[str, Refactored], place: Place) -> str:
    return f"{becomes[place[0]].stack.id}/{place[1]}"


def _scope(side: _Side, rows: Mapping[str, StackResource], exports: Mapping[str, str | None], used: set[str]) -> Scope:
    of = side.plan.scope

    def export(name: str) -> str | None:
        used.add(name)
        return exports[name] if name in exports else of.export(name)

    made = {logical: Made(row.physical, row.attributes) for logical, row in rows.items()}
    return Scope(of.parameters, of.mappings, of.conditions, made, of.zones, export)


def _place(stated: Mapping[str, str]) -> Place:
    return _name(stated["StackName"]), stated["LogicalResourceId"]


def _name(given: str) -> str:
    """A stack's name, where its ARN may be given."""
    return given.split("/")[1] if given.startswith("arn:") and "/" in given else given


def _shown(place: Place) -> Result:
    return {"StackName": place[0], "LogicalResourceId": place[1]}


def _summary(found: StackRefactor) -> Result:
    optional = {
        "Description": found.description,
        "StatusReason": found.reason,
        "ExecutionStatusReason": found.execution_reason,
    }
    shown = {"StackRefactorId": found.id, "Status": found.status, "ExecutionStatus": found.execution}
    return {**shown, **{key: value for key, value in optional.items() if value}}
