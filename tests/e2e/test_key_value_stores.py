"""Key value stores of CloudFront Functions: boto3 and the AWS CLI change them, functions at the edge read them."""

from __future__ import annotations

import json
import shlex

import pytest
from botocore.exceptions import ClientError

NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CODE = b"""
import cf from 'cloudfront';
const store = cf.kvs();
async function handler(event) {
  try {
    return {statusCode: 200, body: await store.get(event.request.uri)};
  } catch (error) {
    return {statusCode: 404};
  }
}
"""


def ready(cloudfront, until, name):
    def store():
        return cloudfront.describe_key_value_store(Name=name)["KeyValueStore"]

    until(lambda: store()["Status"] == "READY", "the store is ready")
    return store()["ARN"]


@pytest.fixture
def stores(kunren, account):
    """Clients of both services. botocore puts the account in front of an endpoint: here it becomes a user's name."""
    client = kunren.client("cloudfront", account)
    import boto3

    values = boto3.client(
        "cloudfront-keyvaluestore", endpoint_url=f"http://kvs@127.0.0.1:{kunren.port}", region_name="us-east-1",
        aws_access_key_id=account, aws_secret_access_key="test",
    )  # fmt: skip
    return client, values


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def test_functions_read_what_is_put_and_no_longer_what_is_deleted(kunren, stores, running, until, account):
    cloudfront, values = stores
    arn = cloudfront.create_key_value_store(Name="pages", Comment="c")["KeyValueStore"]["ARN"]
    assert arn.startswith(f"arn:aws:cloudfront::{account}:key-value-store/")
    assert ready(cloudfront, until, "pages") == arn
    etag = values.describe_key_value_store(KvsARN=arn)["ETag"]
    puts = [{"Key": f"/page/{each}", "Value": f"é{each}"} for each in range(20)]
    changed = values.update_keys(KvsARN=arn, IfMatch=etag, Puts=puts)
    assert (changed["ItemCount"], changed["TotalSizeInBytes"]) == (20, 10 * (7 + 3) + 10 * (8 + 4))

    config = {
        "Comment": "", "Runtime": "cloudfront-js-2.0",
        "KeyValueStoreAssociations": {"Quantity": 1, "Items": [{"KeyValueStoreARN": arn}]},
    }  # fmt: skip
    made = cloudfront.create_function(Name="reader", FunctionConfig=config, FunctionCode=CODE)
    tested = cloudfront.test_function(
        Name="reader", IfMatch=made["ETag"], EventObject=json.dumps({"request": {"uri": "/page/3"}}).encode()
    )["TestResult"]
    assert json.loads(tested["FunctionOutput"]) == {"response": {"statusCode": 200, "body": "é3"}}
    live = cloudfront.publish_function(Name="reader", IfMatch=made["ETag"])["FunctionSummary"]["FunctionMetadata"]
    name = distribution(cloudfront, until, live["FunctionARN"])

    clients = [running.client(kunren, place) for place in ("tokyo", "london")]

    def answers(path):
        return [(got["status"], got["body"]) for got in (each.get(f"http://{name}{path}") for each in clients)]

    assert answers("/page/7") == [(200, "é7")] * 2
    assert answers("/other") == [(404, "")] * 2
    etag = values.put_key(KvsARN=arn, IfMatch=changed["ETag"], Key="/other", Value="now here")["ETag"]
    until(lambda: answers("/other") == [(200, "now here")] * 2, "the edges have the new value")
    values.delete_key(KvsARN=arn, IfMatch=etag, Key="/other")
    until(lambda: answers("/other") == [(404, "")] * 2, "the edges have lost the value")

    control = cloudfront.describe_key_value_store(Name="pages")["ETag"]
    assert refusal(cloudfront.delete_key_value_store, Name="pages", IfMatch=control) == "CannotDeleteEntityWhileInUse"


def distribution(cloudfront, until, function):
    """One that this function answers for; its name."""
    origin = {
        "Id": "none", "DomainName": "origin.example.com",
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }  # fmt: skip
    made = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": "1", "Comment": "", "Enabled": True, "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "none", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": NO_CACHING,
                "FunctionAssociations": {
                    "Quantity": 1, "Items": [{"FunctionARN": function, "EventType": "viewer-request"}],
                },
            },
        }
    )["Distribution"]  # fmt: skip

    def status():
        return cloudfront.get_distribution(Id=made["Id"])["Distribution"]["Status"]

    until(lambda: status() == "Deployed", "the distribution deployed")
    return made["DomainName"]


