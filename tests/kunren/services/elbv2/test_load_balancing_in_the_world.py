"""Load balancers where they live: nodes in a VPC, targets in namespaces of their own, clients on the internet."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.dataplane.envoy.control import EnvoyControl
from kunren.services.acm.model import Certificate
from kunren.services.ec2.api import Ec2Api
from kunren.services.ec2.controllers import VpcController
from kunren.services.ec2.interfaces import create_interface
from kunren.services.ec2.model import NetworkInterface
from kunren.services.elbv2.api import Elbv2Api
from kunren.services.elbv2.controllers import Elbv2Controllers
from kunren.settings import Settings
from kunren.world.interface import ProcessSpec
from kunren.world.network import workload_namespace
from kunren.world.world import World
from kunren.world.worldfile import load_world

ACCOUNT = {"account": "000000000000", "region": "us-east-1"}
SERVER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    def do_GET(self):
        if self.path.startswith("/slow"):
            print("entered", flush=True)
            time.sleep(float(self.path.rpartition("/")[2]))
        self.send_response(200)
        self.send_header("content-length", str(len(sys.argv[2])))
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""


class Names:
    def __init__(self):
        self.published = {}

    def publish_names(self, owner, published):
        self.published[owner] = dict(published)
        return 1

    @property
    def addresses(self):
        return [each for names in self.published.values() for records in names.values() for each in records.a]


class Place:
    """Everything that load balancing needs, in a world of its own, with one load balancer in two zones."""

    def __init__(self, settings, speed):
        clock, entropy, spec = SystemClock(speed), Entropy(1), load_world(None)
        self.settings, self.clock, self.entropy, self.spec = settings, clock, entropy, spec
        self.world = World(settings, spec, clock)
        self.envoy = EnvoyControl(settings, self.world, clock, concurrency=1)
        self.store = Store(None)
        self.ec2 = Ec2Api(self.store, clock, entropy, spec)
        self.elb = Elbv2Api(self.store, clock, entropy, spec)
        self.store.register(Certificate)
        self.names = Names()
        self.vpcs = VpcController(self.store, clock, self.world, spec)
        bridge = settings.run_dir / "bridge.sock"
        self.balancers = Elbv2Controllers(
            self.store, clock, entropy, self.world, self.envoy, self.names, bridge_socket=bridge
        )

    async def __aenter__(self):
        await self.world.start()
        await self.envoy.start()
        await self.envoy.ready()
        self.tasks = [asyncio.create_task(each.run()) for each in (self.vpcs, self.balancers)]
        self.subnets = self.call("ec2", "describe_subnets")["Subnets"][:2]
        self.vpc = self.subnets[0]["VpcId"]
        self.group = self.security_group("balancer", {"from": 80, "cidr": "0.0.0.0/0"})
        created = self.call(
            "elb", "create_load_balancer", Name="web", SecurityGroups=[self.group],
            Subnets=[each["SubnetId"] for each in self.subnets],
        )  # fmt: skip
        self.arn = created["LoadBalancers"][0]["LoadBalancerArn"]
        self.client = await self.world.ensure_place("tokyo")
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.envoy.stop()
        await self.world.stop()

    def call(self, service, operation, **params):
        context = RequestContext(**ACCOUNT, service=service, operation=operation, request_id="r")
        return getattr(getattr(self, service), operation)(context, params)

    def security_group(self, name, *rules):
        made = self.call("ec2", "create_security_group", GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        for rule in rules:
            self.allow(made, **rule)
        return made

    def allow(self, guarded, /, **rule):
        port = {"IpProtocol": "tcp", "FromPort": rule["from"], "ToPort": rule.get("to", rule["from"])}
        peer = {"IpRanges": [{"CidrIp": rule["cidr"]}]} if "cidr" in rule else {
            "UserIdGroupPairs": [{"GroupId": rule["group"]}]
        }  # fmt: skip
        self.call("ec2", "authorize_security_group_ingress", GroupId=guarded, IpPermissions=[{**port, **peer}])

    async def target(self, *ports, group=None):
        """A namespace on the second subnet with a server on each port, named by its port; the address, and the log."""
        group = group or self.security_group(f"t{ports[0]}", {"from": 1, "to": 65535, "group": self.group})
        with self.store.write() as tx:
            interface = create_interface(
                tx, self.entropy, self.spec, **ACCOUNT, subnet_id=self.subnets[1]["SubnetId"], groups=(group,),
                attachment="workload",
            )  # fmt: skip
        await self.vpcs.applied(interface.id)
        log = self.settings.log_dir / f"{interface.id}.log"
        for port in ports:
            argv = [sys.executable, "-u", "-c", SERVER, str(port), f"server {port}"]
            self.process = await self.world.spawn(
                ProcessSpec(name="target", argv=argv, namespace=workload_namespace(interface.id), log=log)
            )
        return interface.private_ip, log

    def target_group(self, name, *targets, **given):
        made = self.call(
            "elb", "create_target_group",
            **{"Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": self.vpc, "TargetType": "ip",
               "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, **given},
        )  # fmt: skip
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        if targets:
            self.call("elb", "register_targets", TargetGroupArn=arn, Targets=[{"Id": a, "Port": p} for a, p in targets])
        return arn

    def listen(self, port, action):
        made = self.call(
            "elb", "create_listener", LoadBalancerArn=self.arn, Port=port, Protocol="HTTP", DefaultActions=[action]
        )
        return made["Listeners"][0]["ListenerArn"]

    def health(self, arn):
        described = self.call("elb", "describe_target_health", TargetGroupArn=arn)["TargetHealthDescriptions"]
        return {each["Target"]["Port"]: each["TargetHealth"]["State"] for each in described}

    async def settled(self):
        await asyncio.sleep(0)
        await self.vpcs.settled()
        await asyncio.sleep(0)
        await self.balancers.settled()

    async def until(self, condition, timeout=15.0):
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.01)

    async def active(self):
        def state():
            return self.call("elb", "describe_load_balancers")["LoadBalancers"][0]["State"]["Code"]

        await self.until(lambda: state() == "active" and len(self.names.addresses) == 2)
        await self.settled()

    async def get(self, path="/", *, port=80, node=0, timeout=10.0):
        """(status, body), as a client in Tokyo sees it. Raises OSError and TimeoutError."""
        loop = asyncio.get_running_loop()
        sock = await self.world.open_socket(self.client)
        try:
            async with asyncio.timeout(timeout):
                await loop.sock_connect(sock, (self.names.addresses[node], port))
                request = f"GET {path} HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n"
                await loop.sock_sendall(sock, request.encode())
                got = b""
                while chunk := await loop.sock_recv(sock, 65536):
                    got += chunk
        finally:
            sock.close()
        head, _, body = got.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body.decode()


@pytest.fixture
def in_a_world():
    folder = Path(tempfile.mkdtemp(prefix="kunren-elb-"))
    settings = Settings(state_dir=folder)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.log_dir.mkdir(parents=True, exist_ok=True)

    def run(story, speed=20.0):
        async def inner():
            async with Place(settings, speed) as place:
                await story(place)

        asyncio.run(inner())

    yield run
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(settings.run_dir, ignore_errors=True)


def forward(*shares):
    return {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in shares]},
    }


def test_two_ports_of_one_address_weights_and_a_modified_listener(in_a_world):
    async def story(place):
        address, _ = await place.target(8080, 8081)
        one, two = (
            place.target_group("one", (address, 8080)),
            place.target_group("two", (address, 8080), (address, 8081)),
        )
        listener = place.listen(80, forward((two, 1)))
        await place.active()
        await place.until(lambda: place.health(two) == {8080: "healthy", 8081: "healthy"})
        await place.settled()
        for node in (0, 1):
            seen = Counter([await place.get(node=node) for _ in range(10)])
            assert seen == {(200, "server 8080"): 5, (200, "server 8081"): 5}
        assert place.health(one) == {8080: "unused"}
        place.call("elb", "modify_listener", ListenerArn=listener, DefaultActions=[forward((one, 1))])
        await place.settled()
        assert {await place.get() for _ in range(6)} == {(200, "server 8080")}

    in_a_world(story)


def test_a_deregistered_target_loses_no_request_and_a_late_one_gets_502(in_a_world):
    async def story(place):
        leaving, log = await place.target(8080)
        staying, _ = await place.target(8081)
        group = place.target_group("one", (leaving, 8080))
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "40"}
        place.call("elb", "modify_target_group_attributes", TargetGroupArn=group, Attributes=[delay])
        place.listen(80, forward((group, 1)))
        await place.active()
        await place.until(lambda: place.health(group) == {8080: "healthy"})
        quick, late = asyncio.create_task(place.get("/slow/1")), asyncio.create_task(place.get("/slow/30"))
        await place.until(lambda: log.exists() and log.read_text().count("entered") == 2)
        place.call("elb", "register_targets", TargetGroupArn=group, Targets=[{"Id": staying, "Port": 8081}])
        await place.until(lambda: place.health(group)[8081] == "healthy")
        place.call("elb", "deregister_targets", TargetGroupArn=group, Targets=[{"Id": leaving, "Port": 8080}])
        await place.settled()
        assert {await place.get() for _ in range(10)} == {(200, "server 8081")}
        assert place.health(group)[8080] == "draining"
        assert await quick == (200, "server 8080")
        assert (await late)[0] == 502
        assert 8080 not in place.health(group)

    in_a_world(story)


def test_a_dead_target_turns_unhealthy(in_a_world):
    async def story(place):
        dying, _ = await place.target(8080)
        process = place.process
        living, _ = await place.target(8081)
        group = place.target_group("one", (dying, 8080), (living, 8081))
        place.listen(80, forward((group, 1)))
        await place.active()
        await place.until(lambda: place.health(group) == {8080: "healthy", 8081: "healthy"})
        await process.stop(grace_s=0.1)
        await place.until(lambda: place.health(group)[8080] == "unhealthy")
        await place.settled()
        assert {await place.get() for _ in range(10)} == {(200, "server 8081")}

    in_a_world(story)


def test_security_groups_close_ports_before_and_behind_the_load_balancer(in_a_world):
    async def story(place):
        address, _ = await place.target(8080)
        group = place.target_group("one", (address, 8080))
        place.listen(80, forward((group, 1)))
        place.listen(81, {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "81"}})
        await place.active()
        await place.until(lambda: place.health(group) == {8080: "healthy"})
        with pytest.raises((OSError, TimeoutError)):
            await place.get(port=81, timeout=0.5)
        place.allow(place.group, **{"from": 81, "cidr": "0.0.0.0/0"})
        await place.settled()
        assert await place.get(port=81) == (200, "81")
        shut = place.security_group("shut")
        with place.store.write() as tx:
            for each in list(tx.every(NetworkInterface)):
                if each.private_ip == address:
                    tx.put(msgspec.structs.replace(each, groups=(shut,)))
        await place.until(lambda: place.health(group) == {8080: "unhealthy"})

    in_a_world(story)


def test_sockets_of_the_host_are_left_alone(in_a_world):
    """The nodes listen in the world only: nothing of them is to be seen on the host."""

    async def story(place):
        place.listen(80, {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}})
        await place.active()
        with socket.socket() as sock:
            sock.settimeout(0.2)
            assert sock.connect_ex(("127.0.0.1", 80)) != 0

    in_a_world(story)
