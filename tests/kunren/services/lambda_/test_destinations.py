import asyncio
import json

import pytest

from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.lambda_.destinations import Destinations, Ending, check_target, record
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import AsyncEvent

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST"
EVENT = AsyncEvent(
    account="123456789012",
    region="us-east-1",
    id="id",
    function="f",
    payload=b'{"a":1}',
    accepted_at=0.0,
    not_before=0.0,
)
GOOD = Ending("Success", 1, b'"ok"', "$LATEST")
BAD = Ending("RetriesExhausted", 3, b'{"errorMessage":"no","errorType":"E"}', "$LATEST", "Unhandled")


def sent(target, ending, dead_letter=False):
    calls = []

    async def call(*told):
        calls.append(told)
        return {}

    destinations = Destinations(call, SimClock(1_700_000_000.0), Entropy(1))
    given = (
        destinations.dead_letter(EVENT, target, ending)
        if dead_letter
        else destinations.deliver(EVENT, ARN, target, ending)
    )
    asyncio.run(given)
    ((account, region, service, operation, params),) = calls
    assert account == "123456789012"
    return region, service, operation, params


def test_a_record_as_aws_documents_it():
    assert record(EVENT, ARN, BAD, 1_700_000_000.5) == {
        "version": "1.0",
        "timestamp": "2023-11-14T22:13:20.500Z",
        "requestContext": {
            "requestId": "id",
            "functionArn": ARN,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"a": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "no", "errorType": "E"},
    }
    never_run = record(EVENT, ARN, Ending("EventAgeExceeded", 0), 0.0)
    assert "responseContext" not in never_run
    assert "functionError" not in record(EVENT, ARN, GOOD, 0.0)["responseContext"]


def test_each_kind_of_destination_is_called_by_its_own_operation():
    region, service, operation, params = sent("arn:aws:sqs:eu-west-1:123456789012:q", GOOD)
    assert (region, service, operation) == ("eu-west-1", "sqs", "SendMessage")
    assert params["QueueUrl"] == "https://sqs.eu-west-1.amazonaws.com/123456789012/q"
    assert json.loads(params["MessageBody"])["responsePayload"] == "ok"
    assert sent("arn:aws:sns:us-east-1:123456789012:t", GOOD)[1:3] == ("sns", "Publish")
    *_, params = sent("arn:aws:events:us-east-1:123456789012:event-bus/b", BAD)
    (entry,) = params["Entries"]
    assert (entry["Source"], entry["DetailType"]) == ("lambda", "Lambda Function Invocation Result - Failure")
    assert entry["Resources"] == [ARN, "arn:aws:events:us-east-1:123456789012:event-bus/b"]
    *_, params = sent("arn:aws:lambda:us-east-1:123456789012:function:g", GOOD)
    assert params["InvocationType"] == "Event"
    region, service, operation, params = sent("arn:aws:s3:::bucket", BAD)
    assert (region, service, operation, params["Bucket"]) == ("us-east-1", "s3", "PutObject", "bucket")
    assert params["Key"].startswith("aws/lambda/async/f/2023/11/14/2023-11-14T22.13.20-")


def test_a_dead_letter_is_the_event_with_the_error_as_attributes():
    *_, params = sent("arn:aws:sqs:us-east-1:123456789012:q", BAD, dead_letter=True)
    assert params["MessageBody"] == '{"a":1}'
    assert params["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": "id"},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "no"},
    }


def test_what_is_no_destination_is_refused():
    check_target("", ("sqs",), "destination")
    check_target("arn:aws:sqs:us-east-1:123456789012:q", ("sqs",), "destination")
    with pytest.raises(InvalidParameterValueException):
        check_target("arn:aws:ec2:us-east-1:123456789012:q", ("sqs",), "destination")
