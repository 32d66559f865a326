"""First-class integrations of HTTP APIs with AWS services: which operation each calls, with which parameters.

Developer guide, "Integration subtype reference". Those without an operation are AWS's, and not here.
"""

from __future__ import annotations

from typing import NamedTuple


class Subtype(NamedTuple):
    """`service` and `operation` as botocore names them; `members` are the parameters' types by name: text, json (an
    object), or integer."""

    service: str
    operation: str | None
    required: tuple[str, ...] = ()
    members: dict[str, str] = {}


_TEXT, _JSON, _INTEGER, _BLOB = "text", "json", "integer", "blob"
SUBTYPES: dict[str, Subtype] = {
    "EventBridge-PutEvents": Subtype(
        "events", "PutEvents", ("Detail", "DetailType", "Source"),
        {"Detail": _TEXT, "DetailType": _TEXT, "Source": _TEXT, "Time": _TEXT, "EventBusName": _TEXT,
         "Resources": _JSON, "Region": _TEXT, "TraceHeader": _TEXT},
    ),
    "SQS-SendMessage": Subtype(
        "sqs", "SendMessage", ("QueueUrl", "MessageBody"),
        {"QueueUrl": _TEXT, "MessageBody": _TEXT, "DelaySeconds": _INTEGER, "MessageAttributes": _JSON,
         "MessageDeduplicationId": _TEXT, "MessageGroupId": _TEXT, "MessageSystemAttributes": _JSON, "Region": _TEXT},
    ),
    "SQS-ReceiveMessage": Subtype(
        "sqs", "ReceiveMessage", ("QueueUrl",),
        {"QueueUrl": _TEXT, "AttributeNames": _JSON, "MaxNumberOfMessages": _INTEGER, "MessageAttributeNames": _JSON,
         "ReceiveRequestAttemptId": _TEXT, "VisibilityTimeout": _INTEGER, "WaitTimeSeconds": _INTEGER,
         "Region": _TEXT},
    ),
    "SQS-DeleteMessage": Subtype(
        "sqs", "DeleteMessage", ("ReceiptHandle", "QueueUrl"),
        {"ReceiptHandle": _TEXT, "QueueUrl": _TEXT, "Region": _TEXT},
    ),
    "SQS-PurgeQueue": Subtype("sqs", "PurgeQueue", ("QueueUrl",), {"QueueUrl": _TEXT, "Region": _TEXT}),
    "Kinesis-PutRecord": Subtype(
        "kinesis", "PutRecord", ("StreamName", "Data", "PartitionKey"),
        {"StreamName": _TEXT, "Data": _BLOB, "PartitionKey": _TEXT, "SequenceNumberForOrdering": _TEXT,
         "ExplicitHashKey": _TEXT, "Region": _TEXT},
    ),
    "StepFunctions-StartExecution": Subtype(
        "stepfunctions", "StartExecution", ("StateMachineArn",),
        {"StateMachineArn": _TEXT, "Name": _TEXT, "Input": _TEXT, "Region": _TEXT},
    ),
    "StepFunctions-StopExecution": Subtype(
        "stepfunctions", "StopExecution", ("ExecutionArn",),
        {"ExecutionArn": _TEXT, "Cause": _TEXT, "Error": _TEXT, "Region": _TEXT},
    ),
    "StepFunctions-StartSyncExecution": Subtype("stepfunctions", None),
    "AppConfig-GetConfiguration": Subtype("appconfig", None),
}  # fmt: skip
