"""Aliases: names for versions, with weighted routing between two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import InvalidParameterValueException, ResourceConflictException
from kunren.services.lambda_.lookup import aliases_of, find, find_alias
from kunren.services.lambda_.model import LATEST, Alias
from kunren.services.lambda_.names import FunctionName, parse_function_name
from kunren.services.lambda_.view import alias_shown


class AliasOperations(ApiBase):
    def create_alias(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        with self._store.write() as tx:
            function = self._function(tx, name)
            arn = f"{function.arn}:{params['Name']}"
            if tx.get(Alias, name.account, name.region, f"{name.name}:{params['Name']}") is not None:
                raise ResourceConflictException(f"Alias already exists: {arn}")
            alias = Alias(
                account=name.account,
                region=name.region,
                id=f"{name.name}:{params['Name']}",
                arn=arn,
                function=name.name,
                name=params["Name"],
                version=params["FunctionVersion"],
                description=params.get("Description") or "",
                weights=_weights(params) or {},
                revision_id=self._entropy.uuid(),
            )
            self._check_routing(tx, name, alias)
            tx.put(alias)
        return alias_shown(alias)

    def update_alias(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        with self._store.write() as tx:
            self._function(tx, name)
            alias = find_alias(tx, name, params["Name"])
            self._guard_revision(alias, params)
            weights = _weights(params)
            updated = msgspec.structs.replace(
                alias,
                version=params.get("FunctionVersion") or alias.version,
                description=params["Description"] if params.get("Description") is not None else alias.description,
                weights=alias.weights if weights is None else weights,
                revision_id=self._entropy.uuid(),
            )
            self._check_routing(tx, name, updated)
            tx.put(updated)
        return alias_shown(updated)

    def get_alias(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        snapshot = self._store.snapshot()
        self._function(snapshot, name)
        return alias_shown(find_alias(snapshot, name, params["Name"]))

    def list_aliases(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        snapshot = self._store.snapshot()
        aliases = aliases_of(snapshot, self._function(snapshot, name))
        if version := params.get("FunctionVersion"):
            aliases = [each for each in aliases if version == each.version or version in each.weights]
        shown, marker = self._page(aliases, params, lambda each: each.id)
        return {"Aliases": [alias_shown(each) for each in shown], "NextMarker": marker}

    def delete_alias(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        with self._store.write() as tx:
            function = self._function(tx, name)
            alias = tx.get(Alias, name.account, name.region, f"{name.name}:{params['Name']}")
            if alias is not None:
                self._forget_qualifier(tx, function, alias.name)
                tx.delete(alias)

    def _check_routing(self, tx: Tx, name: FunctionName, alias: Alias) -> None:
        """Raises ResourceNotFoundException and InvalidParameterValueException."""
        if len(alias.weights) > 1:
            raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
        if alias.weights and alias.version == LATEST:
            raise InvalidParameterValueException(
                "$LATEST is not supported for an alias pointing to more than 1 version"
            )
        first = find(tx, name._replace(qualifier=alias.version))
        for version in alias.weights:
            if version == alias.version:
                raise InvalidParameterValueException(
                    f"Invalid function version {version}. Function version {version} is already included in routing "
                    "configuration."
                )
            second = find(tx, name._replace(qualifier=version))
            for field, what in (("role", "execution role"), ("dead_letter_arn", "dead-letter queue configuration")):
                if getattr(first, field) != getattr(second, field):
                    raise InvalidParameterValueException(
                        f"Function versions {alias.version} and {version} must have the same {what}."
                    )


def _weights(params: Mapping[str, Any]) -> dict[str, float] | None:
    """None where the caller says nothing of routing; an empty routing config takes it away."""
    told = params.get("RoutingConfig")
    if told is None:
        return None
    return {version: float(weight) for version, weight in (told.get("AdditionalVersionWeights") or {}).items()}
