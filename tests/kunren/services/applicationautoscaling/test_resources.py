"""What is scaled, by its own service's operations."""

import asyncio

import pytest

from kunren.core.errors import AwsError
from kunren.services.applicationautoscaling import alarms, resources
from kunren.services.applicationautoscaling.model import Policy, Target

DIMENSION = "ec2:spot-fleet-request:TargetCapacity"
FLEET = Target(
    account="1", region="us-east-1", id=f"ec2|spot-fleet-request/sfr-1|{DIMENSION}", namespace="ec2",
    resource="spot-fleet-request/sfr-1", dimension=DIMENSION, number="1", least=1, most=10, created=0.0, role="",
)  # fmt: skip


def test_a_spot_fleet_is_scaled_by_its_target_capacity():
    asked, state = [], "active"

    async def call(account, region, service, operation, params):
        asked.append((operation, params))
        config = {"SpotFleetRequestState": state, "SpotFleetRequestConfig": {"TargetCapacity": 3}}
        return {"SpotFleetRequestConfigs": [config]}

    found = resources.scalable("ec2", FLEET.resource, DIMENSION)
    assert asyncio.run(found.read(call, FLEET)) == 3
    asyncio.run(found.write(call, FLEET, 5))
    assert asked == [
        ("DescribeSpotFleetRequests", {"SpotFleetRequestIds": ["sfr-1"]}),
        ("ModifySpotFleetRequest", {"SpotFleetRequestId": "sfr-1", "TargetCapacity": 5}),
    ]
    state = "cancelled_running"
    with pytest.raises(AwsError, match="doesn't exist"):
        asyncio.run(found.read(call, FLEET))
    with pytest.raises(AwsError, match="Unsupported resource id"):
        resources.scalable("ec2", "service/a/b", DIMENSION)


def test_its_predefined_metrics_are_averages_of_its_instances():
    metric = {"PredefinedMetricType": "EC2SpotFleetRequestAverageCPUUtilization"}
    tracking = {"TargetValue": 50.0, "PredefinedMetricSpecification": metric}
    alarms.check(tracking, "ec2")
    with pytest.raises(AwsError, match="not valid for service ecs"):
        alarms.check(tracking, "ecs")
    of_services = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}
    with pytest.raises(AwsError, match="not valid for service ec2"):
        alarms.check(of_services, "ec2")
    policy = Policy(id="busy", type="TargetTrackingScaling", created=0.0, tracking=tracking)
    made = alarms.parameters(FLEET, policy, "arn", f"TargetTracking-{FLEET.resource}-AlarmHigh-1")
    assert (made["Namespace"], made["MetricName"], made["Threshold"]) == ("AWS/EC2Spot", "CPUUtilization", 50.0)
    assert made["Dimensions"] == [{"Name": "FleetRequestId", "Value": "sfr-1"}]
