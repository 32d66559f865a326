"""Who gets requests: weights, health, fail-open, two targets on one address, draining."""

from __future__ import annotations

import asyncio
from collections import Counter

from kunren.dataplane.envoy.resources import Endpoint
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.dataplane import targets


def test_unhealthy_targets_get_nothing_while_one_is_healthy(kit):
    store = kit.new_store()
    one, two, three = (kit.Target(id=f"10.0.0.{n}", port=80) for n in (1, 2, 3))
    group = kit.target_group("a", one, two, three)
    kit.put(store, group, kit.seen(group, one, "healthy"), kit.seen(group, two, "unhealthy"))
    assert targets.endpoints(store.snapshot(), group) == (
        Endpoint("10.0.0.1", 80, "HEALTHY"),
        Endpoint("10.0.0.2", 80, "UNHEALTHY"),
        Endpoint("10.0.0.3", 80, "UNHEALTHY"),
    )


def test_a_group_without_healthy_targets_fails_open(kit):
    store = kit.new_store()
    one, two = kit.Target(id="10.0.0.1", port=80), kit.Target(id="10.0.0.1", port=81, draining_since=1.0)
    group = kit.target_group("a", one, two)
    kit.put(store, group, kit.seen(group, one, "unhealthy"))
    assert targets.endpoints(store.snapshot(), group) == (
        Endpoint("10.0.0.1", 80, "HEALTHY"),
        Endpoint("10.0.0.1", 81, "DRAINING"),
    )


def test_fail_open_thresholds_by_count_and_percentage(kit):
    for action in ("unhealthy_state_routing", "dns_failover"):
        prefix = f"target_group_health.{action}.minimum_healthy_targets."

        def wanted(action=action, prefix=prefix, **given):
            attributes = {prefix + key: value for key, value in given.items()}
            return targets.minimum_healthy(kit.target_group("a", attributes=attributes), action, 10)

        assert wanted() == 1
        assert wanted(count="3") == 3
        assert wanted(percentage="25") == 3
        assert wanted(count="2", percentage="50") == 5
    assert wanted(count="off") == 0


def test_few_healthy_targets_open_the_group_by_its_thresholds(kit):
    store = kit.new_store()
    four = [kit.Target(id=f"10.0.0.{n}", port=80) for n in range(4)]
    prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
    group = kit.target_group("a", *four, attributes={prefix + "percentage": "50"})
    kit.put(store, group, *(kit.seen(group, each, "healthy") for each in four[:2]))
    assert [each.health for each in targets.endpoints(store.snapshot(), group)].count("HEALTHY") == 2
    kit.put(store, kit.seen(group, four[0], "unhealthy"))
    assert {each.health for each in targets.endpoints(store.snapshot(), group)} == {"HEALTHY"}


def test_a_group_that_keeps_zones_has_endpoints_per_zone(kit):
    store = kit.new_store()
    subnets = [
        Subnet(id=f"subnet-{z}", vpc_id="vpc-1", cidr=f"10.0.{n}.0/24", availability_zone=z, availability_zone_id=z, **kit.SCOPE)
        for n, z in enumerate(("us-east-1a", "us-east-1b"))
    ]  # fmt: skip
    group = kit.target_group(
        "a", kit.Target(id="10.0.0.9", port=80), kit.Target(id="10.0.1.9", port=80),
        attributes={"load_balancing.cross_zone.enabled": "false"},
    )  # fmt: skip
    kit.put(store, group, *subnets)
    assert targets.endpoint_resources(store.snapshot(), group, ["us-east-1a", "us-east-1b", "us-east-1c"]) == {
        "a/00000000000000aa@us-east-1a": (Endpoint("10.0.0.9", 80),),
        "a/00000000000000aa@us-east-1b": (Endpoint("10.0.1.9", 80),),
        "a/00000000000000aa@us-east-1c": (),
    }


def test_weights_share_requests_and_an_empty_group_keeps_its_share(kit, run_bench, backends):
    async def story(bench):
        one, two = backends("one"), backends("two")
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 80), ("b", 20)))
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.target_group("a", one.target()), kit.target_group("b", two.target()),
        )  # fmt: skip
        seen = Counter([(await bench.get(port)).text for _ in range(200)])
        assert 130 <= seen["one"] <= 185 and seen["one"] + seen["two"] == 200
        on = kit.listener(port, default=kit.forward(("a", 0), ("b", 1)))
        await bench.apply(kit.default_rule(on))
        assert {(await bench.get(port)).text for _ in range(20)} == {"two"}
        on = kit.listener(port, default=kit.forward(("a", 1), ("b", 1)))
        await bench.apply(kit.default_rule(on), kit.target_group("b"))
        assert {(await bench.get(port)).status for _ in range(40)} == {200, 503}

    run_bench(story)


def test_two_targets_on_one_address_are_two_endpoints(kit, run_bench, backends):
    async def story(bench):
        one, two = backends("one"), backends("two")
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target(), two.target())
        )
        seen = Counter([(await bench.get(port)).text for _ in range(20)])
        assert seen == {"one": 10, "two": 10}

    run_bench(story)


def test_a_draining_target_finishes_what_runs_and_gets_nothing_new(kit, run_bench, backends):
    async def story(bench):
        one, two = backends("one"), backends("two")
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))
        running = asyncio.create_task(bench.get(port, "/slow"))
        await asyncio.to_thread(one.server.entered.wait, 10)
        await bench.apply(kit.target_group("a", one.target(draining_since=1.0), two.target()))
        assert {(await bench.get(port)).text for _ in range(20)} == {"two"}
        await bench.apply(kit.target_group("a", two.target()))
        assert {(await bench.get(port)).text for _ in range(20)} == {"two"}
        one.server.release.set()
        done = await running
        assert (done.status, done.text) == (200, "one")
        assert len(one.seen) == 1

    run_bench(story)


def test_a_group_whose_last_target_drains_answers_503(kit, run_bench, backends):
    async def story(bench):
        one = backends("one")
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target(draining_since=1.0))
        )
        assert (await bench.get(port)).status == 503

    run_bench(story)
