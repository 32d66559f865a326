"""API keys, throttles and quotas: whether one more request is admitted, and whose usage it is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import Any

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.dataplane.apis.throttle import Limit, Throttle
from kunren.services.apigateway.gateway_responses import Refusal, forbidden
from kunren.services.apigateway.model import ApiKey, Usage, UsagePlan, UsagePlanKey
from kunren.services.apigateway.quotas import counted, remaining_now
from kunren.services.apigateway.serving.exchange import Exchange

ACCOUNT_LIMIT = Limit(10_000.0, 5000.0)
"""Quotas of API Gateway, "Account-level throttling"."""


class Metering:
    """`throttle` has the buckets of HTTP APIs too: an account has one in a region for all of its APIs."""

    def __init__(self, store: Store, clock: Clock, throttle: Throttle) -> None:
        self._store = store
        self._clock = clock
        self._throttle = throttle
        self._keys: dict[tuple[str, str], dict[str, str]] = {}
        store.subscribe(self._changed, wants=lambda kind: kind == ApiKey.kind)

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys:
            if key.kind == ApiKey.kind:
                self._keys.pop((key.account, key.region), None)

    def _key(self, account: str, region: str, value: str) -> ApiKey | None:
        snapshot = self._store.snapshot()
        known = self._keys.get((account, region))
        if known is None:
            rows = snapshot.list(ApiKey, account, region)
            known = self._keys[account, region] = {each.shape["value"]: each.id for each in rows}
        id = known.get(value)
        return snapshot.get(ApiKey, account, region, id) if id is not None else None

    def admit(self, exchange: Exchange, named_by_authorizer: str) -> None:
        """Count the request, or raise Refusal."""
        api = exchange.request.api
        plan, key = None, None
        if exchange.method.get("apiKeyRequired"):
            plan, key = self._subscribed(exchange, named_by_authorizer)
        buckets = [((api.account, api.region), ACCOUNT_LIMIT), *self._stage_limits(exchange)]
        if plan is not None and key is not None:
            buckets += _plan_limits(exchange, plan, key)
        if not self._throttle.admits(*buckets):
            raise Refusal("THROTTLED", "Too Many Requests", "TooManyRequestsException")
        if plan is not None and key is not None:
            self._count(plan, key)

    def _subscribed(self, exchange: Exchange, named: str) -> tuple[UsagePlan, ApiKey]:
        """The key of the request and the plan by which it may ask this stage. Raises Refusal."""
        api = exchange.request.api
        by_header = exchange.deployed.api.get("apiKeySource") != "AUTHORIZER"
        value = exchange.request.headers.get("x-api-key", "") if by_header else named
        key = self._key(api.account, api.region, value) if value else None
        if key is None or not key.shape["enabled"]:
            raise forbidden()
        snapshot, stage = self._store.snapshot(), exchange.stage["stageName"]
        for plan in snapshot.list(UsagePlan, api.account, api.region):
            leads = any((each["apiId"], each["stage"]) == (api.id, stage) for each in plan.shape["apiStages"])
            if leads and snapshot.get(UsagePlanKey, api.account, api.region, f"{plan.id}/{key.id}") is not None:
                exchange.identity = {
                    **exchange.identity, "apiKey": key.shape["value"], "apiKeyId": key.id,
                }  # fmt: skip
                return plan, key
        raise forbidden()

    def _stage_limits(self, exchange: Exchange) -> list[tuple[Hashable, Limit]]:
        """The method's own bucket, or the stage's for all methods that have none."""
        settings: Mapping[str, Any] = exchange.stage.get("methodSettings") or {}
        api, stage = exchange.request.api, exchange.stage["stageName"]
        name = setting_name(exchange, settings)
        if name is None:
            return []
        told = settings[name]
        rate, burst = told.get("throttlingRateLimit", -1.0), told.get("throttlingBurstLimit", -1)
        return [] if rate < 0 or burst < 0 else [((api, stage, name), Limit(rate, burst))]

    def _count(self, plan: UsagePlan, key: ApiKey) -> None:
        """Usage is counted for every plan, and refused by those with a quota."""
        today = datetime.fromtimestamp(self._clock.now(), UTC).date()
        quota = plan.shape.get("quota")
        id = f"{plan.id}/{key.id}"
        with self._store.write() as tx:
            used = tx.get(Usage, plan.account, plan.region, id)
            days = used.days if used is not None else {}
            if quota is not None and remaining_now(quota, days, today) <= 0:
                raise Refusal("QUOTA_EXCEEDED", "Limit Exceeded", "LimitExceededException")
            unlimited = {"period": "MONTH", "limit": 0}
            tx.put(
                Usage(account=plan.account, region=plan.region, id=id, days=counted(quota or unlimited, days, today))
            )


def setting_name(exchange: Exchange, settings: Mapping[str, Any]) -> str | None:
    """The key of the method setting that holds for the request, the closest first."""
    path = exchange.resource_path.strip("/")
    method = exchange.method["httpMethod"]
    return next((each for each in (f"{path}/{method}", f"{path}/*", "*/*") if each in settings), None)


def _plan_limits(exchange: Exchange, plan: UsagePlan, key: ApiKey) -> list[tuple[Hashable, Limit]]:
    """A key's bucket for the plan, or for the method where the plan has a limit of its own for it."""
    api, stage = exchange.request.api, exchange.stage["stageName"]
    for each in plan.shape["apiStages"]:
        if (each["apiId"], each["stage"]) != (api.id, stage):
            continue
        for name in (f"{exchange.resource_path}/{exchange.method['httpMethod']}",):
            told = (each.get("throttle") or {}).get(name) or (each.get("throttle") or {}).get(name.replace("//", "/"))
            if told is not None:
                return [((plan.id, key.id, name), _limit(told))]
    told = plan.shape.get("throttle")
    return [((plan.id, key.id), _limit(told))] if told is not None else []


def _limit(told: Mapping[str, Any]) -> Limit:
    """A burst of nothing still lets a single request through, as a rate above zero must."""
    rate, burst = told.get("rateLimit") or 0.0, told.get("burstLimit") or 0
    return Limit(rate, max(burst, 1 if rate else 0))
