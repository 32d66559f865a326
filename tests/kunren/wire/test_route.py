"""Which service and operation a request is for."""

from typing import Any

import pytest

from kunren.gateway.http import HttpRequest
from kunren.wire.catalog import Catalog
from kunren.wire.route import Route, Router, Unroutable

ROUTER = Router(Catalog())
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def scope(service: str, region: str = "eu-west-1", key: str = "test") -> dict[str, str]:
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    }


def route(method: str = "POST", path: str = "/", query: str = "", body: bytes = b"", **headers: Any) -> Route:
    given = {key.replace("_", "-"): value for key, value in headers.items() if isinstance(value, str)}
    for more in headers.values():
        if isinstance(more, dict):
            given.update(more)
    request = HttpRequest(method, path, query, given, body)
    return ROUTER.route(request, ROUTER.credential(request))


def test_a_target_names_service_and_operation() -> None:
    found = route(x_amz_target="AmazonSQS.SendMessage", more=scope("sqs", key="123456789012"))
    assert found[:6] == ("sqs", "SendMessage", "json", "123456789012", "eu-west-1", "123456789012")
    assert route(x_amz_target="Timestream_20181101.WriteRecords").service == "timestream-write"
    assert route(x_amz_target="Timestream_20181101.Query").service == "timestream-query"


def test_a_version_tells_services_with_one_signing_name_apart() -> None:
    old = route(body=b"Action=DescribeLoadBalancers&Version=2012-06-01", form=FORM, more=scope("elasticloadbalancing"))
    new = route(body=b"Action=DescribeLoadBalancers&Version=2015-12-01", form=FORM, more=scope("elasticloadbalancing"))
    assert (old.service, new.service) == ("elb", "elbv2")
    host = "elasticloadbalancing.us-east-1.amazonaws.com"  # as from inside the world; no balancer's own name
    named = route(body=b"Action=DescribeLoadBalancers&Version=2015-12-01", form=FORM, host=host)
    assert named[:2] == ("elbv2", "DescribeLoadBalancers")
    assert route(body=b"Action=DescribeDBClusters&Version=2014-10-31", form=FORM, more=scope("rds")).service == "rds"


def test_an_action_may_come_by_get_and_without_a_signature() -> None:
    assert route("GET", query="Action=DescribeVpcs&Version=2016-11-15", more=scope("ec2"))[:3] == (
        "ec2",
        "DescribeVpcs",
        "ec2",
    )
    unsigned = route(body=b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15", form=FORM, host="localhost:4566")
    assert unsigned[:2] == ("sts", "AssumeRoleWithWebIdentity")


def test_a_service_that_moved_on_from_query_still_answers_it() -> None:
    assert route(body=b"Action=SendMessage&Version=2012-11-05", form=FORM, more=scope("sqs"))[:3] == (
        "sqs",
        "SendMessage",
        "query",
    )
    assert route(body=b"Action=ListMetrics&Version=2010-08-01", form=FORM, more=scope("monitoring"))[:3] == (
        "cloudwatch",
        "ListMetrics",
        "query",
    )


def test_an_rpc_path_is_cbor() -> None:
    found = route(
        path="/service/GraniteServiceVersion20100801/operation/ListMetrics",
        smithy_protocol="rpc-v2-cbor",
        more=scope("monitoring"),
    )
    assert found[:3] == ("cloudwatch", "ListMetrics", "smithy-rpc-v2-cbor")


def test_a_path_tells_services_with_one_signing_name_apart() -> None:
    assert route("GET", "/v2/apis", more=scope("apigateway"))[:2] == ("apigatewayv2", "GetApis")
    assert route("GET", "/restapis", more=scope("apigateway"))[:2] == ("apigateway", "GetRestApis")
    assert route("GET", "/2015-03-31/functions", more=scope("lambda"))[:2] == ("lambda", "ListFunctions")
    assert route("POST", "/v2/email/outbound-emails", more=scope("ses"))[:2] == ("sesv2", "SendEmail")
    assert route("GET", "/v20180820/accesspoint", more=scope("s3"))[:2] == ("s3control", "ListAccessPoints")


def test_a_host_names_service_and_region_where_nothing_is_signed() -> None:
    assert route("GET", "/2013-04-01/hostedzone", host="route53.amazonaws.com")[:2] == ("route53", "ListHostedZones")
    found = route(body=b"Action=DescribeVpcs&Version=2016-11-15", form=FORM, host="ec2.ap-northeast-1.amazonaws.com")
    assert (found.service, found.region) == ("ec2", "ap-northeast-1")


@pytest.mark.parametrize(
    ("path", "host", "operation", "labels"),
    [
        ("/bucket/key", "localhost:4566", "GetObject", {"Bucket": "bucket", "Key": "key"}),
        ("/key", "bucket.s3.us-east-1.amazonaws.com", "GetObject", {"Bucket": "bucket", "Key": "key"}),
        ("/", "bucket.s3.us-east-1.amazonaws.com", "ListObjects", {"Bucket": "bucket"}),
        ("/", "s3.us-east-1.amazonaws.com", "ListBuckets", {}),
    ],
)
def test_s3_is_known_by_path_and_by_host(path: str, host: str, operation: str, labels: dict[str, str]) -> None:
    found = route("GET", path, host=host, more=scope("s3"))
    assert (found.service, found.operation, found.labels) == ("s3", operation, labels)


def test_a_data_plane_host_is_no_api() -> None:
    host = "abc.execute-api.us-east-1.amazonaws.com"
    assert route("GET", "/prod/x", host=host)[:2] == ("execute-api", "")
    assert route("GET", "/prod/x", host=host, more=scope("execute-api"))[:2] == ("execute-api", "")
    found = route("POST", "/prod/@connections/c1", host=host, more=scope("execute-api"))
    assert (found.service, found.operation, found.labels) == (
        "apigatewaymanagementapi",
        "PostToConnection",
        {"connectionId": "c1"},
    )


def test_a_refusal_is_never_another_service() -> None:
    with pytest.raises(Unroutable) as caught:
        route("GET", "/2015-03-31/functions", more=scope("route53"))
    assert (caught.value.service, caught.value.status, caught.value.protocol) == ("route53", 404, "rest-xml")
    with pytest.raises(Unroutable) as caught:
        route(body=b"Action=DescribeVpcs&Version=2016-11-15", form=FORM, more=scope("iam"))
    assert (caught.value.service, caught.value.code) == ("iam", "NoSuchVersion")
