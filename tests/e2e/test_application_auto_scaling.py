"""A service of ECS that is scaled by an alarm and by the clock: its tasks run."""

import pytest
from botocore.exceptions import ClientError

OF = {
    "ServiceNamespace": "ecs", "ResourceId": "service/shop/web", "ScalableDimension": "ecs:service:DesiredCount",
}  # fmt: skip


def test_an_alarm_and_the_clock_scale_a_service(kunren, account, until):
    ecs, ec2, alarms = (kunren.client(each, account) for each in ("ecs", "ec2", "cloudwatch"))
    api = kunren.client("application-autoscaling", account)
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(
        family="web", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[{
            "name": "web", "image": "public.ecr.aws/docker/library/python:3", "command": ["sleep", "100000"],
        }],
    )  # fmt: skip
    with pytest.raises(ClientError, match="ECS service doesn't exist"):
        api.register_scalable_target(**OF, MinCapacity=0, MaxCapacity=3)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ecs.create_service(
        cluster="shop", serviceName="web", taskDefinition="web", desiredCount=0, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )  # fmt: skip
    api.register_scalable_target(**OF, MinCapacity=0, MaxCapacity=3)
    policy = api.put_scaling_policy(
        **OF, PolicyName="up", PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity", "Cooldown": 100_000,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )["PolicyARN"]  # fmt: skip
    alarms.put_metric_alarm(
        AlarmName="busy", Namespace="App", MetricName="Load", Statistic="Average", Period=10, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", AlarmActions=[policy],
    )  # fmt: skip
    assert (
        api.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"][0]["Alarms"][0]["AlarmName"] == "busy"
    )

    def running():
        if not api.describe_scaling_activities(**OF)["ScalingActivities"]:
            data = {"MetricName": "Load", "Value": 5, "StorageResolution": 1}
            alarms.put_metric_data(Namespace="App", MetricData=[data])
        return ecs.describe_services(cluster="shop", services=["web"])["services"][0]["runningCount"]

    until(lambda: running() == 1, "a task", 60)
    done = api.describe_scaling_activities(**OF)["ScalingActivities"][0]
    assert done["Description"] == "Setting desired count to 1."
    assert done["Cause"] == "monitor alarm busy in state ALARM triggered policy up"
    assert done["StatusMessage"] == "Successfully set desired count to 1. Change successfully fulfilled by ecs."

    made = api.put_scaling_policy(
        **OF, PolicyName="half", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 75, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        },
    )  # fmt: skip
    names = [each["AlarmName"] for each in made["Alarms"]]
    assert [each["Threshold"] for each in alarms.describe_alarms(AlarmNames=names)["MetricAlarms"]] == [75, 67.5]
    api.put_scheduled_action(
        **OF, ScheduledActionName="day", Schedule="rate(1 minute)", ScalableTargetAction={"MinCapacity": 2}
    )
    until(lambda: running() == 2, "two tasks by day", 60)
    api.delete_scheduled_action(**OF, ScheduledActionName="day")
    api.deregister_scalable_target(**OF)
    assert alarms.describe_alarms(AlarmNames=names)["MetricAlarms"] == []
    ecs.delete_service(cluster="shop", service="web", force=True)
    ecs.get_waiter("services_inactive").wait(cluster="shop", services=["web"])  # `aws ecs wait services-inactive`
