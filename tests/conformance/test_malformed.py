"""Goal: a malformed request of any protocol gets AWS's error shape: never a 500, never a change, never another service.

Method: raw requests through the whole chain, with services whose every operation fails the test when it is called.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes import CATALOG

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.gateway.gateway import Gateway
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.settings import Settings
from kunren.wire.names import xform_name
from kunren.wire.protocols import cbor_items

SERVICES = {
    "ec2": "ec2",
    "elbv2": "query",
    "sqs": "json",
    "lambda": "rest-json",
    "route53": "rest-xml",
    "cloudwatch": "cbor",
}


class Untouchable:
    """Answers every operation of a service by noting that it was called."""

    def __init__(self, service: str) -> None:
        self.called: list[str] = []
        for operation in CATALOG.service(service).operations:
            setattr(self, xform_name(operation), self._note(operation))

    def _note(self, operation: str) -> Any:
        def method(context: Any, params: Any) -> None:
            self.called.append(operation)

        return method


def _gateway() -> tuple[Gateway, dict[str, Untouchable]]:
    services = {name: Untouchable(name) for name in SERVICES}
    gateway = Gateway(
        Settings(state_dir=Path("/nonexistent")), Store(None), SimClock(), Entropy(1), services, None, None, CATALOG
    )
    return gateway, services


GATEWAY, TARGETS = _gateway()


def ask(request: HttpRequest) -> HttpResponse:
    outcome = GATEWAY.chain.handle(request)
    if inspect.isawaitable(outcome):

        async def wait() -> HttpResponse:
            return await outcome

        return asyncio.run(wait())
    return outcome


def signed(
    service: str, method: str = "POST", path: str = "/", query: str = "", body: bytes = b"", **headers: str
) -> HttpRequest:
    scope = f"AKIAEXAMPLE/20260101/us-east-1/{service}/aws4_request"
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return HttpRequest(method, path, query, {
        "host": "localhost", "content-length": str(len(body)),
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0", **named,
    }, body)  # fmt: skip


def json_call(target: str, body: bytes, service: str = "sqs") -> HttpRequest:
    return signed(service, body=body, x_amz_target=target, content_type="application/x-amz-json-1.0")


def form(service: str, body: bytes, **headers: str) -> HttpRequest:
    return signed(service, body=body, content_type="application/x-www-form-urlencoded", **headers)


def refused(request: HttpRequest) -> tuple[int, str, str]:
    """(status, code, message) of an answer that must be a refusal in the protocol's own shape."""
    for target in TARGETS.values():
        target.called.clear()
    response = ask(request)
    assert not any(target.called for target in TARGETS.values()), "a malformed request reached a handler"
    assert 400 <= response.status < 500, (response.status, response.body)
    assert isinstance(response.body, bytes)
    kind = response.header("content-type") or ""
    if "cbor" in kind:
        told = cbor_items.decode(response.body)
        return response.status, told["__type"].rpartition("#")[2], told["message"]
    if "xml" in kind:
        root = ElementTree.fromstring(response.body)
        flat = {each.tag.rpartition("}")[2]: each.text or "" for each in root.iter()}
        assert "RequestId" in flat or "RequestID" in flat
        return response.status, flat["Code"], flat["Message"]
    told = json.loads(response.body)
    code = told.get("__type") or response.header("x-amzn-errortype") or ""
    assert response.header("x-amzn-requestid")
    return response.status, code.rpartition("#")[2], told.get("message") or told.get("Message") or ""


# --- json -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b'{"QueueName":', b"[", b"nonsense", b'{"QueueName": "\xff\xfe"}', b"\xff", b"{}{}"])
def test_broken_json_is_a_serialization_exception(body: bytes) -> None:
    assert refused(json_call("AmazonSQS.CreateQueue", body))[:2] == (400, "SerializationException")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"QueueName": 5}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"QueueName": true}', "TRUE_VALUE can not be converted to a String"),
        (b'{"QueueName": ["x"]}', "Start of list found where not expected"),
        (b'{"QueueName": {"x": 1}}', "Start of structure or map found where not expected."),
        (b"[]", "Start of list found where not expected"),
    ],
)
def test_a_wrong_json_type_is_a_serialization_exception(body: bytes, text: str) -> None:
    assert refused(json_call("AmazonSQS.CreateQueue", body)) == (400, "SerializationException", text)


def test_deeply_nested_json_is_refused() -> None:
    assert refused(json_call("AmazonSQS.CreateQueue", b"[" * 100_000))[1] == "SerializationException"


def test_a_missing_member_of_sqs_is_a_missing_parameter() -> None:
    assert refused(json_call("AmazonSQS.CreateQueue", b"{}")) == (
        400, "MissingParameter", "The request must contain the parameter QueueName.",
    )  # fmt: skip


def test_an_unknown_json_operation_is_named_so() -> None:
    assert refused(json_call("AmazonSQS.FlyToTheMoon", b"{}"))[:2] == (400, "UnknownOperationException")
    assert refused(json_call("NoSuchTarget.CreateQueue", b"{}"))[:2] == (400, "UnknownOperationException")
    assert refused(json_call("", b"{}"))[:2] == (400, "UnknownOperationException")


