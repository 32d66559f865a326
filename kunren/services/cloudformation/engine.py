"""Carries out what was asked of stacks: each status IN_PROGRESS has a phase, and each phase leads to the next.

Everything is read from the rows, so a restart takes up the phase where it was. "Stack status codes".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key
from kunren.services.cloudformation import intrinsics, triggers
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.gates import stack_refusal
from kunren.services.cloudformation.intrinsics import NotYet, Scope
from kunren.services.cloudformation.model import (
    CREATE_IN_PROGRESS,
    DELETE_IN_PROGRESS,
    IMPORT_IN_PROGRESS,
    IMPORT_ROLLBACK,
    ROLLBACK_IN_PROGRESS,
    UPDATE_CLEANUP,
    UPDATE_IN_PROGRESS,
    UPDATE_ROLLBACK,
    UPDATE_ROLLBACK_CLEANUP,
    Export,
    Import,
    Revision,
    Stack,
    StackResource,
)
from kunren.services.cloudformation.parameters import secrets
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.policies import Event, outcome
from kunren.services.cloudformation.run import Run
from kunren.services.cloudformation.scheduling import in_order, reversed_waits
from kunren.services.cloudformation.scopes import scope_of
from kunren.services.cloudformation.stack_policy import refusal
from kunren.services.cloudformation.structure import Plan, circular, planned
from kunren.world.spec import WorldSpec

CLEANUP_TRIES = 3
STACKS_AT_ONCE = 10_000  # a nested stack's parent waits for it, so that a limit could not be kept
Phase = Callable[[Stack], Awaitable[None]]


class Engine:
    """`run` lives until it is cancelled."""

    def __init__(self, parts: Parts, spec: WorldSpec) -> None:
        self._parts, self._spec, self._store, self._records = parts, spec, parts.store, parts.records
        self._phases: Mapping[str, Phase] = {
            CREATE_IN_PROGRESS: self._forward,
            UPDATE_IN_PROGRESS: self._forward,
            IMPORT_IN_PROGRESS: self._forward,
            UPDATE_ROLLBACK: self._back,
            UPDATE_CLEANUP: self._clean,
            UPDATE_ROLLBACK_CLEANUP: self._clean,
            ROLLBACK_IN_PROGRESS: self._away,
            DELETE_IN_PROGRESS: self._away,
            IMPORT_ROLLBACK: self._let_go,
        }
        self._controller = Controller(
            "cloudformation",
            parts.store,
            parts.clock,
            keys=lambda _, key: [_work(key)],
            every=lambda snapshot: [_work(each.key) for each in snapshot.every(Stack) if each.status in self._phases],
            reconcile=self._reconcile,
            wants=lambda kind: kind == Stack.kind,
            parallel=STACKS_AT_ONCE,
        )

    async def run(self) -> None:
        await self._controller.run()

    def status(self) -> dict[str, Any]:
        found = [each.status for each in self._store.snapshot().every(Stack)]
        return {
            "stacks": sum(each != "DELETE_COMPLETE" for each in found),
            "in_progress": sum(each in self._phases for each in found),
            "errors": dict(self._controller.last_errors),
        }

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        while True:
            stack = self._store.snapshot().get(Stack, account, region, id)
            phase = self._phases.get(stack.status) if stack is not None else None
            if stack is None or phase is None:
                return
            await phase(stack)

    # -- what phases share -------------------------------------------------------------------------------------------

    def _now(self, stack: Stack) -> Stack:
        found = self._store.snapshot().get(Stack, stack.account, stack.region, stack.id)
        assert found is not None  # rows of stacks are never taken away
        return found

    def _rows(self, stack: Stack) -> dict[str, StackResource]:
        return rows_of(self._store.snapshot(), stack)

    def _start(self, stack: Stack) -> Run:
        def cancelled() -> bool:
            now = self._now(stack)
            late = (
                stack.status == CREATE_IN_PROGRESS
                and now.deadline is not None
                and self._parts.clock.now() > now.deadline
            )
            return late or (now.status, now.number) != (stack.status, stack.number)

        for number in {stack.deployed, stack.target} - {0}:
            revision, template = self._revision(stack, number)
            held = self._records.hidden.get(stack.id, frozenset())
            self._records.hidden[stack.id] = held | secrets(template.get("Parameters", {}), revision.texts)
        return Run(self._parts, stack, self._rows(stack), cancelled)

    def _revision(self, stack: Stack, number: int) -> tuple[Revision, dict[str, Any]]:
        revision = self._store.snapshot().get(Revision, stack.account, stack.region, f"{stack.id}/{number}")
        assert revision is not None
        return revision, json.loads(revision.processed)

    def _scope(
        self,
        stack: Stack,
        revision: Revision,
        template: Mapping[str, Any],
        rows: Mapping[str, StackResource],
        exports: set[str] | None = None,
    ) -> Scope:
        return scope_of(self._spec, self._store.snapshot(), stack, revision, template, rows.values(), exports)

    def _moved_on(self, stack: Stack) -> bool:
        now = self._now(stack)
        return (now.status, now.number) != (stack.status, stack.number)

    # -- forward -----------------------------------------------------------------------------------------------------

    async def _forward(self, stack: Stack) -> None:
        revision, template = self._revision(stack, stack.target)
        run = self._start(stack)
        try:
            plan = planned(template, self._scope(stack, revision, template, {}))
        except ValidationError as error:  # an export that is gone, since the operation began
            self._failed(stack, [], str(error))
            return
        base = plan.scope
        if (refused := await self._refused(stack, revision.template)) is not None:
            if not self._moved_on(stack):
                self._failed(stack, [], refused)
            return
        if (denied := self._kept_from_removal(stack, plan, run)) is not None:
            self._failed(stack, [], denied)
            return

        async def one(logical: str) -> bool:
            scope = Scope(base.parameters, base.mappings, base.conditions, _Made(run.rows), base.zones, base.export)
            return await run.apply(plan, logical, scope, revision.tags)

        failed, breach = await self._watching(stack, revision, run, in_order(plan.waits_for, one, failed=run.stop))
        if self._moved_on(stack):
            return
        if breach:
            self._failed(stack, [], breach)
            return
        if failed:
            late = self._now(stack).deadline is not None and self._parts.clock.now() > (self._now(stack).deadline or 0)
            self._failed(
                stack,
                failed,
                "Stack creation time exceeded the specified timeout."
                if late and stack.status == CREATE_IN_PROGRESS
                else "",
            )
            return
        try:
            exports: set[str] = set()
            scope = self._scope(stack, revision, template, run.rows, exports)
            scope = Scope(scope.parameters, scope.mappings, base.conditions, scope.resources, scope.zones, scope.export)
            for each in plan.resources.values():
                intrinsics.resolve(each.get("Properties") or {}, scope)
            outputs = outputs_of(template, scope)
            self._complete(stack, outputs, exports)
        except (ValidationError, NotYet) as error:
            self._failed(stack, [], str(error))

    async def _watching(
        self, stack: Stack, revision: Revision, run: Run, work: Coroutine[Any, Any, list[str]]
    ) -> tuple[list[str], str]:
        """What failed of the work, and why its rollback triggers say to go back, during it or for a while behind it."""
        clock, given = self._parts.clock, revision.rollback
        if not given.get("RollbackTriggers"):
            return await work, ""
        over, why = False, ""

        async def ask() -> str | None:
            return await triggers.breached(self._parts.call, stack, given)

        async def meanwhile() -> None:
            nonlocal why
            why = await triggers.watched(ask, clock, lambda: over or self._moved_on(stack), None) or ""
            if why:
                run.stop()

        async with asyncio.TaskGroup() as group:
            watch = group.create_task(meanwhile())
            failed = await work
            over = True
            watch.cancel()
        if failed or why:
            return failed, why
        until = clock.now() + 60 * (given.get("MonitoringTimeInMinutes") or 0)
        return failed, await triggers.watched(ask, clock, lambda: self._moved_on(stack), until) or ""

    async def _refused(self, stack: Stack, template: str) -> str | None:
        """Why hooks forbid the stack's operation, which has made nothing yet."""
        if stack.status == IMPORT_IN_PROGRESS or any(row.done == stack.number for row in self._rows(stack).values()):
            return None
        updating = stack.status == UPDATE_IN_PROGRESS
        previous = self._revision(stack, stack.deployed)[0].template if updating and stack.deployed else ""
        return await stack_refusal(self._parts, stack, template, previous, lambda: self._moved_on(stack)) or None

    def _kept_from_removal(self, stack: Stack, plan: Plan, run: Run) -> str | None:
        """Why the stack's policy does not let the update remove what the template has no more."""
        policy = stack.policy_during or stack.policy
        if stack.status != UPDATE_IN_PROGRESS or not policy:
            return None
        gone = (row for logical, row in run.rows.items() if logical not in plan.resources)
        return next((why for row in gone if (why := refusal(policy, "remove", row.logical, row.type))), None)

    def _complete(self, stack: Stack, outputs: list[dict[str, Any]], used: set[str]) -> None:
        done = {CREATE_IN_PROGRESS: "CREATE_COMPLETE", IMPORT_IN_PROGRESS: "IMPORT_COMPLETE"}.get(
            stack.status, UPDATE_CLEANUP
        )
        with self._store.write() as tx:
            publish(tx, stack, outputs, used)
            self._records.stack(
                stack,
                done,
                deployed=stack.target,
                outputs=tuple(outputs),
                deadline=None,
                updated=self._parts.clock.now() if done != "CREATE_COMPLETE" else stack.updated,
            )

    def _failed(self, stack: Stack, failed: list[str], why: str = "") -> None:
        now = self._now(stack)
        creating = stack.status == CREATE_IN_PROGRESS
        rows = self._rows(stack)
        if failed:
            verb = (
                "create"
                if creating or all(rows[each].status.startswith("CREATE") for each in failed if each in rows)
                else "update"
            )
            why = f"{why} The following resource(s) failed to {verb}: [{', '.join(failed)}].".strip()
        if stack.status == IMPORT_IN_PROGRESS:
            self._records.stack(stack, IMPORT_ROLLBACK, why.replace("failed to update", "failed to import"))
        elif not creating:
            kept = now.disable_rollback
            self._records.stack(stack, "UPDATE_FAILED" if kept else UPDATE_ROLLBACK, why)
        elif now.on_failure == "DO_NOTHING" or now.disable_rollback:
            self._records.stack(stack, "CREATE_FAILED", why, deployed=stack.target, deadline=None)
        elif now.on_failure == "DELETE":
            self._records.stack(
                stack, DELETE_IN_PROGRESS, f"{why} Delete requested by user.", deployed=stack.target, deadline=None
            )
        else:
            self._records.stack(
                stack, ROLLBACK_IN_PROGRESS, f"{why} Rollback requested by user.", deployed=stack.target, deadline=None
            )

    # -- back --------------------------------------------------------------------------------------------------------

    async def _back(self, stack: Stack) -> None:
        run = self._start(stack)
        waits = {
            logical: frozenset(row.before.depends_on if row.before is not None else row.depends_on)
            for logical, row in run.rows.items()
        }
        waits = {logical: frozenset(each for each in needs if each in waits) for logical, needs in waits.items()}
        failed = await in_order(waits, run.restore)
        if self._moved_on(stack):
            return
        if failed:
            self._records.stack(
                stack, "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{', '.join(failed)}]."
            )
        else:
            self._records.stack(stack, UPDATE_ROLLBACK_CLEANUP, skip=())

    async def _clean(self, stack: Stack) -> None:
        """Behind an update, or its rollback: what is of no use any more goes."""
        revision, template = self._revision(stack, stack.deployed)
        run = self._start(stack)
        plan = planned(template, self._scope(stack, revision, template, {}))
        back = stack.status == UPDATE_ROLLBACK_CLEANUP

        async def one(logical: str) -> bool:
            if not await run.clear_old(logical, CLEANUP_TRIES):
                return False
            row = run.rows[logical]
            if logical in plan.resources:
                return True
            born_now = back and row.born == stack.number
            event: Event = "rollback" if born_now else "removal"
            policy = outcome(event, row.deletion_policy, row.replace_policy, flag=stack.retain_except_on_create)
            if born_now and row.taken:
                policy = "retain"
            for tries in range(CLEANUP_TRIES):
                if await run.remove(logical, policy):
                    break
                if tries + 1 < CLEANUP_TRIES:
                    await self._parts.clock.sleep(5)
            if self._moved_on(stack):
                return False
            with self._store.write() as tx:
                tx.delete(run.rows[logical])
            return True

        waits = {
            logical: frozenset(each for each in row.depends_on if each in run.rows) for logical, row in run.rows.items()
        }
        await in_order(reversed_waits(_acyclic(waits)), one)
        if self._moved_on(stack):
            return
        self._records.stack(stack, "UPDATE_ROLLBACK_COMPLETE" if back else "UPDATE_COMPLETE", target=stack.deployed)

    async def _let_go(self, stack: Stack) -> None:
        """Behind an import that failed: what it was to take in is nobody's again."""
        with self._store.write() as tx:
            for row in self._rows(stack).values():
                if row.status.startswith("IMPORT_") and row.born == stack.number:
                    tx.delete(row)
            self._records.stack(stack, "IMPORT_ROLLBACK_COMPLETE", target=stack.deployed)

    async def _away(self, stack: Stack) -> None:
        """All goes: the stack is deleted, or its creation rolled back."""
        back = stack.status == ROLLBACK_IN_PROGRESS
        if not back and (refused := await self._refused(stack, "")) is not None:
            if not self._moved_on(stack):
                self._records.stack(stack, "DELETE_FAILED", refused, keep=())
            return
        run = self._start(stack)

        async def one(logical: str) -> bool:
            if not await run.clear_old(logical, CLEANUP_TRIES):
                return False
            row = run.rows[logical]
            event: Event = "rollback" if back else "stack delete"
            policy = outcome(event, row.deletion_policy, row.replace_policy, flag=stack.retain_except_on_create)
            if logical in stack.keep or (back and row.taken):
                policy = "retain"
            if await run.remove(logical, policy):
                return True
            if stack.force and not self._moved_on(stack):
                return await run.remove(logical, "retain")
            return False

        waits = {
            logical: frozenset(each for each in row.depends_on if each in run.rows) for logical, row in run.rows.items()
        }
        failed = await in_order(reversed_waits(_acyclic(waits)), one)
        if self._moved_on(stack):
            return
        if failed:
            words = f"The following resource(s) failed to delete: [{', '.join(failed)}]. "
            self._records.stack(stack, "ROLLBACK_FAILED" if back else "DELETE_FAILED", words, keep=())
        elif back:
            self._records.stack(stack, "ROLLBACK_COMPLETE")
        else:
            with self._store.write() as tx:
                publish(tx, stack, [], set())
                self._records.stack(stack, "DELETE_COMPLETE", deleted=self._parts.clock.now())
                self._records.forget(stack.account, stack.region)


