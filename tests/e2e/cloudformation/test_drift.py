"""Drift of what was changed by hand, and import of what is kept."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from stacking import physical, settled


def test_what_was_changed_by_hand_is_drift_and_what_is_kept_moves_to_another_stack(kunren, account, until):
    api, sqs, ec2 = (kunren.client(each, account) for each in ("cloudformation", "sqs", "ec2"))
    queue = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain", "Properties": {"DelaySeconds": 5}}
    vpc = {"Type": "AWS::EC2::VPC", "DeletionPolicy": "Retain", "Properties": {"CidrBlock": "10.88.0.0/16"}}
    topic = {"Type": "AWS::SNS::Topic"}
    id = api.create_stack(StackName="one", TemplateBody=json.dumps({"Resources": {"Q": queue, "V": vpc, "T": topic}}))[
        "StackId"
    ]
    settled(api, id, until, "CREATE_COMPLETE")
    made = physical(api, id)

    def drift():
        detection = api.detect_stack_drift(StackName=id)["StackDriftDetectionId"]
        shown = api.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        found = api.describe_stack_resource_drifts(StackName=id)["StackResourceDrifts"]
        return shown["StackDriftStatus"], {each["LogicalResourceId"]: each for each in found}

    status, found = drift()
    shown = {name: each["StackResourceDriftStatus"] for name, each in found.items()}
    assert (status, shown) == ("IN_SYNC", {"Q": "IN_SYNC", "V": "IN_SYNC", "T": "NOT_CHECKED"})
    sqs.set_queue_attributes(QueueUrl=made["Q"], Attributes={"DelaySeconds": "9"})
    status, found = drift()
    assert (status, found["Q"]["StackResourceDriftStatus"]) == ("DRIFTED", "MODIFIED")
    assert found["Q"]["PropertyDifferences"] == [
        {"PropertyPath": "/DelaySeconds", "ExpectedValue": "5", "ActualValue": "9", "DifferenceType": "NOT_EQUAL"}
    ]

    api.delete_stack(StackName=id)
    settled(api, id, until, "DELETE_COMPLETE")
    into = {"Resources": {"Net": vpc, "Jobs": {**queue, "Properties": {"DelaySeconds": 9}}}}
    moved = [
        {"ResourceType": "AWS::EC2::VPC", "LogicalResourceId": "Net", "ResourceIdentifier": {"VpcId": made["V"]}},
        {"ResourceType": "AWS::SQS::Queue", "LogicalResourceId": "Jobs", "ResourceIdentifier": {"QueueUrl": made["Q"]}},
    ]
    asked = {"StackName": "two", "ChangeSetType": "IMPORT", "TemplateBody": json.dumps(into)}
    with pytest.raises(ClientError, match=r"you cannot modify or add \[Resources\]"):
        api.create_change_set(ChangeSetName="half", ResourcesToImport=moved[:1], **asked)
    set_id = api.create_change_set(ChangeSetName="all", ResourcesToImport=moved, **asked)["Id"]
    shown = api.describe_change_set(ChangeSetName=set_id)["Changes"]
    assert [each["ResourceChange"]["Action"] for each in shown] == ["Import", "Import"]
    api.execute_change_set(ChangeSetName=set_id)
    stack = settled(api, "two", until, "IMPORT_COMPLETE")
    assert physical(api, "two") == {"Net": made["V"], "Jobs": made["Q"]}
    into["Resources"]["Net"]["DeletionPolicy"] = into["Resources"]["Jobs"]["DeletionPolicy"] = "Delete"
    into["Resources"]["Jobs"]["Properties"]["DelaySeconds"] = 3
    api.update_stack(StackName="two", TemplateBody=json.dumps(into))
    settled(api, stack["StackId"], until, "UPDATE_COMPLETE")
    shown = sqs.get_queue_attributes(QueueUrl=made["Q"], AttributeNames=["DelaySeconds"])["Attributes"]
    assert shown == {"DelaySeconds": "3"}
    api.delete_stack(StackName="two")
    settled(api, stack["StackId"], until, "DELETE_COMPLETE")
    assert not [each for each in ec2.describe_vpcs()["Vpcs"] if each["VpcId"] == made["V"]]
