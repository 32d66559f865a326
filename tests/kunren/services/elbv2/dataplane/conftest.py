"""A load balancer in a store without a world: its one node answers on loopback, through real Envoy."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kunren.control.store import Resource, Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.dataplane.envoy.control import EnvoyControl
from kunren.services.ec2.model import NetworkInterface, Subnet
from kunren.services.elbv2.dataplane.balancer import Environment, resources
from kunren.services.elbv2.model import (
    AvailabilityZone,
    HealthCheck,
    Listener,
    LoadBalancer,
    LoadBalancerStatus,
    Matcher,
    Rule,
    Target,
    TargetAnomaly,
    TargetGroup,
    TargetHealth,
    TrustStore,
    TrustStoreRevocation,
    target_health_id,
)

SCOPE = {"account": "000000000000", "region": "us-east-1"}
ARN = "arn:aws:elasticloadbalancing:us-east-1:000000000000:"
BALANCER = ARN + "loadbalancer/app/web/0123456789abcdef"


def group_arn(name: str) -> str:
    return f"{ARN}targetgroup/{name}/00000000000000aa"


def forward(*shares: tuple[str, int], sticky: int | None = None) -> dict[str, Any]:
    stickiness: dict[str, Any] = {"Enabled": sticky is not None}
    if sticky is not None:
        stickiness["DurationSeconds"] = sticky
    groups = [{"TargetGroupArn": group_arn(name), "Weight": weight} for name, weight in shares]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}}


def fixed(status: int, body: str = "", content_type: str | None = None) -> dict[str, Any]:
    config: dict[str, Any] = {"StatusCode": str(status)}
    if body:
        config["MessageBody"] = body
    if content_type:
        config["ContentType"] = content_type
    return {"Type": "fixed-response", "FixedResponseConfig": config}


def redirect(**given: str) -> dict[str, Any]:
    defaults = {
        "Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}", "Query": "#{query}",
        "StatusCode": "HTTP_301",
    }  # fmt: skip
    return {"Type": "redirect", "RedirectConfig": {**defaults, **given}}


def condition(condition_field: str, *values: Any, **more: Any) -> dict[str, Any]:
    member = {
        "path-pattern": "PathPatternConfig", "host-header": "HostHeaderConfig", "http-header": "HttpHeaderConfig",
        "http-request-method": "HttpRequestMethodConfig", "query-string": "QueryStringConfig",
        "source-ip": "SourceIpConfig",
    }[condition_field]  # fmt: skip
    config = {**({"Values": list(values)} if values else {}), **more}
    return {"Field": condition_field, member: config}


def health_check(**given: Any) -> HealthCheck:
    defaults: dict[str, Any] = {
        "enabled": True, "protocol": "HTTP", "port": "traffic-port", "path": "/", "interval": 30, "timeout": 5,
        "healthy_threshold": 5, "unhealthy_threshold": 2, "matcher": Matcher(http_code="200"),
    }  # fmt: skip
    return HealthCheck(**{**defaults, **given})


def target_group(name: str, *targets: Target, **given: Any) -> TargetGroup:
    defaults: dict[str, Any] = {
        "name": name, "target_type": "ip", "protocol": "HTTP", "port": 80, "vpc_id": "vpc-1",
        "health_check": health_check(), "protocol_version": "HTTP1",
    }  # fmt: skip
    return TargetGroup(id=group_arn(name), targets=targets, **SCOPE, **{**defaults, **given})


def load_balancer(**given: Any) -> LoadBalancer:
    node = AvailabilityZone(zone_name="us-east-1a", subnet_id="subnet-1", interface_id="eni-1", private_ip="127.0.0.1")
    defaults: dict[str, Any] = {
        "name": "web", "type": "application", "scheme": "internet-facing", "ip_address_type": "ipv4",
        "vpc_id": "vpc-1", "dns_name": "web-1.us-east-1.elb.amazonaws.com", "canonical_hosted_zone_id": "Z",
        "created_time": 0.0, "zones": (node,),
    }  # fmt: skip
    return LoadBalancer(id=BALANCER, **SCOPE, **{**defaults, **given})


def listener(port: int, *, protocol: str = "HTTP", default: dict[str, Any] | None = None, **given: Any) -> Listener:
    arn = f"{BALANCER.replace(':loadbalancer/', ':listener/')}/{port:016x}"
    actions = (default or fixed(404),)
    return Listener(
        id=arn, load_balancer_arn=BALANCER, port=port, protocol=protocol, default_actions=actions, **SCOPE, **given
    )


def rule(of: Listener, priority: int, action: dict[str, Any], *conditions: dict[str, Any]) -> Rule:
    arn = f"{of.id.replace(':listener/', ':listener-rule/')}/{priority:016x}"
    return Rule(id=arn, listener_arn=of.id, priority=priority, conditions=conditions, actions=(action,), **SCOPE)


def default_rule(of: Listener) -> Rule:
    return rule(of, 0, of.default_actions[0])


def seen(group: TargetGroup, target: Target, state: str) -> TargetHealth:
    return TargetHealth(id=target_health_id(group.id, target), state=state, **SCOPE)


def new_store() -> Store:
    store = Store(None)
    store.register(
        LoadBalancer, LoadBalancerStatus, Listener, Rule, TargetGroup, TargetHealth, TargetAnomaly, Subnet,
        NetworkInterface, TrustStore, TrustStoreRevocation,
    )  # fmt: skip
    return store


def put(store: Store, *things: Resource) -> None:
    with store.write() as tx:
        for each in things:
            tx.put(each)


def environment(certificates: dict[str, Any] | None = None, bridge: str = "/nowhere.sock") -> Environment:
    return Environment(
        netns_path=lambda _: None,
        certificate=lambda _, arn: (certificates or {}).get(arn),
        bridge_socket=bridge,
        wall_seconds=lambda seconds: seconds,
    )


def raw(port: int, request: bytes, silence: float = 2) -> bytes:
    """Bytes in, all bytes out until the other side closes (or is silent for so many seconds)."""
    with socket.create_connection(("127.0.0.1", port), silence) as sock:
        got = b""
        try:
            sock.sendall(request)
        except OSError:  # refused before it was whole
            pass
        while True:
            try:
                chunk = sock.recv(65536)
            except (TimeoutError, ConnectionResetError):
                return got
            if not chunk:
                return got
            got += chunk


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode()


class Echo(BaseHTTPRequestHandler):
    """Answers with its own name; keeps what it was asked. `/status/N` answers N, `/slow` waits for `release`,
    `/cookie/NAME` sets an application's cookie."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes

    def _answer(self) -> None:
        server: Any = self.server
        server.seen.append((self.command, self.path, [(k.lower(), v) for k, v in self.headers.items()]))
        self._read_body()
        status = int(self.path.rpartition("/")[2]) if self.path.startswith("/status/") else 200
        if self.path.startswith("/slow"):
            server.entered.set()
            server.release.wait(20)
        if self.path.startswith("/reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            self.connection.close()
            self.close_connection = True
            return
        if server.failing:
            status = 500
        body = server.name.encode()
        self.send_response_only(status)
        self.send_header("content-length", str(len(body)))
        if self.path.startswith("/cookie/"):
            self.send_header("set-cookie", self.path.rpartition("/")[2] + "=mine; Path=/; HttpOnly")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PURGE = _answer

    def _read_body(self) -> None:
        """Whole, whichever way it is framed: what is left unread would be the next request on the connection."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            self.rfile.read(int(self.headers.get("content-length") or 0))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            self.rfile.read(size + len(b"\r\n"))
        while self.rfile.readline().strip():
            pass

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Remembers its connections, so that closing it closes them too, as the death of a process would."""

    daemon_threads = True

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections = [*getattr(self, "connections", []), request]
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def hang_up(self) -> None:
        for each in getattr(self, "connections", []):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Backend:
    """A target on loopback."""

    def __init__(self, name: str, address: str = "127.0.0.1", port: int = 0) -> None:
        self.server: Any = Server((address, port), Echo)
        self.server.name, self.server.seen, self.server.failing = name, [], False
        self.server.entered, self.server.release = threading.Event(), threading.Event()
        self.port = int(self.server.server_address[1])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def seen(self) -> list[Any]:
        return self.server.seen

    def target(self, **given: Any) -> Target:
        return Target(id="127.0.0.1", port=self.port, **given)

    def close(self) -> None:
        self.server.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.server.hang_up()


@dataclass
class Bench:
    """One load balancer's translation in a running Envoy."""

    control: EnvoyControl
    store: Store
    env: Environment = field(default_factory=environment)

    async def apply(self, *things: Resource) -> None:
        put(self.store, *things)
        snapshot = self.store.snapshot()
        balancer = snapshot.get(LoadBalancer, SCOPE["account"], SCOPE["region"], BALANCER)
        made = resources(snapshot, balancer, self.env)
        await asyncio.wait_for(self.control.publish(BALANCER, made.resources), 20)

    async def get(self, port: int, path: str = "/", **given: Any) -> Answer:
        return await asyncio.to_thread(self.ask, port, path, **given)

    @staticmethod
    async def pause(seconds: float) -> None:
        await asyncio.sleep(seconds)

    @staticmethod
    def ask(
        port: int,
        path: str = "/",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        name: str = "web.test",
        body: bytes | None = None,
        timeout: float = 20,
        host: str = "127.0.0.1",
    ) -> Answer:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if tls is not None:
            connection.sock = tls.wrap_socket(
                socket.create_connection(("127.0.0.1", port), timeout), server_hostname=name
            )
        try:
            sent = {"Host": name, **(headers or {})}
            connection.request(method, path, body=body, headers=sent)
            got = connection.getresponse()
            return Answer(got.status, got.getheaders(), got.read())
        finally:
            connection.close()


@pytest.fixture
def kit(free_port: Any) -> SimpleNamespace:
    """The builders of this file, for test modules (which cannot import each other)."""
    builders = {name: value for name, value in globals().items() if not name.startswith("_")}
    return SimpleNamespace(**builders, free_port=free_port)


@pytest.fixture
def run_bench(host_settings, host_spawner):
    """`run_bench(test)` runs `async def test(bench)` beside a running Envoy."""

    def run(test: Any, env: Environment | None = None) -> None:
        async def inner() -> None:
            control = EnvoyControl(host_settings, host_spawner, SystemClock(), concurrency=1)
            await control.start()
            try:
                await asyncio.wait_for(control.ready(), 20)
                await test(Bench(control, new_store(), env or environment()))
            finally:
                await control.stop()

        asyncio.run(inner())

    return run


@pytest.fixture
def backends():
    made: list[Backend] = []

    def start(name: str, **given: Any) -> Backend:
        made.append(Backend(name, **given))
        return made[-1]

    yield start
    for each in made:
        each.close()


class Trusting(ssl.SSLContext):
    """A client's context; `root` is the PEM text of what it trusts."""

    root = ""


@pytest.fixture
def tls(tmp_path):
    """`tls(name)`: (certificates by ARN, a context that trusts them)."""

    def make(*names: str) -> tuple[dict[str, Any], ssl.SSLContext]:
        authority = CertificateAuthority.open(tmp_path / "ca", SystemClock())
        issued = {"arn:aws:acm:us-east-1:000000000000:certificate/one": authority.issue(list(names))}
        trusting = Trusting(ssl.PROTOCOL_TLS_CLIENT)
        trusting.load_verify_locations(cadata=authority.ca_pem)
        trusting.root = authority.ca_pem
        return issued, trusting

    return make


@pytest.fixture
def socket_dir(host_settings) -> Path:
    host_settings.run_dir.mkdir(parents=True, exist_ok=True)
    return host_settings.run_dir
