"""Requests per second through the load balancer, beside other proxies of the same backend in the same namespaces.

The backend (nginx, 1 KB) has an interface on a subnet. Kunren's node, bare Envoy, nginx, HAProxy and ministack all
listen in the VPC's namespace, on the node's address with ports of their own; wrk asks from a client place, so that
every packet takes the same way. The proxy under test is pinned to core 0, wrk and the backend to core 1. Keep-alive,
32 connections, rounds interleaved; CPU is that of the proxy's processes. With 100 rules the last one matches.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import peers, processes, proxies, wrk
from benchmarks.figures import median, ratios, spread, table, verdict
from benchmarks.instance import Instance, environment
from benchmarks.site import Site, forward, moved, until

CONNECTIONS = 32
RULES = 100
BODY = "k" * 1023 + "\\n"
PROXY_CORE, LOAD_CORE = 0, 1
_PORTS = {"envoy": proxies.Ports(8101, 8102), "nginx": proxies.Ports(8103, 8104), "haproxy": proxies.Ports(8105, 8106)}
_TITLES = {"envoy": "bare Envoy", "nginx": "nginx", "haproxy": "HAProxy"}
_MINISTACK_PORT = 8107


@dataclass(slots=True)
class Subject:
    """One thing measured: what is asked, and which processes do the work."""

    name: str
    request: wrk.Request
    pids: list[int]
    loads: list[wrk.Load] = field(default_factory=list)
    micros: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [each.per_second for each in self.loads]


def run(quick: bool) -> Iterator[str]:
    rounds, seconds = (1, 1) if quick else (5, 3)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kunren-bench-")))
        kunren = stack.enter_context(Instance())
        site = Site(kunren)
        served = backend(stack, site, folder)
        proxied, redirected = _subjects(stack, site, served, folder)
        for _ in range(rounds):
            for subject in (*proxied, *redirected):
                measure(kunren, subject, seconds)
    yield "1 KB answers:"
    yield rates_table(proxied)
    yield "Redirects:"
    yield rates_table(redirected)
    yield _verdicts({each.name: each for each in (*proxied, *redirected)})


def backend(stack: ExitStack, site: Site, folder: Path, more: str = "") -> str:
    """Start the backend on a subnet, with `more` servers in nginx's words; its address and port."""
    config = folder / "backend" / "nginx.conf"
    config.parent.mkdir(parents=True)
    config.write_text(proxies.nginx_config(config.parent, proxies.nginx_backend(80, BODY) + more))
    argv = [proxies.find("nginx"), "-p", str(config.parent), "-e", str(config.parent / "error.log"), "-c", str(config)]
    log = folder / "backend.log"
    command = [*site.kunren.on_subnet(site.subnets[0], "--security-group", site.group), *argv]
    process = stack.enter_context(proxies.started(command, log))
    processes.pin(processes.tree(process.pid), LOAD_CORE)
    return log.read_text().split()[1].rstrip(",") + ":80"


def _subjects(stack: ExitStack, site: Site, backend: str, folder: Path) -> tuple[list[Subject], list[Subject]]:
    address, _, port = backend.partition(":")
    group = site.target_group("backend")
    site.register(group, [(address, int(port))])
    site.listener(80, forward(group))  # its default rule is the one rule; a load balancer may have 100 beside those
    site.listener(82, moved())
    many = site.listener(81, moved())
    for number in range(1, RULES):
        site.rule(many, number, f"host-{number}.test", moved())
    site.rule(many, RULES, f"host-{RULES}.test", forward(group))
    site.healthy(group, 1)
    node = site.node_address
    ours = processes.named(site.kunren.pid, "envoy")
    _pinned(ours)
    proxied = [
        Subject("Kunren ALB, 1 rule", _get(node, 80, "host-1.test"), ours),
        Subject(f"Kunren ALB, {RULES} rules", _get(node, 81, f"host-{RULES}.test"), ours),
    ]
    redirected = [Subject("Kunren ALB redirect", _get(node, 82, "other.test"), ours)]
    for kind, ports in _PORTS.items():
        argv = [*site.kunren.in_namespace(site.vpc), *proxies.command(kind, folder / kind, ports, backend)]
        pids = _pinned(processes.tree(stack.enter_context(proxies.started(argv, folder / f"{kind}.log")).pid))
        proxied.append(Subject(_TITLES[kind], _get(node, ports.proxy, "host-1.test"), pids))
        redirected.append(Subject(f"{_TITLES[kind]} redirect", _get(node, ports.redirect, "other.test"), pids))
    proxied.append(_ministack(stack, site, backend, folder))
    for subject in (*proxied, *redirected):
        _answers(site.kunren, subject)
    return proxied, redirected


