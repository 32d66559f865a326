"""SQS traffic: SendMessage as plain HTTP requests, and all messages of a queue received and deleted at the end.

AWS's JSON protocol over HTTPS; requests carry a credential scope, which says whose they are, and no signature that
anybody could verify: this speaks to Kunren alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPException, HTTPSConnection
from typing import Any

RECEIVED_AT_ONCE = 10
EMPTY_IN_A_ROW = 3
TIMEOUT_S = 10.0
READ_MARK = "sqs "


def sending(queue_url: str, region: str, keep_alive: bool) -> dict[str, Any]:
    """What an HTTP client is told to send numbered messages; values may hold `${NAME}` still."""
    message: dict[str, Any] = {"QueueUrl": queue_url, "MessageBody": "{write}"}
    if queue_url.endswith(".fifo"):
        message |= {"MessageGroupId": "drill", "MessageDeduplicationId": "{write}"}
    return {
        "url": f"https://sqs.{region}.amazonaws.com/",
        "method": "POST",
        "headers": headers(region, "SendMessage"),
        "body": json.dumps(message),
        "status": [200, 299],
        "keep_alive": keep_alive,
    }


def headers(region: str, operation: str) -> dict[str, str]:
    scope = f"test/20260101/{region}/sqs/aws4_request"
    signature = "0" * 64
    return {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"AmazonSQS.{operation}",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={signature}",
    }


def received(queue_url: str, region: str) -> Iterator[str]:
    """The bodies of all messages, in the order in which they come; they are deleted. Raises OSError."""
    connection = HTTPSConnection(f"sqs.{region}.amazonaws.com", timeout=TIMEOUT_S)
    empty = 0
    try:
        while empty < EMPTY_IN_A_ROW:
            wanted = {"QueueUrl": queue_url, "MaxNumberOfMessages": RECEIVED_AT_ONCE, "WaitTimeSeconds": 0}
            messages = _call(connection, region, "ReceiveMessage", wanted).get("Messages", [])
            empty = 0 if messages else empty + 1
            yield from (each["Body"] for each in messages)
            if messages:
                entries = [
                    {"Id": str(index), "ReceiptHandle": each["ReceiptHandle"]} for index, each in enumerate(messages)
                ]
                _call(connection, region, "DeleteMessageBatch", {"QueueUrl": queue_url, "Entries": entries})
    except HTTPException as error:
        raise OSError(f"SQS did not answer: {error}") from error
    finally:
        connection.close()


def _call(connection: HTTPSConnection, region: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    connection.request("POST", "/", json.dumps(parameters).encode(), headers(region, operation))
    answer = connection.getresponse()
    raw = answer.read()
    if answer.status >= 300:
        raise OSError(f"{operation} was answered {answer.status}: {raw[:200]!r}")
    found: dict[str, Any] = json.loads(raw) if raw else {}
    return found
