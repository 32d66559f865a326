"""One pass over a stack's resources: bring them to what a revision says, or take them away.

What is done is in the rows, so a pass that a crash ended is simply made again: it goes on where the rows say.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.core.errors import AwsError
from kunren.services.cloudformation import intrinsics, signals
from kunren.services.cloudformation.decisions import decide, tags_of
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.gates import resource_refusal
from kunren.services.cloudformation.intrinsics import NotYet, Scope
from kunren.services.cloudformation.model import (
    DELETE_IN_PROGRESS,
    UPDATE_ROLLBACK,
    Attempt,
    Before,
    Former,
    Stack,
    StackResource,
)
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.policies import Outcome, outcome
from kunren.services.cloudformation.resources import TYPES, kind_of
from kunren.services.cloudformation.schemas import coerced, schema, violations
from kunren.services.cloudformation.scopes import with_dynamic
from kunren.services.cloudformation.stack_policy import refusal
from kunren.services.cloudformation.structure import Plan
from kunren.services.cloudformation.work import UNFORESEEN, Cancelled, Failed, Work, told

ROLLS_BACK = ("AutoScalingRollingUpdate", "AutoScalingScheduledAction")  # an alias goes back at once
log = logging.getLogger(__name__)


class Run:
    """`cancelled` says that the pass is given up."""

    def __init__(
        self, parts: Parts, stack: Stack, rows: dict[str, StackResource], cancelled: Callable[[], bool]
    ) -> None:
        self.parts, self.stack, self.rows = parts, stack, rows
        self._cancelled, self._stopped = cancelled, False

    def stop(self) -> None:
        self._stopped = True

    def _given_up(self) -> bool:
        return self._stopped or self._cancelled()

    # -- forward -----------------------------------------------------------------------------------------------------

    async def apply(self, plan: Plan, logical: str, scope: Scope, stack_tags: Mapping[str, str]) -> bool:
        """Bring one resource to what the plan says; whether it is."""
        row = self.rows.get(logical)
        if row is not None and row.done == self.stack.number:
            return True
        stated = plan.resources[logical]
        if row is None:
            row = StackResource(
                account=self.stack.account,
                region=self.stack.region,
                id=f"{self.stack.id}/{logical}",
                stack=self.stack.id,
                logical=logical,
                type=stated["Type"],
            )
        if _exists(row) and row.born != self.stack.number:
            row = replace(row, before=self._before(row))  # with its policies, which a rollback brings back too
        row = replace(row, **_stated(plan, logical, scope))
        if row.status == "IMPORT_IN_PROGRESS":
            return await self._take_in(row, stated, scope, stack_tags)
        if (
            row.attempt is None
            or row.attempt.action not in ("create", "update")
            or not row.status.endswith("_IN_PROGRESS")
        ):
            if self._given_up():
                return False
            prepared = await self._prepare(row, stated, scope, stack_tags)
            if prepared is None:
                return False
            row = prepared
            if row.done == self.stack.number:
                self._put(row)
                return True
        if why := await resource_refusal(self.parts, self.stack, row, self._given_up):
            self._ended(row, row.status.replace("_IN_PROGRESS", "_FAILED"), why)
            return False
        return await self._carry_out(row)

    async def _prepare(
        self, row: StackResource, stated: Mapping[str, Any], scope: Scope, stack_tags: Mapping[str, str]
    ) -> StackResource | None:
        """The row with its attempt begun, or done where there is nothing to do; None where it failed."""
        kind, exists = kind_of(row.type), _exists(row)
        try:
            properties, secrets = await self._resolved(row, stated, scope)
            policies = [intrinsics.resolve(stated.get(key) or {}, scope) for key in ("CreationPolicy", "UpdatePolicy")]
            creation, updating = [each if isinstance(each, dict) else {} for each in policies]
        except (Failed, ValidationError, NotYet) as error:
            begun = "UPDATE" if exists else "CREATE"
            row = self.parts.records.resource(self.stack, row, f"{begun}_IN_PROGRESS", properties=row.properties)
            self._ended(row, f"{begun}_FAILED", str(error))
            return None
        row = replace(row, secrets={**row.secrets, **secrets})
        tags = tags_of(kind, row.type, properties, stack_tags)
        decision = decide(kind, row.type, row.properties, properties, updating)[0] if exists else "create"
        if decision == "none" and (tags != row.tags or kind.always_updates):
            decision = "update"
        if decision == "none":
            return replace(row, done=self.stack.number, update_policy=updating)
        policy = self.stack.policy_during or self.stack.policy
        if exists and (why := refusal(policy, decision, row.logical, row.type)):
            row = self.parts.records.resource(self.stack, row, "UPDATE_IN_PROGRESS")
            self._ended(row, "UPDATE_FAILED", why)
            return None
        before = row.before if exists else None
        attempt = Attempt(
            action="update" if decision == "update" else "create",
            token=self.parts.entropy.uuid(),
            properties=properties,
            began=self.parts.clock.now(),
            replacing=decision == "replace",
            tags=tags,
            creation_policy=creation,
            update_policy=updating,
        )
        changed: dict[str, Any] = {"attempt": attempt, "before": before}
        if decision != "update":
            if row.physical:
                changed["old"] = (*row.old, self._former(row))
            changed |= {
                "physical": "",
                "attributes": {},
                "properties": properties,
                "tags": tags,
                "born": self.stack.number,
            }
        reason = (
            "Requested update requires the creation of a new physical resource; hence creating one."
            if decision == "replace"
            else ""
        )
        status = "UPDATE_IN_PROGRESS" if exists else "CREATE_IN_PROGRESS"
        row = self.parts.records.resource(self.stack, row, status, reason, **changed)
        self.rows[row.logical] = row
        return row

    async def _take_in(
        self, row: StackResource, stated: Mapping[str, Any], scope: Scope, stack_tags: Mapping[str, str]
    ) -> bool:
        """A resource that exists becomes the stack's, as the template describes it."""
        try:
            properties, secrets = await self._resolved(row, stated, scope)
            row = replace(row, secrets={**row.secrets, **secrets})
            attempt = Attempt(action="import", token=self.parts.entropy.uuid(), properties=properties)
            work = self._work(replace(row, attempt=attempt), lambda now: None)
            if await kind_of(row.type).read(work) is None:
                raise Failed(f"{row.type} {row.physical} does not exist")
        except (Failed, ValidationError, NotYet, AwsError, Cancelled) as error:
            self._ended(row, "IMPORT_FAILED", self._reason(error, row.type, ""))
            return False
        tags = tags_of(kind_of(row.type), row.type, properties, stack_tags)
        done = replace(
            row, properties=properties, attributes=work.attributes, tags=tags, attempt=None, done=self.stack.number
        )
        self.rows[row.logical] = self.parts.records.resource(self.stack, done, "IMPORT_COMPLETE")
        return True

    async def _resolved(
        self, row: StackResource, stated: Mapping[str, Any], scope: Scope
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The properties as plain values of the right kinds, and the secrets among them with the references that gave
        them. Raises Failed, ValidationError, NotYet."""
        found = intrinsics.resolve(stated.get("Properties") or {}, scope)
        if found is intrinsics.NO_VALUE:
            found = {}
        secrets: dict[str, str] = {}
        properties: dict[str, Any] = await with_dynamic(
            found, self.parts.call_as(self.stack.actor), self.stack.account, self.stack.region, secrets
        )
        published = schema(row.type)
        if published is not None and row.type in TYPES and kind_of(row.type).properties is not None:
            properties = coerced(published, properties)
            if wrong := violations(published, properties):
                raise Failed(
                    f"Properties validation failed for resource {row.logical} with message:\n" + "\n".join(wrong)
                )
        return properties, secrets

    def _before(self, row: StackResource) -> Before:
        if row.before is not None and row.before.number == self.stack.number:
            return row.before
        return Before(
            number=self.stack.number,
            physical=row.physical,
            type=row.type,
            properties=row.properties,
            attributes=row.attributes,
            metadata=row.metadata,
            deletion_policy=row.deletion_policy,
            replace_policy=row.replace_policy,
            depends_on=row.depends_on,
            born=row.born,
            tags=row.tags,
            update_policy=row.update_policy,
        )

    def _former(self, row: StackResource) -> Former:
        return Former(
            physical=row.physical,
            type=row.type,
            properties=row.properties,
            attributes=row.attributes,
            policy=row.replace_policy or "Delete",
            born=row.born,
        )

    async def _carry_out(self, row: StackResource) -> bool:
        """Have the kind do what the attempt says; note how it went."""
        attempt = row.attempt
        assert attempt is not None
        kind, words = kind_of(row.type), row.status.removesuffix("_IN_PROGRESS")
        work = self._work(row, self._noting(row))
        try:
            if attempt.action == "create":
                await kind.create(work)
                await signals.created(work, attempt.creation_policy)
            else:
                await kind.update(work)
        except Cancelled:
            reason = f"Resource {'creation' if words == 'CREATE' else 'update'} cancelled"
            self._ended(work.left(None), f"{words}_FAILED", reason)
            return False
        except (Failed, AwsError) as error:
            self._ended(work.left(error), f"{words}_FAILED", self._reason(error, row.type, attempt.token))
            return False
        except UNFORESEEN as error:
            log.exception("%s %s of stack %s", attempt.action, row.logical, self.stack.name)
            self._ended(work.left(None), f"{words}_FAILED", f"Internal failure: {error!r}")
            return False
        done = replace(
            work.row,
            physical=work.physical or row.logical,
            attributes=work.attributes,
            properties=attempt.properties,
            tags=attempt.tags,
            update_policy=attempt.update_policy,
            attempt=None,
            done=self.stack.number,
        )
        if attempt.action == "update" and row.physical and done.physical != row.physical:
            done = replace(
                done, old=(*done.old, replace(self._former(row), properties=work.before)), born=self.stack.number
            )
        self.rows[row.logical] = self.parts.records.resource(self.stack, done, f"{words}_COMPLETE")
        return True

    def _reason(self, error: Exception, type: str, token: str) -> str:
        if isinstance(error, AwsError):
            return told(error, type.split("::")[1] if "::" in type else type, token)
        return str(error)

    def _ended(self, row: StackResource, status: str, reason: str) -> None:
        self.rows[row.logical] = self.parts.records.resource(self.stack, row, status, reason)

    def _noting(self, row: StackResource) -> Callable[[StackResource], None]:
        announced = bool(row.physical) and row.attempt is not None and row.attempt.action == "create"

        def noted(now: StackResource) -> None:
            nonlocal announced
            self.rows[now.logical] = now
            with self.parts.store.write() as tx:
                tx.put(now)
                if not announced and now.physical and now.attempt is not None and now.attempt.action == "create":
                    announced = True
                    self.parts.records.resource_event(tx, self.stack, now, now.status, "Resource creation Initiated")

        return noted

    def _work(self, row: StackResource, noted: Callable[[StackResource], None]) -> Work:
        work = Work(
            self.parts.store,
            self.parts.clock,
            self.parts.call,
            self.parts.noting,
            self.parts.records,
            self.stack,
            row,
            cancelled=self._given_up,
            noted=noted,
            waking=self.parts.waking,
            permit=self.parts.permit,
        )
        assert row.attempt is not None
        work.tags, work.before = row.attempt.tags, row.properties
        if row.attempt.action == "update":
            work.old_tags = row.tags
            if self.stack.status == UPDATE_ROLLBACK and row.before is not None:
                work.back_to = row.before.attributes
        return work

    def _put(self, row: StackResource) -> None:
        self.rows[row.logical] = row
        with self.parts.store.write() as tx:
            tx.put(row)

    # -- back --------------------------------------------------------------------------------------------------------

    async def restore(self, logical: str) -> bool:
        """Bring one resource back to what it was before the operation; whether it is."""
        row = self.rows[logical]
        before = row.before
        if before is None or before.number != self.stack.number:
            return True
        if logical in self.stack.skip:
            self._restored(row, before)
            return True
        if before.physical != row.physical:
            old = tuple(each for each in row.old if each.physical != before.physical)
            if row.physical:
                old = (*old, replace(self._former(row), policy=row.deletion_policy or "Delete"))
            self._restored(replace(row, old=old), before, "UPDATE_COMPLETE")
            return True
        untouched = (
            row.status == "UPDATE_FAILED"
            and row.attempt is not None
            and row.attempt.action == "update"
            and not row.attempt.journal
            and row.attempt.asked < 0
        )
        same = row.properties == before.properties and row.tags == before.tags and row.attempt is None
        if untouched or (same and not kind_of(row.type).always_updates):
            self._restored(row, before, "UPDATE_COMPLETE" if row.status.endswith("_FAILED") else "")
            return True
        if row.attempt is None or not row.status.endswith("IN_PROGRESS") or row.attempt.properties != before.properties:
            reached, tags = (
                (row.attempt.properties, row.attempt.tags) if row.attempt is not None else (row.properties, row.tags)
            )
            attempt = Attempt(
                action="update",
                token=self.parts.entropy.uuid(),
                properties=before.properties,
                began=self.parts.clock.now(),
                tags=before.tags,
                update_policy={key: each for key, each in before.update_policy.items() if key in ROLLS_BACK},
            )
            row = self.parts.records.resource(
                self.stack, row, "UPDATE_IN_PROGRESS", attempt=attempt, properties=reached, tags=tags
            )
        if not await self._carry_out(row):
            return False
        self._restored(self.rows[logical], before)
        return True

    def _restored(self, row: StackResource, before: Before, status: str = "") -> None:
        row = replace(
            row,
            physical=before.physical,
            properties=before.properties,
            attributes=row.attributes if row.physical == before.physical and row.attributes else before.attributes,
            metadata=before.metadata,
            deletion_policy=before.deletion_policy,
            replace_policy=before.replace_policy,
            depends_on=before.depends_on,
            born=before.born,
            tags=before.tags,
            update_policy=before.update_policy,
            before=None,
            attempt=None,
        )
        if status:
            self.rows[row.logical] = self.parts.records.resource(self.stack, row, status)
        else:
            self._put(row)

    # -- away --------------------------------------------------------------------------------------------------------

    async def remove(self, logical: str, policy: Outcome) -> bool:
        """Delete a resource, behind a snapshot of it or not, or let it be; whether it is out of the stack's hands."""
        row = self.rows[logical]
        if row.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            return True
        if not row.physical:
            self._put(replace(row, status="DELETE_COMPLETE", attempt=None, at=self.parts.clock.now()))
            return True
        if policy == "retain":
            self.rows[logical] = self.parts.records.resource(self.stack, row, "DELETE_SKIPPED", attempt=None)
            return True
        if row.attempt is None or row.attempt.action != "delete" or row.status != "DELETE_IN_PROGRESS":
            row = self.parts.records.resource(
                self.stack, row, "DELETE_IN_PROGRESS", attempt=self._deletion(row.properties)
            )
            self.rows[logical] = row
        asks = self.stack.status == DELETE_IN_PROGRESS
        forbidden = await resource_refusal(self.parts, self.stack, row, self._given_up) if asks else ""
        work = self._work(row, self._noting(row))
        why = forbidden or await self._deleted(row.type, work, policy == "snapshot")
        if why is not None:
            self._ended(work.row, "DELETE_FAILED", why)
            return False
        self.rows[logical] = self.parts.records.resource(self.stack, replace(work.row, attempt=None), "DELETE_COMPLETE")
        return True

    def _deletion(self, properties: Mapping[str, Any]) -> Attempt:
        return Attempt(
            action="delete", token=self.parts.entropy.uuid(), properties=dict(properties), began=self.parts.clock.now()
        )

    async def _deleted(self, type: str, work: Work, snapshot: bool) -> str | None:
        """Why it could not be deleted."""
        try:
            if snapshot:
                await kind_of(type).snapshot(work)
            await kind_of(type).delete(work)
        except Cancelled:
            return "Resource deletion cancelled"
        except (Failed, AwsError) as error:
            return self._reason(error, type, work.token)
        except UNFORESEEN as error:
            log.exception("delete %s of stack %s", work.logical, self.stack.name)
            return f"Internal failure: {error!r}"
        return None

    async def clear_old(self, logical: str, tries: int) -> bool:
        """Delete what replacements left behind; what can't be deleted is let go after so many tries. Whether all is."""
        for former in self.rows[logical].old:
            row = self.rows[logical]
            policy = outcome("replacement", "", former.policy)
            if policy == "retain" or not former.physical:
                with self.parts.store.write() as tx:
                    self.parts.records.resource_event(tx, self.stack, row, "DELETE_SKIPPED", physical=former.physical)
                    self._forget(row, former)
                continue
            shown = replace(
                row,
                physical=former.physical,
                type=former.type,
                properties=former.properties,
                attributes=former.attributes,
                attempt=row.attempt if row.attempt is not None else self._deletion(former.properties),
            )
            self._put(replace(row, attempt=shown.attempt))
            row = self.rows[logical]
            for left in range(tries - 1, -1, -1):
                with self.parts.store.write() as tx:
                    self.parts.records.resource_event(tx, self.stack, shown, "DELETE_IN_PROGRESS")
                work = self._work(shown, lambda now: None)
                why = await self._deleted(former.type, work, policy == "snapshot")
                if self._given_up():
                    return False
                with self.parts.store.write() as tx:
                    self.parts.records.resource_event(
                        tx, self.stack, shown, "DELETE_FAILED" if why else "DELETE_COMPLETE", why or ""
                    )
                if why is None:
                    break
                if left:
                    await self.parts.clock.sleep(5)
            self._forget(row, former)
        return True

    def _forget(self, row: StackResource, former: Former) -> None:
        now = self.rows[row.logical]
        self._put(replace(now, old=tuple(each for each in now.old if each != former), attempt=None))


def _exists(row: StackResource) -> bool:
    return bool(row.physical) and row.status not in ("DELETE_COMPLETE", "CREATE_FAILED")


def _stated(plan: Plan, logical: str, scope: Scope) -> dict[str, Any]:
    """What the template says of a resource beside its properties."""
    stated = plan.resources[logical]
    metadata = stated.get("Metadata")
    try:
        metadata = intrinsics.resolve(metadata, scope) if metadata is not None else None
    except (NotYet, ValidationError):
        metadata = json.loads(json.dumps(metadata))
    return {
        "metadata": metadata,
        "deletion_policy": str(intrinsics.resolve(stated.get("DeletionPolicy", ""), scope)),
        "replace_policy": str(intrinsics.resolve(stated.get("UpdateReplacePolicy", ""), scope)),
        "depends_on": tuple(sorted(plan.waits_for[logical])),
    }
