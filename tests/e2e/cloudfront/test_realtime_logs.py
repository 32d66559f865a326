"""Real-time logs from end to end: boto3 makes stream, role and configuration; curl asks; the stream has the records."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CODE = b"function handler(event) { return {statusCode: 200, headers: {'content-type': {value: 'text/plain'}}}; }"
FIELDS = [
    "cs-headers-count", "cs-header-names", "timestamp", "cs-uri-stem", "c-ip", "sc-status", "cs-host",
    "cache-behavior-path-pattern",
]  # fmt: skip
ORDERED = [
    "timestamp", "c-ip", "sc-status", "cs-host", "cs-uri-stem", "cache-behavior-path-pattern", "cs-header-names",
    "cs-headers-count",
]  # fmt: skip
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def distribution(function, arn):
    origin = {
        "Id": "gone", "DomainName": "gone.example.test",
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }  # fmt: skip
    made = {"Quantity": 1, "Items": [{"FunctionARN": function, "EventType": "viewer-request"}]}
    behaviour = {
        "TargetOriginId": "gone", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": CACHING,
        "FunctionAssociations": made,
    }  # fmt: skip
    told = {**behaviour, "PathPattern": "/told/*", "RealtimeLogConfigArn": arn}
    return {
        "CallerReference": "1", "Comment": "", "Enabled": True, "DefaultCacheBehavior": behaviour,
        "CacheBehaviors": {"Quantity": 1, "Items": [told]}, "Origins": {"Quantity": 1, "Items": [origin]},
    }  # fmt: skip


def refused(code, status, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_requests_are_in_the_stream_within_seconds(kunren, account, until):
    api, kinesis, iam = (kunren.client(each, account) for each in ("cloudfront", "kinesis", "iam"))
    kinesis.create_stream(StreamName="seen", ShardCount=1)
    stream = kinesis.describe_stream(StreamName="seen")["StreamDescription"]
    role = iam.create_role(RoleName="teller", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    kept = {"RoleARN": role, "StreamARN": stream["StreamARN"]}
    ends = [{"StreamType": "Kinesis", "KinesisStreamConfig": kept}]
    given = {"Name": "seen", "SamplingRate": 100, "Fields": FIELDS, "EndPoints": ends}
    refused("InvalidArgument", 400, api.create_realtime_log_config, **{**given, "SamplingRate": 101})
    refused("InvalidArgument", 400, api.create_realtime_log_config, **{**given, "Fields": ["cs-weather"]})
    refused("NoSuchRealtimeLogConfig", 404, api.get_realtime_log_config, Name="seen")
    config = api.create_realtime_log_config(**given)["RealtimeLogConfig"]
    arn = f"arn:aws:cloudfront::{account}:realtime-log-config/seen"
    assert config == {"ARN": arn, "Name": "seen", "SamplingRate": 100, "EndPoints": ends, "Fields": ORDERED}
    refused("RealtimeLogConfigAlreadyExists", 409, api.create_realtime_log_config, **given)
    assert api.get_realtime_log_config(ARN=arn)["RealtimeLogConfig"] == config
    assert api.list_realtime_log_configs()["RealtimeLogConfigs"]["Items"] == [config]

    function = api.create_function(
        Name="made", FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-2.0"}, FunctionCode=CODE
    )
    api.publish_function(Name="made", IfMatch=function["ETag"])
    function = function["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    for code, status, named in (
        ("NoSuchRealtimeLogConfig", 404, arn + "-none"),
        ("RealtimeLogConfigOwnerMismatch", 401, arn.replace(account, "999999999999")),
    ):
        refused(code, status, api.create_distribution, DistributionConfig=distribution(function, named))
    made = api.create_distribution(DistributionConfig=distribution(function, arn))["Distribution"]
    identity, name = made["Id"], made["DomainName"]
    assert made["DistributionConfig"]["CacheBehaviors"]["Items"][0]["RealtimeLogConfigArn"] == arn
    listed = api.list_distributions_by_realtime_log_config(RealtimeLogConfigName="seen")["DistributionList"]
    assert [each["Id"] for each in listed["Items"]] == [identity]
    refused("RealtimeLogConfigInUse", 400, api.delete_realtime_log_config, Name="seen")
    until(lambda: api.get_distribution(Id=identity)["Distribution"]["Status"] == "Deployed", "deployed")

    def curl(path):
        answer = kunren.exec("curl", "-sS", "-o", "/dev/null", "-w", "%{local_ip}", f"http://{name}{path}")
        return answer.stdout

    def records():
        shard = stream["Shards"][0]["ShardId"]
        start = kinesis.get_shard_iterator(StreamName="seen", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        found = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
        return [each["Data"].decode() for each in found]

    assert curl("/silent") == curl("/told/a?x=1")
    address = curl("/told/b")
    lines = until(lambda: len(records()) == 2 and records(), "two records")
    first, second = (dict(zip(ORDERED, each.removesuffix("\n").split("\t"), strict=True)) for each in lines)
    assert (first["cs-uri-stem"], second["cs-uri-stem"]) == ("/told/a?x=1", "/told/b")
    assert (first["c-ip"], first["sc-status"], first["cs-host"]) == (address, "200", name)
    assert first["cs-header-names"] == "Host%0AUser-Agent%0AAccept%0A"
    assert (first["cache-behavior-path-pattern"], first["cs-headers-count"]) == ("/told/*", "3")
    assert 0 <= float(second["timestamp"]) - float(first["timestamp"]) < 3600

    api.update_realtime_log_config(**{**given, "Fields": ["cs-uri-stem"]})
    curl("/told/c")
    assert until(lambda: len(records()) == 3 and records(), "a third record")[2] == "/told/c\n"
    iam.delete_role(RoleName="teller")
    curl("/told/d")
    told = until(lambda: lost(kunren), "the loss told")
    assert told["real-time log seen"].startswith("1 records lost: NoSuchEntity")
    assert len(records()) == 3, "without the role nothing is delivered"

    shown = api.get_distribution_config(Id=identity)
    plain = {**shown["DistributionConfig"], "CacheBehaviors": {"Quantity": 0}}
    api.update_distribution(Id=identity, IfMatch=shown["ETag"], DistributionConfig=plain)
    api.delete_realtime_log_config(ARN=arn)
    refused("NoSuchRealtimeLogConfig", 404, api.delete_realtime_log_config, Name="seen")
    assert not lost(kunren), "nobody is told of a configuration that is gone"


def lost(kunren):
    """What `kunren status` says that was lost of real-time logs."""
    cloudfront = next(each for each in kunren.status()["parts"] if each["name"] == "cloudfront")
    return {name: why for name, why in cloudfront["status"]["errors"].items() if "real-time log" in name}
