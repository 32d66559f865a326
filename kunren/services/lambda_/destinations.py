"""Where the results of asynchronous invocations go: records, dead letters, and the calls that deliver them.

What is delivered is decided by the pure functions here (developer guide, "Capturing records of Lambda asynchronous
invocations" and "Adding a dead-letter queue"); `Destinations` calls the other services' operations for it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import AsyncEvent

log = logging.getLogger(__name__)
DESTINATION_SERVICES = ("lambda", "sqs", "sns", "events", "s3")
DEAD_LETTER_SERVICES = ("sqs", "sns")
_ERROR_TEXT_MAX = 1024


@dataclass(frozen=True, slots=True)
class Ending:
    """How an event ended. `condition` is Success, RetriesExhausted, EventAgeExceeded or ZeroReservedConcurrency;
    `payload` and `version` are of the last run, None where it never ran. `status` is the last run's HTTP status."""

    condition: str
    attempts: int
    payload: bytes | None = None
    version: str = ""
    function_error: str | None = None
    status: int = 200
    text: str = ""

    @property
    def success(self) -> bool:
        return self.condition == "Success"


def record(event: AsyncEvent, function_arn: str, ending: Ending, now: float) -> dict[str, Any]:
    """The invocation record that a destination gets. `function_arn` carries version or alias."""
    made: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_utc(now),
        "requestContext": {
            "requestId": event.id,
            "functionArn": function_arn,
            "condition": ending.condition,
            "approximateInvokeCount": ending.attempts,
        },
        "requestPayload": _json(event.payload),
    }
    if ending.payload is not None:
        made["responseContext"] = {"statusCode": ending.status, "executedVersion": ending.version}
        if ending.function_error is not None:
            made["responseContext"]["functionError"] = ending.function_error
        made["responsePayload"] = _json(ending.payload)
    return made


def dead_letter_attributes(event: AsyncEvent, ending: Ending) -> dict[str, Any]:
    """The message attributes of a dead letter; its body is the event itself."""
    return {
        "RequestID": {"DataType": "String", "StringValue": event.id},
        "ErrorCode": {"DataType": "Number", "StringValue": str(ending.status)},
        "ErrorMessage": {"DataType": "String", "StringValue": (error_text(ending) or "Unknown")[:_ERROR_TEXT_MAX]},
    }


def error_text(ending: Ending) -> str:
    """What went wrong, in the function's own words where it has any."""
    told = _json(ending.payload) if ending.payload is not None else None
    if isinstance(told, Mapping) and isinstance(told.get("errorMessage"), str):
        return str(told["errorMessage"])
    return ending.text


def check_target(arn: str, services: tuple[str, ...], what: str) -> None:
    """Refuse a target that events can't be sent to. Raises InvalidParameterValueException."""
    parts = arn.split(":")
    if arn and (len(parts) < 6 or parts[2] not in services):
        raise InvalidParameterValueException(f"The provided {what} {arn} is invalid.")


def _json(payload: bytes) -> Any:
    if not payload:
        return {}
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode("utf-8", "replace")


class Destinations:
    """Delivers to SQS, SNS, EventBridge, S3 and Lambda, by their operations."""

    def __init__(self, call: CallService, clock: Clock, entropy: Entropy) -> None:
        self._call = call
        self._clock = clock
        self._entropy = entropy

    async def deliver(self, event: AsyncEvent, function_arn: str, target: str, ending: Ending) -> None:
        """A record to a destination. What the destination refuses is a line in Kunren's log, as on AWS a metric."""
        made = record(event, function_arn, ending, self._clock.now())
        await self._try(event, target, json.dumps(made, separators=(",", ":")), ending, made)

    async def dead_letter(self, event: AsyncEvent, target: str, ending: Ending) -> None:
        """The event itself to a dead-letter queue or topic."""
        await self._try(event, target, (event.payload or b"{}").decode("utf-8", "replace"), ending, None)

    async def _try(
        self, event: AsyncEvent, target: str, text: str, ending: Ending, made: dict[str, Any] | None
    ) -> None:
        try:
            service, operation, params = self._operation(event, target, text, ending, made)
            await self._call(event.account, target.split(":")[3] or event.region, service, operation, params)
        except AwsError as error:
            log.warning("event %s could not be sent to %s: %s", event.id, target, error.message)

    def _operation(
        self, event: AsyncEvent, target: str, text: str, ending: Ending, made: dict[str, Any] | None
    ) -> tuple[str, str, dict[str, Any]]:
        _, _, service, region, account, resource = target.split(":", 5)
        if service == "sqs":
            params: dict[str, Any] = {"QueueUrl": queue_url(region, account, resource), "MessageBody": text}
            if made is None:
                params["MessageAttributes"] = dead_letter_attributes(event, ending)
            return "sqs", "SendMessage", params
        if service == "sns":
            params = {"TopicArn": target, "Message": text}
            if made is None:
                params["MessageAttributes"] = dead_letter_attributes(event, ending)
            return "sns", "Publish", params
        if service == "events":
            outcome = "Success" if ending.success else "Failure"
            entry = {
                "Source": "lambda",
                "DetailType": f"Lambda Function Invocation Result - {outcome}",
                "Detail": text,
                "Resources": [made["requestContext"]["functionArn"] if made else "", target],
                "EventBusName": target,
            }
            return "events", "PutEvents", {"Entries": [entry]}
        if service == "s3":
            moment = datetime.fromtimestamp(self._clock.now(), UTC)
            key = f"aws/lambda/async/{event.function}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{self._entropy.uuid()}"
            return "s3", "PutObject", {"Bucket": resource, "Key": key, "Body": text.encode()}
        return "lambda", "Invoke", {"FunctionName": target, "InvocationType": "Event", "Payload": text.encode()}


def queue_url(region: str, account: str, name: str) -> str:
    """The URL of the queue with that ARN."""
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"
