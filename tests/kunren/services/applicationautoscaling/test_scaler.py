"""What the scaler does where a crash or a deployment comes in between. Other services are played here."""

import asyncio
import contextlib

import pytest

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.services.applicationautoscaling.model import KINDS, Activity, Policy, Schedule, Target
from kunren.services.applicationautoscaling.scaler import Scaler
from kunren.services.applicationautoscaling.views import policy_arn

OF = {"account": "123456789012", "region": "us-east-1"}
TRACK = Policy(
    id="1", type="TargetTrackingScaling", created=0.0, alarms=("TargetTracking-service/a/b-AlarmLow-1",),
    tracking={"TargetValue": 50.0, "PredefinedMetricSpecification": {
        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
)  # fmt: skip


class Killed(BaseException):
    pass


class Played:
    """A service of four tasks. `rollout` is its deployment's state; at `killed_at` the daemon dies."""

    def __init__(self):
        self.store, self.count, self.rollout, self.killed_at, self.asked = Store(None), 4, "COMPLETED", "", []
        self.store.register(*KINDS)
        self.scaler = Scaler(self.store, SystemClock(), Entropy(seed=7), self.call)

    async def call(self, account, region, service, operation, params):
        self.asked.append(operation)
        if operation == self.killed_at:
            raise Killed
        if operation == "DescribeServices":
            shown = {"status": "ACTIVE", "desiredCount": self.count, "deployments": [{"rolloutState": self.rollout}]}
            return {"services": [shown]}
        if operation == "UpdateService":
            self.count = params["desiredCount"]
        return {"MetricAlarms": []}

    def put(self, **given):
        target = Target(
            **OF, id="ecs|service/a/b|ecs:service:DesiredCount", namespace="ecs", resource="service/a/b",
            dimension="ecs:service:DesiredCount", number="1", least=1, most=10, created=0.0, role="", **given,
        )  # fmt: skip
        with self.store.write() as tx:
            tx.put(target)
        return target

    def target(self):
        return self.store.snapshot().list(Target, *OF.values())[0]

    async def settle(self):
        task = asyncio.create_task(self.scaler.controller.run())
        await self.scaler.controller.settled()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def played():
    return Played()


def test_a_service_does_not_shrink_while_it_deploys(played):
    target = played.put(policies={"busy": TRACK})
    low = lambda: asyncio.run(played.scaler.act(policy_arn(target, "busy"), TRACK.alarms[0], "ALARM", 20.0, 45.0))  # noqa: E731
    played.rollout = "IN_PROGRESS"
    low()
    assert played.count == 4
    played.rollout = "COMPLETED"
    low()
    assert played.count == 2


def test_the_capacity_of_a_scheduled_action_outlives_a_crash(played):
    due = Schedule(id="1", text="at(2020-01-01T00:00:00)", created=0.0, next_at=1.0, least=6)
    played.put(schedules={"morning": due})
    played.killed_at = "UpdateService"
    with pytest.raises(Killed):
        asyncio.run(played.scaler._due(played.target(), "morning", due, 2.0))
    played.killed_at = ""
    asyncio.run(asyncio.wait_for(played.settle(), 60))
    assert (played.count, played.target().least, played.target().schedules) == (6, 6, {})
    assert [each.status for each in played.store.snapshot().every(Activity)] == ["Successful"]


def test_alarms_that_a_crash_has_kept_from_being_made_are_made_at_the_start(played):
    played.put(policies={"busy": TRACK})
    asyncio.run(asyncio.wait_for(played.settle(), 60))
    assert played.asked == ["DescribeAlarms", "PutMetricAlarm"]
