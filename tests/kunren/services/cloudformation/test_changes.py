"""Decisions about properties, by the published schemas, and what change sets tell of them."""

import json

from kunren.services.cloudformation.changes import changes
from kunren.services.cloudformation.changes import shown as shown_as
from kunren.services.cloudformation.decisions import decide, tags_of
from kunren.services.cloudformation.intrinsics import Scope
from kunren.services.cloudformation.model import StackResource
from kunren.services.cloudformation.resources import TYPES, kind_of
from kunren.services.cloudformation.schemas import coerced, schema, violations
from kunren.services.cloudformation.structure import planned


def row(logical, type, physical, **more):
    return StackResource(
        account="1", region="us-east-1", id=f"s/{logical}", stack="s", logical=logical, type=type, physical=physical,
        status="CREATE_COMPLETE", **more,
    )  # fmt: skip


def decided(type, before, after):
    return decide(kind_of(type), type, before, after)[0]


def test_the_schema_says_what_only_a_new_resource_can_have():
    queue, vpc = "AWS::SQS::Queue", "AWS::EC2::VPC"
    assert decided(queue, {"QueueName": "a"}, {"QueueName": "a"}) == "none"
    assert decided(queue, {"QueueName": "a"}, {"QueueName": "b"}) == "replace"
    assert decided(queue, {"DelaySeconds": 1}, {"DelaySeconds": 2}) == "update"
    assert decided(vpc, {"CidrBlock": "10.0.0.0/16"}, {"CidrBlock": "10.1.0.0/16"}) == "replace"
    check = "AWS::Route53::HealthCheck"
    config = {"Type": "HTTP", "FailureThreshold": 3}
    assert (
        decided(check, {"HealthCheckConfig": config}, {"HealthCheckConfig": {**config, "FailureThreshold": 2}})
        == "update"
    )
    assert decided(check, {"HealthCheckConfig": config}, {"HealthCheckConfig": {**config, "Type": "TCP"}}) == "replace"


def test_a_record_of_another_name_is_another_record():
    record = {"HostedZoneId": "Z1", "Name": "a.test", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}
    assert decided("AWS::Route53::RecordSet", record, {**record, "TTL": "5"}) == "update"
    assert decided("AWS::Route53::RecordSet", record, {**record, "Name": "b.test"}) == "replace"


def test_values_become_what_the_schema_wants():
    queue = schema("AWS::SQS::Queue")
    found = coerced(queue, {"DelaySeconds": "5", "FifoQueue": "true", "QueueName": 12})
    assert found == {"DelaySeconds": 5, "FifoQueue": True, "QueueName": "12"}
    assert violations(queue, found) == []
    assert violations(queue, {"Nope": 1, "Arn": "x", "DelaySeconds": "five"}) == [
        "#: extraneous key [Nope] is not permitted",
        "#/DelaySeconds: expected type: Integer, found: String",
        "#: extraneous key [Arn] is not permitted",
    ]
    assert violations(schema("AWS::IAM::Role"), {}) == ["#: required key [AssumeRolePolicyDocument] not found"]


def test_a_resource_has_the_stacks_tags_and_its_own_over_them():
    own = {"Tags": [{"Key": "a", "Value": "2"}]}
    assert tags_of(kind_of("AWS::SQS::Queue"), "AWS::SQS::Queue", own, {"a": "1", "b": "1"}) == {"a": "2", "b": "1"}
    assert tags_of(kind_of("AWS::EC2::Route"), "AWS::EC2::Route", {}, {"a": "1"}) == {}


def test_every_type_is_published_and_understands_only_published_properties():
    for type, kind in TYPES.items():
        published = schema(type)
        assert published is not None, type
        assert (kind.properties or frozenset()) <= published.properties.keys(), type


def test_changes_tell_replacements_and_what_follows_from_them():
    template = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "UpdateReplacePolicy": "Retain", "Properties": {"QueueName": "new"}},
            "Policy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Version": "2012-10-17"}},
            },
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "d"}},
            "Same": {"Type": "AWS::SNS::Topic"},
            "Added": {"Type": "AWS::SNS::Topic"},
        }
    }
    rows = {
        "Queue": row("Queue", "AWS::SQS::Queue", "q", properties={"QueueName": "old"}, replace_policy="Retain"),
        "Policy": row(
            "Policy", "AWS::SQS::QueuePolicy", "p",
            properties={"Queues": ["q"], "PolicyDocument": {"Version": "2012-10-17"}},
        ),
        "Topic": row("Topic", "AWS::SNS::Topic", "t", properties={}),
        "Same": row("Same", "AWS::SNS::Topic", "s"),
        "Gone": row("Gone", "AWS::SNS::Topic", "g", deletion_policy="Retain"),
    }  # fmt: skip
    plan = planned(template, Scope(parameters={"AWS::Region": "us-east-1"}))
    found = {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"] for each in changes(plan, rows, {})}
    shown = {name: (each["Action"], each.get("Replacement"), each.get("PolicyAction")) for name, each in found.items()}
    assert shown == {
        "Queue": ("Modify", "True", "ReplaceAndRetain"),
        "Policy": ("Modify", "False", None),
        "Topic": ("Modify", "False", None),
        "Added": ("Add", None, None),
        "Gone": ("Remove", None, "Retain"),
    }
    detail = found["Policy"]["Details"][0]
    assert (detail["Evaluation"], detail["ChangeSource"], detail["CausingEntity"]) == (
        "Dynamic",
        "ResourceReference",
        "Queue",
    )
    assert found["Queue"]["Details"][0]["Target"] == {
        "Attribute": "Properties", "Name": "QueueName", "RequiresRecreation": "Always", "Path": "/Properties/QueueName",
        "BeforeValue": "old", "AfterValue": "new", "AttributeChangeType": "Modify",
    }  # fmt: skip
    assert json.loads(found["Policy"]["AfterContext"])["Properties"]["Queues"] == "{{changeSet:KNOWN_AFTER_APPLY}}"
    assert json.loads(found["Queue"]["BeforeContext"]) == {
        "Properties": {"QueueName": "old"}, "UpdateReplacePolicy": "Retain",
    }  # fmt: skip
    plain = [shown_as(each, values=False)["ResourceChange"] for each in changes(plan, rows, {})]
    assert not {"BeforeContext", "AfterContext"} & {key for each in plain for key in each}


def test_dynamic_references_are_changes_where_they_give_something_else_and_secrets_are_not_shown():
    reference, plain = "{{resolve:secretsmanager:db}}", "{{resolve:ssm:/a}}"
    properties = {"Value": f"{plain}-{reference}", "Type": "String"}
    template = {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": properties}}}
    plan = planned(template, Scope())
    held = {"P": row("P", "AWS::SSM::Parameter", "p", properties={"Value": "a-pw1234", "Type": "String"}, secrets={"pw1234": reference})}  # fmt: skip
    dynamic = {reference: "pw1234", plain: "a"}
    assert changes(plan, held, {}, dynamic) == []
    told = changes(plan, held, {}, {**dynamic, plain: "b"})[0]["ResourceChange"]
    assert told["Details"][0]["Target"]["BeforeValue"] == f"a-{reference}"
    assert told["Details"][0]["Target"]["AfterValue"] == f"b-{reference}"
