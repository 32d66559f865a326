"""Delivers notifications: to queues, topics, functions and the event bus, at least once, in the order of events.

An event is taken off the index when every destination took it, or gave it up for good.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.s3.events import Destination, Happening, bus_entry, destinations, record
from kunren.services.s3.index import Index, Writing
from kunren.services.s3.model import Bucket

log = logging.getLogger(__name__)
TOGETHER = 64
TRIES = 3
PAUSE_S = 1.0


class Notifying:
    """`woken` is set by whoever notes an event."""

    def __init__(self, store: Store, index: Index, clock: Clock, call: CallService) -> None:
        self._store = store
        self._index = index
        self._clock = clock
        self._call = call
        self.woken = asyncio.Event()
        self.woken.set()
        self.delivered = self.given_up = 0

    async def run(self) -> None:
        while True:
            await self.woken.wait()
            self.woken.clear()
            while found := self._index.read.happenings(TOGETHER):
                for number, happening in found:
                    await self._tell(number, happening)
                await self._index.write(_told(found[-1][0]))

    async def _tell(self, number: int, happening: Happening) -> None:
        bucket = self._store.snapshot().get(Bucket, "", "", happening.bucket)
        configuration = bucket.settings.get("notification") if bucket is not None else None
        if bucket is None or not configuration:
            return
        for each in destinations(configuration, happening.event, happening.key):
            await self._try(bucket, each, happening, number)
        if configuration.get("EventBridgeConfiguration") is not None:
            await self._try(bucket, Destination("events", "", ""), happening, number)

    async def _try(self, bucket: Bucket, to: Destination, happening: Happening, number: int) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self._deliver(bucket, to, happening, number)
            except AwsError as error:
                if attempt < TRIES and error.status >= 500:
                    await self._clock.wall_sleep(PAUSE_S)
                    continue
                self.given_up += 1
                log.warning("an event of %s did not reach %s: %s", bucket.id, to.arn or "EventBridge", error)
            else:
                self.delivered += 1
            return

    async def _deliver(self, bucket: Bucket, to: Destination, happening: Happening, number: int) -> None:
        if to.service == "events":
            entry = bus_entry(happening, number)
            await self._call(bucket.owner, bucket.home, "events", "PutEvents", {"Entries": [entry]})
            return
        told = record(happening, bucket.owner, bucket.home, to.id, number)
        text = msgspec.json.encode({"Records": [told]}).decode()
        await send(self._call, bucket, to, text)


def _told(upto: int) -> Callable[[Writing], None]:
    return lambda writing: writing.told(upto)


async def send(call: CallService, bucket: Bucket, to: Destination, text: str) -> None:
    """Raises AwsError: what the destination says."""
    parts = to.arn.split(":")
    region, account = parts[3], parts[4]
    if to.service == "sqs":
        url = await call(account, region, "sqs", "GetQueueUrl", {"QueueName": parts[5]})
        await call(account, region, "sqs", "SendMessage", {"QueueUrl": url["QueueUrl"], "MessageBody": text})
    elif to.service == "sns":
        await call(
            account, region, "sns", "Publish",
            {"TopicArn": to.arn, "Message": text, "Subject": "Amazon S3 Notification"},
        )  # fmt: skip
    else:
        await call(
            account, region, "lambda", "Invoke",
            {"FunctionName": to.arn, "InvocationType": "Event", "Payload": text.encode()},
        )  # fmt: skip


async def check(call: CallService, bucket: Bucket, to: Destination) -> None:
    """Whether a destination is there and lets S3 in. Queues and topics get S3's test message, as on AWS.

    Raises AwsError: what the destination says.
    """
    parts = to.arn.split(":")
    if to.service == "lambda":
        await call(parts[4], parts[3], "lambda", "GetFunction", {"FunctionName": to.arn})
        return
    text = msgspec.json.encode(
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket.id}
    ).decode()  # fmt: skip
    await send(call, bucket, to, text)
