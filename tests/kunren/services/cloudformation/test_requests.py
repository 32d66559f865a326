"""Requests of Cloud Control API: what becomes of one that hooks are asked about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.cloudformation.control.engine import ControlEngine
from kunren.services.cloudformation.model import RESOURCES, Attempt, Hook, Request, StackResource
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.records import Records

HOOK = {
    "HookStatus": "ENABLED", "TargetOperations": ["CLOUD_CONTROL"], "FailureMode": "FAIL", "LambdaFunction": "asks",
    "ExecutionRole": "arn:aws:iam::123456789012:role/hook",
}  # fmt: skip
REFUSED = {"hookStatus": "FAILED", "errorCode": "NonCompliant", "message": "no"}
LATER = {"hookStatus": "IN_PROGRESS", "callbackDelaySeconds": 7200}


@pytest.mark.parametrize(
    ("said", "cancelled", "status", "code"),
    [
        (REFUSED, False, "FAILED", "InvalidRequest"),
        (LATER, True, "CANCEL_COMPLETE", ""),
        (REFUSED, True, "CANCEL_COMPLETE", ""),
    ],
)
def test_a_request_that_is_cancelled_while_a_hook_is_asked_ends_as_cancelled(
    said: Mapping[str, Any], cancelled: bool, status: str, code: str
) -> None:
    store, clock, entropy = Store(None), SimClock(), Entropy(1)
    store.register(*RESOURCES)
    attempt = Attempt(action="create", token="t", properties={"QueueName": "q"})
    row = StackResource(
        account="1", region="r", id="t/q", stack="t", logical="q", type="AWS::SQS::Queue", attempt=attempt
    )
    request = Request(
        account="1", region="r", id="t", type=row.type, operation="CREATE", status="IN_PROGRESS", row=row
    )  # fmt: skip
    with store.write() as tx:
        tx.put(Hook(account="1", region="r", id="My::Own::Hook", token="t", properties=HOOK))
        tx.put(request)

    async def call(account: str, region: str, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        assert operation == "Invoke"  # nothing is made
        if cancelled:
            with store.write() as tx:
                tx.put(replace(request, status="CANCEL_IN_PROGRESS"))
        return {"Payload": json.dumps(said).encode()}

    parts = Parts(store, clock, entropy, call, None, Records(store, clock, entropy))  # type: ignore[arg-type]
    asyncio.run(ControlEngine(parts)._reconcile("1|r|t"))
    ended = store.snapshot().get(Request, "1", "r", "t")
    assert ended is not None and (ended.status, ended.code) == (status, code)
