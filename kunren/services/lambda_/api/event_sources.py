"""Event source mappings: which sources invoke which functions. `sources` does the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.core.event_patterns import InvalidPattern, parse
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.checks import check_tags
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.lookup import Source, find
from kunren.services.lambda_.model import EventSourceMapping
from kunren.services.lambda_.names import FunctionName, parse_function_name
from kunren.services.lambda_.sources.interface import EventSource

_TAKEN = frozenset(
    {"EventSourceArn", "FunctionName", "Enabled", "BatchSize", "FilterCriteria", "ScalingConfig", "Tags", "UUID"}
    | {"MaximumBatchingWindowInSeconds", "FunctionResponseTypes"}
)
_SMALL_BATCH = 10
_FILTERS_MAX = 5


class EventSourceOperations(ApiBase):
    _sources: Mapping[str, EventSource]

    async def create_event_source_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _refuse_unknown(ctx, params)
        arn = params.get("EventSourceArn") or ""
        source = self._source(arn)
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        check_tags(params.get("Tags") or {})
        mapping = EventSourceMapping(
            account=ctx.account,
            region=ctx.region,
            id=self._entropy.uuid(),
            source_arn=arn,
            function=name.name,
            function_arn=name.qualified_arn,
            state="Creating",
            modified=self._clock.now(),
            tags=params.get("Tags") or {},
        )
        mapping = _changed(mapping, params)
        await source.check(mapping, find(self._store.snapshot(), name))
        with self._store.write() as tx:
            find(tx, name)
            for each in tx.list(EventSourceMapping, ctx.account, ctx.region):
                if (each.source_arn, each.function_arn) == (arn, mapping.function_arn):
                    raise ResourceConflictException(
                        f'An event source mapping with SQS arn (" {arn} ") and function (" {name.name} ") already '
                        f"exists. Please update or delete the existing mapping with UUID {each.id}"
                    )
            tx.put(mapping)
        return _shown(mapping)

    async def update_event_source_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _refuse_unknown(ctx, params)
        before = self._mapping(self._store.snapshot(), ctx, params)
        name = _function(before, params, ctx)
        wanted = self._next(before, name, params)
        await self._source(before.source_arn).check(wanted, find(self._store.snapshot(), name))
        with self._store.write() as tx:
            find(tx, name)
            mapping = self._next(self._mapping(tx, ctx, params), name, params)
            tx.put(mapping)
        return _shown(mapping)

    def _next(self, before: EventSourceMapping, name: FunctionName, params: dict[str, Any]) -> EventSourceMapping:
        if before.deleting or before.state in ("Creating", "Updating", "Enabling", "Disabling"):
            raise ResourceInUseException("Cannot update the event source mapping because it is in use.")
        after = _changed(before, params)
        state = ("Updating" if before.enabled else "Enabling") if after.enabled else "Disabling"
        return msgspec.structs.replace(
            after,
            function=name.name,
            function_arn=name.qualified_arn,
            state=state if after.enabled or before.enabled else "Disabled",
            modified=self._clock.now(),
        )

    def get_event_source_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return _shown(self._mapping(self._store.snapshot(), ctx, params))

    def list_event_source_mappings(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        mappings = self._store.snapshot().list(EventSourceMapping, ctx.account, ctx.region)
        if params.get("EventSourceArn"):
            mappings = [each for each in mappings if each.source_arn == params["EventSourceArn"]]
        if params.get("FunctionName"):
            name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
            mappings = [each for each in mappings if each.function_arn == name.qualified_arn]
        page, marker = self._page(list(mappings), params, lambda each: each.id)
        return {"EventSourceMappings": [_shown(each) for each in page], "NextMarker": marker}

    def delete_event_source_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            mapping = self._mapping(tx, ctx, params)
            if mapping.deleting:
                raise ResourceInUseException("Cannot delete the event source mapping because it is in use.")
            mapping = msgspec.structs.replace(mapping, deleting=True, state="Deleting")
            tx.put(mapping)
        return _shown(mapping)

    def _mapping(self, source: Source, ctx: RequestContext, params: dict[str, Any]) -> EventSourceMapping:
        found = source.get(EventSourceMapping, ctx.account, ctx.region, params["UUID"])
        if found is None:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        return found

    def _source(self, arn: str) -> EventSource:
        parts = arn.split(":")
        if len(parts) < 6:
            raise InvalidParameterValueException("Unrecognized event source.")
        if parts[2] not in self._sources:
            raise NotImplementedByKunren("lambda", f"CreateEventSourceMapping from {parts[2]} ({arn})")
        return self._sources[parts[2]]


def _function(mapping: EventSourceMapping, params: dict[str, Any], ctx: RequestContext) -> FunctionName:
    return parse_function_name(params.get("FunctionName") or mapping.function_arn, ctx.account, ctx.region)


def _refuse_unknown(ctx: RequestContext, params: dict[str, Any]) -> None:
    for member, value in params.items():
        if member not in _TAKEN and value not in (None, [], {}, ""):
            raise NotImplementedByKunren("lambda", f"{ctx.operation} with {member}")


def _changed(mapping: EventSourceMapping, params: dict[str, Any]) -> EventSourceMapping:
    """With what the caller gave. Raises InvalidParameterValueException."""
    changes: dict[str, Any] = {}
    for member, field in (("Enabled", "enabled"), ("BatchSize", "batch_size")):
        if params.get(member) is not None:
            changes[field] = params[member]
    if params.get("MaximumBatchingWindowInSeconds") is not None:
        changes["window_s"] = params["MaximumBatchingWindowInSeconds"]
    if params.get("FilterCriteria") is not None:
        changes["filters"] = tuple(
            each.get("Pattern") or "{}" for each in params["FilterCriteria"].get("Filters") or ()
        )
    if params.get("ScalingConfig") is not None:
        changes["concurrency"] = params["ScalingConfig"].get("MaximumConcurrency")
    if params.get("FunctionResponseTypes") is not None:
        changes["partial"] = "ReportBatchItemFailures" in params["FunctionResponseTypes"]
    after = msgspec.structs.replace(mapping, **changes)
    fifo = after.source_arn.endswith(".fifo")
    if fifo and after.window_s:
        raise InvalidParameterValueException("Batching window is not supported for FIFO queues.")
    if fifo and after.batch_size > _SMALL_BATCH:
        raise InvalidParameterValueException("Batch size of a FIFO queue cannot be greater than 10.")
    if after.batch_size > _SMALL_BATCH and not after.window_s:
        raise InvalidParameterValueException(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )
    if len(after.filters) > _FILTERS_MAX:
        raise InvalidParameterValueException("Filters: at most 5 filters are allowed for an event source mapping.")
    for pattern in after.filters:
        try:
            parse(pattern)
        except InvalidPattern:
            raise InvalidParameterValueException("Invalid filter pattern definition.") from None
    return after


def _shown(mapping: EventSourceMapping) -> dict[str, Any]:
    return {
        "UUID": mapping.id,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": mapping.function_arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
        "FilterCriteria": {"Filters": [{"Pattern": each} for each in mapping.filters]} if mapping.filters else None,
        "ScalingConfig": {"MaximumConcurrency": mapping.concurrency} if mapping.concurrency else None,
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if mapping.partial else [],
        "LastModified": mapping.modified,
        "LastProcessingResult": mapping.last_result or None,
        "State": mapping.state,
        "StateTransitionReason": "USER_INITIATED",
    }
