"""How asynchronous invocations are retried and where their results go: the event invoke configurations."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.destinations import DESTINATION_SERVICES, check_target
from kunren.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from kunren.services.lambda_.lookup import Source, find
from kunren.services.lambda_.model import LATEST, EventInvokeConfig
from kunren.services.lambda_.names import FunctionName

_MEMBERS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


class EventConfigOperations(ApiBase):
    def put_function_event_invoke_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        if all(params.get(member) is None for member in _MEMBERS):
            raise InvalidParameterValueException(
                "You must specify at least one of error handling or destination setting."
            )
        fresh = EventInvokeConfig(
            account=name.account,
            region=name.region,
            id=_id(name),
            arn=f"{name.arn}:{name.qualifier or LATEST}",
            function=name.name,
            last_modified=self._clock.now(),
        )
        return self._put(name, fresh, params)

    def update_function_event_invoke_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        return self._put(name, self._config(self._store.snapshot(), name), params)

    def _put(self, name: FunctionName, base: EventInvokeConfig, params: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {"last_modified": self._clock.now()}
        if params.get("MaximumRetryAttempts") is not None:
            changes["retries_max"] = params["MaximumRetryAttempts"]
        if params.get("MaximumEventAgeInSeconds") is not None:
            changes["age_max_s"] = params["MaximumEventAgeInSeconds"]
        for member, field in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
            told = ((params.get("DestinationConfig") or {}).get(member) or {}).get("Destination")
            if told is not None:
                check_target(told, DESTINATION_SERVICES, "destination config DestinationConfig")
                if told in (name.arn, f"{name.arn}:{name.qualifier or LATEST}"):
                    raise InvalidParameterValueException("You can't specify the function as a destination for itself.")
                changes[field] = told
        config = msgspec.structs.replace(base, **changes)
        with self._store.write() as tx:
            find(tx, name)
            tx.put(config)
        return _shown(config)

    def get_function_event_invoke_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return _shown(self._config(self._store.snapshot(), self._name(ctx, params)))

    def list_function_event_invoke_configs(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, snapshot = self._name(ctx, params), self._store.snapshot()
        self._function(snapshot, name)
        configs = snapshot.list(EventInvokeConfig, name.account, name.region)
        shown, marker = self._page(
            [each for each in configs if each.function == name.name], params, lambda each: each.id
        )
        return {"FunctionEventInvokeConfigs": [_shown(each) for each in shown], "NextMarker": marker}

    def delete_function_event_invoke_config(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.delete(self._config(tx, self._name(ctx, params)))

    def _config(self, source: Source, name: FunctionName) -> EventInvokeConfig:
        find(source, name)
        config = source.get(EventInvokeConfig, name.account, name.region, _id(name))
        if config is None:
            raise ResourceNotFoundException(
                f"The function {name.arn}:{name.qualifier or LATEST} doesn't have an EventInvokeConfig"
            )
        return config


def _id(name: FunctionName) -> str:
    return f"{name.name}:{name.qualifier or LATEST}"


def _shown(config: EventInvokeConfig) -> dict[str, Any]:
    destinations = {
        member: {"Destination": target} if target else {}
        for member, target in (("OnSuccess", config.on_success), ("OnFailure", config.on_failure))
    }
    return {
        "LastModified": config.last_modified,
        "FunctionArn": config.arn,
        "MaximumRetryAttempts": config.retries_max,
        "MaximumEventAgeInSeconds": config.age_max_s,
        "DestinationConfig": destinations,
    }
