import json

from kunren.drills.load.http import _request
from kunren.drills.load.messages import headers, sending


def test_a_message_is_a_numbered_write_of_the_json_protocol():
    told = sending("${queue_url}", "eu-west-1", True)
    assert told["url"] == "https://sqs.eu-west-1.amazonaws.com/"
    assert json.loads(told["body"]) == {"QueueUrl": "${queue_url}", "MessageBody": "{write}"}
    assert told["headers"]["X-Amz-Target"] == "AmazonSQS.SendMessage"
    assert (
        "Credential=test/20260101/eu-west-1/sqs/aws4_request," in headers("eu-west-1", "SendMessage")["Authorization"]
    )
    head, body = _request(told, "sqs.eu-west-1.amazonaws.com", "/")
    assert head.startswith(b"POST / HTTP/1.1\r\nHost: sqs.eu-west-1.amazonaws.com\r\n")
    assert b"{write}" in body


def test_a_fifo_queue_has_one_group_and_numbers_for_deduplication():
    body = json.loads(sending("http://a/b/orders.fifo", "us-east-1", True)["body"])
    assert (body["MessageGroupId"], body["MessageDeduplicationId"]) == ("drill", "{write}")
