"""Settings of functions that Terraform and other tools read: recursion, runtime updates."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.lookup import find


class SettingOperations(ApiBase):
    def get_function_recursion_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"RecursiveLoop": self._function(self._store.snapshot(), self._name(ctx, params)).recursive_loop}

    def put_function_recursion_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            function = self._function(tx, self._name(ctx, params))
            tx.put(self._revised(function, recursive_loop=params["RecursiveLoop"]))
        return {"RecursiveLoop": params["RecursiveLoop"]}

    def get_runtime_management_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        find(self._store.snapshot(), name)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": name.qualified_arn}

    def put_runtime_management_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if params["UpdateRuntimeOn"] != "Auto":
            raise InvalidParameterValueException(
                "Kunren runs functions on this machine's interpreters as they are: UpdateRuntimeOn can be Auto only."
            )
        return self.get_runtime_management_config(ctx, params)
