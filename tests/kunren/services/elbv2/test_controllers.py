"""Store → Envoy, DNS, probes and draining, with real Envoy and real probes on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.zones import NameRecords
from kunren.dataplane.envoy.control import EnvoyControl
from kunren.dataplane.envoy.encode import CLUSTER, ENDPOINTS
from kunren.dataplane.flows.control import FlowControl
from kunren.services.ec2.model import InterfaceStatus
from kunren.services.elbv2.arns import balancer_of
from kunren.services.elbv2.controllers import LoadBalancerController, concerned
from kunren.services.elbv2.probes import HealthController
from kunren.services.elbv2.sweeper import DrainingController


def _kit():
    path = Path(__file__).parent / "dataplane" / "conftest.py"
    spec = importlib.util.spec_from_file_location("elbv2_kit", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["elbv2_kit"] = module
    spec.loader.exec_module(module)
    return module


kit = _kit()


@pytest.fixture(autouse=True)
def _ports(free_port):
    kit.free_port = free_port


class Names:
    def __init__(self):
        self.published = {}

    def publish_names(self, owner, published):
        self.published[owner] = dict(published)
        return 1


class HostSockets:
    """Sockets on the host's loopback, for probes."""

    async def open_socket(self, namespace, family=socket.AF_INET, type=socket.SOCK_STREAM, *, bind=None):
        sock = socket.socket(family, type)
        sock.setblocking(False)
        if bind is not None:
            sock.bind(bind)
        return sock


def live(balancer):
    node = balancer.zones[0]
    return InterfaceStatus(id=node.interface_id, vpc_id="vpc-1", private_ip=node.private_ip, **kit.SCOPE)


async def until(condition, timeout=10.0):
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


class Rig:
    def __init__(self, settings, spawner, speed=20.0, probes=True):
        self.store = kit.new_store()
        self.store.register(InterfaceStatus)
        clock, self.names = SystemClock(speed), Names()
        env = dataclasses.replace(kit.environment(), now=clock.now)
        self.envoy = EnvoyControl(settings, spawner, clock, concurrency=1)
        self.balancers = LoadBalancerController(self.store, clock, self.envoy, self.names, env, FlowControl(None))
        self.health = HealthController(self.store, clock, Entropy(1), HostSockets())
        self.draining = DrainingController(self.store, clock, self.envoy.cut)
        self.clock = clock
        self.probes = probes

    async def __aenter__(self):
        await self.envoy.start()
        await asyncio.wait_for(self.envoy.ready(), 20)
        parts = (self.balancers, self.draining, *([self.health] if self.probes else ()))
        self.tasks = [asyncio.create_task(each.run()) for each in parts]
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.envoy.stop()

    def put(self, *things):
        kit.put(self.store, *things)

    def state(self, group, target):
        row = self.store.snapshot().get(kit.TargetHealth, *kit.SCOPE.values(), kit.target_health_id(group.id, target))
        return None if row is None else (row.state, row.reason, row.description)

    def balancer_state(self):
        row = self.store.snapshot().get(kit.LoadBalancerStatus, *kit.SCOPE.values(), kit.BALANCER)
        return None if row is None else row.state

    async def get(self, port, path="/", **given):
        return await asyncio.to_thread(kit.Bench.ask, port, path, **given)


@pytest.fixture
def backends():
    made = []

    def start(name, **given):
        made.append(kit.Backend(name, **given))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_a_load_balancer_is_active_when_its_address_lives_and_envoy_has_it(host_settings, host_spawner):
    async def story():
        async with Rig(host_settings, host_spawner) as rig:
            port = kit.free_port()
            balancer, on = kit.load_balancer(), kit.listener(port, default=kit.fixed(200, "one"))
            rig.put(balancer, on, kit.default_rule(on))
            await until(lambda: rig.balancer_state() == "provisioning")
            assert rig.names.published[kit.BALANCER] == {balancer.dns_name: NameRecords(a=(), healthy=True)}
            rig.put(live(balancer))
            await until(lambda: rig.balancer_state() == "active")
            assert (await rig.get(port)).text == "one"
            rig.put(kit.rule(on, 0, kit.fixed(200, "two")))
            await rig.balancers.settled()
            assert (await rig.get(port)).text == "two"
            with rig.store.write() as tx:
                for kind in (kit.LoadBalancer, kit.Listener, kit.Rule):
                    for each in list(tx.every(kind)):
                        tx.delete(each)
            await rig.balancers.settled()
            assert rig.names.published[kit.BALANCER] == {}
            with pytest.raises(OSError):
                await rig.get(port)

    asyncio.run(story())


