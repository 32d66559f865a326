"""Standard logs of a distribution from end to end: boto3 turns them on, curl asks, S3 holds the files."""

from __future__ import annotations

import datetime
import gzip
import json
import re

import pytest
from botocore.exceptions import ClientError

CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CODE = b"function handler(event) { return {statusCode: 200, headers: {'content-type': {value: 'text/plain'}}}; }"


def config(function, **given):
    origin = {
        "Id": "gone", "DomainName": "gone.example.test",
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }  # fmt: skip
    behaviour = {"TargetOriginId": "gone", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": CACHING}
    made = {"Quantity": 1, "Items": [{"FunctionARN": function, "EventType": "viewer-request"}]}
    return {
        "CallerReference": "1", "Comment": "", "Enabled": True, "DefaultCacheBehavior": behaviour,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "CacheBehaviors": {
            "Quantity": 1, "Items": [{**behaviour, "PathPattern": "/made/*", "FunctionAssociations": made}]
        },
        **given,
    }  # fmt: skip


def texts(s3, prefix):
    """All that the bucket's files under a prefix say."""
    found = [each["Key"] for each in s3.list_objects_v2(Bucket="logs", Prefix=prefix).get("Contents", [])]
    files = [s3.get_object(Bucket="logs", Key=each)["Body"].read() for each in found]
    return "".join(gzip.decompress(each).decode() for each in files)


def counted_in_cloudwatch(kunren, account, until, identity, curl, name):
    """Metrics of the same requests, and of more with a monitoring subscription."""
    api, cloudwatch = kunren.client("cloudfront", account), kunren.client("cloudwatch", account)
    now = datetime.datetime.now(datetime.UTC)
    hour, month = datetime.timedelta(hours=1), datetime.timedelta(days=30)

    def total(metric, statistic="Sum"):
        dimensions = [{"Name": "DistributionId", "Value": identity}, {"Name": "Region", "Value": "Global"}]
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/CloudFront", MetricName=metric, Dimensions=dimensions, StartTime=now - hour,
            EndTime=now + month, Period=2_592_000, Statistics=[statistic],
        )["Datapoints"]  # fmt: skip
        return sum(each[statistic] for each in found)

    until(lambda: total("Requests") == 3, "three requests counted")
    assert total("BytesUploaded") == 5
    assert total("BytesDownloaded") > 400
    assert total("4xxErrorRate", "Maximum") > 0
    assert total("5xxErrorRate", "Maximum") > 0
    assert total("502ErrorRate") == 0, "nobody subscribed to it"
    subscription = {"RealtimeMetricsSubscriptionConfig": {"RealtimeMetricsSubscriptionStatus": "Enabled"}}
    api.create_monitoring_subscription(DistributionId=identity, MonitoringSubscription=subscription)
    with pytest.raises(ClientError, match="MonitoringSubscriptionAlreadyExists"):
        api.create_monitoring_subscription(DistributionId=identity, MonitoringSubscription=subscription)
    assert api.get_monitoring_subscription(DistributionId=identity)["MonitoringSubscription"] == subscription
    curl(f"http://{name}/lost/again")
    until(lambda: total("502ErrorRate", "Maximum") == 100, "the additional metrics")
    api.delete_monitoring_subscription(DistributionId=identity)
    with pytest.raises(ClientError, match="NoSuchMonitoringSubscription"):
        api.get_monitoring_subscription(DistributionId=identity)


