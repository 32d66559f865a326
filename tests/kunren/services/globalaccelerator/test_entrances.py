"""Ways into VPCs that can't be made: the accelerator is not deployed, and says why."""

from __future__ import annotations

import asyncio

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.model import Entrance, Subnet, SubnetReservation, Vpc
from kunren.services.globalaccelerator import entrances
from kunren.services.globalaccelerator.controllers import AcceleratorControllers
from kunren.services.globalaccelerator.model import (
    Accelerator,
    AcceleratorStatus,
    Attachment,
    CustomGroup,
    EndpointGroup,
    EndpointHealth,
    Listener,
    PortRange,
    SubnetEndpoint,
)
from kunren.world.spec import Region, WorldSpec

ME, HERE = "123456789012", "us-east-1"
ARN = "arn:aws:globalaccelerator::123456789012:accelerator/1234abcd"
SPEC = WorldSpec(places=(), regions=(Region(HERE, "abcdef", 0, 0),))
WORK = f"{ME}|{ARN}"
RESERVED = SubnetReservation(
    account=ME, region=HERE, id="scr-1", subnet_id="subnet-1", cidr="10.0.0.0/28", type="prefix"
)


class World:
    """Nobody is next to any edge location."""

    def edges_in_use(self):
        return []

    async def apply_anycast(self, owner, addresses, tables):
        pass

    async def apply_table(self, owner, namespace, table, text):
        pass


class Names:
    def publish_names(self, owner, names):
        pass


def with_full_subnet():
    """A store with a custom routing accelerator into a subnet whose every address is reserved."""
    store = Store(None)
    ec2.register(store)
    store.register(Accelerator, AcceleratorStatus, Listener, EndpointGroup, CustomGroup, Attachment, EndpointHealth)
    with store.write() as tx:
        tx.put(
            Accelerator(
                account=ME, region="", id=ARN, name="a", enabled=True, number=0, custom=True, created_time=0.0,
                addresses=("198.18.192.1", "198.18.224.1"), dns_name="a.test", modified_time=0.0,
            )
        )  # fmt: skip
        endpoint = SubnetEndpoint(id="subnet-1", cidr="10.0.0.0/28", ports=(PortRange(first=1, last=11),))
        tx.put(
            CustomGroup(
                account=ME, region="", id=f"{ARN}/listener/1/endpoint-group/1", listener_arn=f"{ARN}/listener/1",
                accelerator_arn=ARN, group_region=HERE, destinations=(), endpoints=(endpoint,),
            )
        )  # fmt: skip
        tx.put(Vpc(account=ME, region=HERE, id="vpc-1", cidr="10.0.0.0/16"))
        tx.put(
            Subnet(
                account=ME, region=HERE, id="subnet-1", vpc_id="vpc-1", cidr="10.0.0.0/28",
                availability_zone="us-east-1a", availability_zone_id="use1-az1",
            )
        )  # fmt: skip
        tx.put(RESERVED)
    return store


def test_an_accelerator_with_no_way_into_its_subnet_is_not_deployed_says_why_and_is_tried_again():
    async def main():
        store = with_full_subnet()
        controllers = AcceleratorControllers(store, SimClock(), Entropy(7), World(), Names(), SPEC)
        running = asyncio.ensure_future(controllers.run())
        try:
            async with asyncio.timeout(60):
                while WORK not in controllers.status()["errors"]:
                    await asyncio.sleep(0.01)
                assert "not enough free addresses in subnet 'subnet-1'" in controllers.status()["errors"][WORK]
                assert controllers.status()["deployed"] == 0
                with store.write() as tx:
                    tx.delete(RESERVED)
                await controllers.settled()
            assert controllers.status() == {"deployed": 1, "probes": 0, "errors": {}}
            assert len(list(store.snapshot().every(Entrance))) == 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_a_subnet_that_is_gone_needs_no_way():
    store = with_full_subnet()
    assert not entrances.are_live(store.snapshot(), ARN)
    with store.write() as tx:
        tx.delete(tx.get(Subnet, ME, HERE, "subnet-1"))
    assert entrances.are_live(store.snapshot(), ARN)
    with store.write() as tx:
        assert entrances.synchronise(tx, Entropy(7), SPEC, SimClock()) == {}
