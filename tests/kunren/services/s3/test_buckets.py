"""Buckets, their subresources, versions, locks, and what follows from changes."""

import json
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection

import pytest


def until(condition, what, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: {value!r}"
        time.sleep(0.02)
    return value


def test_a_buckets_life(front, s3, refused):
    s3.create_bucket(Bucket="life-one")
    s3.create_bucket(Bucket="life-one")  # in us-east-1 the same again is no error
    assert refused(front.client("444455556666").create_bucket, Bucket="life-one") == (409, "BucketAlreadyExists")
    assert refused(s3.create_bucket, Bucket="Life") == (400, "InvalidBucketName")
    other = front.client(region="eu-west-1")
    there = {"LocationConstraint": "eu-west-1"}
    other.create_bucket(Bucket="life-two", CreateBucketConfiguration=there)
    again = refused(other.create_bucket, Bucket="life-two", CreateBucketConfiguration=there)
    assert again == (409, "BucketAlreadyOwnedByYou")
    assert refused(other.create_bucket, Bucket="life-three") == (400, "IllegalLocationConstraintException")
    nowhere = {"LocationConstraint": "mars-north-1"}
    assert refused(s3.create_bucket, Bucket="life-four", CreateBucketConfiguration=nowhere) == (
        400, "InvalidLocationConstraint",
    )  # fmt: skip
    assert s3.get_bucket_location(Bucket="life-one")["LocationConstraint"] is None
    assert s3.get_bucket_location(Bucket="life-two")["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket="life-two")["BucketRegion"] == "eu-west-1"
    names = [each["Name"] for each in s3.list_buckets(Prefix="life-")["Buckets"]]
    assert names == ["life-one", "life-two"]
    s3.put_object(Bucket="life-one", Key="k")
    assert refused(s3.delete_bucket, Bucket="life-one") == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="life-one", Key="k")
    s3.delete_bucket(Bucket="life-one")
    assert refused(s3.head_bucket, Bucket="life-one") == (404, "404")


def test_what_a_new_bucket_is_like(s3, bucket, refused):
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert controls == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    (grant,) = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert grant["Permission"] == "FULL_CONTROL"
    for call, code in (
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_bucket_tagging, "NoSuchTagSet"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
    ):
        assert refused(call, Bucket=bucket) == (404, code)


def test_subresources_come_back_as_they_were_given(front, s3, bucket, refused):
    cors = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ID": "all"}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": cors})
    lifecycle = [{"ID": "old", "Status": "Enabled", "Filter": {"And": {"Prefix": "a/", "Tags": [
        {"Key": "t", "Value": "1"}]}}, "Expiration": {"Days": 5}}]  # fmt: skip
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": lifecycle})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    website = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)
    front.restart()
    s3 = front.client()
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == cors
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == lifecycle
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    got = s3.get_bucket_website(Bucket=bucket)
    assert {name: got[name] for name in website} == website
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging=twice) == (400, "InvalidTag")
    wrong = {"Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}}]}
    assert refused(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=wrong) == (
        400, "InvalidRequest",
    )  # fmt: skip


def test_what_nothing_would_come_of_is_refused(s3, bucket, refused):
    logging = {"LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": ""}}
    assert refused(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=logging) == (501, "NotImplemented")
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    accelerate = {"Status": "Enabled"}
    wanted = {"Bucket": bucket, "AccelerateConfiguration": accelerate}
    assert refused(s3.put_bucket_accelerate_configuration, **wanted) == (501, "NotImplemented")
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_versions(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId=marker["VersionId"]) == (405, "MethodNotAllowed")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"one"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1}))
    order = [each["VersionId"] for page in pages for each in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert order == [marker["VersionId"], second, first, "null"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == second
    s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"null again")["VersionId"] == "null"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="x" * 32) == (404, "NoSuchVersion")
    assert refused(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")


def test_object_lock(s3, front, refused):
    s3.create_bucket(Bucket="lock-bucket", ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket="lock-bucket", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    kept = {"Bucket": "lock-bucket", "Key": "k"}
    version = s3.put_object(**kept, Body=b"1")["VersionId"]
    assert s3.head_object(**kept)["ObjectLockMode"] == "GOVERNANCE"
    assert refused(s3.delete_object, **kept, VersionId=version) == (403, "AccessDenied")
    assert s3.delete_object(**kept)["DeleteMarker"] is True  # a marker hides, and destroys nothing
    s3.put_object_legal_hold(**kept, VersionId=version, LegalHold={"Status": "ON"})
    again = {**kept, "VersionId": version, "BypassGovernanceRetention": True}
    assert refused(s3.delete_object, **again) == (403, "AccessDenied")
    s3.put_object_legal_hold(**kept, VersionId=version, LegalHold={"Status": "OFF"})
    s3.delete_object(**again)
    other = s3.put_object(**kept, Body=b"2")["VersionId"]
    front.restart(at=s3.head_object(**kept)["ObjectLockRetainUntilDate"].timestamp() - 900)
    until(
        lambda: front.clock.now() > front.client().head_object(**kept)["ObjectLockRetainUntilDate"].timestamp(), "a day"
    )
    front.client().delete_object(**kept, VersionId=other)


def test_notifications_reach_those_who_asked(front, s3, bucket, refused):
    queue = "arn:aws:sqs:us-east-1:111122223333:jobs"
    images = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}
    given = {"QueueConfigurations": [{"QueueArn": queue, "Events": ["s3:ObjectCreated:*"], "Filter": images}],
             "EventBridgeConfiguration": {}}  # fmt: skip
    missing = {"QueueConfigurations": [{"QueueArn": queue + "missing", "Events": ["s3:ObjectCreated:*"]}]}
    assert refused(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=missing) == (
        400, "InvalidArgument",
    )  # fmt: skip
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=given)
    s3.put_object(Bucket=bucket, Key="a b.jpg", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="a.txt", Body=b"1")

    def sent(operation):
        return [params for _, name, params in front.calls if name == operation and bucket in str(params)]

    messages = until(lambda: len(sent("SendMessage")) >= 2 and sent("SendMessage"), "the messages")
    assert json.loads(messages[0]["MessageBody"])["Event"] == "s3:TestEvent"
    (record,) = json.loads(messages[1]["MessageBody"])["Records"]
    assert (record["eventName"], record["eventSource"]) == ("ObjectCreated:Put", "aws:s3")
    assert record["s3"]["object"]["key"] == "a+b.jpg"
    assert (record["s3"]["object"]["size"], record["s3"]["bucket"]["name"]) == (5, bucket)
    events = until(lambda: len(sent("PutEvents")) >= 2 and sent("PutEvents"), "the events")
    assert [each["Entries"][0]["DetailType"] for each in events] == ["Object Created"] * 2
    assert len(sent("SendMessage")) == 2


