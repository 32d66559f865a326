"""What many rules and many targets cost: requests per second, and the time from a change to the traffic.

Rules: wrk asks for the host of the last rule, which forwards; then that rule is modified, and a watcher sees the answer
change. Targets: wrk asks a group of healthy targets (ports of one nginx, 1 KB); then one more comes to a group of which
all but one are ill, is found healthy by its first check, and the watcher sees its first answer; then it leaves, and the
watcher notes its last answer. Each figure with so many rules, or targets, on one listener of one load balancer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import processes, proxies, wrk
from benchmarks.alb import BODY, CONNECTIONS, LOAD_CORE, PROXY_CORE, backend
from benchmarks.figures import median, percentile, spread, table
from benchmarks.instance import Instance
from benchmarks.propagation import Watcher
from benchmarks.site import Site, fixed, forward, until

COUNTS = (1, 10, 100, 1000)
QUOTAS = (
    "rules-per-application-load-balancer=2000,targets-per-application-load-balancer=4000,targets-per-target-group=2000,"
    "target-id-registrations-per-application-load-balancer=4000"
)
SPEED = 20
CHECKED_EVERY_S = 300
"""Of AWS's time: a thousand targets shall not keep the machine busy with checks."""
_COMES, _WELL, _ILL = 81, 20_000, 30_000
"""Ports of the target that comes and leaves, of healthy ones, and of those where nobody listens."""
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Bench:
    site: Site
    watcher: Watcher
    address: str
    rounds: int
    seconds: int
    times: int

    def load(self, port: int) -> list[wrk.Load]:
        request = wrk.Request(f"http://{self.site.node_address}:{port}/", headers={"Host": "last.test"})
        before = [*self.site.kunren.in_place(), "taskset", "-c", str(LOAD_CORE)]
        return [
            wrk.run(request, connections=CONNECTIONS, seconds=self.seconds, before=before) for _ in range(self.rounds)
        ]

    def wanted(self, port: int, **what: Any) -> dict[str, Any]:
        return {"http": [self.site.node_address, port], "host": "last.test", **what}


def run(quick: bool) -> Iterator[str]:
    rounds, seconds, times = (1, 1, 4) if quick else (3, 2, 20)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kunren-bench-")))
        kunren = stack.enter_context(Instance("--speed", str(SPEED), quotas=QUOTAS))
        site = Site(kunren)
        listens = " ".join(f"listen {_WELL + number};" for number in range(COUNTS[-1]))
        more = f'  server {{ {listens} return 200 "{BODY}"; }}\n' + proxies.nginx_backend(_COMES, "newcomer")
        address = backend(stack, site, folder, more).partition(":")[0]
        processes.pin(processes.named(kunren.pid, "envoy"), PROXY_CORE)
        watcher = Watcher(kunren)
        stack.callback(watcher.end)
        bench = Bench(site, watcher, address, rounds, seconds, times)
        columns = ["requests/s", "p99, ms", "p50, ms", "p99, ms"]
        yield "With so many rules; from ModifyRule to the traffic:"
        yield table(["rules", *columns], [_rules(bench, count) for count in COUNTS])
        yield "With so many targets; from RegisterTargets and DeregisterTargets to the traffic:"
        yield table(["targets", *columns, "p50, ms", "p99, ms"], [_targets(bench, count) for count in COUNTS])


def _rules(bench: Bench, count: int) -> list[str]:
    site, port = bench.site, 8000 + COUNTS.index(count)
    group = site.target_group(f"rules-{count}", CHECKED_EVERY_S)
    site.register(group, [(bench.address, 80)])
    listener = site.listener(port, fixed("nothing", "404"))
    for number in range(1, count):
        site.rule(listener, number, f"host-{number}.test", fixed(f"{number}"))
    last = site.rule(listener, count, "last.test", forward(group))
    site.healthy(group, 1)
    bench.watcher.seconds(bench.wanted(port, sees=BODY[:100], for_s=60), lambda: None)
    loads = bench.load(port)
    found = []
    for number in range(bench.times):
        body = f"version-{number}-"
        change = partial(site.elb.modify_rule, RuleArn=last, Actions=fixed(body))
        found.append(bench.watcher.seconds(bench.wanted(port, sees=body), change))
    site.delete_listener(port)
    return _row(count, loads, found)


def _targets(bench: Bench, count: int) -> list[str]:
    site, port = bench.site, 8100 + COUNTS.index(count)
    well, some = (site.target_group(f"{name}-{count}", CHECKED_EVERY_S) for name in ("well", "some"))
    listener = site.listener(port, forward(well))
    _register(site, well, [(bench.address, _WELL + number) for number in range(count)])
    site.healthy(well, count)
    loads = bench.load(port)
    attributes = [{"Key": "deregistration_delay.timeout_seconds", "Value": "0"}]
    site.elb.modify_target_group_attributes(TargetGroupArn=some, Attributes=attributes)
    site.elb.modify_listener(ListenerArn=listener, DefaultActions=forward(some))
    _register(site, some, [(bench.address, 80), *((bench.address, _ILL + number) for number in range(count - 1))])
    until(partial(_known, site, some), "every target to have been checked")
    came, left = [], []
    comes = [(bench.address, _COMES)]
    for _ in range(bench.times):
        seen = bench.wanted(port, sees="newcomer")
        came.append(bench.watcher.seconds(seen, partial(site.register, some, comes)))
        gone = bench.wanted(port, gone="newcomer", quiet_s=0.4)
        left.append(bench.watcher.seconds(gone, partial(site.deregister, some, comes)))
        until(partial(_known, site, some, count), "the target to be gone")
    site.delete_listener(port)
    return [*_row(count, loads, came), *_times(left)]


def _register(site: Site, group: str, targets: list[tuple[str, int]]) -> None:
    for start in range(0, len(targets), _AT_ONCE):
        site.register(group, targets[start : start + _AT_ONCE])


def _known(site: Site, group: str, count: int | None = None) -> bool:
    """Whether each target is found well or ill (and there are so many)."""
    told = site.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    states = {each["TargetHealth"]["State"] for each in told}
    return states <= {"healthy", "unhealthy"} and count in (None, len(told))


def _row(count: int, loads: list[wrk.Load], seconds: list[float]) -> list[str]:
    rates = spread([each.per_second for each in loads])
    return [f"{count:,}", rates, f"{median([each.p99_ms for each in loads]):.1f}", *_times(seconds)]


def _times(seconds: list[float]) -> list[str]:
    return [f"{percentile(seconds, percent) * 1000:.1f}" for percent in (50, 99)]
