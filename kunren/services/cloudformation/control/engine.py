"""Carries requests out. Each is a row with a journal, as resources of stacks are, so that a crash repeats no call."""

from __future__ import annotations

import json
import logging
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.core.errors import AwsError
from kunren.services.cloudformation.control.resources import identifier, shown, work_on
from kunren.services.cloudformation.gates import request_refusal
from kunren.services.cloudformation.model import Request, StackResource
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.schemas import schema
from kunren.services.cloudformation.work import UNFORESEEN, AlreadyThere, Cancelled, Failed, handler_code

log = logging.getLogger(__name__)
RUNNING = ("IN_PROGRESS", "CANCEL_IN_PROGRESS")
AT_ONCE = 1000


class ControlEngine:
    """`run` lives until it is cancelled."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._controller = Controller(
            "cloudcontrol",
            parts.store,
            parts.clock,
            keys=lambda _, key: [f"{key.account}|{key.region}|{key.id}"],
            every=lambda snapshot: [
                f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Request) if each.status in RUNNING
            ],
            reconcile=self._reconcile,
            wants=lambda kind: kind == Request.kind,
            parallel=AT_ONCE,
        )

    async def run(self) -> None:
        await self._controller.run()

    def _now(self, account: str, region: str, id: str) -> Request | None:
        return self._parts.store.snapshot().get(Request, account, region, id)

    async def _reconcile(self, key: str) -> None:
        account, region, id = key.split("|")
        request = self._now(account, region, id)
        if request is None or request.status not in RUNNING:
            return

        def cancelled() -> bool:
            now = self._now(account, region, id)
            return now is not None and now.status == "CANCEL_IN_PROGRESS"

        def noted(row: StackResource) -> None:
            self._put(id, row)

        work, kind = work_on(self._parts, request.row, cancelled, noted, request.actor), kind_of(request.type)
        action = {"CREATE": kind.create, "UPDATE": kind.update, "DELETE": kind.delete}[request.operation]
        if why := await request_refusal(self._parts, request, cancelled):
            refused = {"status": "FAILED", "code": "InvalidRequest", "message": why}
            self._put(id, work.row, **({"status": "CANCEL_COMPLETE"} if cancelled() else refused))
            return
        try:
            await action(work)
        except Cancelled:
            self._put(id, work.row, status="CANCEL_COMPLETE")
            return
        except (Failed, AwsError) as error:
            own = "AlreadyExists" if isinstance(error, AlreadyThere) else "NotStabilized"
            code = handler_code(error) if isinstance(error, AwsError) else own
            told = error.message if isinstance(error, AwsError) else str(error)
            self._put(id, work.row, status="FAILED", code=code, message=told)
            return
        except UNFORESEEN as error:
            log.exception("%s of %s", request.operation, request.type)
            self._put(id, work.row, status="FAILED", code="InternalFailure", message=f"Internal failure: {error!r}")
            return
        attempt = work.row.attempt
        assert attempt is not None
        row = replace(
            work.row,
            physical=work.physical,
            attributes=work.attributes,
            properties=attempt.properties,
            tags=attempt.tags,
            attempt=None,
        )
        of = schema(request.type)
        assert of is not None
        self._put(id, row, status="SUCCESS", identifier=identifier(of, row), model=json.dumps(shown(of, row, {})))

    def _put(self, id: str, row: StackResource, **changed: Any) -> None:
        with self._parts.store.write() as tx:
            now = tx.get(Request, row.account, row.region, id)
            if now is not None:
                tx.put(replace(now, row=row, at=self._parts.clock.now(), **changed))