class _Made(Mapping[str, intrinsics.Made]):
    """The resources as they are when they are looked at."""

    def __init__(self, rows: Mapping[str, StackResource]) -> None:
        self._rows = rows

    def __getitem__(self, logical: str) -> intrinsics.Made:
        row = self._rows[logical]
        if not row.physical:
            raise KeyError(logical)
        return intrinsics.Made(row.physical, row.attributes)

    def __iter__(self) -> Iterator[str]:
        return (logical for logical, row in self._rows.items() if row.physical)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def rows_of(snapshot: Any, stack: Stack) -> dict[str, StackResource]:
    """A stack's resources by logical id."""
    found: Mapping[str, StackResource] = snapshot.by_id(StackResource, stack.account, stack.region)
    prefix = f"{stack.id}/"
    own = sorted((id, each) for id, each in found.items() if id.startswith(prefix))
    return {each.logical: each for _, each in own}


def _acyclic(waits: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Rows of two revisions may wait for each other, where a rollback left some behind; such knots are cut."""
    knot = set(circular(waits))
    return {name: needs - knot if name in knot else needs for name, needs in waits.items()}


def outputs_of(template: Mapping[str, Any], scope: Scope) -> list[dict[str, Any]]:
    found = []
    for key, stated in (template.get("Outputs") or {}).items():
        if "Condition" in stated and not scope.conditions.get(stated["Condition"]):
            continue
        value = intrinsics.resolve(stated["Value"], scope)
        if isinstance(value, dict | list):
            raise ValidationError(
                f"Template format error: Output {key} is malformed. The Value field of every Outputs "
                "member must evaluate to a String."
            )
        output = {"OutputKey": key, "OutputValue": intrinsics.text(value)}
        if "Description" in stated:
            output["Description"] = stated["Description"]
        if "Export" in stated:
            output["ExportName"] = intrinsics.text(intrinsics.resolve(stated["Export"]["Name"], scope))
        found.append(output)
    return found


def publish(tx: Any, stack: Stack, outputs: list[dict[str, Any]], used: set[str]) -> None:
    """A stack's exports and imports become these. Raises ValidationError where another stack is in the way."""
    exports = {each["ExportName"]: each["OutputValue"] for each in outputs if "ExportName" in each}
    users: dict[str, list[str]] = {}
    for each in tx.list(Import, stack.account, stack.region):
        if each.stack == stack.id:
            tx.delete(each)
        else:
            users.setdefault(each.export, []).append(each.stack_name)
    for held in tx.list(Export, stack.account, stack.region):
        if held.stack != stack.id:
            if held.id in exports:
                owner = held.stack_arn.split("/")[1]
                raise ValidationError(f"Export with name {held.id} is already exported by stack {owner}.")
        elif exports.get(held.id) != held.value:
            if held.id in users:
                verb = "updated" if held.id in exports else "deleted"
                raise ValidationError(
                    f"Export {held.id} cannot be {verb} as it is in use by {' and '.join(sorted(users[held.id]))}"
                )
            tx.delete(held)
    for name, value in exports.items():
        tx.put(
            Export(
                account=stack.account, region=stack.region, id=name, value=value, stack=stack.id, stack_arn=stack.arn
            )
        )
    for name in used:
        tx.put(
            Import(
                account=stack.account,
                region=stack.region,
                id=f"{name}|{stack.id}",
                export=name,
                stack=stack.id,
                stack_name=stack.name,
            )
        )


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
