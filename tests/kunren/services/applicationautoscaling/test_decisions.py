"""What capacity policies want, and how cooldowns hold them back."""

from kunren.services.applicationautoscaling import decisions
from kunren.services.applicationautoscaling.model import Cooldown, Policy, Target

STEP = Policy(id="1", type="StepScaling", created=0.0, step={
    "AdjustmentType": "ChangeInCapacity", "Cooldown": 60,
    "StepAdjustments": [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
    ],
})  # fmt: skip
TRACK = Policy(id="2", type="TargetTrackingScaling", created=0.0, tracking={"TargetValue": 50.0})


def target(**given):
    return Target(
        account="1", region="us-east-1", id="ecs|service/a/b|ecs:service:DesiredCount", namespace="ecs",
        resource="service/a/b", dimension="ecs:service:DesiredCount", number="1", least=1, most=10, created=0.0, role="",
        **given,
    )  # fmt: skip


def wanted(held, policy, current, value, now=0.0, shrinks=False):
    return decisions.wanted(held, policy, current, value, 50.0, now, shrinks=shrinks)


def test_steps_and_targets():
    assert wanted(target(), STEP, 2, 55) == 3
    assert wanted(target(), STEP, 2, 60) == 5
    assert wanted(target(), STEP, 2, 40) == 2
    assert wanted(target(), TRACK, 4, 75) == 6
    assert wanted(target(), TRACK, 4, 20) == 4
    assert wanted(target(), TRACK, 4, 20, shrinks=True) == 2
    assert wanted(target(), TRACK, 9, 500) == 10


def test_while_it_cools_down_only_more_than_what_was_added_counts():
    cooling = target(cooldown=Cooldown(until=100.0, before=2, out=True))
    assert wanted(cooling, STEP, 3, 55) == 3
    assert wanted(cooling, STEP, 3, 60) == 5
    assert wanted(cooling, STEP, 3, 55, now=100.0) == 4
    assert wanted(target(cooldown=Cooldown(until=100.0, before=4, out=False)), TRACK, 3, 10, shrinks=True) == 3


def test_what_is_suspended_stays():
    assert wanted(target(suspended={"DynamicScalingOutSuspended": True}), STEP, 2, 60) == 2
    assert wanted(target(suspended={"DynamicScalingInSuspended": True}), STEP, 2, 60) == 5


def test_cooldowns_are_the_policy_s_or_the_service_s():
    assert decisions.cooldown(STEP, 1, 2, 10.0, 300).until == 70.0
    assert decisions.cooldown(TRACK, 1, 2, 10.0, 300) == Cooldown(until=310.0, before=1, out=True)
