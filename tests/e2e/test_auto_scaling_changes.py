"""What changes an Auto Scaling group: policies, schedules, standby, refreshes, warm pools, several types and options."""

import base64
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError


class Changing:
    """One account with a launch template and a group that has no load balancer."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.ec2, self.api = kunren.client("ec2", account), kunren.client("autoscaling", account)
        self.sqs, self.sns = kunren.client("sqs", account), kunren.client("sns", account)
        image = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])
        self.image = image["Images"][0]
        self.types = ("t3.micro", "t3.small") if self.image["Architecture"] == "x86_64" else ("t4g.micro", "t4g.small")
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])[:2]
        self.subnets = [each["SubnetId"] for each in subnets]
        self.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=self.data("one"))

    def data(self, text):
        user = base64.b64encode(f"#!/bin/sh\necho {text}\n".encode()).decode()
        return {"ImageId": self.image["ImageId"], "InstanceType": self.types[0], "UserData": user}

    def create(self, **given):
        self.api.create_auto_scaling_group(**{
            "AutoScalingGroupName": "web", "MinSize": 0, "MaxSize": 6, "DesiredCapacity": 2,
            "VPCZoneIdentifier": ",".join(self.subnets), "LaunchTemplate": {"LaunchTemplateName": "web", "Version": "1"},
            **given,
        })  # fmt: skip

    def group(self):
        return self.api.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]

    def members(self, state="InService"):
        return sorted(each["InstanceId"] for each in self.group()["Instances"] if each["LifecycleState"] == state)

    def versions(self):
        listed = [each for each in self.group()["Instances"] if each["LifecycleState"] == "InService"]
        return {each["LaunchTemplate"]["Version"] for each in listed}

    def steady(self, count):
        return len(self.members()) == count == len(self.group()["Instances"]) and (self.members() or True)

    def activities(self):
        return self.api.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]

    def refresh(self):
        return self.api.describe_instance_refreshes(AutoScalingGroupName="web")["InstanceRefreshes"][0]

    def schedule(self, name, **sizes):
        """A scheduled action that is due soon by the daemon's clock, of which only activities tell."""
        last = self.activities()[0]["StartTime"].timestamp()
        for ahead in (30, 120, 600, 3600):
            try:
                self.api.put_scheduled_update_group_action(
                    AutoScalingGroupName="web", ScheduledActionName=name,
                    StartTime=datetime.fromtimestamp(last + ahead, UTC), **sizes,
                )  # fmt: skip
            except ClientError as error:
                assert "in the past" in str(error)
            else:
                return

    def remove(self):
        for each in self.api.describe_auto_scaling_groups()["AutoScalingGroups"]:
            self.api.delete_auto_scaling_group(AutoScalingGroupName=each["AutoScalingGroupName"], ForceDelete=True)


@pytest.fixture
def changing(kunren, account, until):
    made = Changing(kunren, account, until)
    yield made
    made.remove()