def test_replication_keeps_versions_and_happens_behind_the_answer(s3, refused):
    for name in ("source-bucket", "target-bucket"):
        s3.create_bucket(Bucket=name)
    rule = {"ID": "all", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": "r/"},
            "DeleteMarkerReplication": {"Status": "Enabled"},
            "Destination": {"Bucket": "arn:aws:s3:::target-bucket", "StorageClass": "STANDARD_IA"}}  # fmt: skip
    given = {"Role": "arn:aws:iam::111122223333:role/r", "Rules": [rule]}
    put = s3.put_bucket_replication
    assert refused(put, Bucket="source-bucket", ReplicationConfiguration=given) == (400, "InvalidRequest")
    for name in ("source-bucket", "target-bucket"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    put(Bucket="source-bucket", ReplicationConfiguration=given)
    body = b"x" * 100_000
    version = s3.put_object(Bucket="source-bucket", Key="r/a", Body=body, Metadata={"m": "1"})["VersionId"]
    s3.put_object(Bucket="source-bucket", Key="other", Body=b"1")
    kept = {"Bucket": "source-bucket", "Key": "r/a"}
    until(lambda: s3.head_object(**kept)["ReplicationStatus"] == "COMPLETED", "the copy")
    copy = s3.get_object(Bucket="target-bucket", Key="r/a")
    assert (copy["VersionId"], copy["ReplicationStatus"], copy["Metadata"]) == (version, "REPLICA", {"m": "1"})
    assert (copy["StorageClass"], copy["Body"].read() == body) == ("STANDARD_IA", True)
    s3.delete_object(**kept)
    until(lambda: "DeleteMarkers" in s3.list_object_versions(Bucket="target-bucket"), "the marker")
    assert refused(s3.get_object, Bucket="target-bucket", Key="other") == (404, "NoSuchKey")
    s3.delete_object(**kept, VersionId=version)
    assert s3.get_object(Bucket="target-bucket", Key="r/a", VersionId=version)["Body"].read() == body


def test_lifecycle_acts_by_the_clock(front, s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="tmp/a", Body=b"1")
    s3.put_object(Bucket=bucket, Key="keep", Body=b"1")
    rules = [{"ID": "tmp", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    told = s3.head_object(Bucket=bucket, Key="tmp/a")["Expiration"]
    assert 'rule-id="tmp"' in told
    expiry = parsedate_to_datetime(told.partition('expiry-date="')[2].partition('"')[0])
    front.restart(at=expiry.timestamp() - 3600)  # an hour before that midnight, which it then meets at work
    s3 = front.client()

    def gone():
        return "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="tmp/")

    until(gone, "the object expired", 180)
    assert front.clock.now() >= expiry.timestamp()
    assert s3.get_object(Bucket=bucket, Key="keep")["Body"].read() == b"1"


def test_an_archived_object_comes_back_after_its_time(front, s3, bucket, refused):
    kept = {"Bucket": bucket, "Key": "old"}
    s3.put_object(**kept, Body=b"1", StorageClass="GLACIER")
    assert refused(s3.get_object, **kept) == (403, "InvalidObjectState")
    assert refused(s3.restore_object, Bucket=bucket, Key="none", RestoreRequest={"Days": 1}) == (404, "NoSuchKey")
    wanted = {"Days": 2, "GlacierJobParameters": {"Tier": "Standard"}}
    assert s3.restore_object(**kept, RestoreRequest=wanted)["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert s3.head_object(**kept)["Restore"] == 'ongoing-request="true"'
    assert refused(s3.restore_object, **kept, RestoreRequest=wanted) == (409, "RestoreAlreadyInProgress")
    until(lambda: s3.head_object(**kept)["Restore"].startswith('ongoing-request="false"'), "the copy", 60)
    assert s3.get_object(**kept)["Body"].read() == b"1"


@pytest.fixture
def site(front, s3, bucket):
    """A website with pages, and a function that asks it: (status, location, body)."""
    s3.delete_public_access_block(Bucket=bucket)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
              "Resource": [f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"]}]}  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    for key, text in (("index.html", "home"), ("docs/index.html", "docs"), ("error.html", "sorry")):
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="text/html")
    s3.put_object(Bucket=bucket, Key="moved", WebsiteRedirectLocation="/docs/")

    def ask(path, method="GET"):
        connection = HTTPConnection("127.0.0.1", front.port)
        connection.request(method, path, headers={"Host": f"{bucket}.s3-website-us-east-1.amazonaws.com"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location"), answer.read().decode()

    return ask


def test_a_website(s3, bucket, site, refused):
    assert site("/")[0] == 404
    s3.put_bucket_website(
        Bucket=bucket,
        WebsiteConfiguration={
            "IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"},
            "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/",
                              "HttpRedirectCode": "302", "HostName": "elsewhere.example", "Protocol": "https"}}],
        },
    )  # fmt: skip
    assert site("/") == (200, None, "home")
    assert site("/docs/") == (200, None, "docs")
    assert site("/docs") == (302, "/docs/", "")
    assert site("/none") == (404, None, "sorry")
    assert site("/moved") == (301, "/docs/", "")
    assert site("/old/a") == (302, "https://elsewhere.example/new/a", "")
    assert site("/", "POST")[0] == 405
    s3.delete_bucket_policy(Bucket=bucket)
    assert site("/")[0] == 403
    both = {"RedirectAllRequestsTo": {"HostName": "a"}, "IndexDocument": {"Suffix": "i"}}
    assert refused(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=both) == (400, "MalformedXML")
    s3.put_bucket_website(
        Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "to.example", "Protocol": "https"}}
    )
    assert site("/a/b?c=d") == (301, "https://to.example/a/b?c=d", "")