def vended_to_a_log_group_and_a_bucket(kunren, account, until, distribution, curl):
    """Standard logging v2, beside the legacy log: CloudWatch Logs' deliveries of the distribution. Returns how to
    begin the one to the bucket."""
    logs, s3 = kunren.client("logs", account), kunren.client("s3", account)
    name = distribution["DomainName"]
    logs.put_delivery_source(name="cf", resourceArn=distribution["ARN"], logType="ACCESS_LOGS")
    logs.create_log_group(logGroupName="edge")
    ends = {}
    for end, target, form in (
        ("group", f"arn:aws:logs:us-east-1:{account}:log-group:edge", "json"),
        ("bucket", "arn:aws:s3:::logs/v2", "w3c"),
    ):
        made = logs.put_delivery_destination(
            name=end, outputFormat=form, deliveryDestinationConfiguration={"destinationResourceArn": target}
        )
        ends[end] = made["deliveryDestination"]["arn"]
    fields = ["timestamp(ms)", "DistributionId", "cs-uri-stem", "sc-status", "c-country", "cache-behavior-path-pattern"]
    kept = {"suffixPath": "{DistributionId}/{yyyy}", "enableHiveCompatiblePath": True}
    logs.create_delivery(deliverySourceName="cf", deliveryDestinationArn=ends["group"], recordFields=fields)

    def to_bucket():
        made = logs.create_delivery(
            deliverySourceName="cf", deliveryDestinationArn=ends["bucket"],
            recordFields=["cs-uri-stem", "sc-status"], s3DeliveryConfiguration=kept,
        )  # fmt: skip
        return made["delivery"]["id"]

    first = to_bucket()
    for end, target, form, lacking in (
        ("stream", f"arn:aws:firehose:us-east-1:{account}:deliverystream/edge", "json", "to a destination of type FH"),
        ("columns", "arn:aws:s3:::logs/columns", "parquet", "as parquet"),
    ):
        made = logs.put_delivery_destination(
            name=end, outputFormat=form, deliveryDestinationConfiguration={"destinationResourceArn": target}
        )
        with pytest.raises(ClientError, match=f"CreateDelivery of a distribution's logs {lacking}") as caught:
            logs.create_delivery(deliverySourceName="cf", deliveryDestinationArn=made["deliveryDestination"]["arn"])
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert len(logs.describe_deliveries()["deliveries"]) == 2

    def told():
        curl(f"http://{name}/made/v2")
        found = logs.filter_log_events(logGroupName="edge")["events"]
        return [json.loads(each["message"]) for each in found]

    event = until(told, "a request in the log group")[0]
    assert list(event) == fields
    assert (event["DistributionId"], event["cs-uri-stem"]) == (distribution["Id"], "/made/v2")
    assert (event["sc-status"], event["c-country"], event["cache-behavior-path-pattern"]) == ("200", "JP", "/made/*")

    def keys():
        return [each["Key"] for each in s3.list_objects_v2(Bucket="logs", Prefix="v2/").get("Contents", [])]

    until(keys, "a file in the bucket")
    stem = rf"v2/distributionid={distribution['Id']}/year=\d{{4}}/{distribution['Id']}\.\d{{4}}-\d\d-\d\d-\d\d"
    assert re.fullmatch(stem + r"\.[0-9a-f]{8}\.gz", keys()[0])
    text = gzip.decompress(s3.get_object(Bucket="logs", Key=keys()[0])["Body"].read()).decode().splitlines()
    assert text[:3] == ["#Version: 1.0", "#Fields: cs-uri-stem sc-status", "/made/v2\t200"]
    logs.delete_delivery(id=first)
    for path in ("/made/without", "/made/one-more-turn"):
        curl(f"http://{name}{path}")
        until(lambda path=path: path in texts(s3, "edge/"), "the request in the legacy log")
    assert "/made/without" not in texts(s3, "v2/"), "a delivery that is deleted delivers nothing"
    return to_bucket