def test_policies_schedules_and_standby_change_a_group(changing, until):
    api = changing.api
    topic = changing.sns.create_topic(Name="told")["TopicArn"]
    queue = changing.sqs.create_queue(QueueName="told")["QueueUrl"]
    changing.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=changing.sqs.get_queue_attributes(
        QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])  # fmt: skip
    changing.create(DesiredCapacity=1, DefaultInstanceWarmup=0)
    api.put_notification_configuration(
        AutoScalingGroupName="web", TopicARN=topic, NotificationTypes=["autoscaling:EC2_INSTANCE_TERMINATE"]
    )
    (first,) = until(lambda: changing.steady(1), "one in service", 60)

    arn = api.put_scaling_policy(
        AutoScalingGroupName="web", PolicyName="up", PolicyType="StepScaling", AdjustmentType="ChangeInCapacity",
        StepAdjustments=[
            {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 2},
        ],
    )["PolicyARN"]  # fmt: skip
    assert arn.endswith(":autoScalingGroupName/web:policyName/up")
    api.execute_policy(PolicyName=arn, MetricValue=75, BreachThreshold=60)
    assert changing.group()["DesiredCapacity"] == 3
    three = until(lambda: changing.steady(3), "three in service", 60)

    # standby: out of the group's count, and back
    done = api.enter_standby(AutoScalingGroupName="web", InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    assert done["Activities"][0]["Description"] == f"Moving EC2 instance to Standby: {first}"
    until(lambda: changing.members("Standby") == [first], "standby")
    assert changing.group()["DesiredCapacity"] == 2
    api.exit_standby(AutoScalingGroupName="web", InstanceIds=[first])
    until(lambda: changing.members() == three, "all back in service", 60)

    # a simple policy, called by an alarm, and its cooldown
    down = api.put_scaling_policy(
        AutoScalingGroupName="web", PolicyName="down", AdjustmentType="ChangeInCapacity", ScalingAdjustment=-1,
        Cooldown=100_000,
    )["PolicyARN"]  # fmt: skip
    alarms = changing.kunren.client("cloudwatch", changing.account)
    alarms.put_metric_alarm(
        AlarmName="idle", Namespace="App", MetricName="Load", Statistic="Average", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="LessThanThreshold", AlarmActions=[down],
    )  # fmt: skip
    shown = api.describe_policies(AutoScalingGroupName="web", PolicyNames=["down"])["ScalingPolicies"][0]
    assert [each["AlarmName"] for each in shown["Alarms"]] == ["idle"]
    alarms.set_alarm_state(AlarmName="idle", StateValue="ALARM", StateReason="try")
    until(lambda: changing.group()["DesiredCapacity"] == 2, "the alarm's policy")
    with pytest.raises(ClientError, match="ScalingActivityInProgress"):
        api.execute_policy(AutoScalingGroupName="web", PolicyName="down", HonorCooldown=True)
    until(lambda: changing.steady(2), "two left", 60)

    made = api.put_scaling_policy(
        AutoScalingGroupName="web", PolicyName="half", PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "TargetValue": 50, "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        },
    )  # fmt: skip
    names = [each["AlarmName"] for each in made["Alarms"]]
    high, low = alarms.describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert high["AlarmName"].startswith("TargetTracking-web-AlarmHigh-")
    assert [each["Threshold"] for each in (high, low)] == [50, 45]
    assert high["AlarmActions"] == low["AlarmActions"] == [made["PolicyARN"]]
    api.delete_policy(AutoScalingGroupName="web", PolicyName="half")
    assert alarms.describe_alarms(AlarmNames=names)["MetricAlarms"] == []
    changing.schedule("night", MinSize=0, MaxSize=1, DesiredCapacity=0)
    until(lambda: changing.steady(0), "none at night", 90)
    last = changing.activities()[0]
    assert "a scheduled action update of AutoScalingGroup constraints to min: 0, max: 1, desired: 0" in last["Cause"]
    assert api.describe_scheduled_actions(AutoScalingGroupName="web")["ScheduledUpdateGroupActions"] == []
    got = []

    def told():
        more = changing.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages") or ()
        got.extend(json.loads(json.loads(each["Body"])["Message"]) for each in more)
        return {each["Event"] for each in got} >= {
            "autoscaling:TEST_NOTIFICATION",
            "autoscaling:EC2_INSTANCE_TERMINATE",
        }

    until(told, "the notifications")


def test_an_instance_refresh_goes_in_steps_and_rolls_back(changing, until):
    api = changing.api
    changing.create(DefaultInstanceWarmup=0)
    before = until(lambda: changing.steady(2), "two in service", 60)
    changing.ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData=changing.data("two"))
    desired = {"LaunchTemplate": {"LaunchTemplateName": "web", "Version": "2"}}
    api.start_instance_refresh(
        AutoScalingGroupName="web", DesiredConfiguration=desired,
        Preferences={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150, "InstanceWarmup": 0,
                     "CheckpointPercentages": [50, 100], "CheckpointDelay": 100_000},
    )  # fmt: skip
    with pytest.raises(ClientError, match="InstanceRefreshInProgress"):
        api.start_instance_refresh(AutoScalingGroupName="web")
    until(lambda: changing.refresh()["PercentageComplete"] == 50 if "PercentageComplete" in changing.refresh() else 0,
          "half", 60)  # fmt: skip
    until(lambda: changing.steady(2), "two in service", 60)
    assert len(set(changing.members()) & set(before)) == 1
    api.rollback_instance_refresh(AutoScalingGroupName="web")
    until(lambda: changing.refresh()["Status"] == "RollbackSuccessful", "rolled back", 60)
    assert changing.versions() == {"1"}

    api.start_instance_refresh(
        AutoScalingGroupName="web", DesiredConfiguration=desired,
        Preferences={"MinHealthyPercentage": 50, "InstanceWarmup": 0, "SkipMatching": True},
    )  # fmt: skip
    until(lambda: changing.refresh()["Status"] == "Successful", "refreshed", 60)
    assert changing.versions() == {"2"}
    assert changing.group()["LaunchTemplate"]["Version"] == "2"
    with pytest.raises(ClientError, match="ActiveInstanceRefreshNotFound"):
        api.cancel_instance_refresh(AutoScalingGroupName="web")


