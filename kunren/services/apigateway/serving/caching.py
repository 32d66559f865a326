"""Responses that a stage's cache keeps, by method and cache key parameters ("Cache settings for REST APIs").

The cache is in memory, whatever size its cluster has: what goes first is what was not asked for the longest. Times are
AWS seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from kunren.core.clock import Clock
from kunren.dataplane.apis.interface import ApiResponse
from kunren.services.apigateway.gateway_responses import Refusal
from kunren.services.apigateway.serving.exchange import Exchange
from kunren.services.apigateway.serving.mapping import request_values
from kunren.services.apigateway.serving.media import to_text
from kunren.services.apigateway.serving.metering import setting_name

TTL_DEFAULT_S = 300
ENTRY_BYTES_MAX = 1_048_576
"""Quota: the size of a cached response."""
_BYTES_MAX = 32 * ENTRY_BYTES_MAX
_WARNING = ("Warning", '199 API Gateway "Unauthorized cache invalidation"')
_Place = tuple[str, str, str, str]
_Entry = tuple[str, ...]


class Slot(NamedTuple):
    """Where a request's response is kept, and by which setting."""

    place: _Place
    entry: _Entry
    setting: Mapping[str, Any]


def _size(entry: _Entry, response: ApiResponse) -> int:
    """About how many bytes are kept: empty bodies below long keys are many too."""
    texts = (*entry, *(text for header in response.headers for text in header))
    return 512 + sum(map(len, texts)) + (len(response.body) if isinstance(response.body, bytes) else 0)


class _Stage:
    def __init__(self) -> None:
        self.kept: OrderedDict[_Entry, tuple[float, ApiResponse]] = OrderedDict()
        self.size = 0

    def drop(self, entry: _Entry) -> None:
        found = self.kept.pop(entry, None)
        if found is not None:
            self.size -= _size(entry, found[1])


class Caches:
    """The caches of all stages."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stages: dict[_Place, _Stage] = {}

    def flush(self, account: str, region: str, api: str, stage: str) -> None:
        """FlushStageCache."""
        self._stages.pop((account, region, api, stage), None)

    def look(self, slot: Slot, exchange: Exchange) -> ApiResponse | None:
        """What is kept for a request, if it may be had. Raises Refusal."""
        stage = self._stages.get(slot.place)
        if "max-age=0" in exchange.request.headers.get("cache-control", "").replace(" ", "").lower():
            if not slot.setting.get("requireAuthorizationForCacheControl", True):
                if stage is not None:
                    stage.drop(slot.entry)
                return None
            strategy = slot.setting.get("unauthorizedCacheControlHeaderStrategy")
            if strategy == "FAIL_WITH_403":
                raise Refusal("ACCESS_DENIED", "Unauthorized cache invalidation", "AccessDeniedException")
            if strategy == "SUCCEED_WITH_RESPONSE_HEADER":
                exchange.warnings.append(_WARNING)
        found = stage.kept.get(slot.entry) if stage is not None else None
        if stage is None or found is None:
            return None
        if found[0] <= self._clock.now():
            stage.drop(slot.entry)
            return None
        stage.kept.move_to_end(slot.entry)
        return found[1]

    def keep(self, slot: Slot, response: ApiResponse) -> None:
        ttl = slot.setting.get("cacheTtlInSeconds", TTL_DEFAULT_S)
        if not ttl or response.status != 200 or not isinstance(response.body, bytes):
            return
        if len(response.body) > ENTRY_BYTES_MAX:
            return
        stage = self._stages.setdefault(slot.place, _Stage())
        stage.drop(slot.entry)
        stage.kept[slot.entry] = (self._clock.now() + ttl, response)
        stage.size += _size(slot.entry, response)
        while stage.size > _BYTES_MAX:
            stage.drop(next(iter(stage.kept)))


def slot_of(exchange: Exchange) -> Slot | None:
    """None where the request's method is not cached: a setting for all methods is about GET alone."""
    if not exchange.stage.get("cacheClusterEnabled"):
        return None
    settings = exchange.stage.get("methodSettings") or {}
    name = setting_name(exchange, settings)
    if name is None or not settings[name].get("cachingEnabled"):
        return None
    if exchange.request.method != "GET" and name.startswith("*/"):
        return None
    api, integration = exchange.request.api, exchange.integration
    canary = exchange.canary and not exchange.stage["canarySettings"].get("useStageCache")
    body = to_text(exchange.request.body)
    values = [
        f"{each}={','.join(request_values(_source(each, integration), exchange, body))}"
        for each in integration.get("cacheKeyParameters") or ()
    ]
    entry = (integration.get("cacheNamespace") or "", exchange.request.method, str(canary), *values)
    return Slot((api.account, api.region, api.id, exchange.stage["stageName"]), entry, settings[name])


def _source(parameter: str, integration: Mapping[str, Any]) -> str:
    """What a cache key parameter has its value from: itself, or what is mapped to the integration's request."""
    if parameter.startswith("integration.request."):
        return str((integration.get("requestParameters") or {}).get(parameter, ""))
    return parameter