def test_contents_have_versions_pages_and_limits(stores, until):
    cloudfront, values = stores
    cloudfront.create_key_value_store(Name="kept")
    arn = ready(cloudfront, until, "kept")
    first = values.describe_key_value_store(KvsARN=arn)
    assert (first["ItemCount"], first["TotalSizeInBytes"], first["Status"]) == (0, 0, "READY")
    put = values.put_key(KvsARN=arn, IfMatch=first["ETag"], Key="a/b c", Value="1")
    assert (put["ItemCount"], put["TotalSizeInBytes"]) == (1, 6)
    assert values.get_key(KvsARN=arn, Key="a/b c")["Value"] == "1"
    assert refusal(values.put_key, KvsARN=arn, IfMatch=first["ETag"], Key="x", Value="1") == "ConflictException"
    assert refusal(values.get_key, KvsARN=arn, Key="x") == "ResourceNotFoundException"
    assert refusal(values.delete_key, KvsARN=arn, IfMatch=put["ETag"], Key="x") == "ResourceNotFoundException"
    assert refusal(values.put_key, KvsARN=arn, IfMatch=put["ETag"], Key="k" * 513, Value="1") == "ValidationException"
    assert refusal(values.put_key, KvsARN=arn, IfMatch=put["ETag"], Key="k", Value="v" * 1025) == "ValidationException"
    assert refusal(values.update_keys, KvsARN=arn, IfMatch=put["ETag"]) == "ValidationException"
    assert refusal(values.describe_key_value_store, KvsARN=arn[:-1] + "x") == "ResourceNotFoundException"
    other = arn.replace(arn.split(":")[4], "999999999999")
    assert refusal(values.describe_key_value_store, KvsARN=other) == "AccessDeniedException"

    puts = [{"Key": f"{each:02d}", "Value": "v"} for each in range(12)]
    values.update_keys(KvsARN=arn, IfMatch=put["ETag"], Puts=puts, Deletes=[{"Key": "a/b c"}])
    pages = [[each["Key"] for each in page["Items"]] for page in values.get_paginator("list_keys").paginate(KvsARN=arn)]
    assert pages == [[f"{each:02d}" for each in range(10)], ["10", "11"]]


def test_stores_are_named_changed_listed_and_deleted(stores, until):
    cloudfront, _ = stores
    made = cloudfront.create_key_value_store(Name="one", Tags={"Items": [{"Key": "team", "Value": "edge"}]})
    arn = made["KeyValueStore"]["ARN"]
    assert cloudfront.list_tags_for_resource(Resource=arn)["Tags"]["Items"] == [{"Key": "team", "Value": "edge"}]
    assert refusal(cloudfront.create_key_value_store, Name="one") == "EntityAlreadyExists"
    assert refusal(cloudfront.describe_key_value_store, Name="two") == "EntityNotFound"
    assert refusal(cloudfront.update_key_value_store, Name="one", Comment="x", IfMatch="E1") == "PreconditionFailed"
    ready(cloudfront, until, "one")
    changed = cloudfront.update_key_value_store(Name="one", Comment="x", IfMatch=made["ETag"])
    assert changed["KeyValueStore"]["Comment"] == "x"
    listed = cloudfront.list_key_value_stores(Status="READY")["KeyValueStoreList"]
    assert [each["Name"] for each in listed["Items"]] == ["one"]
    cloudfront.delete_key_value_store(Name="one", IfMatch=changed["ETag"])
    assert cloudfront.list_key_value_stores()["KeyValueStoreList"]["Quantity"] == 0


def test_a_store_is_made_from_a_file_in_s3(kunren, stores, until, account):
    cloudfront, values = stores
    s3 = kunren.client("s3", account)
    s3.create_bucket(Bucket=f"files-{account}")
    for key, body in (("good", '{"data": [{"key": "k", "value": "v"}]}'), ("bad", "{}"), ("big", " " * 5_242_881)):
        s3.put_object(Bucket=f"files-{account}", Key=key, Body=body.encode())

    def source(key):
        return {"SourceType": "S3", "SourceARN": f"arn:aws:s3:::files-{account}/{key}"}

    cloudfront.create_key_value_store(Name="filled", ImportSource=source("good"))
    arn = ready(cloudfront, until, "filled")
    assert values.get_key(KvsARN=arn, Key="k")["Value"] == "v"
    create = cloudfront.create_key_value_store
    assert refusal(create, Name="no", ImportSource=source("bad")) == "InvalidArgument"
    assert refusal(create, Name="no", ImportSource=source("none")) == "InvalidArgument"
    assert refusal(create, Name="no", ImportSource=source("big")) == "EntitySizeLimitExceeded"


def test_awss_own_names_lead_to_stores_inside_of_the_world(kunren, stores, until):
    """The endpoint `ACCOUNT.cloudfront-kvs.global.api.aws`, HTTPS, SigV4A: by the AWS CLI as it is."""
    cloudfront = kunren.client("cloudfront")
    cloudfront.create_key_value_store(Name="inside")
    arn = ready(cloudfront, until, "inside")
    told = ("--kvs-arn", arn, "--output", "text", "--query")
    etag = kunren.exec("aws", "cloudfront-keyvaluestore", "describe-key-value-store", *told, "ETag").stdout.strip()
    put = ("put-key", "--key", "k", "--value", "v", "--if-match", etag)
    assert kunren.exec("aws", "cloudfront-keyvaluestore", *put, *told, "ItemCount").stdout.strip() == "1"


def test_outside_of_the_world_tools_reach_stores_by_what_kunren_env_exports(kunren, until, monkeypatch):
    import boto3

    kunren.client("cloudfront").create_key_value_store(Name="outside")
    arn = ready(kunren.client("cloudfront"), until, "outside")
    for line in kunren.run("env", check=True).stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, shlex.split(value)[0])
    values = boto3.Session().client("cloudfront-keyvaluestore")
    etag = values.describe_key_value_store(KvsARN=arn)["ETag"]
    assert values.put_key(KvsARN=arn, Key="k", Value="v", IfMatch=etag)["ItemCount"] == 1
