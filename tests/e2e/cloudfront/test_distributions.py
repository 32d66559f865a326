"""Distributions as their users see them: boto3 makes them, curl and sockets in the world use them."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"
NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"


def seen(answer):
    """What the target saw of the request."""
    return json.loads(answer["body"])


def test_objects_are_kept_by_their_key_at_each_edge_until_they_are_old_or_invalidated(delivered, site):
    policy = delivered.api.create_cache_policy(
        CachePolicyConfig={
            "Name": "by-colour-" + delivered.account, "MinTTL": 1, "DefaultTTL": 3600, "MaxTTL": 3600,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": False,
                "HeadersConfig": {"HeaderBehavior": "none"}, "CookiesConfig": {"CookieBehavior": "none"},
                "QueryStringsConfig": {
                    "QueryStringBehavior": "whitelist", "QueryStrings": {"Quantity": 1, "Items": ["colour"]}
                },
            },
        }
    )["CachePolicy"]["Id"]  # fmt: skip
    delivered.create(
        delivered.behaviour("/fresh/*", NO_CACHING, OriginRequestPolicyId=ALL_VIEWER),
        delivered.behaviour("/short/*", policy),
    )
    first, second = delivered.get("/a"), delivered.get("/a")
    assert (first["status"], first["headers"]["x-cache"]) == (200, "Miss from cloudfront")
    assert (second["body"], second["headers"]["x-cache"]) == (first["body"], "Hit from cloudfront")
    assert second["headers"]["via"].endswith(".cloudfront.net (CloudFront)")
    assert (second["headers"]["x-amz-cf-pop"], len(second["headers"]["x-amz-cf-id"])) == ("NRT57-P2", 56)
    assert int(second["headers"]["age"]) >= 0
    headers = dict(seen(first)["headers"])
    assert headers["user-agent"] == "Amazon CloudFront"
    assert headers["host"] == delivered.origin["DomainName"]
    assert delivered.client.get_address() in headers["x-forwarded-for"]
    assert delivered.cached("/a?x=1") == "Hit from cloudfront", "the query is not part of the key"
    assert site.client("london").get(f"http://{delivered.name}/a")["headers"]["x-cache"] == "Miss from cloudfront"

    assert [delivered.cached("/fresh/a") for _ in range(2)] == ["Miss from cloudfront"] * 2
    passed = dict(seen(delivered.get("/fresh/a?b=1", headers={"X-Own": "1"}))["headers"])
    assert (passed["x-own"], passed["host"]) == ("1", delivered.name)
    assert seen(delivered.get("/fresh/a?b=1"))["path"] == "/fresh/a?b=1"
    answers = [delivered.cached(f"/short/a?colour={colour}&other=1") for colour in ("red", "blue", "red")]
    assert answers == ["Miss from cloudfront", "Miss from cloudfront", "Hit from cloudfront"]
    assert seen(delivered.get("/short/a?colour=red&other=2"))["path"] == "/short/a?colour=red"

    made = delivered.api.create_invalidation(
        DistributionId=delivered.id,
        InvalidationBatch={"CallerReference": "1", "Paths": {"Quantity": 1, "Items": ["/a*"]}},
    )["Invalidation"]

    def completed():
        shown = delivered.api.get_invalidation(DistributionId=delivered.id, Id=made["Id"])
        return shown["Invalidation"]["Status"] == "Completed"

    delivered.until(completed, "the invalidation completed")
    assert delivered.cached("/a") == "Miss from cloudfront"
    assert delivered.cached("/short/a?colour=red") == "Hit from cloudfront"
    assert delivered.get("/nothing", headers={"Host": "nobody.test"})["status"] == 403


def test_viewers_are_sent_to_https_errors_get_pages_and_headers_are_added(delivered):
    page = {"ErrorCode": 503, "ResponsePagePath": "/sorry", "ResponseCode": "200", "ErrorCachingMinTTL": 1}
    delivered.create(
        delivered.behaviour("/secure/*", ViewerProtocolPolicy="redirect-to-https"),
        delivered.behaviour("/only/*", ViewerProtocolPolicy="https-only"),
        delivered.behaviour("/guarded", NO_CACHING, ResponseHeadersPolicyId=SECURITY_HEADERS),
        delivered.behaviour("/health", NO_CACHING),
        CustomErrorResponses={"Quantity": 1, "Items": [page]},
    )
    sent = delivered.get("/secure/a?b=1")
    assert (sent["status"], sent["headers"]["location"]) == (301, f"https://{delivered.name}/secure/a?b=1")
    assert sent["headers"]["x-cache"] == "Redirect from cloudfront"
    assert delivered.get("/only/a")["status"] == 403
    secure = delivered.client.get(f"https://{delivered.name}/only/a")
    assert (secure["status"], secure["tls"]) == (200, "TLSv1.3")
    guarded = delivered.get("/guarded")["headers"]
    assert guarded["x-frame-options"] == "SAMEORIGIN"
    assert guarded["strict-transport-security"] == "max-age=31536000"
    delivered.target.do("health 503")
    replaced = delivered.get("/health")
    assert (replaced["status"], seen(replaced)["path"]) == (200, "/sorry")
    assert replaced["headers"]["x-cache"] == "Error from cloudfront"
    assert delivered.get("/a", method="POST", body="x")["status"] == 403
    parts = delivered.get("/a", headers={"Range": "bytes=0-3"})
    assert (parts["status"], len(parts["body"])) == (206, 4)


def test_an_origin_group_fails_over_and_an_origin_that_cannot_be_reached_is_502(delivered):
    gone = {**delivered.origin, "Id": "gone", "DomainName": "gone.example.test"}
    members = {"Quantity": 2, "Items": [{"OriginId": "gone"}, {"OriginId": "web"}]}
    codes = {"StatusCodes": {"Quantity": 2, "Items": [502, 503]}}
    delivered.create(
        delivered.behaviour("/gone/*", NO_CACHING, TargetOriginId="gone"),
        delivered.behaviour("/both/*", NO_CACHING, TargetOriginId="group"),
        origins=[gone],
        OriginGroups={"Quantity": 1, "Items": [{"Id": "group", "FailoverCriteria": codes, "Members": members}]},
    )
    failed = delivered.get("/gone/a")
    assert (failed["status"], failed["headers"]["x-cache"]) == (502, "Error from cloudfront")
    assert "Generated by cloudfront" in failed["body"]
    assert seen(delivered.get("/both/a"))["path"] == "/both/a"


def test_functions_answer_and_change_at_the_edge(delivered):
    api = delivered.api
    code = """
        function handler(event) {
          var request = event.request, response = event.response;
          if (response) { response.headers['x-by'] = {value: 'function'}; return response; }
          if (request.uri === '/go') return {
            statusCode: 302, statusDescription: 'Found',
            headers: {location: {value: 'https://' + request.headers.host.value + '/' + request.querystring.to.value}},
          };
          if (request.uri === '/bad') return {statusCode: 'x'};
          if (request.uri === '/throws') throw new Error('boom');
          request.uri = '/changed' + request.uri;
          request.headers['x-added'] = {value: '1'};
          return request;
        }"""
    name = "edge-" + delivered.account
    made = api.create_function(
        Name=name, FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-2.0"}, FunctionCode=code.encode()
    )
    arn = made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    events = {
        "Quantity": 2,
        "Items": [{"FunctionARN": arn, "EventType": each} for each in ("viewer-request", "viewer-response")],
    }
    behaviour = delivered.behaviour(policy=NO_CACHING, OriginRequestPolicyId=ALL_VIEWER, FunctionAssociations=events)
    with pytest.raises(ClientError, match="InvalidFunctionAssociation"):
        delivered.create(DefaultCacheBehavior=behaviour)
    api.publish_function(Name=name, IfMatch=made["ETag"])
    delivered.create(DefaultCacheBehavior=behaviour)
    went = delivered.get("/go?to=there")
    assert (went["status"], went["headers"]["location"]) == (302, f"https://{delivered.name}/there")
    assert went["headers"]["x-cache"] == "FunctionGeneratedResponse from cloudfront"
    passed = delivered.get("/a")
    assert (seen(passed)["path"], dict(seen(passed)["headers"])["x-added"]) == ("/changed/a", "1")
    assert passed["headers"]["x-by"] == "function"
    assert delivered.get("/bad")["status"] == 502
    assert delivered.get("/throws")["status"] == 503
    with pytest.raises(ClientError, match="FunctionInUse"):
        api.delete_function(Name=name, IfMatch=made["ETag"])
    event = {"request": {"uri": "/x", "method": "GET", "headers": {"host": {"value": "a"}}, "querystring": {}}}
    tested = api.test_function(Name=name, IfMatch=made["ETag"], EventObject=json.dumps(event).encode())["TestResult"]
    assert json.loads(tested["FunctionOutput"])["request"]["uri"] == "/changed/x"


def test_lambda_at_edge_sees_all_four_events(delivered):
    lambda_ = delivered.kunren.client("lambda", delivered.account)
    code = """
