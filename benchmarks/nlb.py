"""Connections, bytes, datagrams and TLS handshakes per second through a Network Load Balancer, beside HAProxy.

The backend (nginx, and a program that repeats datagrams) has an interface on a subnet. HAProxy, and nginx as a TLS
proxy, listen in the VPC's namespace on the address of an Application Load Balancer's node, so that every packet takes
the same way; wrk asks from a client place. Proxies are pinned to core 0, wrk and the backend to core 1. A connection is
opened, asks once and is closed, 32 at a time; HAProxy and Kunren balance connections there and open none themselves
but to the backend. TLS is 1.3 with one certificate (ECDSA, P-256), no session is resumed. HAProxy balances no
datagrams: the backend, asked without a load balancer, stands beside them. CPU is that of the proxy's processes; the
kernel's own work is nobody's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks import processes, proxies, wrk
from benchmarks.figures import median, ratios, spread, table, verdict
from benchmarks.instance import Instance
from benchmarks.site import Site, forward, until

CONNECTIONS = 32
LARGE_BYTES = 16 << 20
PROXY_CORE, LOAD_CORE = 0, 1
WANTED = 0.8
_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
_TCP, _TLS, _HTTPS, _NGINX = 8201, 8202, 8203, 8204


@dataclass(slots=True)
class Subject:
    """One thing measured: where it is asked, what for, and which processes do the work (none: the kernel)."""

    name: str
    url: str
    pids: list[int]
    closes: bool = True
    connections: int = CONNECTIONS
    rates: list[float] = field(default_factory=list)
    micros: list[float] = field(default_factory=list)

    def measure(self, kunren: Instance, seconds: float) -> None:
        before = processes.processor_s(self.pids) if self.pids else 0.0
        load = wrk.run(
            wrk.Request(self.url, headers={"Connection": "close"} if self.closes else {}),
            connections=self.connections,
            seconds=seconds,
            before=[*kunren.in_place(), "taskset", "-c", str(LOAD_CORE)],
        )
        self.rates.append(load.per_second)
        if self.pids:
            self.micros.append((processes.processor_s(self.pids) - before) / load.requests * 1e6)


def run(quick: bool) -> Iterator[str]:
    rounds, seconds = (1, 1) if quick else (5, 3)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kunren-bench-")))
        folder.chmod(0o755)  # nginx's worker may be another user
        kunren = stack.enter_context(Instance())
        site = Site(kunren)
        flows = Flows(stack, site, folder)
        for _ in range(rounds):
            for subject in flows.subjects:
                subject.measure(kunren, seconds)
            for name, address in flows.datagrams.items():
                flows.answered[name].append(asked(kunren, address, seconds))
    yield _table("new TCP connections/s", flows.connections)
    yield _table("MB/s, 4 connections", flows.bulk, LARGE_BYTES / 1e6)
    yield _table("TLS handshakes/s, Network Load Balancer", flows.handshakes)
    yield _table("TLS handshakes/s, Application Load Balancer", flows.secured)
    rows = [[name, spread(rates)] for name, rates in flows.answered.items()]
    yield table(["", "datagrams/s, there and back"], rows)
    yield _verdicts(flows)


class Flows:
    """Everything that is measured, made and answering."""

    def __init__(self, stack: ExitStack, site: Site, folder: Path) -> None:
        self._stack, self._site, self._folder = stack, site, folder
        certificate, key = self_signed("flows.test")
        pem = folder / "pem"
        pem.write_bytes(certificate + key)
        backend = self._backend()
        address = self._balancer(backend, certificate, key)
        haproxy = self._started("haproxy", [proxies.find("haproxy"), "-db", "-q", "-f"], haproxy_config(backend, pem))
        nginx = [proxies.find("nginx"), "-p", str(folder), "-e", str(folder / "nginx.error"), "-c"]
        nginx_pids = self._started("nginx", nginx, proxies.nginx_config(folder, nginx_proxy(backend, pem)))
        envoy = processes.named(site.kunren.pid, "envoy")
        processes.pin(envoy, PROXY_CORE)
        other = site.node_address
        self.connections = [
            Subject("Kunren NLB", f"http://{address}:80/", []),
            Subject("HAProxy", f"http://{other}:{_TCP}/", haproxy),
        ]
        self.bulk = [
            Subject(each.name, each.url + "large", each.pids, closes=False, connections=4) for each in self.connections
        ]
        self.handshakes = [
            Subject("Kunren NLB", f"https://{address}:443/", envoy),
            Subject("HAProxy", f"https://{other}:{_TLS}/", haproxy),
        ]
        self.secured = [
            Subject("Kunren ALB", f"https://{other}:443/", envoy),
            Subject("HAProxy", f"https://{other}:{_HTTPS}/", haproxy),
            Subject("nginx", f"https://{other}:{_NGINX}/", nginx_pids),
        ]
        self.subjects = [*self.connections, *self.bulk, *self.handshakes, *self.secured]
        self.datagrams = {"Kunren NLB": f"{address}:53", "the backend alone": f"{self._public}:53"}
        self.answered: dict[str, list[float]] = {name: [] for name in self.datagrams}
        for subject in self.subjects:
            answers(site.kunren, subject.url)

    def _backend(self) -> str:
        """nginx and the repeater of datagrams on one interface; its address."""
        (self._folder / "large").write_bytes(bytes(LARGE_BYTES))
        server = (
            '  server { listen 80 backlog=4096; location / { return 200 "k"; } '
            f"location /large {{ root {self._folder}; }} }}\n"
        )
        config = self._folder / "backend.conf"
        config.write_text(proxies.nginx_config(self._folder, server).replace("nginx.pid", "backend.pid"))
        folder, python = self._folder, sys.executable
        nginx = f"{proxies.find('nginx')} -p {folder} -e {folder}/backend.error -c {config}"
        repeater = f"{python} {Path(__file__).with_name('datagrams.py')} serve 53"
        argv = ["sh", "-c", f"{repeater} & exec {nginx}"]
        log = self._folder / "backend.log"
        command = [*self._site.kunren.on_subnet(self._site.subnets[0], "--security-group", self._site.group), *argv]
        process = self._stack.enter_context(proxies.started(command, log))
        processes.pin(processes.tree(process.pid), LOAD_CORE)
        words = log.read_text().split()  # "eni-…: 172.31.0.9, public 198.18.4.7"
        self._public = words[3].rstrip(",")
        return words[1].rstrip(",")

    def _balancer(self, backend: str, certificate: bytes, key: bytes) -> str:
        """The Network Load Balancer and an HTTPS listener beside it; its address."""
        site, elb = self._site, self._site.elb
        acm = site.kunren.client("acm")
        arn = acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
        secure = {"Certificates": [{"CertificateArn": arn}], "SslPolicy": _POLICY}
        web = site.target_group("web")
        site.register(web, [(backend, 80)])
        site.listener(443, forward(web), Protocol="HTTPS", **secure)
        made = elb.create_load_balancer(Name="flows", Type="network", Subnets=site.subnets[:1])["LoadBalancers"][0]
        groups = {}
        for name, protocol, port in (("tcp", "TCP", 80), ("udp", "UDP", 53)):
            group = elb.create_target_group(
                Name=name, Protocol=protocol, Port=port, VpcId=site.vpc, TargetType="ip", HealthCheckPort="80",
                HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
            )  # fmt: skip
            groups[name] = group["TargetGroups"][0]["TargetGroupArn"]
            site.register(groups[name], [(backend, port)])
        listeners = (("TCP", 80, "tcp", {}), ("UDP", 53, "udp", {}), ("TLS", 443, "tcp", secure))
        for protocol, port, name, more in listeners:
            elb.create_listener(
                LoadBalancerArn=made["LoadBalancerArn"], Protocol=protocol, Port=port,
                DefaultActions=forward(groups[name]), **more,
            )  # fmt: skip
        for group in (*groups.values(), web):
            site.healthy(group, 1)
        name = made["LoadBalancerArn"].partition("loadbalancer/")[2]
        wanted = [{"Name": "description", "Values": [f"ELB {name}"]}]
        found = site.ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
        return str(found[0]["Association"]["PublicIp"])

    def _started(self, name: str, command: list[str], config: str) -> list[int]:
        path = self._folder / f"{name}.conf"
        path.write_text(config)
        argv = [*self._site.kunren.in_namespace(self._site.vpc), *command, str(path)]
        process = self._stack.enter_context(proxies.started(argv, self._folder / f"{name}.log"))
        pids = processes.tree(process.pid)
        processes.pin(pids, PROXY_CORE)
        return pids


def haproxy_config(backend: str, pem: Path) -> str:
    """Connections on two ports, the second with TLS; requests with TLS on the third."""
    return (
        "global\n  nbthread 1\n  maxconn 1024\ndefaults\n  timeout connect 5s\n  timeout client 60s\n"
        "  timeout server 60s\n"
        f"listen tcp\n  mode tcp\n  bind 0.0.0.0:{_TCP}\n  server first {backend}:80\n"
        f"listen tls\n  mode tcp\n  bind 0.0.0.0:{_TLS} ssl crt {pem}\n  server first {backend}:80\n"
        f"listen https\n  mode http\n  http-reuse always\n  bind 0.0.0.0:{_HTTPS} ssl crt {pem}\n"
        f"  server first {backend}:80\n"
    )


def nginx_proxy(backend: str, pem: Path) -> str:
    return (
        f"  upstream backend {{ server {backend}:80; keepalive 64; keepalive_requests 100000000; }}\n"
        f"  server {{ listen {_NGINX} ssl; ssl_certificate {pem}; ssl_certificate_key {pem};\n"
        "    location / { proxy_pass http://backend; proxy_http_version 1.1; "
        'proxy_set_header Connection ""; proxy_set_header Host $http_host; } }\n'
    )


def asked(kunren: Instance, address: str, seconds: float) -> float:
    """Datagrams per second that came back."""
    host, _, port = address.partition(":")
    script = str(Path(__file__).with_name("datagrams.py"))
    command = [*kunren.in_place(), "taskset", "-c", str(PROXY_CORE), sys.executable, script, "ask", host, port]
    said = subprocess.run([*command, str(seconds)], capture_output=True, text=True, check=True, timeout=120).stdout
    _, count, took, _, _ = said.split()
    return int(count) / float(took)


def answers(kunren: Instance, url: str) -> None:
    command = [*kunren.in_place(), "curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url]

    def right() -> bool:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout == "200"

    until(right, url)


def self_signed(name: str) -> tuple[bytes, bytes]:
    """A certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _table(what: str, subjects: list[Subject], factor: float = 1.0) -> str:
    base = next(each for each in subjects if each.name == "HAProxy")
    rows = [
        [
            each.name,
            spread([rate * factor for rate in each.rates]),
            f"{median(each.micros):.0f}" if each.micros else "in the kernel",
            f"{ratios(each.rates, base.rates):.2f}",
        ]
        for each in subjects
    ]
    return table(["", what, "CPU each, µs", "of HAProxy"], rows)


def _verdicts(flows: Flows) -> str:
    rows = []
    for what, subjects in (
        ("new connections", flows.connections),
        ("bytes", flows.bulk),
        ("TLS handshakes, Network Load Balancer", flows.handshakes),
        ("TLS handshakes, Application Load Balancer", flows.secured),
    ):
        got = ratios(subjects[0].rates, subjects[1].rates)
        rows.append([f"{what}, of HAProxy", f"{got:.2f}", f"{WANTED:g}", verdict(got >= WANTED)])
    ours, alone = flows.answered.values()
    rows.append(["datagrams, of the backend alone", f"{ratios(ours, alone):.2f}", "stated", ""])
    return table(["ratio", "measured", "target", ""], rows)
