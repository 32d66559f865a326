"""Metrics of instances: what control groups and interfaces count, as CloudWatch has it."""

import asyncio

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.services.ec2.instances.metrics import InstanceMetrics
from kunren.services.ec2.instances.model import Instance, InstanceRun


class Guest:
    def __init__(self):
        self.cpu, self.moved = 10.0, (100, 50)

    def cpu_seconds(self):
        return self.cpu

    def network_bytes(self):
        return self.moved


def test_an_instance_tells_its_load_by_itself_and_by_its_group():
    told = {}

    async def call(account, region, service, operation, params):
        for each in params["MetricData"]:
            key = (each["MetricName"], each["Dimensions"][0]["Value"])
            told[key] = (each["Values"], each["Counts"], each["Timestamp"].timestamp())
        return {}

    async def story():
        store, clock, guest = Store(None), SimClock(1_750_000_200.0), Guest()
        store.register(Instance, InstanceRun)
        where = {"account": "1", "region": "us-east-1", "id": "i-1"}
        instance = Instance(
            **where, reservation_id="r-1", launch_index=0, image_id="ami-1", instance_type="t3.micro",
            architecture="x86_64", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone="us-east-1a",
            interface_id="eni-1", volume_id="vol-1", root_device="/dev/xvda", launched_at=0.0, monitoring=True,
            tags={"aws:autoscaling:groupName": "web"},
        )  # fmt: skip
        with store.write() as tx:
            tx.put(instance)
            tx.put(InstanceRun(**where, boots=1, pid=5))
        metrics = InstanceMetrics(store, clock, call, lambda id: guest)
        metrics.sample(clock.now())
        guest.cpu, guest.moved = 70.0, (1100, 250)
        clock.advance(60)
        metrics.sample(clock.now())
        await metrics.before("GetMetricData")

    asyncio.run(story())
    at = 1_750_000_200.0
    for subject in ("i-1", "web"):
        assert told["CPUUtilization", subject] == ([50.0], [1.0], at)  # 60 s of two processors' 120
        assert told["NetworkIn", subject] == ([1000.0], [1.0], at)
        assert told["NetworkOut", subject] == ([200.0], [1.0], at)
        assert told["StatusCheckFailed", subject][0] == [0.0]
