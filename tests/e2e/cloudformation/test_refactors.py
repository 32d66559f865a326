"""Stack refactors: resources change their stacks and names within them, and go on as they were."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from stacking import QUEUE


def test_resources_move_between_stacks_and_go_on(stacks):
    topic = {"Type": "AWS::SNS::Topic"}
    link = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": {"Ref": "T"}, "Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Q", "Arn"]},
            "RawMessageDelivery": True,
        },
    }  # fmt: skip
    policy = {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "Q"}],
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "sqs:SendMessage",
                        "Resource": {"Fn::GetAtt": ["Q", "Arn"]},
                    }
                ]
            },
        },
    }
    stacks.create("whole", {"Resources": {"Q": QUEUE, "T": topic, "L": link, "P": policy}})
    before = stacks.physical("whole")
    sns, sqs = stacks.client("sns"), stacks.client("sqs")

    def heard(word):
        sns.publish(TopicArn=before["T"], Message=word)
        told = sqs.receive_message(QueueUrl=before["Q"], WaitTimeSeconds=10, MaxNumberOfMessages=1)["Messages"][0]
        sqs.delete_message(QueueUrl=before["Q"], ReceiptHandle=told["ReceiptHandle"])
        return told["Body"]

    assert heard("one") == "one"
    shared = {"Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}, "Export": {"Name": "queue"}}}}
    split = json.loads(json.dumps({"T": topic, "L": link}))
    split["L"]["Properties"]["Endpoint"] = {"Fn::ImportValue": "queue"}
    moved = json.loads(json.dumps({"Queue": QUEUE, "P": policy}).replace('"Q"', '"Queue"'))

    def refactor(first, second, mapped=True, **more):
        place = lambda stack, logical: {"StackName": stack, "LogicalResourceId": logical}  # noqa: E731
        mapping = {"Source": place("whole", "Q"), "Destination": place("queues", "Queue")}
        id = stacks.api.create_stack_refactor(
            StackDefinitions=[
                {"StackName": "whole", "TemplateBody": json.dumps(first)},
                {"StackName": "queues", "TemplateBody": json.dumps(second)},
            ],
            ResourceMappings=[mapping] if mapped else [],
            EnableStackCreation=True,
            **more,
        )["StackRefactorId"]
        return id, stacks.api.describe_stack_refactor(StackRefactorId=id)

    def refused(first, second, words, mapped=True):
        id, shown = refactor(first, second, mapped)
        assert shown["Status"] == "CREATE_FAILED" and words in shown["StatusReason"], shown
        with pytest.raises(ClientError, match="UNAVAILABLE state and cannot be executed"):
            stacks.api.execute_stack_refactor(StackRefactorId=id)

    first, second = {"Resources": split}, {"Resources": moved, **shared}
    refused(first, second, "cannot create resources", mapped=False)
    slow = {**QUEUE, "Properties": {"DelaySeconds": 5}}
    refused(first, {"Resources": {**moved, "Queue": slow}, **shared}, "Queue of stack queues would change")
    refused({"Resources": {"T": topic}}, second, "L of stack whole is in no template")
    refused({**first, "Mappings": {"M": {"a": {"b": "c"}}}}, second, "Mappings of stack whole cannot change")

    id, shown = refactor(first, second, Description="queues apart")
    assert (shown["Status"], shown["ExecutionStatus"], shown["Description"]) == (
        "CREATE_COMPLETE", "AVAILABLE", "queues apart",
    ), shown  # fmt: skip
    actions = stacks.api.list_stack_refactor_actions(StackRefactorId=id)["StackRefactorActions"]
    assert [(each["Action"], each["Entity"], each["Detection"]) for each in actions] == [
        ("CREATE", "STACK", "AUTO"), ("MOVE", "RESOURCE", "AUTO"), ("MOVE", "RESOURCE", "MANUAL"),
    ]  # fmt: skip
    assert stacks.physical("whole") == before
    stale, _ = refactor(first, second)
    stacks.api.execute_stack_refactor(StackRefactorId=id)
    done = stacks.api.list_stack_refactors(ExecutionStatusFilter=["EXECUTE_COMPLETE"])["StackRefactorSummaries"]
    assert [each["StackRefactorId"] for each in done] == [id]
    assert stacks.physical("whole") == {"T": before["T"], "L": before["L"]}
    assert stacks.physical("queues") == {"Queue": before["Q"], "P": before["P"]}
    assert heard("two") == "two"
    with pytest.raises(ClientError, match=r"Stack \[whole\] has changed since"):
        stacks.api.execute_stack_refactor(StackRefactorId=stale)

    with pytest.raises(ClientError, match="Export queue cannot be deleted as it is in use by whole"):
        stacks.api.delete_stack(StackName="queues")
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("queues", second)
    stacks.update("queues", {"Resources": {**moved, "Queue": slow}, **shared})
    assert stacks.physical("queues")["Queue"] == before["Q"]
    for each in shown["StackIds"]:
        stacks.delete(each)
    assert before["Q"].rpartition("/")[2] not in stacks.queues()
