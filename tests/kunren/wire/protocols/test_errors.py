"""Errors in each protocol's own shape, byte for byte where AWS's are known."""

import json

from kunren.core.errors import AwsError, WireError
from kunren.wire.catalog import Catalog
from kunren.wire.codecs import error_response
from kunren.wire.protocols import cbor_items

CATALOG = Catalog()


class QueueDoesNotExist(AwsError):
    code = "QueueDoesNotExist"


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"
    status = 404


def test_json_names_the_error_in_type_and_the_query_code_in_a_header() -> None:
    response = error_response(CATALOG.service("sqs"), "json", QueueDoesNotExist("gone"), "id-1")
    assert response.status == 400
    assert json.loads(response.body) == {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"}
    headers = dict(response.headers)
    assert headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert headers["x-amzn-RequestId"] == "id-1"
    assert headers["Content-Type"] == "application/x-amz-json-1.0"


def test_json_takes_the_models_name_for_the_text() -> None:
    response = error_response(CATALOG.service("dynamodb"), "json", WireError("SerializationException", "bad"), "id-1")
    assert json.loads(response.body)["__type"] == "com.amazon.coral.service#SerializationException"
    acm = error_response(CATALOG.service("acm"), "json", ResourceNotFoundException("no"), "id-1")
    assert json.loads(acm.body) == {"__type": "ResourceNotFoundException", "message": "no"}


def test_rest_json_names_the_error_in_a_header_and_lambda_says_whose_fault_it_is() -> None:
    response = error_response(CATALOG.service("lambda"), "rest-json", ResourceNotFoundException("no"), "id-1")
    assert response.status == 404
    assert dict(response.headers)["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert json.loads(response.body) == {"Message": "no", "Type": "User"}


def test_query_wraps_the_error_with_its_type_and_namespace() -> None:
    response = error_response(CATALOG.service("elbv2"), "query", WireError("TargetGroupNotFound", "a < b"), "id-1")
    assert response.body == (
        b'<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error><Type>Sender</Type>'
        b"<Code>TargetGroupNotFound</Code><Message>a &lt; b</Message></Error><RequestId>id-1</RequestId></ErrorResponse>"
    )
    by_name = error_response(CATALOG.service("elbv2"), "query", WireError("TargetGroupNotFoundException", "x"), "id-1")
    assert b"<Code>TargetGroupNotFound</Code>" in by_name.body


def test_ec2_has_a_form_of_its_own() -> None:
    response = error_response(CATALOG.service("ec2"), "ec2", WireError("InvalidVpcID.NotFound", "no"), "id-1")
    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code>'
        b"<Message>no</Message></Error></Errors><RequestID>id-1</RequestID></Response>"
    )


def test_rest_xml_wraps_the_error_and_s3_does_not() -> None:
    route53 = error_response(CATALOG.service("route53"), "rest-xml", WireError("NoSuchHostedZone", "no", 404), "id-1")
    assert route53.status == 404
    assert (
        b'<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type>'
        in route53.body
    )
    s3 = error_response(CATALOG.service("s3"), "rest-xml", WireError("NoSuchKey", "no", 404), "id-1")
    assert b"<Error><Code>NoSuchKey</Code><Message>no</Message><RequestId>id-1</RequestId>" in s3.body
    assert b"ErrorResponse" not in s3.body


def test_cbor_has_the_full_name() -> None:
    response = error_response(
        CATALOG.service("cloudwatch"), "smithy-rpc-v2-cbor", WireError("ResourceNotFound", "no", 404), "id-1"
    )
    assert cbor_items.decode(response.body) == {"__type": "com.amazonaws.cloudwatch#ResourceNotFound", "message": "no"}
    assert dict(response.headers)["smithy-protocol"] == "rpc-v2-cbor"


def test_a_fault_of_ours_is_the_receivers() -> None:
    response = error_response(CATALOG.service("elbv2"), "query", WireError("InternalFailure", "x", 500), "id-1")
    assert b"<Type>Receiver</Type>" in response.body


def test_members_of_a_modelled_error_are_sent() -> None:
    error = WireError("InvalidChangeBatch", "text", 400, messages=["one", "two"])
    response = error_response(CATALOG.service("route53"), "rest-xml", error, "id-1")
    assert b"<messages><Message>one</Message><Message>two</Message></messages>" in response.body
