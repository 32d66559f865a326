"""Tags of functions, event source mappings, code signing configurations and capacity providers."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.capacity.model import CapacityProvider
from kunren.services.lambda_.checks import check_tags
from kunren.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from kunren.services.lambda_.model import CodeSigningConfig, EventSourceMapping, Function
from kunren.services.lambda_.names import split_arn

Tagged = Function | EventSourceMapping | CodeSigningConfig | CapacityProvider
_OTHERS: dict[str, type[EventSourceMapping] | type[CodeSigningConfig] | type[CapacityProvider]] = {
    "event-source-mapping": EventSourceMapping,
    "code-signing-config": CodeSigningConfig,
    "capacity-provider": CapacityProvider,
}


class TagOperations(ApiBase):
    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            function = self._tagged(tx, ctx, params["Resource"])
            tags = {**function.tags, **params["Tags"]}
            check_tags(tags)
            tx.put(self._with_tags(function, tags))

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            function = self._tagged(tx, ctx, params["Resource"])
            gone = set(params["TagKeys"])
            tags = {key: value for key, value in function.tags.items() if key not in gone}
            tx.put(self._with_tags(function, tags))

    def list_tags(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": self._tagged(self._store.snapshot(), ctx, params["Resource"]).tags}

    def _with_tags(self, tagged: Tagged, tags: dict[str, str]) -> Tagged:
        if isinstance(tagged, Function):
            return self._revised(tagged, tags=tags)
        return msgspec.structs.replace(tagged, tags=tags)

    def _tagged(self, source: Snapshot | Tx, ctx: RequestContext, arn: str) -> Tagged:
        what, _, id = arn.removeprefix(f"arn:aws:lambda:{ctx.region}:{ctx.account}:").partition(":")
        if (kind := _OTHERS.get(what)) is not None:
            other = source.get(kind, ctx.account, ctx.region, id)
            if other is None:
                raise ResourceNotFoundException("The resource you requested does not exist.")
            return other
        name = split_arn(arn)
        if name is None:
            raise ResourceNotFoundException(f"The resource you requested does not exist: {arn}")
        if name.qualifier:
            raise InvalidParameterValueException(
                "Tags on function aliases and versions are not supported. Please specify a function ARN."
            )
        function = source.get(Function, name.account, name.region, name.name)
        if function is None or name.region != ctx.region:
            raise ResourceNotFoundException(f"Function not found: {arn}")
        return function
