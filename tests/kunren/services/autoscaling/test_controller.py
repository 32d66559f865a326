"""What the controller does where others act while it waits. EC2 and the load balancer are played here."""

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.autoscaling import execution
from kunren.services.autoscaling.api import AutoScalingApi
from kunren.services.autoscaling.controller import AutoScalingController
from kunren.services.autoscaling.model import Activity, Configuration, Group, Member, Policy, Refresh
from kunren.services.ec2.instances.errors import InsufficientInstanceCapacity
from kunren.services.ec2.instances.model import KINDS, Instance, InstanceRun
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.errors import TargetGroupNotFound

ACCOUNT, REGION = "123456789012", "us-east-1"
OF = {"account": ACCOUNT, "region": REGION}
CTX = RequestContext(ACCOUNT, REGION, "autoscaling", "TerminateInstanceInAutoScalingGroup", "request-1")


def instance(id):
    return Instance(
        **OF, id=id, reservation_id="r-1", launch_index=0, image_id="ami-1", instance_type="t3.micro",
        architecture="x86_64", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone="us-east-1a",
        interface_id="eni-1", volume_id="vol-1", root_device="/dev/sda1", launched_at=0.0,
        tags={"aws:autoscaling:groupName": "web"},
    )  # fmt: skip


def subnet(id, zone):
    return Subnet(
        **OF, id=id, vpc_id="vpc-1", cidr="10.0.0.0/24", availability_zone=zone, availability_zone_id="use1-az1"
    )


class Played:
    """A group `web` and those that its controller asks; `registering` is done when a target is registered."""

    def __init__(self):
        self.store, self.clock = Store(None), SystemClock()
        self.store.register(*KINDS, Subnet)
        self.api = AutoScalingApi(self.store, self.clock, Entropy(seed=7))
        self.registering = lambda: None
        self.asked = []

    async def call(self, account, region, service, operation, params):
        if service == "cloudwatch":
            self.asked.append((operation, params))
            return {"MetricAlarms": []}
        if operation == "RegisterTargets":
            self.registering()
            return {}
        raise TargetGroupNotFound("there is none")

    async def run_instances(self, ctx, params):
        self.put(instance("i-2"))
        told = {"InstanceId": "i-2", "InstanceType": "t3.micro", "Placement": {"AvailabilityZone": "us-east-1a"}}
        return {"Instances": [told]}

    def terminate_instances(self, ctx, params):
        for id in params["InstanceIds"]:
            found = self.store.snapshot().get(Instance, ACCOUNT, REGION, id)
            self.put(replace(found, wanted="terminated", ended_at=0.0))

    def put(self, *rows):
        with self.store.write() as tx:
            for each in rows:
                tx.put(each)

    def settle(self, *rows):
        async def main():
            made = AutoScalingController(self.store, self.clock, Entropy(seed=8), self.call, self)
            self.put(*rows)
            task = asyncio.create_task(made.run())
            await made.settled()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(asyncio.wait_for(main(), 60))

    def group(self):
        return self.store.snapshot().get(Group, ACCOUNT, REGION, "web")

    def activities(self):
        return sorted((each.description, each.status) for each in self.store.snapshot().every(Activity))


@pytest.fixture
def played():
    return Played()


def group(**more):
    return Group(
        **OF, id="web", min_size=0, max_size=2, template="lt-1", template_name="web", version="1",
        subnets=("subnet-1",), zones=("us-east-1a",), created_at=0.0, **more,
    )  # fmt: skip


def arriving():
    """A group, without launches of its own, whose only instance is about to be registered."""
    member = Member(
        id="i-1", zone="us-east-1a", instance_type="t3.micro", version="1", state="Pending:Proceed", since=0.0,
        activity="launch-1",
    )  # fmt: skip
    launch = Activity(**OF, id="launch-1", group="web", launches=True, description="Launching", cause="", started=0.0)
    run = InstanceRun(**OF, id="i-1", boots=1, pid=7)
    held = group(desired=1, target_groups=("arn",), suspended=("Launch",), members={"i-1": member})
    return held, launch, instance("i-1"), run


def test_who_is_ended_while_he_is_registered_does_not_come_into_service(played):
    asked = {"InstanceId": "i-1", "ShouldDecrementDesiredCapacity": False}
    played.registering = lambda: played.api.terminate_instance_in_auto_scaling_group(CTX, asked)
    played.settle(*arriving())
    assert played.group().members == {}
    assert played.activities() == [("Launching", "Cancelled"), ("Terminating EC2 instance: i-1", "Successful")]