def test_a_target_of_another_service_than_the_signature_is_refused() -> None:
    assert refused(json_call("AmazonSQS.CreateQueue", b'{"QueueName":"q"}', "kms"))[1] == "UnknownOperationException"


# --- query and ec2 ----------------------------------------------------------------------------------------------------


def test_an_unknown_action_is_an_invalid_action() -> None:
    assert refused(form("elasticloadbalancing", b"Action=FlyToTheMoon&Version=2015-12-01")) == (
        400, "InvalidAction", "Could not find operation FlyToTheMoon for version 2015-12-01",
    )  # fmt: skip
    assert refused(form("ec2", b"Action=FlyToTheMoon&Version=2016-11-15")) == (
        400, "InvalidAction", "The action FlyToTheMoon is not valid for this web service.",
    )  # fmt: skip


@pytest.mark.parametrize("service", ["ec2", "elasticloadbalancing"])
def test_no_action_is_a_missing_action(service: str) -> None:
    assert refused(form(service, b"Version=2016-11-15"))[1] == "MissingAction"
    assert refused(signed(service))[1] == "MissingAction"


def test_a_version_nobody_has_is_refused() -> None:
    assert refused(form("ec2", b"Action=DescribeVpcs&Version=1999-01-01"))[1] == "NoSuchVersion"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Action=DescribeVpcs&Version=2016-11-15&MaxResults=%ff", "MalformedQueryString"),
        (b"Action=DescribeVpcs&Version=2016-11-15&MaxResults=5&MaxResults=6", "InvalidQueryParameter"),
        (b"Action=DescribeVpcs&Version=2016-11-15&MaxResults=many", "InvalidParameterValue"),
        (b"Action=DescribeVpcs&Version=2016-11-15&VpcId.x=1", "MalformedInput"),
        (b"Action=DescribeVpcs&Version=2016-11-15&VpcId.1=a&VpcId=b", "MalformedInput"),
        (b"Action=DescribeVpcs&Version=2016-11-15&VpcId.1.2.3=a", "MalformedInput"),
        (b"Action=DescribeVpcs&Version=2016-11-15&Nonsense=1", "UnknownParameter"),
        (b"Action=DescribeVpcs&Version=2016-11-15&VpcId" + b".1" * 200 + b"=1", "MalformedInput"),
        (b"Action=DescribeVpcs&Version=2016-11-15" + b"&a=1" * 30_000, "MalformedQueryString"),
    ],
)
def test_a_malformed_ec2_parameter_has_its_code(body: bytes, code: str) -> None:
    assert refused(form("ec2", body))[1] == code


def test_a_missing_ec2_parameter_is_named() -> None:
    assert refused(form("ec2", b"Action=CreateSubnet&Version=2016-11-15"))[:2] == (400, "MissingParameter")


def test_an_ec2_bound_is_told_as_ec2_tells_it() -> None:
    status, code, text = refused(form("ec2", b"Action=DescribeVpcs&Version=2016-11-15&MaxResults=3"))
    assert (status, code) == (400, "InvalidParameterValue")
    assert text.startswith("Value ( 3 ) for parameter MaxResults is invalid. Expecting a value greater than 5.")


def test_violated_constraints_of_a_query_service_are_all_told() -> None:
    status, code, text = refused(
        form("elasticloadbalancing", b"Action=CreateListener&Version=2015-12-01&Protocol=FTP&Port=0")
    )
    assert (status, code) == (400, "ValidationError")
    assert text.startswith("4 validation errors detected: ")
    assert "Value null at 'loadBalancerArn' failed to satisfy constraint: Member must not be null" in text
    assert (
        "Value 'FTP' at 'protocol' failed to satisfy constraint: Member must satisfy enum value set: [HTTP, HTTPS,"
        in text
    )
    assert "Value '0' at 'port' failed to satisfy constraint: Member must have value greater than or equal to 1" in text


# --- rest-json --------------------------------------------------------------------------------------------------------


def test_an_unknown_path_of_a_rest_service_is_not_found() -> None:
    assert refused(signed("lambda", "GET", "/no/such/path"))[:2] == (404, "UnknownOperationException")
    assert refused(signed("route53", "GET", "/no/such/path"))[:2] == (404, "UnknownOperationException")


@pytest.mark.parametrize(
    "body", [b'{"FunctionName"', b'{"FunctionName": 1}', b'{"MemorySize": "big"}', b'{"MemorySize": 1e99}']
)
def test_a_broken_rest_json_body_is_a_serialization_exception(body: bytes) -> None:
    assert refused(signed("lambda", "POST", "/2015-03-31/functions", body=body))[:2] == (400, "SerializationException")


def test_a_query_value_of_the_wrong_type_is_refused() -> None:
    assert refused(signed("lambda", "GET", "/2015-03-31/functions", "MaxItems=many"))[:2] == (
        400,
        "SerializationException",
    )


