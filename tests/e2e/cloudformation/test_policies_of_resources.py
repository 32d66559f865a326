"""CreationPolicy, UpdatePolicy and rollback triggers: what is signalled, rolled and watched before a stack is complete."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from stacking import QUEUE


def test_a_resource_waits_for_its_signals(stacks):
    wait = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "CreationPolicy": {"ResourceSignal": {"Count": 2, "Timeout": "PT12H"}},
    }
    signal = lambda status, id="one": stacks.api.signal_resource(  # noqa: E731
        StackName="signalled", LogicalResourceId="W", UniqueId=id, Status=status
    )
    id = stacks.api.create_stack(StackName="signalled", TemplateBody=json.dumps({"Resources": {"W": wait}}))["StackId"]
    stacks.until(lambda: "W" in stacks.physical(id), "the condition")
    for unique in ("one", "one", "two"):
        signal("SUCCESS", unique)
    stacks.settled(id, "CREATE_COMPLETE")
    told = [each[2] for each in stacks.events(id) if each[0] == "W"]
    assert "Received SUCCESS signal with UniqueId two" in told
    with pytest.raises(ClientError, match="is in CREATE_COMPLETE state and cannot be signaled"):
        signal("SUCCESS")
    stacks.delete(id)
    wait["CreationPolicy"] = {"ResourceSignal": {"Timeout": "PT1S"}}
    late = stacks.create("late", {"Resources": {"W": wait}}, "ROLLBACK_COMPLETE")
    assert any(
        each[2] == "Failed to receive 1 resource signal(s) within the specified duration"
        for each in stacks.events(late["StackId"])
    )


def test_a_groups_instances_are_rolled_and_come_back_when_one_fails(stacks):
    ec2, groups = stacks.client("ec2"), stacks.client("autoscaling")
    image = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])["Images"][0]
    machine = "t3.micro" if image["Architecture"] == "x86_64" else "t4g.micro"
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]

    def template(word, **rolling):
        data = {
            "ImageId": image["ImageId"],
            "InstanceType": machine,
            "UserData": {"Fn::Base64": f"#!/bin/sh\necho {word}"},
        }
        fleet = {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "1", "MaxSize": "3", "DesiredCapacity": "1", "VPCZoneIdentifier": [subnet],
                "LaunchTemplate": {"LaunchTemplateId": {"Ref": "T"}, "Version": {"Fn::GetAtt": "T.LatestVersionNumber"}},
            },
            "UpdatePolicy": {
                "AutoScalingRollingUpdate": {"MinInstancesInService": 1, **rolling},
                "AutoScalingScheduledAction": {"IgnoreUnmodifiedGroupSizeProperties": True},
            },
        }  # fmt: skip
        return {
            "Resources": {
                "T": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": data}},
                "F": fleet,
            }
        }

    def members():
        shown = groups.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        return {each["InstanceId"]: each["LaunchTemplate"]["Version"] for each in shown["Instances"]
                if each["LifecycleState"] == "InService"}  # fmt: skip

    stack = stacks.create("fleet", template("one"))
    first = stacks.until(members, "an instance")
    stacks.update("fleet", template("two"))
    second = members()
    assert list(second.values()) == ["2"] and not first.keys() & second.keys()
    failing = template("three", WaitOnResourceSignals=True, PauseTime="PT1S")
    stacks.update("fleet", failing, "UPDATE_ROLLBACK_COMPLETE")
    assert any("Received 0 SUCCESS signal(s) out of" in each[2] for each in stacks.events("fleet"))
    stacks.until(lambda: list(members().values()) == ["2"], lambda: f"the version from before, not {members()}", 60)
    stacks.delete(stack["StackId"])


def test_an_alarm_rolls_an_update_back(stacks):
    alarms = stacks.client("cloudwatch")
    alarms.put_metric_alarm(
        AlarmName="errors", MetricName="Errors", Namespace="Shop", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    arn = alarms.describe_alarms()["MetricAlarms"][0]["AlarmArn"]
    state = lambda value: alarms.set_alarm_state(AlarmName="errors", StateValue=value, StateReason="test")  # noqa: E731
    watched = {"RollbackTriggers": [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"}], "MonitoringTimeInMinutes": 180}
    queue = lambda delay: {"Resources": {"Q": {**QUEUE, "Properties": {"DelaySeconds": delay}}}}  # noqa: E731
    state("OK")
    stacks.create("watched", queue(1), RollbackConfiguration={**watched, "MonitoringTimeInMinutes": 0})
    stacks.api.update_stack(StackName="watched", TemplateBody=json.dumps(queue(2)), RollbackConfiguration=watched)
    stacks.until(
        lambda: ("Q", "UPDATE_COMPLETE", "") in stacks.events("watched"), "the queue's update, that is watched now"
    )
    shown = stacks.api.describe_stacks(StackName="watched")["Stacks"][0]
    assert (shown["StackStatus"], shown["RollbackConfiguration"]) == ("UPDATE_IN_PROGRESS", watched)
    state("ALARM")
    stacks.settled("watched", "UPDATE_ROLLBACK_COMPLETE")
    url = stacks.client("sqs").list_queues()["QueueUrls"][0]
    held = stacks.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]
    assert held == {"DelaySeconds": "1"}
    stacks.update("watched", queue(3), "UPDATE_ROLLBACK_COMPLETE")  # the triggers stay, and so does the alarm
