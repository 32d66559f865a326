"""Writes stacks' and resources' states, each with its event, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Resource, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.cloudformation.model import (
    UPDATE_IN_PROGRESS,
    ChangeSet,
    Detection,
    Event,
    HookResult,
    Revision,
    Stack,
    StackResource,
)
from kunren.services.cloudformation.operations import operation
from kunren.services.cloudformation.parameters import HIDDEN

STACK_TYPE = "AWS::CloudFormation::Stack"
WITHIN_TEXTS = 4
KEPT_S = 90 * 86_400.0


class Records:
    """`status` texts of both go through here, so that no state changes without an event."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy
        self._numbers: dict[str, int] = {}
        self.hidden: dict[str, frozenset[str]] = {}
        """By stack's id: values that events show as asterisks."""

    def stack(self, stack: Stack, status: str, reason: str = "", **changed: Any) -> Stack:
        """The stack's row as it is now, with a new status."""
        with self._store.write() as tx:
            now = tx.get(Stack, stack.account, stack.region, stack.id) or stack
            made = replace(now, status=status, reason=reason, **changed)
            tx.put(made)
            self._event(tx, made, made.name, made.arn, STACK_TYPE, status, reason, "")
        return made

    def begin_update(self, stack: Stack, revision: Revision, changed: Mapping[str, Any]) -> None:
        """The stack is on its way to a revision. Those that a rollback can't lead to any more go."""
        number, now = stack.number + 1, self._clock.now()
        with self._store.write() as tx:
            tx.put(replace(revision, id=f"{stack.id}/{number}"))
            self.stack(
                stack, UPDATE_IN_PROGRESS, "User Initiated", number=number, target=number, updated=now, **changed
            )
            for old in tx.list(Revision, stack.account, stack.region):
                if old.id.startswith(f"{stack.id}/") and int(old.id.rpartition("/")[2]) < stack.deployed:
                    tx.delete(old)

    def forget(self, account: str, region: str) -> None:
        """Stacks that were deleted ninety days ago are shown no more ("ListStacks"): all that is held of them goes."""
        snapshot, before = self._store.snapshot(), self._clock.now() - KEPT_S
        stacks = snapshot.by_id(Stack, account, region).values()
        gone = {each.id for each in stacks if each.deleted is not None and each.deleted < before}
        if not gone:
            return
        parts: tuple[type[Resource], ...] = (Stack, Revision, StackResource, Event, ChangeSet, Detection, HookResult)
        with self._store.write() as tx:
            for kind in parts:
                for each in snapshot.by_id(kind, account, region).values():
                    if getattr(each, "stack", each.id.partition("/")[0]) in gone:
                        tx.delete(each)
        for id in gone:
            self._numbers.pop(id, None)
            self.hidden.pop(id, None)

    def resource(
        self, stack: Stack, row: StackResource, status: str, reason: str = "", **changed: Any
    ) -> StackResource:
        reason = masked(reason, {**row.secrets, **self._hidden(stack)})
        row = replace(row, status=status, reason=reason, at=self._clock.now(), **changed)
        with self._store.write() as tx:
            tx.put(row)
            self.resource_event(tx, stack, row, status, reason)
        return row

    def resource_event(
        self, tx: Tx, stack: Stack, row: StackResource, status: str, reason: str = "", physical: str | None = None
    ) -> None:
        properties = row.attempt.properties if row.attempt is not None else row.properties
        hidden = {**row.secrets, **self._hidden(stack)}
        shown = json.dumps(masked(properties, hidden), separators=(",", ":"), default=str) if properties else ""
        at = row.physical if physical is None else physical
        self._event(tx, stack, row.logical, at, row.type, status, reason, shown)

    def hook_event(self, tx: Tx, stack: Stack, row: StackResource | None, result: HookResult) -> None:
        """That a hook is asked about a resource (None: about the stack), or what it said."""
        hook = {
            "HookType": result.name,
            "HookStatus": result.status,
            "HookStatusReason": result.reason,
            "HookInvocationPoint": "PRE_PROVISION",
            "HookFailureMode": result.mode,
            "HookInvocationId": result.id,
        }
        hook = {key: value for key, value in hook.items() if value}
        if row is None:
            self._event(tx, stack, stack.name, stack.arn, STACK_TYPE, stack.status, "", "", hook)
        else:
            self._event(tx, stack, row.logical, row.physical, row.type, row.status, "", "", hook)

    def _hidden(self, stack: Stack) -> dict[str, str]:
        return dict.fromkeys(self.hidden.get(stack.id, ()), HIDDEN)

    def _event(
        self,
        tx: Tx,
        stack: Stack,
        logical: str,
        physical: str,
        type: str,
        status: str,
        reason: str,
        properties: str,
        hook: dict[str, str] | None = None,
    ) -> None:
        number = self._numbers.get(stack.id)
        if number is None:
            held, prefix = self._store.snapshot().by_id(Event, stack.account, stack.region), f"{stack.id}/"
            own = (id for id in held if id.startswith(prefix)) if _event_id(stack, 1) in held else ()
            number = max((int(id.rpartition("/")[2]) for id in own), default=0)
        self._numbers[stack.id] = number = number + 1
        event_id = (
            self._entropy.uuid()
            if logical == stack.name
            else f"{logical}-{status}-{int(self._clock.now() * 1000)}-{number}"
        )
        tx.put(
            Event(
                account=stack.account,
                region=stack.region,
                id=_event_id(stack, number),
                event_id=event_id,
                stack=stack.id,
                logical=logical,
                physical=physical,
                type=type,
                status=status,
                reason=reason,
                properties=properties,
                token=stack.token,
                at=self._clock.now(),
                operation=operation(stack.number, stack.status),
                hook=hook or {},
            )
        )


def _event_id(stack: Stack, number: int) -> str:
    return f"{stack.id}/{number:08d}"


def masked(value: Any, hidden: Mapping[str, str]) -> Any:
    """The value with what stands in `hidden` in place of each text there: of whole values, and within texts (there not
    for very short ones, which are found everywhere)."""
    if isinstance(value, dict):
        return {key: masked(each, hidden) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each, hidden) for each in value]
    if str(value) in hidden:
        return hidden[str(value)]
    if isinstance(value, str):
        for secret in sorted(hidden, key=len, reverse=True):
            if len(secret) >= WITHIN_TEXTS:
                value = value.replace(secret, hidden[secret])
    return value