def test_a_warm_pool_gives_its_instances_and_takes_them_back(changing, until):
    api = changing.api
    changing.create(DesiredCapacity=0, MaxSize=2)

    def pool():
        return {each["InstanceId"]: each["LifecycleState"]
                for each in api.describe_warm_pool(AutoScalingGroupName="web")["Instances"]}  # fmt: skip

    api.put_warm_pool(
        AutoScalingGroupName="web", MinSize=1, MaxGroupPreparedCapacity=1, InstanceReusePolicy={"ReuseOnScaleIn": True}
    )
    until(lambda: list(pool().values()) == ["Warmed:Stopped"], "a warm one", 60)
    (warm,) = pool()
    api.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=1)
    until(lambda: changing.members() == [warm], "the warm one in service", 60)
    until(lambda: list(pool().values()) == ["Warmed:Stopped"], "another warm one", 60)
    api.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=0)
    until(lambda: pool().get(warm) == "Warmed:Stopped" or (changing.steady(0) and len(pool()) == 1), "it back", 60)
    api.delete_warm_pool(AutoScalingGroupName="web", ForceDelete=True)
    until(lambda: "WarmPoolConfiguration" not in changing.group(), "no pool", 60)


def test_a_warm_pool_hibernates_its_instances_where_they_can(changing, until):
    api, ec2 = changing.api, changing.ec2
    hibernating = {
        **changing.data("one"), "HibernationOptions": {"Configured": True},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}],
    }  # fmt: skip
    ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData=hibernating)
    changing.create(DesiredCapacity=0, LaunchTemplate={"LaunchTemplateName": "web", "Version": "2"})
    api.put_warm_pool(AutoScalingGroupName="web", MinSize=1, MaxGroupPreparedCapacity=1, PoolState="Hibernated")

    def pool():
        return [
            (each["InstanceId"], each["LifecycleState"])
            for each in api.describe_warm_pool(AutoScalingGroupName="web")["Instances"]
        ]

    until(lambda: [state for _, state in pool()] == ["Warmed:Hibernated"], "a warm one", 60)
    ((warm, _),) = pool()
    (shown,) = ec2.describe_instances(InstanceIds=[warm])["Reservations"][0]["Instances"]
    assert shown["StateReason"]["Code"] == "Client.UserInitiatedHibernate"
    api.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=1)
    until(lambda: changing.members() == [warm], "the warm one in service", 60)


def test_several_types_and_purchase_options_in_one_group(changing, until):
    api = changing.api
    overrides = [
        {"InstanceType": each, "WeightedCapacity": str(number + 1)} for number, each in enumerate(changing.types)
    ]
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateName": "web", "Version": "1"}, "Overrides": overrides,
        },
        "InstancesDistribution": {
            "OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0,
            "SpotAllocationStrategy": "capacity-optimized-prioritized",
        },
    }  # fmt: skip
    api.create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=0, MaxSize=6, DesiredCapacity=3, CapacityRebalance=True,
        VPCZoneIdentifier=",".join(changing.subnets), MixedInstancesPolicy=policy,
    )  # fmt: skip
    ids = until(lambda: changing.steady(3), "three in service", 60)
    listed = [
        one for each in changing.ec2.describe_instances(InstanceIds=ids)["Reservations"] for one in each["Instances"]
    ]
    spot = {each["InstanceId"] for each in listed if each.get("InstanceLifecycle") == "spot"}
    assert len(spot) == 2
    assert {each["InstanceType"] for each in changing.group()["Instances"]} == {changing.types[0]}
    assert changing.group()["MixedInstancesPolicy"]["InstancesDistribution"]["OnDemandBaseCapacity"] == 1
