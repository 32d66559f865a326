"""Calls of one service to another, as requests that the fallback gets and answers that it gives."""

import asyncio
import json

import pytest

from kunren.core.errors import AwsError
from kunren.gateway.http import HttpResponse
from kunren.gateway.inside import Inside


class Owners:
    """A gateway to whom every service is the fallback's, and a fallback that answers as it is told."""

    services = frozenset({"s3", "sqs", "sns"})

    def __init__(self, status, headers, body):
        self.answer = HttpResponse(status, headers, body)
        self.asked = None

    def owner(self, service, operation):
        return "moto" if service in self.services else "nobody"

    async def handle(self, service, operation, request):
        self.asked = request
        return self.answer


def call(owners, service, operation, params):
    return asyncio.run(Inside(owners, owners).call("123456789012", "eu-west-1", service, operation, params))


def test_a_json_operation_is_asked_and_read():
    owners = Owners(200, [], b'{"MessageId":"m","MD5OfMessageBody":"x"}')
    assert call(owners, "sqs", "SendMessage", {"QueueUrl": "u", "MessageBody": "b"})["MessageId"] == "m"
    assert json.loads(owners.asked.body) == {"QueueUrl": "u", "MessageBody": "b"}
    assert owners.asked.headers["x-amz-target"] == "AmazonSQS.SendMessage"
    assert owners.asked.headers["host"] == "sqs.eu-west-1.amazonaws.com"
    assert "Credential=123456789012/" in owners.asked.headers["authorization"]


def test_an_object_comes_as_the_bytes_that_it_is():
    owners = Owners(200, [("Content-Length", "3")], b"\xff\0a")
    assert call(owners, "s3", "GetObject", {"Bucket": "b", "Key": "a key/x"})["Body"] == b"\xff\0a"
    assert (owners.asked.method, owners.asked.path) == ("GET", "/b/a%20key/x")


def test_a_refusal_is_raised_with_its_code_and_status():
    owners = Owners(404, [], b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")
    with pytest.raises(AwsError) as caught:
        call(owners, "s3", "GetObject", {"Bucket": "b", "Key": "k"})
    assert (caught.value.code, caught.value.status, caught.value.message) == ("NoSuchKey", 404, "gone")


def test_what_nobody_answers_is_not_implemented():
    with pytest.raises(AwsError) as caught:
        call(Owners(200, [], b""), "kafka", "ListClusters", {})
    assert caught.value.code == "NotImplemented"
