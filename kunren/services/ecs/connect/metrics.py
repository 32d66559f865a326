"""Metrics of Service Connect, for CloudWatch: what the proxies of the tasks that serve have counted.

"Amazon ECS CloudWatch metrics": namespace AWS/ECS, by the name of discovery, and by that with service and cluster. What
clients sent to the proxies has the dimension DiscoveryName, what containers answered these TargetDiscoveryName. Envoy
counts anyway; it is asked once a minute, and before metrics are read.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.counted_metrics import CountedMetrics, Dimensions
from kunren.core.held_metrics import OWN_CALLS
from kunren.dataplane.envoy.counters import CLASSES, EVERY_S, LEAST_WALL_S, Stats, added, parsed, times
from kunren.services.ecs.connect.model import GRPC, TCP, Offer
from kunren.services.ecs.model import Task

log = logging.getLogger(__name__)
PATTERN = (
    r"^(http|tcp|cluster)\.connect/[^.]*/in/[0-9]+\.(downstream_rq_total|downstream_cx_(total|rx_bytes_total|tx_bytes_total)"
    r"|upstream_rq_[2345]xx|upstream_rq_time|upstream_cx_(active|rx_bytes_total|tx_bytes_total))$"
)


class Inward(NamedTuple):
    """What a task serves through its proxy; `name` is that of Envoy's statistics."""

    name: str
    task: Task
    offer: Offer


@dataclass(frozen=True, slots=True)
class Value:
    """A metric's value, seen `count` times. `target` is whether containers are what it is about."""

    name: str
    value: float
    count: float = 1.0
    unit: str = "Count"
    target: bool = False


class ConnectMetrics:
    """`run` lives until it is cancelled. `inward` gives what is served, `ask` the text of Envoy's statistics whose
    names match."""

    def __init__(
        self, clock: Clock, call: CallService, inward: Callable[[], Iterable[Inward]],
        ask: Callable[[str], Awaitable[str]],
    ) -> None:  # fmt: skip
        self._clock, self._inward, self._ask = clock, inward, ask
        self._counted = CountedMetrics("AWS/ECS", call)
        self._seen: Stats = {}
        self._looked_at = clock.now()

    async def run(self) -> None:
        async for _ in ticks(self._clock, max(EVERY_S, LEAST_WALL_S * self._clock.speed)):
            await self.collect()

    async def before(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch."""
        if operation not in OWN_CALLS:
            await self.collect()
            await self._counted.before(operation)

    async def collect(self) -> None:
        """Take in what happened since the last time."""
        inward = list(self._inward())
        if not inward:
            self._seen = {}
            return
        try:
            stats = parsed(await self._ask(PATTERN))
        except (OSError, TimeoutError) as error:
            log.debug("envoy did not say what it counted: %r", error)
            return
        now = self._clock.now()
        at, self._looked_at = (self._looked_at + now) / 2, now
        seen, self._seen = self._seen, stats
        sharing = Counter(map(_place, inward))
        for each in inward:
            present = stats.get(each.name, {})
            for value in values(each.offer, added(seen.get(each.name, {}), present), present, sharing[_place(each)]):
                self._tell(each, value, at)

    def _tell(self, inward: Inward, value: Value, at: float) -> None:
        task, name = inward.task, "TargetDiscoveryName" if value.target else "DiscoveryName"
        by_name: Dimensions = ((name, inward.offer.discovery_name),)
        service = (("ServiceName", task.group.removeprefix("service:")), ("ClusterName", task.cluster))
        for dimensions in (by_name, (*by_name, *service)):
            self._counted.add(
                task.account, task.region, dimensions, value.name, value.unit, value.value, at, value.count
            )


def _place(inward: Inward) -> tuple[str, ...]:
    task = inward.task
    return task.account, task.region, task.cluster, task.group, inward.offer.discovery_name


def values(offer: Offer, grown: Mapping[str, float], now: Mapping[str, float], targets: int) -> Iterator[Value]:
    """Of one task's proxy: what its counters grew by, and are; `targets` is how many tasks serve the same. Pure."""
    for name, count in _counts(offer, grown):
        if count:
            yield Value(name, 1.0, count, target="_Target_" in name)
    if active := now.get("upstream_cx_active"):
        yield Value("ActiveConnectionCount", active)
    for name, direction in (("ProcessedBytes", "downstream"), ("TargetProcessedBytes", "upstream")):
        moved = sum(grown.get(f"{direction}_cx_{each}_bytes_total", 0.0) for each in ("rx", "tx"))
        if moved:
            yield Value(name, moved, unit="Bytes", target=direction == "upstream")
    if offer.protocol != TCP:
        if requests := grown.get("downstream_rq_total"):
            yield Value("RequestCountPerTarget", requests / targets, target=True)
        for seconds, count in times(grown):
            yield Value("TargetResponseTime", 1000 * seconds, count, "Milliseconds", target=True)


def _counts(offer: Offer, grown: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    yield "NewConnectionCount", grown.get("downstream_cx_total", 0.0)
    if offer.protocol == TCP:
        return
    requests = grown.get("downstream_rq_total", 0.0)
    yield "RequestCount", requests
    if offer.protocol == GRPC:
        yield "GrpcRequestCount", requests
    for each in CLASSES:
        yield f"HTTPCode_Target_{each.upper()}_Count", grown.get(f"upstream_rq_{each}", 0.0)
