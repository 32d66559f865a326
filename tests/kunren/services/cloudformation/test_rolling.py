"""A rolling update that a crash interrupts goes on where it was, and one that fails leaves the group as large as it was."""

import asyncio
from types import SimpleNamespace

import pytest

from kunren.services.cloudformation.model import Attempt, StackResource
from kunren.services.cloudformation.rolling import rolled
from kunren.services.cloudformation.work import STABLE_WITHIN_S, Failed, Work


class Crash(Exception):
    pass


class Fleet:
    """A group whose instances are replaced at once, its clock, and a row that keeps what was noted. The `crash`th call
    never answers."""

    def __init__(self, crash, broken=False):
        self.time, self.calls, self.crash, self.broken = 0.0, 0, crash, broken
        self.desired, self.suspended = 3, False
        self.ids = ["i-0", "i-1", "i-2"]
        self.row = StackResource(
            account="1", region="r", id="s/F", stack="s", logical="F", type="AWS::AutoScaling::AutoScalingGroup",
            physical="fleet", attempt=Attempt(action="update", token="t", properties={}),
        )  # fmt: skip

    def work(self):
        stack = SimpleNamespace(account="1", region="r")
        clock = SimpleNamespace(now=lambda: self.time, wall_sleep=self.wall_sleep)
        return Work(
            None, clock, self.asked, SimpleNamespace(together=lambda *_: True, call=self.noting), None, stack, self.row,
            cancelled=lambda: False, noted=lambda row: setattr(self, "row", row),
        )  # fmt: skip

    async def wall_sleep(self, seconds):
        self.time += STABLE_WITHIN_S / 10

    async def noting(self, account, region, service, operation, params, noted):
        noted(await self.asked(account, region, service, operation, params))

    async def asked(self, account, region, service, operation, params):
        self.calls += 1
        if self.calls == self.crash:
            raise Crash
        match operation:
            case "TerminateInstanceInAutoScalingGroup":
                self.ids.remove(params["InstanceId"])
                self.desired -= params["ShouldDecrementDesiredCapacity"]
            case "SetDesiredCapacity":
                self.desired = params["DesiredCapacity"]
            case "SuspendProcesses" | "ResumeProcesses":
                self.suspended = operation == "SuspendProcesses"
        while len(self.ids) < self.desired and not self.broken:
            self.ids.append(f"n-{self.calls}-{len(self.ids)}")
        instances = [{"InstanceId": each, "LifecycleState": "InService"} for each in self.ids]
        group = {"Instances": instances, "DesiredCapacity": self.desired, "MaxSize": 4}
        return {"AutoScalingGroups": [group]}


POLICY = {"MinInstancesInService": 3, "SuspendProcesses": ["AlarmNotification"]}


@pytest.mark.parametrize("crash", range(1, 14))
def test_a_crash_at_any_call_of_a_rolling_update(crash):
    fleet = Fleet(crash)

    async def twice():
        try:
            await rolled(fleet.work(), POLICY)
        except Crash:
            await rolled(fleet.work(), POLICY)

    asyncio.run(twice())
    assert fleet.desired == 3 and len(fleet.ids) == 3 and all(each.startswith("n-") for each in fleet.ids)
    assert not fleet.suspended


def test_a_rolling_update_that_fails_leaves_no_larger_group_and_nothing_suspended():
    fleet = Fleet(0, broken=True)
    with pytest.raises(Failed, match="did not stabilize"):
        asyncio.run(rolled(fleet.work(), POLICY))
    assert fleet.desired == 3 and not fleet.suspended
