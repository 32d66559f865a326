"""How requests are shared among a group's targets, through real Envoy."""

from __future__ import annotations

import asyncio
from collections import Counter

from kunren.services.elbv2.anomaly_watch import AnomalyWatch
from kunren.services.elbv2.model import AvailabilityZone, TargetAnomaly


def test_least_outstanding_requests_goes_where_the_fewest_are(kit, run_bench, backends):
    async def story(bench):
        busy, idle, port = backends("busy"), backends("idle"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        group = kit.target_group(
            "a",
            busy.target(),
            idle.target(),
            attributes={"load_balancing.algorithm.type": "least_outstanding_requests"},
        )
        alone = kit.target_group("b", busy.target())
        held = kit.rule(on, 1, kit.forward(("a", 1)), kit.condition("path-pattern", "/slow*"))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group, alone, held)
        waiting = asyncio.create_task(bench.get(port, "/slow"))
        entered = await asyncio.to_thread(lambda: busy.server.entered.wait(0.5) or idle.server.entered.wait(5))
        assert entered
        holder, other = (busy, idle) if busy.server.entered.is_set() else (idle, busy)
        assert Counter([(await bench.get(port)).text for _ in range(20)]) == {other.server.name: 20}
        holder.server.release.set()
        assert (await waiting).text == holder.server.name
        assert {(await bench.get(port)).text for _ in range(20)} == {"busy", "idle"}

    run_bench(story)


def test_weighted_random_is_random_and_follows_weights(kit, run_bench, backends):
    async def story(bench):
        made, port = [backends(name) for name in ("one", "two", "three")], kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        attributes = {
            "load_balancing.algorithm.type": "weighted_random",
            "load_balancing.algorithm.anomaly_mitigation": "on",
        }
        group = kit.target_group("a", *(each.target() for each in made), attributes=attributes)
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)
        order = [(await bench.get(port)).text for _ in range(60)]
        assert all(6 <= count <= 36 for count in Counter(order).values()), Counter(order)
        assert order != order[:3] * 20  # round robin would repeat itself
        least = TargetAnomaly(
            id=kit.target_health_id(group.id, made[0].target()), anomalous=True, weight=1, **kit.SCOPE
        )
        await bench.apply(least)
        assert Counter([(await bench.get(port)).text for _ in range(40)])["one"] <= 4

    run_bench(story)


def test_a_target_that_errs_is_found_gets_less_and_recovers(kit, run_bench, backends, until):
    async def story(bench):
        made, port = [backends(name) for name in ("one", "two", "three")], kit.free_port()
        bad = made[2]
        bad.server.failing = True
        on = kit.listener(port, default=kit.forward(("a", 1)))
        attributes = {
            "load_balancing.algorithm.type": "weighted_random",
            "load_balancing.algorithm.anomaly_mitigation": "on",
        }
        group = kit.target_group("a", *(each.target() for each in made), attributes=attributes)
        well = [kit.seen(group, each.target(), "healthy") for each in made]
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group, *well)
        watch = AnomalyWatch(bench.store, kit.SystemClock(), bench.control.counted)

        async def look(requests):
            answers = Counter([(await bench.get(port)).status for _ in range(requests)])
            watch.look(await bench.control.counted())
            await bench.apply()
            return answers

        def row():
            key = kit.target_health_id(group.id, bad.target())
            return bench.store.snapshot().get(TargetAnomaly, kit.SCOPE["account"], kit.SCOPE["region"], key)

        await look(0)
        assert row() is None
        before = await look(60)
        assert before[500] > 4
        assert (row().anomalous, row().weight) == (True, 50)
        for _ in range(5):
            await look(20)
        assert (row().anomalous, row().weight) == (True, 1)
        assert (await look(40))[500] <= 4
        bad.server.failing = False
        for _ in range(10):  # until the window holds nothing of its errors any more
            await look(10)
        for _ in range(12):
            await look(5)
        assert (row().anomalous, row().weight) == (False, 100)

    run_bench(story)


def test_with_cross_zone_off_a_node_serves_its_zone_and_one_without_targets_answers_503(kit, run_bench, backends):
    async def story(bench):
        one, two, port = backends("one"), backends("two", address="127.0.0.2"), kit.free_port()
        nodes = tuple(
            AvailabilityZone(zone_name=f"us-east-1{z}", subnet_id=z, interface_id=z, private_ip=f"127.0.0.{n}")
            for n, z in enumerate("abc", 1)
        )
        here = one.target(availability_zone="us-east-1a")
        there = kit.Target(id="127.0.0.2", port=two.port, availability_zone="us-east-1b")
        on = kit.listener(port, default=kit.forward(("a", 1)))
        group = kit.target_group("a", here, there, attributes={"load_balancing.cross_zone.enabled": "false"})
        await bench.apply(kit.load_balancer(zones=nodes), on, kit.default_rule(on), group)

        async def seen(address):
            return {(each.status, each.text[:3]) for each in [await bench.get(port, host=address) for _ in range(6)]}

        assert await seen("127.0.0.1") == {(200, "one")}
        assert await seen("127.0.0.2") == {(200, "two")}
        assert await seen("127.0.0.3") == {(503, "<ht")}
        # a zone whose own targets are all ill fails open within the zone
        await bench.apply(kit.seen(group, here, "unhealthy"), kit.seen(group, there, "healthy"))
        assert await seen("127.0.0.1") == {(200, "one")}
        crossing = kit.target_group("a", here, there)
        await bench.apply(crossing)
        assert await seen("127.0.0.3") == {(200, "two")}

    run_bench(story)
