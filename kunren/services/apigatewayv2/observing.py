"""What is told of requests that ended: access log entries in CloudWatch Logs, metrics in CloudWatch."""

from __future__ import annotations

import asyncio

from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.held_metrics import HeldMetrics, Sample
from kunren.dataplane.apis.access_log import ENTRY_BYTES_MAX, entry
from kunren.dataplane.apis.interface import ApiResponse
from kunren.services.apigatewayv2.exchange import Exchange
from kunren.services.lambda_.log_delivery import LogDelivery


class Observing:
    """`note` for each exchange that ended. `logs` and `metrics` deliver before anybody asks those services."""

    def __init__(self, clock: Clock, call: CallService) -> None:
        self._clock = clock
        self._call = call
        self._metrics: dict[str, HeldMetrics] = {}
        self.delivery = LogDelivery(call, line_end="", makes_group=False)
        self.logs = self.delivery.before

    async def metrics(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch."""
        await asyncio.gather(*(each.before(operation) for each in self._metrics.values()))

    def note(self, exchange: Exchange, response: ApiResponse) -> None:
        request, config = exchange.request, exchange.stage.config
        settings = config.get("AccessLogSettings") or {}
        if settings.get("DestinationArn") and settings.get("Format"):
            variables = exchange.logged(response, self._clock.monotonic())
            line = entry(settings["Format"], variables)[:ENTRY_BYTES_MAX]
            self.log(settings["DestinationArn"], f"{request.api.id}-{request.stage.strip('$')}", line)
        self._count(exchange, response)

    def log(self, destination: str, stream: str, line: str) -> None:
        """An access log entry for the log group of an ARN."""
        group = parse_arn(destination)
        if group is not None:
            name = group.resource.removeprefix("log-group:").removesuffix(":*")
            at = int(self._clock.now() * 1000)
            self.delivery.take(group.account, group.region, name, stream, [(at, line)])

    def _count(self, exchange: Exchange, response: ApiResponse) -> None:
        """HTTP APIs' metrics, by API (developer guide, "Monitor CloudWatch metrics for HTTP APIs")."""
        request, status = exchange.request, response.status
        length = len(response.body) if isinstance(response.body, bytes) else 0
        values = [
            ("Count", 1.0, "Count"),
            ("4xx", float(400 <= status < 500), "Count"),
            ("5xx", float(status >= 500), "Count"),
            ("Latency", (self._clock.monotonic() - exchange.began) * 1000, "Milliseconds"),
            ("DataProcessed", float(len(request.body) + length), "Bytes"),
        ]
        if exchange.integration_latency_ms is not None:
            values.append(("IntegrationLatency", float(exchange.integration_latency_ms), "Milliseconds"))
        region, now, dimensions = request.api.region, self._clock.now(), {"ApiId": request.api.id}
        held = self._metrics.get(region)
        if held is None:
            held = self._metrics[region] = HeldMetrics("AWS/ApiGateway", region, self._call)
        held.extend(Sample(request.api.account, dimensions, *each, now) for each in values)
