"""Metrics of load balancers, for CloudWatch: Envoy's own counters, read when somebody wants to know.

How it works. Envoy counts anyway; a request costs nothing more. Once a minute, and before metrics are read, the
counters of listeners and clusters are read from its admin socket, and what was added since is told
(`kunren.core.counted_metrics`). Health is what the probes found.

"CloudWatch metrics for your Application Load Balancer", and for Network Load Balancers, of which only health is told.
A code of a target is what its cluster counted, less the answers that Envoy made because the target gave none; all other
answers of the listener are the load balancer's own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.counted_metrics import CountedMetrics, Dimensions
from kunren.core.held_metrics import OWN_CALLS
from kunren.dataplane.envoy.counters import CLASSES, EVERY_S, LEAST_WALL_S, Buckets, Stats, added, parsed, times
from kunren.services.elbv2.arns import dimension
from kunren.services.elbv2.associations import group_users
from kunren.services.elbv2.dataplane.targets import resource_name, zone_of
from kunren.services.elbv2.model import LoadBalancer, TargetGroup, TargetHealth, target_health_id

log = logging.getLogger(__name__)
PATTERN = (
    r"^(cluster\..*\.upstream_(rq_[2345]xx|rq_total|rq_time|rq_timeout|rq_pending_failure_eject|rq_pending_overflow|"
    r"cx_none_healthy|cx_connect_fail|cx_connect_timeout|cx_destroy_remote_with_active_rq|cx_protocol_error|rq_rx_reset)"
    r"|http\.app/.*\.(downstream_rq_[2345]xx|downstream_cx_(total|active|rx_bytes_total|tx_bytes_total)|"
    r"rq_direct_response|rq_redirect))$"
)
_FAILED = {
    "503": ("upstream_cx_none_healthy", "upstream_rq_pending_overflow"),
    "504": ("upstream_rq_timeout", "upstream_cx_connect_timeout"),
    "502": (
        "upstream_rq_pending_failure_eject", "upstream_cx_destroy_remote_with_active_rq", "upstream_cx_protocol_error",
        "upstream_rq_rx_reset",
    ),
}  # fmt: skip


def failures(grown: Mapping[str, float]) -> dict[str, float]:
    """How many requests of a cluster Envoy answered itself, by code. Pure."""
    found = {code: sum(grown.get(each, 0.0) for each in names) for code, names in _FAILED.items()}
    timed_out = grown.get("upstream_cx_connect_timeout", 0.0)
    found["502"] = max(0.0, found["502"] - timed_out)  # those are among the connections that failed
    return found


class BalancerMetrics:
    """`run` lives until it is cancelled. `ask` gives the text of Envoy's statistics whose names match."""

    def __init__(self, store: Store, clock: Clock, call: CallService, ask: Callable[[str], Awaitable[str]]) -> None:
        self._store, self._clock, self._ask = store, clock, ask
        self._balancers = CountedMetrics("AWS/ApplicationELB", call)
        self._networks = CountedMetrics("AWS/NetworkELB", call)
        self._seen: Stats = {}
        self._buckets: Buckets = {}
        self._looked_at = clock.now()
        self._minute = 0.0

    async def run(self) -> None:
        async for _ in ticks(self._clock, max(EVERY_S, LEAST_WALL_S * self._clock.speed)):
            await self.collect()

    async def before(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch."""
        if operation in OWN_CALLS:
            return
        await self.collect()
        await self._balancers.before(operation)
        await self._networks.before(operation)

    async def collect(self) -> None:
        """Take in what happened since the last time."""
        snapshot = self._store.snapshot()
        balancers = {dimension(each.id): each for each in snapshot.every(LoadBalancer)}
        if not balancers:
            self._seen.clear()
            self._buckets.clear()
            return
        try:
            stats = (
                parsed(await self._ask(PATTERN), self._buckets)
                if any(each.startswith("app/") for each in balancers)
                else {}
            )
        except (OSError, TimeoutError) as error:
            log.debug("envoy did not say what it counted: %r", error)
            return
        now = self._clock.now()
        at, self._looked_at = (self._looked_at + now) / 2, now
        grown = {name: added(self._seen.get(name, {}), counters) for name, counters in stats.items()}
        self._seen = stats
        healthy = self._tell_health(snapshot, now)
        self._tell_traffic(balancers, grown, stats, healthy, at)

    def _tell_traffic(
        self, balancers: Mapping[str, LoadBalancer], grown: Stats, stats: Stats, healthy: Mapping[str, int], at: float
    ) -> None:
        clusters: dict[str, list[str]] = {}
        for name in stats:
            clusters.setdefault("app/" + "/".join(name.split("/")[:2]), []).append(name)
        for name, balancer in balancers.items():
            if name not in stats:
                continue
            whole: Dimensions = (("LoadBalancer", name),)
            own = dict.fromkeys(CLASSES, 0.0)
            own |= {each: grown[name].get(f"downstream_rq_{each}", 0.0) for each in CLASSES}
            codes: dict[str, float] = {}
            for cluster in clusters.get(name, ()):
                group = "/".join(cluster.split("/")[3:])
                for each, count in self._tell_cluster(balancer, whole, group, grown[cluster], healthy, at).items():
                    own[each] -= count
                for code, count in failures(grown[cluster]).items():
                    codes[code] = codes.get(code, 0.0) + count
            self._tell_own(balancer, whole, grown[name], stats[name], own, codes, at)

    def _tell_cluster(
        self, balancer: LoadBalancer, whole: Dimensions, group: str, grown: Mapping[str, float],
        healthy: Mapping[str, int], at: float,
    ) -> dict[str, float]:  # fmt: skip
        """Of a group's cluster on one node (without group: the functions'). Returns the targets' answers by class."""
        failed = sum(failures(grown).values())
        answers = {each: grown.get(f"upstream_rq_{each}", 0.0) for each in CLASSES}
        answers["5xx"] = max(0.0, answers["5xx"] - failed)
        requests = grown.get("upstream_rq_total", 0.0) + grown.get("upstream_rq_pending_failure_eject", 0.0)
        under = [whole]
        if group:
            target = ("TargetGroup", f"targetgroup/{group}")
            under.append((target, *whole))
            if requests > 0 and healthy.get(group):
                share = requests / healthy[group]
                for one in ((target,), (target, *whole)):
                    self._tell(balancer, one, "RequestCountPerTarget", share, at)
        for dimensions in under:
            self._count(balancer, dimensions, "RequestCount", requests, at)
            for each, count in answers.items():
                self._count(balancer, dimensions, f"HTTPCode_Target_{each.upper()}_Count", count, at)
            connecting = grown.get("upstream_cx_connect_fail", 0.0)
            self._count(balancer, dimensions, "TargetConnectionErrorCount", connecting, at)
            for seconds, count in times(grown):
                self._tell(balancer, dimensions, "TargetResponseTime", seconds, at, "Seconds", count)
        return answers

    def _tell_own(
        self, balancer: LoadBalancer, whole: Dimensions, grown: Mapping[str, float], stats: Mapping[str, float],
        own: Mapping[str, float], codes: Mapping[str, float], at: float,
    ) -> None:  # fmt: skip
        for each in CLASSES[1:]:
            self._count(balancer, whole, f"HTTPCode_ELB_{each.upper()}_Count", own[each], at)
        for code, count in codes.items():
            self._count(balancer, whole, f"HTTPCode_ELB_{code}_Count", count, at)
        self._count(balancer, whole, "NewConnectionCount", grown.get("downstream_cx_total", 0.0), at)
        moved = grown.get("downstream_cx_rx_bytes_total", 0.0) + grown.get("downstream_cx_tx_bytes_total", 0.0)
        if moved:
            self._tell(balancer, whole, "ProcessedBytes", moved, at, "Bytes")
        if active := stats.get("downstream_cx_active", 0.0):
            self._tell(balancer, whole, "ActiveConnectionCount", active, at)

    def _tell_health(self, snapshot: Snapshot, now: float) -> dict[str, int]:
        """Once a minute, of every group that a load balancer has. Returns the healthy ones by the group's `NAME/ID`."""
        due, self._minute = now // EVERY_S != self._minute, now // EVERY_S
        healthy: dict[str, int] = {}
        for account, region in {(each.account, each.region) for each in snapshot.every(LoadBalancer)}:
            for arn, users in group_users(snapshot, account, region).items():
                group = snapshot.get(TargetGroup, account, region, arn)
                if group is None:
                    continue
                states = list(_states(snapshot, group))
                healthy[resource_name(arn)] = sum(state == "healthy" for _, state in states)
                if due and states:
                    for user in users:
                        self._tell_states(snapshot, group, user, states, now)
        return healthy

    def _tell_states(
        self, snapshot: Snapshot, group: TargetGroup, user: str, states: list[tuple[str | None, str]], now: float
    ) -> None:
        balancer = snapshot.get(LoadBalancer, group.account, group.region, user)
        if balancer is None:
            return
        told: Dimensions = (("TargetGroup", dimension(group.id)), ("LoadBalancer", dimension(user)))
        counted = self._balancers if balancer.type == "application" else self._networks
        zones = {zone for zone, _ in states if zone is not None}
        for name, state in (("HealthyHostCount", "healthy"), ("UnHealthyHostCount", "unhealthy")):
            total = float(sum(each == state for _, each in states))
            counted.add(group.account, group.region, told, name, "Count", total, now)
            for zone in zones:
                of_zone = float(sum(each == state for where, each in states if where == zone))
                dimensions = (*told, ("AvailabilityZone", zone))
                counted.add(group.account, group.region, dimensions, name, "Count", of_zone, now)

    def _count(self, balancer: LoadBalancer, dimensions: Dimensions, name: str, count: float, at: float) -> None:
        """Something happened so often; each time is a value of 1."""
        if count > 0:
            self._tell(balancer, dimensions, name, 1.0, at, "Count", count)

    def _tell(
        self, balancer: LoadBalancer, dimensions: Dimensions, name: str, value: float, at: float, unit: str = "Count",
        count: float = 1.0,
    ) -> None:  # fmt: skip
        self._balancers.add(balancer.account, balancer.region, dimensions, name, unit, value, at, count)


def _states(snapshot: Snapshot, group: TargetGroup) -> Iterator[tuple[str | None, str]]:
    """Zone and state of each target that is not leaving."""
    for target in group.targets:
        if target.draining_since is None:
            seen = snapshot.get(TargetHealth, group.account, group.region, target_health_id(group.id, target))
            yield zone_of(snapshot, group, target), seen.state if seen is not None else "initial"
