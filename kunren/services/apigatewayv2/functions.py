"""Functions as both kinds of API invoke them: allowed by the function's policy, within a time."""

from __future__ import annotations

import asyncio
from typing import Protocol

from kunren.control.store import Store
from kunren.core.errors import AwsError
from kunren.services.lambda_.invoker import InvokeResult
from kunren.services.lambda_.lookup import find_function
from kunren.services.lambda_.names import split_arn
from kunren.services.lambda_.policy import service_may_invoke

PRINCIPAL = "apigateway.amazonaws.com"


class FunctionFailed(Exception):
    """No payload; `why` is forbidden, timeout, throttled, error (the function's own) or failed."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


class Invoker(Protocol):
    """The part of Lambda's invoker that is needed here."""

    async def invoke(
        self, account: str, region: str, function_name: str, qualifier: str | None, payload: bytes, *,
        request_id: str | None = None, trace_id: str = "",
    ) -> InvokeResult: ...  # fmt: skip

    def new_trace_id(self) -> str: ...


class Functions:
    def __init__(self, store: Store, invoker: Invoker) -> None:
        self._store = store
        self._invoker = invoker
        self.new_trace_id = invoker.new_trace_id
        self._running: set[asyncio.Future[InvokeResult]] = set()

    def _ended(self, run: asyncio.Future[InvokeResult]) -> None:
        self._running.discard(run)
        if not run.cancelled():
            run.exception()  # told to whoever waited

    async def invoke(
        self, arn: str, payload: bytes, *, source_arn: str, account: str, trace_id: str, timeout_s: float,
        request_id: str | None = None, role: str = "",
    ) -> bytes:  # fmt: skip
        """What the function returned. With a role the function's policy is not asked, as AWS does. `timeout_s` are
        real seconds, as a function's own. Raises FunctionFailed."""
        name = split_arn(arn)
        if name is None:
            raise FunctionFailed("failed", f"{arn} is no function's ARN")
        try:
            statements = find_function(self._store.snapshot(), name).policies.get(name.qualifier, ())
            if not role and not service_may_invoke(
                statements, service=PRINCIPAL, source_arn=source_arn, source_account=account
            ):
                raise FunctionFailed("forbidden", f"API Gateway may not invoke {arn} for {source_arn}")
            running = asyncio.ensure_future(
                self._invoker.invoke(
                    name.account, name.region, name.name, name.qualifier or None, payload, request_id=request_id,
                    trace_id=trace_id,
                )
            )  # fmt: skip
            self._running.add(running)
            running.add_done_callback(self._ended)
            await asyncio.wait((running,), timeout=timeout_s)
            if not running.done():  # the function goes on, as on AWS
                raise FunctionFailed("timeout", f"{arn} did not answer in {timeout_s} s")
            result = running.result()
        except AwsError as error:
            why = "throttled" if error.code == "TooManyRequestsException" else "failed"
            raise FunctionFailed(why, f"{error.code}: {error.message}") from error
        if result.function_error:
            raise FunctionFailed("error", f"{arn} failed: {result.payload[:1000].decode('utf-8', 'replace')}")
        return result.payload
