"""Concurrency: reserved per function, and the account's limits."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.dataplane.runtime.runtime import ACCOUNT_CONCURRENCY
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.code import UNZIPPED_BYTES_MAX, ZIPPED_BYTES_MAX
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.limits import TOTAL_CODE_BYTES_MAX, UNRESERVED_MIN, code_bytes
from kunren.services.lambda_.model import Function
from kunren.services.lambda_.names import parse_function_name


class ConcurrencyOperations(ApiBase):
    def get_account_settings(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        functions = snapshot.list(Function, ctx.account, ctx.region)
        reserved = sum(each.reserved_concurrency or 0 for each in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": TOTAL_CODE_BYTES_MAX,
                "CodeSizeUnzipped": UNZIPPED_BYTES_MAX,
                "CodeSizeZipped": ZIPPED_BYTES_MAX,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": code_bytes(snapshot, ctx.account, ctx.region),
                "FunctionCount": len(functions),
            },
        }

    def put_function_concurrency(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        wanted = params["ReservedConcurrentExecutions"]
        with self._store.write() as tx:
            function = self._function(tx, name)
            others = sum(
                each.reserved_concurrency or 0
                for each in tx.list(Function, name.account, name.region)
                if each.id != function.id
            )
            if ACCOUNT_CONCURRENCY - others - wanted < UNRESERVED_MIN:
                raise InvalidParameterValueException(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
                )
            tx.put(self._revised(function, reserved_concurrency=wanted))
        return {"ReservedConcurrentExecutions": wanted}

    def get_function_concurrency(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        function = self._function(self._store.snapshot(), self._name(ctx, params))
        return {"ReservedConcurrentExecutions": function.reserved_concurrency}

    def delete_function_concurrency(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.put(self._revised(self._function(tx, self._name(ctx, params)), reserved_concurrency=None))