def test_requests_are_in_the_bucket_within_the_hour(own_kunren, account, until):
    own_kunren.up("--speed", "300")  # five minutes in a second
    api, s3 = own_kunren.client("cloudfront", account), own_kunren.client("s3", account)
    made = api.create_function(
        Name="made", FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-2.0"}, FunctionCode=CODE
    )
    api.publish_function(Name="made", IfMatch=made["ETag"])
    function = made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    logging = {"Enabled": True, "IncludeCookies": True, "Bucket": "logs.s3.amazonaws.com", "Prefix": "edge"}

    def refused(text, **changed):
        with pytest.raises(ClientError) as caught:
            api.create_distribution(DistributionConfig=config(function, Logging={**logging, **changed}))
        assert caught.value.response["Error"]["Code"] == "InvalidArgument"
        assert text in str(caught.value)

    refused("valid S3 bucket")
    refused("valid S3 bucket", Bucket="logs")
    s3.create_bucket(Bucket="logs", ObjectOwnership="BucketOwnerEnforced")
    refused("does not enable ACL access: logs.s3.amazonaws.com")
    s3.put_bucket_ownership_controls(
        Bucket="logs", OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    )

    def open_to_delivery(bucket):
        grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
        return any(each["Grantee"].get("ID", "").startswith("c4c1ede66af53448b93c283ce9448c4ba") for each in grants)

    with pytest.raises(ClientError, match="NoSuchOrigin"):
        behaviour = {"TargetOriginId": "none", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": CACHING}
        api.create_distribution(DistributionConfig=config(function, Logging=logging, DefaultCacheBehavior=behaviour))
    assert not open_to_delivery("logs"), "a refused request changes nothing"
    shown = api.create_distribution(DistributionConfig=config(function, Logging=logging))["Distribution"]
    assert shown["DistributionConfig"]["Logging"] == logging
    assert open_to_delivery("logs")
    s3.create_bucket(Bucket="others", ObjectOwnership="BucketOwnerPreferred")
    moved = config(function, Logging={**logging, "Bucket": "others.s3.amazonaws.com"})
    with pytest.raises(ClientError, match="PreconditionFailed"):
        api.update_distribution(Id=shown["Id"], IfMatch="ENONE", DistributionConfig=moved)
    assert not open_to_delivery("others"), "a refused request changes nothing"
    name, identity = shown["DomainName"], shown["Id"]
    until(lambda: api.get_distribution(Id=identity)["Distribution"]["Status"] == "Deployed", "deployed")

    def curl(*arguments):
        return own_kunren.exec("curl", "-sS", "-o", "/dev/null", *arguments, place="tokyo", check=False)

    curl("-A", "my agent", "-b", "a=1", f"http://{name}/made/page?x=1")
    curl("--http2", f"https://{name}/lost")
    curl("-X", "POST", "-d", "12345", f"http://{name}/made/post")

    def lines():
        found = []
        for each in s3.list_objects_v2(Bucket="logs", Prefix="edge/").get("Contents", []):
            assert re.fullmatch(rf"edge/{identity}\.\d{{4}}-\d\d-\d\d-\d\d\.[0-9a-f]{{8}}\.gz", each["Key"])
            text = gzip.decompress(s3.get_object(Bucket="logs", Key=each["Key"])["Body"].read()).decode()
            version, fields, *rows = text.splitlines()
            assert version == "#Version: 1.0"
            names = fields.removeprefix("#Fields: ").split(" ")
            found += [dict(zip(names, row.split("\t"), strict=True)) for row in rows]
        return {each["cs-uri-stem"]: each for each in found}

    until(lambda: len(lines()) == 3, "three lines")
    rows = lines()
    page, lost, post = rows["/made/page"], rows["/lost"], rows["/made/post"]
    assert (page["cs(User-Agent)"], page["cs(Cookie)"], page["cs-uri-query"]) == ("my%20agent", "a=1", "x=1")
    assert (page["x-edge-result-type"], page["sc-status"]) == ("FunctionGeneratedResponse", "200")
    assert (page["cs(Host)"], page["x-host-header"], page["x-edge-location"]) == (name, name, "NRT57-P2")
    assert (page["cs-protocol"], page["ssl-protocol"], page["cs-protocol-version"]) == ("http", "-", "HTTP/1.1")
    assert (page["sc-content-type"], len(page["x-edge-request-id"])) == ("text/plain", 56)
    assert 0 <= float(page["time-to-first-byte"]) <= float(page["time-taken"]) < 60
    assert int(page["cs-bytes"]) > 80
    assert int(page["sc-bytes"]) > 200
    assert (lost["cs-protocol"], lost["ssl-protocol"], lost["cs-protocol-version"]) == ("https", "TLSv1.3", "HTTP/2.0")
    assert (lost["x-edge-result-type"], lost["sc-status"]) == ("Error", "502")
    assert lost["x-edge-detailed-result-type"] == "OriginDnsError"
    assert (post["sc-status"], post["x-edge-detailed-result-type"]) == ("403", "InvalidRequestMethod")
    assert int(post["cs-bytes"]) > 100

    counted_in_cloudwatch(own_kunren, account, until, identity, curl, name)
    to_bucket = vended_to_a_log_group_and_a_bucket(own_kunren, account, until, shown, curl)
    etag = api.get_distribution_config(Id=identity)["ETag"]
    off = config(function, Logging={**logging, "Enabled": False})
    changed = api.update_distribution(Id=identity, IfMatch=etag, DistributionConfig=off)["Distribution"]
    assert changed["DistributionConfig"]["Logging"] == {
        "Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": "",
    }  # fmt: skip
    to_bucket()  # the witness of the turns

    def turned(path):
        curl(f"http://{name}{path}")
        return path in texts(s3, "v2/")

    for path in ("/made/silent", "/made/another-turn"):
        until(lambda path=path: turned(path), "the request in the delivery's file")
    assert "/made/silent" not in texts(s3, "edge/"), "a log that is off gets no file"
