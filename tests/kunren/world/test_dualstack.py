"""IPv6 in the world: its own addresses and routes, next to those of IPv4."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kunren.world import addresses6
from kunren.world.broken_links import BrokenLink
from kunren.world.network import Broken, Firewall, FirewallRule, Route
from kunren.world.worldfile import DEFAULT_WORLD

RULE = FirewallRule("-1", -1, -1, ("::/0",))
TOKYO, LONDON = "3fff:0:4:1::10", "3fff:0:4:3::10"


def test_places_and_regions_reach_each_other_over_the_internet(running):
    async def story():
        async with running() as net:
            tokyo, london = [await net.world.ensure_place(each) for each in ("tokyo", "london")]
            region = await net.world.ensure_region("us-east-1")
            checkers = await net.world.ensure_checkers("us-east-1")
            await net.serve(london, 80, "london sees", "::")
            await net.serve(region, 80, "region sees", addresses6.region_router(0))
            assert await net.ask(tokyo, LONDON) == f"london sees {TOKYO}"
            assert await net.ask(tokyo, "3fff:100::1") == f"region sees {TOKYO}"
            assert (await net.ask(checkers, LONDON)).startswith("london sees 3fff:0:2::1")

    asyncio.run(story())


def test_an_address_that_nobody_has_is_refused_by_the_internet_and_silent_in_a_region(running):
    async def story():
        async with running() as net:
            tokyo = await net.world.ensure_place("tokyo")
            await net.world.ensure_region("us-east-1")
            assert await net.ask(tokyo, "3fff:0:ffff::1") == "OSError"
            assert await net.silent(tokyo, "3fff:100:0:5500::5")

    asyncio.run(story())


def test_a_world_without_ipv6_has_ipv4_as_ever(running):
    async def story():
        async with running(replace(DEFAULT_WORLD, ipv6=False)) as net:
            tokyo, london = [await net.world.ensure_place(each) for each in ("tokyo", "london")]
            await net.serve(london, 80, "london sees")
            assert await net.ask(tokyo, "198.18.67.10") == "london sees 198.18.65.10"
            assert await net.ask(tokyo, LONDON) == "OSError"

    asyncio.run(story())


def test_blocks_of_the_plan_do_not_overlap():
    places = [addresses6.place_network(63), addresses6.edge_network(63), addresses6.checker_network("sa-east-1")]
    own = [*places, addresses6.NAME_SERVERS, addresses6.LINKS, addresses6.ANYCAST]
    regions = [addresses6.region_network(index) for index in range(32)]
    for number, each in enumerate([*own, *regions]):
        assert each.subnet_of(addresses6.PUBLIC)
        assert not any(each.overlaps(other) for other in [*own, *regions][:number])
    assert str(addresses6.vpc_block(0, 0)) == "3fff:100:1::/56"
    assert str(addresses6.vpc_block(31, (1 << 24) - 257)) == "3fff:11f:ffff:ff00::/56"


def six_vpc(example_vpc, **changes):
    """The example's VPC with IPv6: its two public workloads have an address each."""
    plain, routes = example_vpc(), (Route("::/0", "internet"),)
    public, private = plain.subnets
    open_to_all = Firewall((RULE,), (RULE,))
    return replace(
        plain,
        cidrs6=("3fff:100:1::/56",),
        subnets=(replace(public, cidr6="3fff:100:1::/64", routes=(*public.routes, *routes)), private),
        workloads=tuple(
            replace(each, ipv6=(f"3fff:100:1::{number}",), firewall=open_to_all)
            for number, each in enumerate(plain.workloads[:2], 10)
        ),
        **changes,
    )


def test_what_is_broken_loses_ipv6_too(running, example_vpc):
    async def story():
        async with running() as net:
            tokyo, london = [await net.world.ensure_place(each) for each in ("tokyo", "london")]
            await net.world.apply_vpc(six_vpc(example_vpc))
            for name in ("eni-a", "eni-b"):
                await net.serve(name, 80, name, "::")
            assert await net.ask(tokyo, "3fff:100:1::10") == f"eni-a {TOKYO}"
            assert await net.ask("eni-b", "3fff:100:1::10") == "eni-a 3fff:100:1::11"
            await net.world.apply_vpc(six_vpc(example_vpc, broken=(Broken(subnets=("subnet-public",)),)))
            assert await net.silent(tokyo, "3fff:100:1::10")
            assert await net.silent("eni-b", "3fff:100:1::10")
            await net.world.apply_vpc(six_vpc(example_vpc))
            await net.world.apply_broken((BrokenLink("link", "tokyo", "us-east-1"),))
            assert await net.silent(tokyo, "3fff:100:1::10")
            assert await net.ask(london, "3fff:100:1::10") == f"eni-a {LONDON}"
            await net.world.apply_broken((BrokenLink("place", "london"),))
            assert await net.silent(london, "3fff:100:1::10")
            await net.world.apply_broken(())
            assert await net.ask(london, "3fff:100:1::10") == f"eni-a {LONDON}"

    asyncio.run(story())
