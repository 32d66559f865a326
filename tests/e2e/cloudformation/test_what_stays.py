"""What operations of stacks leave: by policies, by protection, and because it was there before."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from stacking import QUEUE


def test_policies_decide_what_stays(stacks):
    queue = lambda name, **more: {**QUEUE, "Properties": {"QueueName": name}, **more}  # noqa: E731
    bad = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "no/name"}, "DependsOn": ["A", "B", "C"]}
    parts = {
        "A": queue("plain"),
        "B": queue("kept", DeletionPolicy="Retain"),
        "C": queue("made", DeletionPolicy="RetainExceptOnCreate"),
    }
    failed = stacks.create("policies", {"Resources": {**parts, "Bad": bad}}, "ROLLBACK_COMPLETE")
    assert stacks.queues() == {"kept"}
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stacks.update("policies", {"Resources": {"A": queue("plain")}})
    stacks.delete(failed["StackId"])
    stacks.client("sqs").delete_queue(QueueUrl=stacks.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"])

    parts["D"] = queue("old", UpdateReplacePolicy="Retain")
    stack = stacks.create("policies", {"Resources": parts})
    parts["D"] = queue("new", UpdateReplacePolicy="Retain")
    parts["E"] = queue("swapped")
    stacks.update("policies", {"Resources": parts})
    assert stacks.queues() == {"plain", "kept", "made", "old", "new", "swapped"}
    parts["E"] = queue("swapped-2")
    del parts["B"]
    stacks.update("policies", {"Resources": parts})
    assert stacks.queues() == {"plain", "kept", "made", "old", "new", "swapped-2"}
    parts["E"], parts["F"] = queue("swapped-3"), {**bad, "DependsOn": "E"}
    stacks.update("policies", {"Resources": parts}, "UPDATE_ROLLBACK_COMPLETE")
    assert stacks.queues() == {"plain", "kept", "made", "old", "new", "swapped-2"}
    parts["C"] = queue("made", DeletionPolicy="Delete")
    stacks.update("policies", {"Resources": parts}, "UPDATE_ROLLBACK_COMPLETE")
    stacks.delete(stack["StackId"])
    assert stacks.queues() == {"kept", "made", "old"}


def test_a_rollback_leaves_what_had_the_name_before(stacks):
    tables, parameters = stacks.client("dynamodb"), stacks.client("ssm")
    table = {
        "TableName": "theirs",
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    tables.create_table(**table)
    tables.get_waiter("table_exists").wait(TableName="theirs", WaiterConfig={"Delay": 1})
    tables.put_item(TableName="theirs", Item={"k": {"S": "kept"}})
    parameters.put_parameter(Name="theirs", Value="kept", Type="String")
    wanted = {
        "T": {"Type": "AWS::DynamoDB::Table", "Properties": table},
        "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "theirs", "Type": "String", "Value": "new"}},
        "S": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "theirs", "GenerateSecretString": {}}},
        "Q": {**QUEUE, "Properties": {"QueueName": "theirs"}},
        "N": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "theirs"}},
        "B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"theirs-{stacks.account}"}},
    }
    stacks.client("secretsmanager").create_secret(Name="theirs", SecretString="kept")
    stacks.client("sqs").create_queue(QueueName="theirs")
    topic = stacks.client("sns").create_topic(Name="theirs")["TopicArn"]
    stacks.client("s3").create_bucket(Bucket=f"theirs-{stacks.account}")
    for logical, each in wanted.items():
        stack = stacks.create(f"taken-{logical}", {"Resources": {logical: each}}, "ROLLBACK_COMPLETE")
        stacks.delete(stack["StackId"])
    assert tables.scan(TableName="theirs")["Items"] == [{"k": {"S": "kept"}}]
    assert parameters.get_parameter(Name="theirs")["Parameter"]["Value"] == "kept"
    assert stacks.client("secretsmanager").get_secret_value(SecretId="theirs")["SecretString"] == "kept"
    assert stacks.queues() == {"theirs"} and stacks.client("sns").get_topic_attributes(TopicArn=topic)
    assert stacks.client("s3").list_objects_v2(Bucket=f"theirs-{stacks.account}")["KeyCount"] == 0


def test_a_stack_policy_lets_through_what_it_allows(stacks):
    queue = lambda **properties: {"Resources": {"A": {**QUEUE, "Properties": properties}, "B": QUEUE}}  # noqa: E731
    allow = {"Effect": "Allow", "Action": "Update:Modify", "Principal": "*", "Resource": "*"}
    policy = json.dumps({"Statement": [allow]})
    stacks.create("policed", queue(QueueName="one"), StackPolicyBody=policy)
    assert stacks.api.get_stack_policy(StackName="policed")["StackPolicyBody"] == policy
    stacks.update("policed", queue(QueueName="one", DelaySeconds=1))
    stacks.update("policed", queue(QueueName="two"), "UPDATE_ROLLBACK_COMPLETE")
    without = {"Resources": {"A": queue(QueueName="one", DelaySeconds=1)["Resources"]["A"]}}
    stacks.update("policed", without, "UPDATE_ROLLBACK_COMPLETE")
    assert "one" in stacks.queues() and len(stacks.queues()) == 2
    override = json.dumps({"Statement": [{**allow, "Action": "Update:*"}]})
    stacks.update("policed", queue(QueueName="two"), StackPolicyDuringUpdateBody=override)
    stacks.update("policed", queue(QueueName="three"), "UPDATE_ROLLBACK_COMPLETE")
    assert "two" in stacks.queues()


def test_a_full_bucket_stays_and_protection_holds(stacks):
    template = {
        "Resources": {
            "B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"full-{stacks.account}"}},
            "Q": QUEUE,
        }
    }
    stack = stacks.create("bucket", template, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        stacks.api.delete_stack(StackName="bucket")
    stacks.api.update_termination_protection(StackName="bucket", EnableTerminationProtection=False)
    stacks.client("s3").put_object(Bucket=f"full-{stacks.account}", Key="k", Body=b"1")
    with pytest.raises(ClientError, match="only supported for stacks in the DELETE_FAILED state"):
        stacks.api.delete_stack(StackName="bucket", RetainResources=["B"])
    failed = stacks.delete(stack["StackId"], "DELETE_FAILED")
    assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [B]. "
    stacks.delete(stack["StackId"], DeletionMode="FORCE_DELETE_STACK")
    assert stacks.client("s3").list_objects_v2(Bucket=f"full-{stacks.account}")["KeyCount"] == 1


def test_a_volume_leaves_a_snapshot_that_restores_it(stacks):
    ec2 = stacks.client("ec2")
    volume = lambda size, **more: {  # noqa: E731
        "Type": "AWS::EC2::Volume", "DeletionPolicy": "Snapshot", "UpdateReplacePolicy": "Snapshot",
        "Properties": {"Size": size, "AvailabilityZone": "us-east-1a", **more},
    }  # fmt: skip
    taken = lambda: {  # noqa: E731
        each["VolumeId"]: each["SnapshotId"] for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    }
    stack = stacks.create("volumes", {"Resources": {"A": volume(1), "B": volume(2)}})
    first = stacks.physical("volumes")
    stacks.update("volumes", {"Resources": {"A": volume(1), "B": volume(3), "Q": QUEUE}})
    assert stacks.physical("volumes") | first == stacks.physical("volumes") and taken() == {}
    # nothing replaces a volume, so that UpdateReplacePolicy never comes to it
    moved = {"A": volume(1, AvailabilityZone="us-east-1b"), "B": volume(3), "Q": QUEUE}
    stacks.update("volumes", {"Resources": moved}, "UPDATE_ROLLBACK_COMPLETE")
    # taken out of the template, rolled back, deleted with the stack: each leaves a snapshot
    stacks.update("volumes", {"Resources": {"A": volume(1), "Q": QUEUE}})
    assert set(taken()) == {first["B"]}
    bad = {**QUEUE, "DependsOn": "C", "Properties": {"QueueName": "no/name"}}
    parts = {"A": volume(1), "Q": QUEUE, "C": volume(1), "Bad": bad}
    stacks.update("volumes", {"Resources": parts}, "UPDATE_ROLLBACK_COMPLETE")
    stacks.delete(stack["StackId"])
    assert {first["A"], first["B"]} < set(taken()) and len(taken()) == 3
    assert [each for each in ec2.describe_volumes()["Volumes"] if each["State"] != "deleted"] == []
    again = volume(3, SnapshotId=taken()[first["B"]])
    stacks.create("restored", {"Resources": {"B": {**again, "DeletionPolicy": "Delete"}}})
    held = ec2.describe_volumes(VolumeIds=[stacks.physical("restored")["B"]])["Volumes"][0]
    assert (held["Size"], held["SnapshotId"]) == (3, taken()[first["B"]])


def test_what_puts_would_write_over_is_refused_and_stays(stacks):
    alarms, logs = stacks.client("cloudwatch"), stacks.client("logs")
    alarm = {
        "AlarmName": "theirs", "Namespace": "N", "MetricName": "m", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold",
    }  # fmt: skip
    alarms.put_metric_alarm(**alarm)
    logs.create_log_group(logGroupName="theirs")
    change = {"metricName": "m", "metricNamespace": "N", "metricValue": "1"}
    logs.put_metric_filter(
        logGroupName="theirs", filterName="theirs", filterPattern="kept", metricTransformations=[change]
    )
    filter = {"LogGroupName": "theirs", "FilterName": "theirs", "FilterPattern": "new"}
    filter["MetricTransformations"] = [{key[:1].upper() + key[1:]: each for key, each in change.items()}]
    wanted = {
        "A": {"Type": "AWS::CloudWatch::Alarm", "Properties": {**alarm, "Threshold": 9}},
        "F": {"Type": "AWS::Logs::MetricFilter", "Properties": filter},
        "W": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "CreationPolicy": {"ResourceSignal": {"Count": "many"}},
        },
    }
    for logical, resource in wanted.items():
        stacks.create(f"over-{logical}", {"Resources": {logical: resource}}, "ROLLBACK_COMPLETE")
    assert [each["Threshold"] for each in alarms.describe_alarms()["MetricAlarms"]] == [5]
    kept = logs.describe_metric_filters(logGroupName="theirs")["metricFilters"]
    assert [each["filterPattern"] for each in kept] == ["kept"]