def test_what_envoy_refuses_is_told_and_the_rest_goes_on(host_settings, host_spawner):
    async def story():
        async with Rig(host_settings, host_spawner) as rig:
            port = kit.free_port()
            balancer, on = kit.load_balancer(), kit.listener(port, default=kit.fixed(200, "one"))
            rig.put(balancer, live(balancer), on, kit.default_rule(on))
            await until(lambda: rig.balancer_state() == "active")
            bad = kit.condition("path-pattern", RegexValues=["(?=look)"])
            rig.put(kit.rule(on, 1, kit.fixed(200, "never"), bad))
            await until(lambda: rig.envoy.refusals)
            assert (await rig.get(port)).text == "one"
            assert f"web/0123456789abcdef/us-east-1a/{port}" in rig.envoy.refusals
            with rig.store.write() as tx:
                tx.delete(next(each for each in tx.every(kit.Rule) if each.priority == 1))
            await rig.balancers.settled()
            assert not rig.envoy.refusals

    asyncio.run(story())


def test_a_dead_target_turns_unhealthy_and_comes_back(host_settings, host_spawner, backends):
    async def story():
        async with Rig(host_settings, host_spawner, speed=50) as rig:
            one, two = backends("one"), backends("two")
            port = kit.free_port()
            balancer, on = kit.load_balancer(), kit.listener(port, default=kit.forward(("a", 1)))
            check = kit.health_check(interval=5, healthy_threshold=2)
            group = kit.target_group("a", one.target(), two.target(), health_check=check)
            rig.put(balancer, live(balancer), on, kit.default_rule(on), group)
            await until(lambda: rig.state(group, one.target()) == ("healthy", None, None))
            await until(lambda: rig.state(group, two.target()) == ("healthy", None, None))
            headers = dict(one.seen[0][2])
            assert headers["user-agent"] == "ELB-HealthChecker/2.0"
            assert headers["host"] == f"127.0.0.1:{one.port}"
            one.close()
            await until(lambda: rig.state(group, one.target())[0] == "unhealthy")
            assert rig.state(group, one.target())[1:] == ("Target.FailedHealthChecks", "Health checks failed")
            await rig.balancers.settled()
            assert {(await rig.get(port)).text for _ in range(10)} == {"two"}
            again = backends("again", port=one.port)
            await until(lambda: rig.state(group, one.target()) == ("healthy", None, None))
            await rig.balancers.settled()
            assert {(await rig.get(port)).text for _ in range(10)} == {"two", "again"}
            assert rig.names.published[kit.BALANCER][balancer.dns_name].healthy
            again.close()
            two.close()
            await until(lambda: {rig.state(group, each.target())[0] for each in (one, two)} == {"unhealthy"})
            await rig.balancers.settled()
            assert not rig.names.published[kit.BALANCER][balancer.dns_name].healthy
            assert (await rig.get(port)).status == 502  # failed open: tried, and refused

    asyncio.run(story())


def test_only_groups_that_a_listener_reaches_are_probed(host_settings, host_spawner, backends):
    async def story():
        async with Rig(host_settings, host_spawner, speed=50) as rig:
            one = backends("one")
            balancer, on = kit.load_balancer(), kit.listener(kit.free_port(), default=kit.fixed(200))
            group = kit.target_group("a", one.target(), health_check=kit.health_check(interval=5))
            rig.put(balancer, live(balancer), on, kit.default_rule(on), group)
            await rig.balancers.settled()
            assert rig.health.status() == {"probes": 0}
            rig.put(kit.rule(on, 1, kit.forward(("a", 1)), kit.condition("path-pattern", "/a")))
            await until(lambda: rig.state(group, one.target()) == ("healthy", None, None))
            with rig.store.write() as tx:
                tx.delete(next(each for each in tx.every(kit.Rule) if each.priority == 1))
            await until(lambda: rig.state(group, one.target()) is None)
            assert rig.health.status() == {"probes": 0}

    asyncio.run(story())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may end connections in the host's own namespace")