def handler(event, context):
    record = event["Records"][0]["cf"]
    kind, request = record["config"]["eventType"], record["request"]
    if kind.endswith("request"):
        if request["uri"] == "/stop/" + kind:
            return {"status": "403", "statusDescription": "Forbidden", "body": kind}
        request["headers"]["x-" + kind] = [{"key": "X-" + kind, "value": "1"}]
        return request
    record["response"]["headers"]["x-" + kind] = [{"key": "X-" + kind, "value": "1"}]
    return record["response"]
"""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("edge.py", code)
    name = "edge"
    lambda_.create_function(
        FunctionName=name, Runtime="python3.13", Role=f"arn:aws:iam::{delivered.account}:role/edge",
        Handler="edge.handler", Code={"ZipFile": buffer.getvalue()},
    )  # fmt: skip
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    arn = lambda_.publish_version(FunctionName=name)["FunctionArn"]

    def associated(arn):
        kinds = ("viewer-request", "origin-request", "origin-response", "viewer-response")
        listed = [{"LambdaFunctionARN": arn, "EventType": each} for each in kinds]
        return delivered.behaviour(
            OriginRequestPolicyId=ALL_VIEWER, LambdaFunctionAssociations={"Quantity": 4, "Items": listed}
        )

    with pytest.raises(ClientError, match="must reference a specific function version"):
        delivered.create(DefaultCacheBehavior=associated(arn.rpartition(":")[0]))
    delivered.create(DefaultCacheBehavior=associated(arn))
    first = delivered.get("/a", timeout=20)
    headers = dict(seen(first)["headers"])
    assert {"x-viewer-request", "x-origin-request"} <= headers.keys()
    assert {"x-origin-response", "x-viewer-response"} <= first["headers"].keys()
    second = delivered.get("/a")
    assert second["headers"]["x-cache"] == "Hit from cloudfront"
    assert "x-viewer-response" in second["headers"]
    for kind in ("viewer-request", "origin-request"):
        stopped = delivered.get(f"/stop/{kind}")
        assert (stopped["status"], stopped["body"]) == (403, kind)
        assert stopped["headers"]["x-cache"] == "LambdaGeneratedResponse from cloudfront"


def test_the_api_checks_versions_names_and_certificates(kunren, account, delivered):
    api = delivered.api
    made = delivered.create()
    assert made["Status"] == "InProgress"
    assert made["DistributionConfig"]["HttpVersion"] == "http2"
    assert made["DomainName"].endswith(".cloudfront.net")

    def refused(call, **given):
        with pytest.raises(ClientError) as caught:
            call(**given)
        error = caught.value.response
        return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]

    shown = api.get_distribution_config(Id=delivered.id)
    config, etag = shown["DistributionConfig"], shown["ETag"]
    named = {**config, "Aliases": {"Quantity": 1, "Items": ["www.example.test"]}}
    update = {"Id": delivered.id, "DistributionConfig": config}
    assert refused(api.update_distribution, **update) == ("InvalidIfMatchVersion", 400)
    assert refused(api.update_distribution, **update, IfMatch="E1") == ("PreconditionFailed", 412)
    assert refused(api.update_distribution, Id=delivered.id, IfMatch=etag, DistributionConfig=named) == (
        "InvalidViewerCertificate", 400,
    )  # fmt: skip
    lost = {**config, "DefaultCacheBehavior": {**config["DefaultCacheBehavior"], "TargetOriginId": "no"}}
    assert refused(api.update_distribution, Id=delivered.id, IfMatch=etag, DistributionConfig=lost) == (
        "NoSuchOrigin",
        404,
    )
    uneven = {**config, "Aliases": {"Quantity": 2, "Items": ["a.test"]}}
    assert refused(api.update_distribution, Id=delivered.id, IfMatch=etag, DistributionConfig=uneven) == (
        "InconsistentQuantities", 400,
    )  # fmt: skip
    controlled = {**config["Origins"]["Items"][0], "OriginAccessControlId": "E2QWRUHAPOMQZL"}
    for wrong, error in (
        ({"WebACLId": "x"}, ("NotImplemented", 501)),
        ({"Origins": {"Quantity": 1, "Items": [controlled]}}, ("InvalidOriginAccessControl", 400)),
    ):
        wanted = {**config, **wrong}
        assert refused(api.update_distribution, Id=delivered.id, IfMatch=etag, DistributionConfig=wanted) == error
    other = {**config, "CallerReference": "1", "Comment": "other"}
    assert refused(api.create_distribution, DistributionConfig=other) == ("DistributionAlreadyExists", 409)
    assert refused(api.delete_distribution, Id=delivered.id, IfMatch=etag) == ("DistributionNotDisabled", 409)
    assert refused(api.get_distribution, Id="E0") == ("NoSuchDistribution", 404)
    arn = api.get_distribution(Id=delivered.id)["Distribution"]["ARN"]
    api.tag_resource(Resource=arn, Tags={"Items": [{"Key": "a", "Value": "b"}]})
    assert api.list_tags_for_resource(Resource=arn)["Tags"]["Items"] == [{"Key": "a", "Value": "b"}]
    managed = api.list_cache_policies(Type="managed")["CachePolicyList"]
    assert managed["Quantity"] == 7
    assert refused(api.delete_cache_policy, Id=CACHING, IfMatch="x") == ("IllegalDelete", 400)

    delivered.change(Enabled=False)
    assert delivered.get("/a")["status"] == 403
    api.delete_distribution(Id=delivered.id, IfMatch=api.get_distribution(Id=delivered.id)["ETag"])
    assert api.list_distributions()["DistributionList"]["Quantity"] == 0
