"""What a policy may be made of."""

import asyncio
from types import SimpleNamespace

import pytest

from kunren.core.errors import AwsError
from kunren.services.autoscaling import alarms
from kunren.services.autoscaling.api.policies import policy
from kunren.services.cloudwatch.errors import ResourceNotFound

TRACKING = {
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingConfiguration": {
        "TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
    },
}  # fmt: skip
SIMPLE = {"PolicyType": "SimpleScaling", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 0}


def test_a_zero_stands_for_nothing_where_the_type_has_no_such_member():
    """Terraform writes it when it changes a policy."""
    made = policy({**TRACKING, "Cooldown": 0, "ScalingAdjustment": 0}, "1")
    assert (made.cooldown_s, made.by) == (None, None)
    made = policy({**SIMPLE, "EstimatedInstanceWarmup": 0, "Cooldown": 0}, "1")
    assert (made.by, made.cooldown_s, made.warmup_s) == (0, 0, None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({**TRACKING, "Cooldown": 60}, "Cooldown is not supported for policies of type TargetTrackingScaling"),
        ({**SIMPLE, "EstimatedInstanceWarmup": 60}, "EstimatedInstanceWarmup is not supported for policies of type SimpleScaling"),
    ],
)  # fmt: skip
def test_anything_else_of_another_type_is_refused(given, told):
    with pytest.raises(AwsError) as caught:
        policy(given, "1")
    assert caught.value.message == told


def test_an_alarm_that_is_gone_keeps_no_policy():
    deleted = []

    async def call(account, region, service, operation, params):
        if params["AlarmNames"] == ["gone"]:
            raise ResourceNotFound("No alarms found")
        deleted.extend(params["AlarmNames"])
        return {}

    asyncio.run(alarms.delete(call, SimpleNamespace(account="1", region="us-east-1"), ["gone", "low"]))
    assert deleted == ["low"]