def test_draining_ends_with_the_delay_and_cuts_what_still_runs(host_settings, host_spawner, backends):
    async def story():
        async with Rig(host_settings, host_spawner, speed=20) as rig:
            one, two = backends("one"), backends("two")
            port = kit.free_port()
            balancer, on = kit.load_balancer(), kit.listener(port, default=kit.forward(("a", 1)))
            attributes = {"deregistration_delay.timeout_seconds": "20"}
            group = kit.target_group("a", one.target(), attributes=attributes)
            rig.put(balancer, live(balancer), on, kit.default_rule(on), group)
            await until(lambda: rig.balancer_state() == "active")
            running = asyncio.create_task(rig.get(port, "/slow"))
            await asyncio.to_thread(one.server.entered.wait, 10)
            leaving = one.target(draining_since=rig.clock.now())
            began = rig.clock.now()
            rig.put(kit.target_group("a", leaving, two.target(), attributes=attributes))
            await rig.balancers.settled()
            assert {(await rig.get(port)).text for _ in range(5)} == {"two"}
            assert not running.done()
            cut = await running
            assert cut.status == 502
            assert 20 <= rig.clock.now() - began < 60
            left = rig.store.snapshot().get(kit.TargetGroup, *kit.SCOPE.values(), group.id)
            assert left.targets == (two.target(),)

    asyncio.run(story())


def test_a_new_envoy_gets_everything_again(host_settings, host_spawner):
    async def story():
        async with Rig(host_settings, host_spawner) as rig:
            port = kit.free_port()
            balancer, on = kit.load_balancer(), kit.listener(port, default=kit.fixed(200, "one"))
            rig.put(balancer, live(balancer), on, kit.default_rule(on))
            await until(lambda: rig.balancer_state() == "active")
            await rig.envoy.process.process.signal(9)
            await until(lambda: rig.envoy.process.restarts == 1 and rig.envoy.ads.connected.is_set())
            async with asyncio.timeout(10):
                while True:
                    try:
                        assert (await rig.get(port)).text == "one"
                        break
                    except OSError:
                        await asyncio.sleep(0.01)

    asyncio.run(story())


def test_changes_wake_the_load_balancers_they_concern():
    store = kit.new_store()
    balancer, on = kit.load_balancer(), kit.listener(80, default=kit.forward(("a", 1)))
    first = kit.default_rule(on)
    group = kit.target_group("a", kit.Target(id="10.0.0.1", port=80))
    kit.put(store, balancer, on, first, group)
    work = [f"000000000000|us-east-1|{kit.BALANCER}"]
    health = kit.seen(group, group.targets[0], "healthy")
    for each in (balancer, on, first, live(balancer)):
        assert list(concerned(store.snapshot(), each.key)) == work
    for each in (group, health):
        assert list(concerned(store.snapshot(), each.key)) == [f"{work[0]}|{group.id}"]
    assert list(concerned(store.snapshot(), kit.target_group("b").key)) == []
    assert balancer_of(on.id) == balancer_of(first.id) == kit.BALANCER


def test_health_and_targets_change_endpoints_and_names_and_leave_all_else(host_settings, host_spawner):
    async def story():
        async with Rig(host_settings, host_spawner, probes=False) as rig:
            balancer = kit.load_balancer()
            on = kit.listener(kit.free_port(), default=kit.forward(("a", 1)))
            one, two = (kit.Target(id=f"127.0.0.{number}", port=80) for number in (1, 2))
            group = kit.target_group("a", one, two)
            rig.put(balancer, live(balancer), on, kit.default_rule(on), group)
            await until(lambda: rig.balancer_state() == "active")
            await rig.balancers.settled()
            whole = rig.envoy.state.part(kit.BALANCER)

            def healths():
                given = rig.envoy.state.part(kit.BALANCER).given
                return [[each.health for each in made] for (kind, _), made in given.items() if kind == ENDPOINTS]

            assert healths() == [["HEALTHY", "HEALTHY"]]  # fail-open
            assert not rig.names.published[kit.BALANCER][balancer.dns_name].healthy
            rig.put(kit.seen(group, one, "healthy"), kit.seen(group, two, "unhealthy"))
            await rig.balancers.settled()
            assert healths() == [["HEALTHY", "UNHEALTHY"]]
            assert rig.names.published[kit.BALANCER][balancer.dns_name].healthy
            part = rig.envoy.state.part(kit.BALANCER)
            same = [key for key, made in part.encoded.items() if made is whole.encoded[key]]
            assert [kind for kind, _ in part.encoded if kind != ENDPOINTS] == [kind for kind, _ in same]
            three = kit.Target(id="127.0.0.3", port=80)
            rig.put(kit.target_group("a", one, two, three))
            await rig.balancers.settled()
            assert healths() == [["HEALTHY", "UNHEALTHY", "UNHEALTHY"]]
            part = rig.envoy.state.part(kit.BALANCER)
            assert all(part.encoded[key] is whole.encoded[key] for key in part.encoded if key[0] != ENDPOINTS)
            algorithm = {"load_balancing.algorithm.type": "least_outstanding_requests"}
            rig.put(kit.target_group("a", one, two, three, attributes=algorithm))
            await rig.balancers.settled()
            part = rig.envoy.state.part(kit.BALANCER)
            assert [kind for kind, name in part.encoded if part.encoded[kind, name] != whole.encoded[kind, name]] == [
                CLUSTER, ENDPOINTS,
            ]  # fmt: skip
            (held,) = rig.envoy.ads.clients
            assert all(held.acknowledged[kind][name] == made.version for (kind, name), made in part.encoded.items())

    asyncio.run(story())


