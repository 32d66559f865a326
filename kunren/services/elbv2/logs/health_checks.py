"""Health check logs: one line per probe, for load balancers that want them.

"Health check logs" in the Application Load Balancer guide.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from kunren.control.store import Snapshot, Store
from kunren.dataplane.health.prober import Outcome
from kunren.services.elbv2.health import failure_of
from kunren.services.elbv2.logs.buckets import short_name
from kunren.services.elbv2.logs.delivery import Place
from kunren.services.elbv2.logs.loggers import HEALTH_CHECK, wanted
from kunren.services.elbv2.model import LoadBalancer, TargetGroup
from kunren.services.elbv2.probes import ProbeKey

NONE = "-"
_SERVER_ERRORS = range(500, 600)


class HealthCheckLog:
    """`probed` is told of every probe; `add` takes the lines."""

    def __init__(self, store: Store, add: Callable[[Place, str], None]) -> None:
        self._store = store
        self._add = add

    def probed(self, key: ProbeKey, group: TargetGroup, outcome: Outcome) -> None:
        place = _place(self._store.snapshot(), key)
        if place is not None:
            self._add(place, line(key, group, outcome, short_name(place.balancer), place.node))


def _place(snapshot: Snapshot, key: ProbeKey) -> Place | None:
    """The node that asked, of a load balancer with health check logs; None for others."""
    account, region, interface = key[0], key[1], key[6]
    for balancer in snapshot.list(LoadBalancer, account, region):
        if balancer.type == "application" and wanted(balancer.attributes, HEALTH_CHECK):
            for node in balancer.zones:
                if node.interface_id == interface:
                    return Place(balancer, HEALTH_CHECK, node.public_ip or node.private_ip)
    return None


def line(key: ProbeKey, group: TargetGroup, outcome: Outcome, balancer: str, node: str) -> str:
    """An entry: type, time, latency, target_addr, target_group_id, status, status_code, reason_code, elb and
    ip_address."""
    target, port = key[3], key[4]
    if group.health_check.port != "traffic-port":
        port = int(group.health_check.port)
    fields = [
        _type(group),
        datetime.fromtimestamp(outcome.began, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        f"{outcome.took_s:.9f}",
        target if group.target_type == "lambda" else f"{target}:{port}",
        group.name,
        "PASS" if failure_of(outcome, group.health_check) is None else "FAIL",
        str(outcome.code) if outcome.kind in ("status", "grpc") else NONE,
        _reason(group, outcome),
        balancer,
        node,
    ]
    return " ".join(fields)


def _type(group: TargetGroup) -> str:
    if group.target_type == "lambda":
        return "lambda"
    version = {"HTTP2": "h2", "GRPC": "grpc"}.get(group.protocol_version or "")
    return version or group.health_check.protocol.lower()


def _reason(group: TargetGroup, outcome: Outcome) -> str:
    """Why the target failed. Whatever is no answer is taken for a connection that was reset."""
    if failure_of(outcome, group.health_check) is None:
        return NONE
    match outcome.kind:
        case "timeout":
            return "TimedOut"
        case "grpc":
            return "GRPCUnexpectedStatus"
        case "grpc-empty":
            return "GRPCStatusHeaderEmpty"
        case "status":
            return "TargetError" if outcome.code in _SERVER_ERRORS else "ResponseCodeMismatch"
        case _:
            return "ConnectionReset"
