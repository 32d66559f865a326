"""SQS queues as event sources (developer guide, "Using Lambda with Amazon SQS"), by the queue's own operations.

A record that is not deleted becomes visible again when the queue's visibility timeout ends. The order within a FIFO
message group is SQS's: it hands out nothing of a group while a message of it is in flight.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.lambda_.destinations import queue_url
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import Configured, EventSourceMapping
from kunren.services.lambda_.sources.interface import Record

_BATCH = 10
"""The most that one operation of SQS receives or deletes."""
_VALUES = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}


class QueueSource:
    """`kunren.services.lambda_.sources.interface.EventSource` for SQS."""

    def __init__(self, call: CallService) -> None:
        self._call = call

    async def check(self, mapping: EventSourceMapping, function: Configured) -> None:
        try:
            told = await self._ask(mapping, "GetQueueAttributes", AttributeNames=["VisibilityTimeout"])
        except AwsError as error:
            raise InvalidParameterValueException(
                f"Error occurred while ReceiveMessage. SQS Error Code: {error.code}. SQS Error Message: {error.message}"
            ) from None
        visible_after = int(told["Attributes"]["VisibilityTimeout"])
        if visible_after < function.timeout:
            raise InvalidParameterValueException(
                f"Queue visibility timeout: {visible_after} seconds is less than Function timeout: "
                f"{function.timeout} seconds"
            )

    async def receive(self, mapping: EventSourceMapping, limit: int, wait_s: int) -> list[Record]:
        told = await self._ask(
            mapping,
            "ReceiveMessage",
            MaxNumberOfMessages=min(limit, _BATCH),
            WaitTimeSeconds=wait_s,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [record(message, mapping) for message in told.get("Messages", ())]

    def identifier(self, record: Record) -> str:
        return str(record["messageId"])

    def filtered(self, record: Record) -> Any:
        try:
            return {**record, "body": json.loads(record["body"])}
        except (ValueError, RecursionError):
            return record

    async def done(self, mapping: EventSourceMapping, records: Sequence[Record]) -> None:
        for first in range(0, len(records), _BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": each["receiptHandle"]}
                for number, each in enumerate(records[first : first + _BATCH])
            ]
            await self._ask(mapping, "DeleteMessageBatch", Entries=entries)

    async def _ask(self, mapping: EventSourceMapping, operation: str, **params: Any) -> Mapping[str, Any]:
        _, _, _, region, account, name = mapping.source_arn.split(":", 5)
        url = queue_url(region, account, name)
        return await self._call(mapping.account, region, "sqs", operation, {"QueueUrl": url, **params})


def record(message: Mapping[str, Any], mapping: EventSourceMapping) -> Record:
    """A received message as functions get it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.source_arn,
        "awsRegion": mapping.region,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
    for member, name in _VALUES.items():
        if value.get(member) is not None:
            told = value[member]
            shown[name] = base64.b64encode(told).decode() if isinstance(told, bytes) else told
    return shown
