"""Provisioned concurrency: Put, Get, List, Delete. Statuses say what the runtime has initialised."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.dataplane.runtime.runtime import ACCOUNT_CONCURRENCY
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
)
from kunren.services.lambda_.limits import UNRESERVED_MIN
from kunren.services.lambda_.lookup import aliases_of, find, get_alias
from kunren.services.lambda_.model import LATEST, Function, ProvisionedConcurrency
from kunren.services.lambda_.names import FunctionName, function_arn
from kunren.services.lambda_.provisioning import allocated


class ProvisionedOperations(ApiBase):
    def put_provisioned_concurrency_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        requested = params["ProvisionedConcurrentExecutions"]
        with self._store.write() as tx:
            function = self._function(tx, name)
            find(tx, name)
            if name.qualifier == LATEST:
                raise InvalidParameterValueException(
                    "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
                )
            self._check_one_owner(tx, name, function)
            self._check_count(tx, name, function, requested)
            config = ProvisionedConcurrency(
                account=name.account,
                region=name.region,
                id=f"{name.name}:{name.qualifier}",
                function=name.name,
                qualifier=name.qualifier,
                requested=requested,
                modified=self._clock.now(),
            )
            tx.put(config)
        return self._provisioned_shown(config)

    def _check_one_owner(self, tx: Tx, name: FunctionName, function: Function) -> None:
        """A version gets its workers by its own configuration or by an alias's, not by both."""
        alias = get_alias(tx, name)
        if alias is not None:
            if self._warm(tx, name._replace(qualifier=alias.version)) is not None:
                raise ResourceConflictException(
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
                )
            return
        for each in aliases_of(tx, function):
            if name.qualifier in (each.version, *each.weights) and self._warm(tx, name._replace(qualifier=each.name)):
                raise ResourceConflictException("Version is pointed by a Provisioned Concurrency alias")

    def _check_count(self, tx: Tx, name: FunctionName, function: Function, requested: int) -> None:
        if function.reserved_concurrency is not None and requested > function.reserved_concurrency:
            raise InvalidParameterValueException(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
        others = sum(
            each.requested
            for each in tx.list(ProvisionedConcurrency, name.account, name.region)
            if each.id != f"{name.name}:{name.qualifier}"
        )
        if requested + others > ACCOUNT_CONCURRENCY - UNRESERVED_MIN:
            raise InvalidParameterValueException(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                f"its minimum value of [{UNRESERVED_MIN}]."
            )
        if requested + others > self._invoker.runtime.limit:
            raise InvalidParameterValueException(
                f"Kunren runs at most {self._invoker.runtime.limit} environments at once on this machine."
            )

    def get_provisioned_concurrency_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, snapshot = self._name(ctx, params), self._store.snapshot()
        self._function(snapshot, name)
        config = self._warm(snapshot, name)
        if config is None:
            raise ProvisionedConcurrencyConfigNotFoundException(
                "No Provisioned Concurrency Config found for this function"
            )
        return self._provisioned_shown(config)

    def list_provisioned_concurrency_configs(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, snapshot = self._name(ctx, params), self._store.snapshot()
        function = self._function(snapshot, name)
        configs = snapshot.list(ProvisionedConcurrency, name.account, name.region)
        own = [each for each in configs if each.function == function.id]
        page, marker = self._page(own, params, lambda each: each.id)
        shown = [
            {
                "FunctionArn": f"{function_arn(each.account, each.region, each.function)}:{each.qualifier}",
                **self._provisioned_shown(each),
            }
            for each in page
        ]
        return {"ProvisionedConcurrencyConfigs": shown, "NextMarker": marker}

    def delete_provisioned_concurrency_config(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        name = self._name(ctx, params)
        with self._store.write() as tx:
            self._function(tx, name)
            if (config := self._warm(tx, name)) is not None:
                tx.delete(config)

    def _warm(self, source: Snapshot | Tx, name: FunctionName) -> ProvisionedConcurrency | None:
        return source.get(ProvisionedConcurrency, name.account, name.region, f"{name.name}:{name.qualifier}")

    def _provisioned_shown(self, config: ProvisionedConcurrency) -> dict[str, Any]:
        count, failure = allocated(self._store.snapshot(), self._invoker.runtime, config)
        shown: dict[str, Any] = {
            "RequestedProvisionedConcurrentExecutions": config.requested,
            "AvailableProvisionedConcurrentExecutions": count,
            "AllocatedProvisionedConcurrentExecutions": count,
            "Status": "FAILED" if failure is not None else "READY" if count >= config.requested else "IN_PROGRESS",
            "LastModified": datetime.fromtimestamp(config.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
        }
        if failure is not None:
            shown["StatusReason"] = "FUNCTION_ERROR_INIT_FAILURE"
        return shown
