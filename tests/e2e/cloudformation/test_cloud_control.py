"""AWS Cloud Control API: resources one by one, by the types that stacks have."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from stacking import QUEUE

QUEUES = "AWS::SQS::Queue"


@pytest.fixture
def control(stacks):
    return stacks.client("cloudcontrol")


@pytest.fixture
def done(stacks, control):
    def wait(answer, wanted="SUCCESS"):
        token = answer["ProgressEvent"]["RequestToken"]
        over = lambda: control.get_resource_request_status(RequestToken=token)["ProgressEvent"]  # noqa: E731
        stacks.until(lambda: not over()["OperationStatus"].endswith("IN_PROGRESS"), lambda: f"the end of {over()}", 60)
        assert over()["OperationStatus"] == wanted, over()
        return over()

    return wait


def test_a_resource_is_made_read_changed_and_deleted(stacks, control, done):
    state = json.dumps({"QueueName": "jobs", "DelaySeconds": 3})
    asked = control.create_resource(TypeName=QUEUES, DesiredState=state, ClientToken="once")
    assert (
        control.create_resource(TypeName=QUEUES, DesiredState=state, ClientToken="once")["ProgressEvent"][
            "RequestToken"
        ]
        == (asked["ProgressEvent"]["RequestToken"])
    )
    made = done(asked)
    url = made["Identifier"]
    assert stacks.queues() == {"jobs"} and url.endswith("/jobs")
    read = lambda: json.loads(  # noqa: E731
        control.get_resource(TypeName=QUEUES, Identifier=url)["ResourceDescription"]["Properties"]
    )
    held = read()
    assert (held["QueueName"], held["DelaySeconds"], held["Arn"].rpartition(":")[2]) == ("jobs", 3, "jobs")
    patch = [{"op": "replace", "path": "/DelaySeconds", "value": 9}]
    done(control.update_resource(TypeName=QUEUES, Identifier=url, PatchDocument=json.dumps(patch)))
    assert read()["DelaySeconds"] == 9
    name = [{"op": "replace", "path": "/QueueName", "value": "others"}]
    with pytest.raises(ClientError, match="createOnlyProperties"):
        control.update_resource(TypeName=QUEUES, Identifier=url, PatchDocument=json.dumps(name))
    with pytest.raises(ClientError, match=r"Model validation failed .*extraneous key \[Wrong\]"):
        control.create_resource(TypeName=QUEUES, DesiredState='{"Wrong": 1}')
    with pytest.raises(ClientError) as refused:
        control.create_resource(TypeName="AWS::No::Thing", DesiredState="{}")
    assert refused.value.response["Error"]["Code"] == "TypeNotFoundException"
    failed = done(control.create_resource(TypeName=QUEUES, DesiredState=state), "FAILED")
    assert stacks.queues() == {"jobs"} and "already exists" in failed["StatusMessage"]
    going = done(control.delete_resource(TypeName=QUEUES, Identifier=url, ClientToken="away"))
    again = control.delete_resource(TypeName=QUEUES, Identifier=url, ClientToken="away")["ProgressEvent"]
    assert again["RequestToken"] == going["RequestToken"]
    assert stacks.queues() == set()
    with pytest.raises(ClientError) as refused:
        control.get_resource(TypeName=QUEUES, Identifier=url)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    ended = control.list_resource_requests(ResourceRequestStatusFilter={"OperationStatuses": ["SUCCESS"]})
    assert len(ended["ResourceRequestStatusSummaries"]) == 3


def test_what_there_is_is_listed_whoever_made_it(stacks, control):
    of = lambda type, **properties: {"Type": f"AWS::{type}", "Properties": properties}  # noqa: E731
    trust = {"Version": "2012-10-17", "Statement": []}
    parts = {
        "Q": QUEUE, "V": of("EC2::VPC", CidrBlock="10.92.0.0/16"), "B": of("S3::Bucket"), "L": of("Logs::LogGroup"),
        "Z": of("Route53::HostedZone", Name="listed.test"), "R": of("IAM::Role", AssumeRolePolicyDocument=trust),
        "P": of("SSM::Parameter", Type="String", Value="v"), "G": of("ECS::Cluster"),
        "A": of("ApiGatewayV2::Api", Name="a", ProtocolType="HTTP"),
        "Way": of("ApiGatewayV2::Route", ApiId={"Ref": "A"}, RouteKey="GET /"),
    }  # fmt: skip
    stacks.create("listed", {"Resources": parts})
    ids = stacks.physical("listed")
    stacks.client("sqs").create_queue(QueueName="own")

    def listed(type, **more):
        pages = control.get_paginator("list_resources").paginate(TypeName=f"AWS::{type}", **more)
        return [each for page in pages for each in page["ResourceDescriptions"]]

    for logical in "VBLZRPG":
        type = parts[logical]["Type"].removeprefix("AWS::")
        found = {each["Identifier"]: json.loads(each["Properties"]) for each in listed(type)}
        assert list(found[ids[logical]].values()) == [ids[logical]]
        assert len(found) == (2 if logical == "V" else 1)  # there is a default VPC
    first = control.list_resources(TypeName=QUEUES, MaxResults=1)
    rest = control.list_resources(TypeName=QUEUES, NextToken=first["NextToken"])
    urls = [each["Identifier"] for page in (first, rest) for each in page["ResourceDescriptions"]]
    assert urls == [ids["Q"], ids["Q"].rpartition("/")[0] + "/own"] and "NextToken" not in rest
    model = json.dumps({"ApiId": ids["A"]})
    assert [each["Identifier"] for each in listed("ApiGatewayV2::Route", ResourceModel=model)] == [
        f"{ids['A']}|{ids['Way']}"
    ]
    with pytest.raises(ClientError, match=r"Required property: \[ApiId\]"):
        listed("ApiGatewayV2::Route")
    with pytest.raises(ClientError) as refused:
        listed("SQS::QueuePolicy")
    assert refused.value.response["Error"]["Code"] == "UnsupportedActionException"


def test_what_a_stack_made_is_read_too(stacks, control):
    template = {"Resources": {"Q": {**QUEUE, "Properties": {"DelaySeconds": 4}}, "V": {"Type": "AWS::EC2::VPC"}}}
    template["Resources"]["V"]["Properties"] = {"CidrBlock": "10.91.0.0/16"}
    stacks.create("read", template)
    ids = stacks.physical("read")
    read = lambda type, id: json.loads(  # noqa: E731
        control.get_resource(TypeName=type, Identifier=id)["ResourceDescription"]["Properties"]
    )
    assert read(QUEUES, ids["Q"])["DelaySeconds"] == 4
    network = read("AWS::EC2::VPC", ids["V"])
    assert (network["CidrBlock"], network["VpcId"]) == ("10.91.0.0/16", ids["V"])


def test_what_cannot_be_asked_for_is_deleted_where_it_was_made_here(stacks, control, done):
    groups = lambda: stacks.client("logs").describe_log_groups()["logGroups"]  # noqa: E731
    state = json.dumps({"LogGroupName": "made"})
    done(control.create_resource(TypeName="AWS::Logs::LogGroup", DesiredState=state))
    assert [each["logGroupName"] for each in groups()] == ["made"]
    done(control.delete_resource(TypeName="AWS::Logs::LogGroup", Identifier="made"))
    assert groups() == []
    with pytest.raises(ClientError, match="does not support READ"):
        control.delete_resource(TypeName="AWS::Logs::LogGroup", Identifier="made")
