"""Faults met by real packets: zones, VPCs, regions and links that are cut, lossy, and healed."""

import asyncio

import pytest

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.services.ec2.workloads import namespace_of
from kunren.services.faults.faults import FaultRefused, Faults


@pytest.fixture
def broken(lab):
    """A story with a world whose faults can be told: one program in each of two zones, reachable from the internet."""

    def run(story):
        async def main(lab):
            ec2 = lab.ec2
            faults = Faults(ec2.store, SystemClock(), ec2.api.entropy, ec2.api.spec, lab.world)
            faults.felt_by.append(lab.controller.settled)
            task = asyncio.get_running_loop().create_task(faults.run())
            vpc, one, route, gateway = lab.public_subnet()
            ec2.create_route(**route, GatewayId=gateway)
            other = ec2.subnet(vpc, "10.0.1.0/24", AvailabilityZone="us-east-1b")
            ec2.modify_subnet_attribute(SubnetId=other, MapPublicIpOnLaunch={"Value": True})
            group = lab.open_group(vpc)
            here = [await lab.workload(each, each.encode(), groups=[group]) for each in (one, one, other)]
            place = await lab.world.ensure_place("virginia")
            zone = next(
                each["AvailabilityZone"] for each in ec2.describe_subnets()["Subnets"] if each["SubnetId"] == one
            )
            try:
                await story(lab, faults, place, zone, *here)
            finally:
                task.cancel()

        lab(main)

    return run


def test_a_zone_that_is_dark_answers_nobody_until_it_is_healed(broken):
    async def story(lab, faults, place, zone, one, neighbour, other):
        here, there = namespace_of(one), namespace_of(other)
        kept = await lab.connect(place, one.public_ip)
        assert await lab.ask(here, neighbour.private_ip)
        fault = faults.inject("zone", zone, owner="test")
        await faults.settled()
        assert await lab.ask(place, one.public_ip) is None
        assert await lab.ask(there, one.private_ip) is None
        assert await lab.ask(here, other.private_ip) is None
        assert await lab.ask(here, neighbour.private_ip) is None  # within the subnet too: there is no power
        assert await lab.ask(place, other.public_ip)  # the other zone goes on
        late = await lab.workload(one.subnet_id, b"late", groups=one.groups)
        assert await lab.ask(there, late.private_ip) is None  # what comes while it lasts has none either
        assert faults.heal(owner="test") == [fault]
        await faults.settled()
        assert await lab.ask(place, one.public_ip)
        assert await lab.ask(here, neighbour.private_ip)
        assert await lab.hear(there, late.private_ip) == b"late"
        kept.close()

    broken(story)


def test_a_region_or_a_vpc_that_is_dark_and_links_between_sites(broken):
    async def story(lab, faults, place, zone, one, neighbour, other):
        wanted = [
            ("region", "us-east-1"),
            ("vpc", one.vpc_id),
            ("place", "virginia"),
            ("link", "virginia", "us-east-1"),
        ]
        for each in wanted:
            fault = faults.inject(*each)
            await faults.settled()
            assert await lab.ask(place, one.public_ip) is None, each
            inside = await lab.ask(namespace_of(one), other.private_ip)
            assert (inside is None) == (each[0] in ("region", "vpc")), each
            faults.heal(id=fault.id)
            await faults.settled()
            assert await lab.ask(place, one.public_ip), each

    broken(story)


def test_a_share_of_loss_is_that_share(broken):
    async def story(lab, faults, place, zone, one, neighbour, other):
        faults.inject("subnet", one.subnet_id, loss=0.5)
        await faults.settled()
        got = 0
        for _ in range(60):
            got += await lab.ping(namespace_of(other), one.private_ip)
            if 0 < got < _:
                break
        assert 0 < got <= _  # some echoes come back, and not all

    broken(story)


def test_what_cannot_be_broken_is_refused_and_what_is_not_lasting_heals_at_the_next_start(ec2):
    spec = ec2.api.spec
    faults = Faults(ec2.store, SystemClock(), Entropy(1), spec, None)
    for wanted, why in (
        (("moon", "x"), "nothing is called 'moon'"),
        (("zone", "us-east-1z"), "there is no zone 'us-east-1z'; there are ap-northeast-1a"),
        (("vpc", "vpc-0"), "there is no vpc"),
        (("link", "virginia", "virginia"), "two different ends"),
    ):
        with pytest.raises(FaultRefused, match=why):
            faults.inject(*wanted)
    with pytest.raises(FaultRefused, match="kunren up --distance"):
        faults.inject("place", "virginia", loss=0.0, delay_ms=10.0)
    for numbers in ({"loss": 1.1}, {"loss": 0.0}, {"delay_ms": -1.0}):
        with pytest.raises(FaultRefused):
            faults.inject("place", "virginia", **numbers)
    faults.inject("place", "virginia")
    lasting = faults.inject("region", "us-east-1", lasting=True)
    again = Faults(ec2.store, SystemClock(), Entropy(1), spec, None)
    assert again.now() == [lasting]
