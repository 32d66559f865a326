"""Tells topics of stack events, in their order ("NotificationARNs"). What a crash leaves untold stays so."""

from __future__ import annotations

import asyncio
import logging

from kunren.control.store import Key, Store
from kunren.core.calling import CallService
from kunren.core.clock import iso_utc
from kunren.core.errors import AwsError
from kunren.services.cloudformation.model import Event, Revision, Stack

log = logging.getLogger(__name__)
WAITING_MAX = 10_000
SUBJECT = "AWS CloudFormation Notification"


def text(stack: Stack, event: Event) -> str:
    """A notification's message: one line for each member. Pure."""
    members = {
        "StackId": stack.arn, "Timestamp": iso_utc(event.at), "EventId": event.event_id,
        "LogicalResourceId": event.logical, "Namespace": stack.account, "PhysicalResourceId": event.physical,
        "PrincipalId": stack.account, "ResourceProperties": event.properties or "null",
        "ResourceStatus": event.status, "ResourceStatusReason": event.reason, "ResourceType": event.type,
        "StackName": stack.name, "ClientRequestToken": event.token or "null",
    }  # fmt: skip
    return "".join(f"{key}='{value}'\n" for key, value in members.items())


class Notices:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, call: CallService) -> None:
        self._store, self._call = store, call
        self._waiting: asyncio.Queue[Key] = asyncio.Queue(WAITING_MAX)
        store.subscribe(self._changed, lambda kind: kind == Event.kind)

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in sorted(key for key in keys if key.kind == Event.kind):
            try:
                self._waiting.put_nowait(key)
            except asyncio.QueueFull:
                log.warning("more than %d stack events wait to be told: %s is not", WAITING_MAX, key.id)

    async def run(self) -> None:
        while True:
            await self._tell(await self._waiting.get())

    async def _tell(self, key: Key) -> None:
        snapshot = self._store.snapshot()
        event = snapshot.by_key(key)
        stack = snapshot.get(Stack, key.account, key.region, event.stack) if isinstance(event, Event) else None
        if stack is None or not isinstance(event, Event):
            return
        number = stack.target or stack.deployed
        revision = snapshot.get(Revision, key.account, key.region, f"{stack.id}/{number}")
        for topic in revision.notification_arns if revision is not None else ():
            message = {"TopicArn": topic, "Subject": SUBJECT, "Message": text(stack, event)}
            try:
                await self._call(key.account, key.region, "sns", "Publish", message)
            except AwsError as error:
                log.warning("%s could not be told of %s: %s", topic, event.event_id, error.message)