def _get(address: str, port: int, host: str) -> wrk.Request:
    return wrk.Request(f"http://{address}:{port}/", headers={"Host": host})


def _pinned(pids: list[int]) -> list[int]:
    processes.pin(pids, PROXY_CORE)
    return pids


def _ministack(stack: ExitStack, site: Site, backend: str, folder: Path) -> Subject:
    """ministack in the same namespace, with a load balancer of its own; its API is called from inside too."""
    address, _, port = backend.partition(":")
    argv, variables = peers.command("ministack", _MINISTACK_PORT)
    env = environment() | variables | {"BIND_HOST": "0.0.0.0"}
    inside = site.kunren.in_namespace(site.vpc)
    process = stack.enter_context(proxies.started([*inside, *argv], folder / "ministack.log", env))
    script = Path(__file__).with_name("ministack_balancer.py")
    told = subprocess.run(
        [*inside, sys.executable, str(script), str(_MINISTACK_PORT), address, port],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode != 0:
        raise RuntimeError(told.stdout + told.stderr)
    name = told.stdout.strip()
    pids = _pinned(processes.tree(process.pid))
    return Subject("ministack ALB, 1 rule", _get(site.node_address, _MINISTACK_PORT, f"{name}.alb.localhost"), pids)


def _answers(kunren: Instance, subject: Subject) -> None:
    """Wait until it answers as it shall: with the backend's kilobyte, or with a redirect."""
    redirect = "redirect" in subject.name
    host = (subject.request.headers or {})["Host"]
    command = ["curl", "-s", "-m", "5", "-w", "%{http_code}", "-H", f"Host: {host}", subject.request.url]

    def right() -> bool:
        said = subprocess.run([*kunren.in_place(), *command], capture_output=True, text=True, check=False).stdout
        return said.endswith("301") if redirect else said == f"{'k' * 1023}\n200"

    until(right, subject.name)


def measure(kunren: Instance, subject: Subject, seconds: int) -> None:
    before = processes.processor_s(subject.pids)
    load = wrk.run(
        subject.request,
        connections=CONNECTIONS,
        seconds=seconds,
        before=[*kunren.in_place(), "taskset", "-c", str(LOAD_CORE)],
    )
    subject.loads.append(load)
    subject.micros.append((processes.processor_s(subject.pids) - before) / load.requests * 1e6)


def rates_table(subjects: list[Subject]) -> str:
    base = next(each for each in subjects if each.name.startswith("bare Envoy"))
    rows = [
        [
            each.name,
            spread(each.rates),
            f"{median([load.p50_ms for load in each.loads]):.2f}",
            f"{median([load.p99_ms for load in each.loads]):.1f}",
            f"{median(each.micros):.0f}",
            f"{ratios(each.rates, base.rates):.2f}",
        ]
        for each in subjects
    ]
    return table(["", "requests/s", "p50, ms", "p99, ms", "CPU per request, µs", "of bare Envoy"], rows)


def _verdicts(by_name: dict[str, Subject]) -> str:
    def part(ours: str, other: str) -> float:
        return ratios(by_name[ours].rates, by_name[other].rates)

    one, many, redirect = "Kunren ALB, 1 rule", f"Kunren ALB, {RULES} rules", "Kunren ALB redirect"
    checks: list[tuple[str, float, float]] = [
        ("1 rule, of bare Envoy", part(one, "bare Envoy"), 0.7),
        (f"{RULES} rules, of bare Envoy", part(many, "bare Envoy"), 0.5),
        ("redirects, of nginx `return 301`", part(redirect, "nginx redirect"), 0.35),
        ("1 rule, times ministack", part(one, "ministack ALB, 1 rule"), 5.0),
    ]
    rows = [[what, f"{got:.2f}", f"{wanted:g}", verdict(got >= wanted)] for what, got, wanted in checks]
    rows.append(["1 rule, of nginx", f"{part(one, 'nginx'):.2f}", "stated", ""])
    rows.append(["bare Envoy, of nginx", f"{part('bare Envoy', 'nginx'):.2f}", "stated", ""])
    return table(["ratio", "measured", "target", ""], rows)
