"""What is told of requests afterwards: access logs, execution logs, metrics.

"Set up CloudWatch logging for REST APIs" and "Amazon API Gateway dimensions and metrics". Execution logs go to the
group `API-Gateway-Execution-Logs_API/STAGE`, which is made when it is first needed; an access log's must be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.held_metrics import HeldMetrics, Sample
from kunren.dataplane.apis.access_log import entry
from kunren.dataplane.apis.interface import ApiResponse
from kunren.services.apigateway.model import Account
from kunren.services.apigateway.serving.exchange import Exchange
from kunren.services.apigateway.serving.mapping import error_variables
from kunren.services.apigateway.serving.metering import setting_name
from kunren.services.lambda_.log_delivery import LogDelivery

NAMESPACE = "AWS/ApiGateway"
_LINE_MAX = 1024


class Records:
    """`before_logs` and `before_metrics` bring what waits to whoever asks CloudWatch."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._call = call
        self._execution = LogDelivery(call, line_end="")
        self._access = LogDelivery(call, line_end="", makes_group=False)
        self._metrics: dict[str, HeldMetrics] = {}

    async def before_logs(self, operation: str) -> None:
        await self._execution.before(operation)
        await self._access.before(operation)

    async def before_metrics(self, operation: str) -> None:
        for held in self._metrics.values():
            await held.before(operation)

    def settings(self, exchange: Exchange) -> Mapping[str, Any]:
        """The method setting that holds for the request."""
        settings = exchange.stage.get("methodSettings") or {}
        name = setting_name(exchange, settings) if exchange.matched is not None else "*/*"
        found: Mapping[str, Any] = settings.get(name or "", {})
        return found

    def traces(self, exchange: Exchange) -> bool:
        """Whether the request's steps are to be kept: the stage asks for it, and the account has a role for it."""
        if self.settings(exchange).get("loggingLevel", "OFF") == "OFF":
            return False
        api = exchange.request.api
        account = self._store.snapshot().get(Account, api.account, api.region, "account")
        return account is not None and bool(account.shape.get("cloudwatchRoleArn"))

    def take(self, exchange: Exchange, response: ApiResponse, latency_ms: int) -> None:
        """The request has been answered."""
        self._count(exchange, response, latency_ms)
        if exchange.lines:
            self._log_execution(exchange, response)
        log = exchange.stage.get("accessLogSettings") or {}
        if log.get("destinationArn") and log.get("format"):
            self._log_access(exchange, response, latency_ms, log)

    def _log_access(self, exchange: Exchange, response: ApiResponse, latency_ms: int, log: Mapping[str, Any]) -> None:
        parts = log["destinationArn"].split(":")
        known = access_variables(exchange, response, latency_ms)
        line = (int(exchange.request.time * 1000), entry(log["format"], known))
        stream = f"{exchange.request.api.id}_{exchange.stage['stageName']}"
        self._access.take(parts[4], parts[3], parts[6], stream, [line])

    def _log_execution(self, exchange: Exchange, response: ApiResponse) -> None:
        api, request = exchange.request.api, exchange.request
        level = self.settings(exchange).get("loggingLevel")
        if level == "ERROR" and response.status < 400:
            return
        at = int(request.time * 1000)
        first = [
            f"Extended Request Id: {request.id}",
            f"Verifying Usage Plan for request: {request.id}. API Stage: {api.id}/{exchange.stage['stageName']}",
            f"Starting execution for request: {request.id}",
            f"HTTP Method: {request.method}, Resource Path: {exchange.resource_path}",
        ]
        last = [f"Method completed with status: {response.status}"]
        keep = exchange.lines if self.settings(exchange).get("dataTraceEnabled") else [
            each for each in exchange.lines if each.startswith("Execution failed")
        ]  # fmt: skip
        lines = [(at, f"({request.id}) {text[:_LINE_MAX]}") for text in (*first, *keep, *last)]
        group = f"API-Gateway-Execution-Logs_{api.id}/{exchange.stage['stageName']}"
        self._execution.take(api.account, api.region, group, request.id.replace("-", ""), lines)

    def _count(self, exchange: Exchange, response: ApiResponse, latency_ms: int) -> None:
        api, now = exchange.request.api, self._clock.now()
        held = self._metrics.get(api.region)
        if held is None:
            held = self._metrics[api.region] = HeldMetrics(NAMESPACE, api.region, self._call)
        name = exchange.deployed.api.get("name", "")
        dimensions = [{"ApiName": name}, {"ApiName": name, "Stage": exchange.stage["stageName"]}]
        if self.settings(exchange).get("metricsEnabled") and exchange.matched is not None:
            dimensions.append(
                {**dimensions[1], "Resource": exchange.resource_path, "Method": exchange.method["httpMethod"]}
            )
        values = [("Count", 1.0, "Count"), ("Latency", float(latency_ms), "Milliseconds")]
        values.append(("4XXError", float(400 <= response.status < 500), "Count"))
        values.append(("5XXError", float(response.status >= 500), "Count"))
        if exchange.integration_latency_ms is not None:
            values.append(("IntegrationLatency", float(exchange.integration_latency_ms), "Milliseconds"))
        if exchange.cached is not None:
            values.append(("CacheHitCount" if exchange.cached else "CacheMissCount", 1.0, "Count"))
        held.extend(
            Sample(api.account, told, each, value, unit, now) for told in dimensions for each, value, unit in values
        )


def access_variables(exchange: Exchange, response: ApiResponse, latency_ms: int) -> dict[str, object]:
    """`$context` variables for access logs, by their names with dots."""
    known: dict[str, object] = {}
    _flatten("", exchange.context(), known)
    length = len(response.body) if isinstance(response.body, bytes) else 0
    known |= {
        "status": response.status, "responseLength": length, "responseLatency": latency_ms,
        "integrationLatency": exchange.integration_latency_ms, "integration.latency": exchange.integration_latency_ms,
        "integrationStatus": exchange.integration_status, "integration.status": exchange.integration_status,
        "xrayTraceId": exchange.trace_id,
    }  # fmt: skip
    if exchange.refusal is not None:
        known |= {f"error.{name}": value for name, value in error_variables(exchange.refusal).items()}
    return known


def _flatten(prefix: str, values: Mapping[str, Any], into: dict[str, object]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            _flatten(f"{prefix}{name}.", value, into)
        else:
            into[prefix + name] = value