def test_a_target_group_that_is_gone_keeps_nobody_out_of_service(played):
    def gone():
        raise TargetGroupNotFound("there is none")

    played.registering = gone
    played.settle(*arriving())
    assert [each.state for each in played.group().members.values()] == ["InService"]
    assert played.activities() == [("Launching", "Successful")]


def test_a_group_that_is_deleted_takes_a_launch_along_that_ec2_was_asked_for(played):
    noted = Activity(
        **OF, id="launch-2", group="web", launches=True, description="Launching", cause="", started=0.0,
        subnet="subnet-1", status="PreInService",
    )  # fmt: skip
    played.settle(group(desired=0, deleting=True), noted)
    assert played.group() is None
    assert played.store.snapshot().get(Instance, ACCOUNT, REGION, "i-2").wanted == "terminated"


def test_a_refresh_that_is_suspended_can_be_cancelled(played):
    of = Configuration(template="lt-1", template_name="web", version="1")
    refresh = Refresh(
        **OF, id="refresh-1", group="web", status="Cancelling", started=0.0, created=0.0, preferences={}, target=of,
        before=of,
    )  # fmt: skip
    played.settle(group(desired=0, suspended=("InstanceRefresh",)), refresh)
    assert [each.status for each in played.store.snapshot().every(Refresh)] == ["Cancelled"]


def test_an_instance_that_was_launched_before_a_crash_is_the_one_whatever_the_group_launches_now(played):
    noted = Activity(
        **OF, id="launch-1", group="web", launches=True, description="Launching", cause="", started=0.0,
        subnet="subnet-1", zone="us-east-1a", status="PreInService",
    )  # fmt: skip
    made = replace(instance("i-1"), client_token="launch-1-1", instance_type="t3.small")
    played.settle(group(desired=1), noted, made, InstanceRun(**OF, id="i-1", boots=1, pid=7))
    held = played.group().members
    assert {id: (each.state, each.instance_type) for id, each in held.items()} == {"i-1": ("InService", "t3.small")}


def test_alarms_that_a_crash_has_kept_from_being_made_are_made_at_the_start(played):
    tracking = {"TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageNetworkIn"}}
    policy = Policy(id="1", type="TargetTrackingScaling", tracking=tracking, alarms=("TargetTracking-web-AlarmHigh-1",))
    played.settle(group(desired=0, scaling={"busy": policy}))
    assert [operation for operation, _ in played.asked] == ["DescribeAlarms", "PutMetricAlarm"]
    assert played.asked[1][1]["MetricName"] == "NetworkIn"


def test_what_an_alarm_saw_before_a_group_shrank_shrinks_it_once(played):
    """Two of four are used: two stay, though the minute that the alarm looks at next was half before."""
    policy = Policy(id="1", type="TargetTrackingScaling", tracking={"TargetValue": 100.0}, warmup_s=0)
    played.put(replace(group(desired=4, scaling={"busy": policy}), max_size=4))

    def low(now):
        with played.store.write() as tx:
            found = tx.get(Group, ACCOUNT, REGION, "web")
            execution.execute(tx, found, policy, "an alarm", now, value=50.0, threshold=100.0)
        return played.group().desired

    assert [low(1000.0), low(1060.0), low(1180.0)] == [2, 2, 1]


@pytest.mark.parametrize(("balanced_only", "asked"), [(False, ["subnet-1", "subnet-2"]), (True, ["subnet-1"])])
def test_a_zone_without_capacity_is_passed_over_unless_balance_is_all(played, balanced_only, asked):
    zones, seen = ("us-east-1a", "us-east-1b"), []

    async def run_instances(ctx, params):
        seen.append(params["SubnetId"])
        if params["SubnetId"] == "subnet-1":
            raise InsufficientInstanceCapacity("t3.micro", "us-east-1a", ("us-east-1b",))
        return await Played.run_instances(played, ctx, params)

    played.run_instances = run_instances
    played.put(*(subnet(f"subnet-{number}", zone) for number, zone in enumerate(zones, 1)))
    held = group(desired=1, balanced_only=balanced_only)
    played.settle(replace(held, subnets=("subnet-1", "subnet-2"), zones=zones))
    assert seen == asked
    assert len(played.group().members) == len(asked) - 1
    assert (played.group().retry_at is None) == (not balanced_only)