def test_a_target_that_joins_a_healthy_group_begins_slowly_and_the_first_one_does_not(
    host_settings, host_spawner, backends
):
    async def story():
        async with Rig(host_settings, host_spawner, speed=20) as rig:
            one, two, port = backends("one"), backends("two"), kit.free_port()
            balancer, on = kit.load_balancer(), kit.listener(port, default=kit.forward(("a", 1)))
            given = {
                "health_check": kit.health_check(interval=5),
                "attributes": {"slow_start.duration_seconds": "60"},  # three seconds of ours
            }
            group = kit.target_group("a", one.target(), **given)
            rig.put(balancer, live(balancer), on, kit.default_rule(on), group)
            await until(lambda: rig.state(group, one.target()) == ("healthy", None, None))
            await rig.balancers.settled()
            weights = lambda: {each.port: each.weight for each in endpoints()}  # noqa: E731
            endpoints = lambda: rig.envoy.state.part(kit.BALANCER).given[ENDPOINTS, "a/00000000000000aa"]  # noqa: E731
            assert weights() == {one.port: 100}
            rig.put(kit.target_group("a", one.target(), two.target(), **given))
            await until(lambda: rig.state(group, two.target()) == ("healthy", None, None))
            await rig.balancers.settled()
            early = weights()
            assert early[one.port] == 100 and early[two.port] < 60
            answers = [(await rig.get(port)).text for _ in range(20)]
            assert answers.count("one") > answers.count("two")
            await until(lambda: weights() == {one.port: 100, two.port: 100})
            answers = [(await rig.get(port)).text for _ in range(20)]
            assert answers.count("one") == answers.count("two")

    asyncio.run(story())


def test_grpc_targets_are_healthy_by_the_code_that_their_group_wants(host_settings, host_spawner):
    pytest.importorskip("h2")
    server = grpc.server(ThreadPoolExecutor(2))  # knows no method at all: UNIMPLEMENTED, 12
    target = kit.Target(id="127.0.0.1", port=server.add_insecure_port("127.0.0.1:0"))
    server.start()

    async def story():
        async with Rig(host_settings, host_spawner, speed=50) as rig:
            given = {"path": "/AWS.ALB/healthcheck", "interval": 5}
            good = kit.target_group(
                "good",
                target,
                protocol_version="GRPC",
                health_check=kit.health_check(matcher=kit.Matcher(grpc_code="12"), **given),
            )
            bad = kit.target_group(
                "bad",
                target,
                protocol_version="GRPC",
                health_check=kit.health_check(matcher=kit.Matcher(grpc_code="0-11"), **given),
            )
            balancer, on = (
                kit.load_balancer(),
                kit.listener(kit.free_port(), default=kit.forward(("good", 1), ("bad", 1))),
            )
            rig.put(balancer, live(balancer), on, kit.default_rule(on), good, bad)
            await until(lambda: rig.state(good, target) == ("healthy", None, None))
            code = "Health checks failed with these codes: [12]"
            await until(lambda: rig.state(bad, target) == ("unhealthy", "Target.ResponseCodeMismatch", code))

    try:
        asyncio.run(story())
    finally:
        server.stop(None)