def test_a_path_that_is_not_utf8_is_refused() -> None:
    assert refused(signed("lambda", "GET", "/2015-03-31/functions/%ff"))[1] == "SerializationException"


def test_a_rest_json_constraint_is_a_validation_exception_with_the_path() -> None:
    status, code, text = refused(signed("lambda", "GET", "/2015-03-31/functions", "MaxItems=0"))
    assert (status, code) == (400, "ValidationException")
    assert text == (
        "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    )


# --- rest-xml ---------------------------------------------------------------------------------------------------------

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><CreateHostedZoneRequest><Name>&c;</Name></CreateHostedZoneRequest>"""
EXTERNAL = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<CreateHostedZoneRequest><Name>&e;</Name></CreateHostedZoneRequest>"""
EXTERNAL_DTD = (
    b"""<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd"><CreateHostedZoneRequest><Name>x</Name></CreateHostedZoneRequest>"""
)


@pytest.mark.parametrize(
    "body",
    [
        b"<CreateHostedZoneRequest><Name>",
        b"not xml",
        b"<Other><Name>x</Name></Other>",
        b"<CreateHostedZoneRequest><Name>\xff</Name></CreateHostedZoneRequest>",
        b"<CreateHostedZoneRequest><Name><Deep/></Name></CreateHostedZoneRequest>",
        b"<CreateHostedZoneRequest><Name>a</Name><Name>b</Name></CreateHostedZoneRequest>",
        b"<CreateHostedZoneRequest><Name>&undefined;</Name></CreateHostedZoneRequest>",
        b"<?xml version='1.0' encoding='no-such'?><CreateHostedZoneRequest/>",
        b"<a>" * 5000,
        BOMB,
        EXTERNAL,
        EXTERNAL_DTD,
    ],
)
def test_xml_that_is_broken_or_holds_tricks_is_malformed(body: bytes) -> None:
    assert refused(signed("route53", "POST", "/2013-04-01/hostedzone", body=body))[:2] == (400, "MalformedXML")


def test_a_route53_constraint_is_an_invalid_input() -> None:
    status, code, text = refused(
        signed("route53", "POST", "/2013-04-01/hostedzone", body=b"<CreateHostedZoneRequest/>")
    )
    assert (status, code) == (400, "InvalidInput")
    assert text.startswith("2 validation errors detected: Value null at 'name' failed to satisfy constraint")


# --- cbor -------------------------------------------------------------------------------------------------------------


def cbor_call(operation: str, body: bytes) -> HttpRequest:
    return signed("monitoring", path=f"/service/GraniteServiceVersion20100801/operation/{operation}", body=body,
                  smithy_protocol="rpc-v2-cbor", content_type="application/cbor")  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [b"\xa1", b"\xff", b"\x9f" * 10_000, b"\xbb" + b"\xff" * 8, b"\xa1\x61a\x01\x00", b"\x80", b"\x5f\x61a\xff",
     b"\xa1\x69Namespace\x01", b"\xa1\x69Namespace\x61\xff"],
)  # fmt: skip
def test_broken_cbor_is_a_serialization_exception(body: bytes) -> None:
    assert refused(cbor_call("ListMetrics", body))[:2] == (400, "SerializationException")


def test_an_unknown_cbor_operation_is_named_so() -> None:
    assert refused(cbor_call("FlyToTheMoon", b"\xa0"))[:2] == (404, "UnknownOperationException")


# --- which service ----------------------------------------------------------------------------------------------------


def test_a_service_nobody_knows_is_refused_by_name() -> None:
    assert refused(signed("moonlanding"))[:2] == (404, "UnknownService")


def test_a_request_that_names_no_service_is_refused() -> None:
    assert refused(HttpRequest("GET", "/some/path", "", {"host": "localhost:4566"}))[:2] == (
        403,
        "MissingAuthenticationToken",
    )


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/sqs/aws4_request",
        "AWS4-HMAC-SHA256 Credential=AKIA/us-east-1/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20260101/<b>/sqs/aws4_request, SignedHeaders=host, Signature=0",
    ],
)
def test_a_malformed_signature_is_incomplete(authorization: str) -> None:
    request = HttpRequest(
        "POST", "/", "", {"authorization": authorization, "x-amz-target": "AmazonSQS.ListQueues"}, b"{}"
    )
    assert refused(request)[:2] == (400, "IncompleteSignature")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SERVICES)),
    st.binary(max_size=60),
    st.sampled_from(["", "/x", "/2013-04-01/hostedzone", "/2015-03-31/functions"]),
)
def test_noise_never_makes_an_internal_error(name: str, noise: bytes, path: str) -> None:
    signing = CATALOG.index[name].signs_as
    for request in (
        json_call("AmazonSQS.CreateQueue", noise), cbor_call("PutDashboard", noise),
        form("ec2", b"Action=RunInstances&Version=2016-11-15&" + noise), signed(signing, path=path or "/", body=noise),
        form(signing, noise), signed(signing, "GET", path or "/", noise.decode("latin-1").replace("\n", "")),
    ):  # fmt: skip
        response = ask(request)
        assert response.status < 500 or response.status == 501, (request, response)
