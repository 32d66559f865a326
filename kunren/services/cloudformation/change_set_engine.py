"""Change sets that hooks are asked about: they are made once all have answered. What a crash finds in between is asked
again where there is no answer yet."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.services.cloudformation.gates import change_set_refusal
from kunren.services.cloudformation.model import ChangeSet, Stack
from kunren.services.cloudformation.parts import Parts

WAITING = "CREATE_IN_PROGRESS"
AT_ONCE = 1000


class ChangeSetEngine:
    """`run` lives until it is cancelled."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._controller = Controller(
            "change-sets",
            parts.store,
            parts.clock,
            keys=lambda _, key: [f"{key.account}|{key.region}|{key.id}"],
            every=lambda snapshot: [
                f"{each.account}|{each.region}|{each.id}"
                for each in snapshot.every(ChangeSet)
                if each.status == WAITING
            ],
            reconcile=self._reconcile,
            wants=lambda kind: kind == ChangeSet.kind,
            parallel=AT_ONCE,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def _reconcile(self, key: str) -> None:
        account, region, id = key.split("|")
        store = self._parts.store

        def now() -> ChangeSet | None:
            found = store.snapshot().get(ChangeSet, account, region, id)
            return found if found is not None and found.status == WAITING else None

        found = now()
        stack = store.snapshot().get(Stack, account, region, found.stack) if found is not None else None
        if found is None or stack is None:
            return
        why = await change_set_refusal(self._parts, stack, found, lambda: now() is None)
        with store.write() as tx:
            if (left := now()) is None:
                return
            made = {"status": "FAILED", "reason": why} if why else {"status": "CREATE_COMPLETE"}
            stale = left.execution == "OBSOLETE"
            tx.put(replace(left, **made, execution=left.execution if why or stale else "AVAILABLE"))
