"""Stacks with what changes Auto Scaling groups."""


def template(target, prepared):
    named = {"AutoScalingGroupName": {"Ref": "Group"}}
    tracked = {
        "TargetValue": target,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
    }
    group = {
        "MinSize": "0", "MaxSize": "2", "AvailabilityZones": ["us-east-1a"],
        "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": "1"},
    }  # fmt: skip
    made = {
        "Template": ("EC2::LaunchTemplate", {"LaunchTemplateData": {"ImageId": {"Ref": "Image"}, "InstanceType": "t3.micro"}}),
        "Group": ("AutoScaling::AutoScalingGroup", group),
        "Busy": ("AutoScaling::ScalingPolicy",
                 {**named, "PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": tracked}),
        "Up": ("AutoScaling::ScalingPolicy",
               {**named, "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1, "Cooldown": "60"}),
        "Night": ("AutoScaling::ScheduledAction",
                  {**named, "Recurrence": "0 22 * * *", "MinSize": 0, "StartTime": "2050-01-01T00:00:00Z"}),
        "Leave": ("AutoScaling::LifecycleHook", {
            **named, "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "HeartbeatTimeout": target * 10,
        }),
        "Pool": ("AutoScaling::WarmPool", {**named, "MaxGroupPreparedCapacity": prepared, "PoolState": "Running"}),
    }  # fmt: skip
    return {
        "Parameters": {"Image": {"Type": "String"}},
        "Resources": {name: {"Type": f"AWS::{type}", "Properties": given} for name, (type, given) in made.items()},
        "Outputs": {"Policy": {"Value": {"Fn::GetAtt": ["Busy", "PolicyName"]}}},
    }


def test_policies_schedules_hooks_and_a_warm_pool_of_a_group(stacks):
    api = stacks.client("autoscaling")
    found = stacks.client("ec2").describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])
    image = [{"ParameterKey": "Image", "ParameterValue": found["Images"][0]["ImageId"]}]
    stack = stacks.create("scaling", template(50, 0), Parameters=image)
    physical = stacks.physical("scaling")
    policies = {each["PolicyARN"]: each for each in api.describe_policies()["ScalingPolicies"]}
    assert set(policies) == {physical["Busy"], physical["Up"]}
    assert policies[physical["Busy"]]["PolicyName"] == stack["Outputs"][0]["OutputValue"]
    assert len(policies[physical["Busy"]]["Alarms"]) == 2
    assert (
        api.describe_scheduled_actions()["ScheduledUpdateGroupActions"][0]["ScheduledActionName"] == physical["Night"]
    )

    stacks.update("scaling", template(60, 1), Parameters=image)
    assert stacks.physical("scaling") == physical
    busy = api.describe_policies(PolicyNames=[physical["Busy"]])["ScalingPolicies"][0]
    assert busy["TargetTrackingConfiguration"]["TargetValue"] == 60
    hook = api.describe_lifecycle_hooks(AutoScalingGroupName=physical["Group"])["LifecycleHooks"][0]
    assert (hook["LifecycleHookName"], hook["HeartbeatTimeout"]) == (physical["Leave"], 600)
    pool = api.describe_warm_pool(AutoScalingGroupName=physical["Group"])["WarmPoolConfiguration"]
    assert (pool["MaxGroupPreparedCapacity"], pool["PoolState"]) == (1, "Running")

    stacks.delete(stack["StackId"])
    assert api.describe_policies()["ScalingPolicies"] == []
    assert api.describe_auto_scaling_groups()["AutoScalingGroups"] == []
