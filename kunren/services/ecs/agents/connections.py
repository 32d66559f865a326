"""The endpoint at which agents wait for messages ("ecs-a-1.REGION.amazonaws.com"), and who is connected by that.

An agent asks again and again, each time for what is new since the number that it names; so a message is acknowledged by
the next question, and an agent that has asked nothing for a while, however it ended or was cut off, is not connected.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.core.fronts import FrontAccess, FrontAnswer, FrontRequest
from kunren.services.ecs.agents.rows import Rows, arn_of
from kunren.services.ecs.model import ContainerInstance
from kunren.services.ecs.names import last_part

HOST = "ecs-a-1"
WAIT_S, GRACE_S = 2.0, 3.0
"""How long (real time) a question waits for messages, and how long an agent may take to ask again."""
_WATCH_EVERY_S = 0.5
_DIGITS_MAX = 12


@dataclass(slots=True)
class Message:
    number: int
    content: Mapping[str, Any]
    heard: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Connection:
    """`messages` are those that are not acknowledged; `asking` counts questions that wait, `asked_at` is monotonic,
    `stop_timeout_s` as the agent is configured, 0 where it is not."""

    last: int = 0
    messages: deque[Message] = field(default_factory=deque)
    asking: int = 0
    asked_at: float = 0.0
    stop_timeout_s: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Connections:
    """A front of the gateway. `run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, rows: Rows) -> None:
        self._store, self._clock, self._rows = store, clock, rows
        self._held: dict[str, Connection] = {}
        self.access: FrontAccess | None = None

    def claims(self, host: str, path: str) -> bool:
        return host.startswith(f"{HOST}.")

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        asked = {name: values[0] for name, values in parse_qs(request.query).items()}
        if request.signed is None:
            return _refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        account, region = request.signed.account, request.signed.region
        found = self._store.snapshot().get(
            ContainerInstance, account, region, last_part(asked.get("containerInstanceArn", ""))
        )
        if found is None or found.status == "INACTIVE":
            return _refused(400, "InactiveInstanceException", "The instance is not registered.")
        try:
            await self._check(request, found)
        except AwsError as error:
            return _refused(403, error.code, error.message)
        seen = _number(asked.get("seqNum"))
        connection = self._held.setdefault(found.id, Connection())
        connection.stop_timeout_s = _number(asked.get("stopTimeout")) / 1000
        if seen > connection.last:  # of a daemon before
            seen = 0
        while connection.messages and connection.messages[0].number <= seen:
            connection.messages.popleft().heard.set()
        self._mark(found, True)
        connection.asking += 1
        try:
            if not connection.messages:
                connection.news.clear()
                try:
                    async with asyncio.timeout(WAIT_S):
                        await connection.news.wait()
                except TimeoutError:
                    pass
        finally:
            connection.asking -= 1
            connection.asked_at = self._clock.monotonic()
        told = {"seqNum": connection.last, "messages": [each.content for each in connection.messages]}
        return FrontAnswer(200, [("Content-Type", "application/json")], json.dumps(told).encode())

    async def _check(self, request: FrontRequest, instance: ContainerInstance) -> None:
        """In strict mode: the signature, and ecs:Poll. Raises AwsError."""
        if self.access is None:
            return
        caller = await self.access.caller(request, "ecs", instance.region)
        if (
            caller is None
            or not self.access.may(caller, "ecs:Poll", arn_of(instance), request, instance.region).allowed
        ):
            raise Denied()

    def tell(self, instance: ContainerInstance, content: Mapping[str, Any]) -> asyncio.Event:
        """A message for the agent; the event is set when it has it."""
        connection = self._held.setdefault(instance.id, Connection())
        connection.last += 1
        message = Message(connection.last, content)
        connection.messages.append(message)
        connection.news.set()
        return message.heard

    def stop_timeout_s(self, instance_id: str) -> float:
        """What the agent of that container instance gives containers to end; 0 where it has said nothing."""
        connection = self._held.get(instance_id)
        return connection.stop_timeout_s if connection is not None else 0.0

    async def run(self) -> None:
        for each in self._store.snapshot().every(ContainerInstance):
            self._mark(each, False)
        while True:
            await self._clock.wall_sleep(_WATCH_EVERY_S)
            now = self._clock.monotonic()
            for each in self._store.snapshot().every(ContainerInstance):
                held = self._held.get(each.id)
                if each.agent_connected and (held is None or (not held.asking and now > held.asked_at + GRACE_S)):
                    self._mark(each, False)

    def lost(self, instance: ContainerInstance) -> None:
        """Its machine has ended."""
        self._held.pop(instance.id, None)
        self._mark(instance, False)

    def _mark(self, instance: ContainerInstance, connected: bool) -> None:
        if instance.agent_connected == connected:
            return
        with self._store.write() as tx:
            found = tx.get(ContainerInstance, instance.account, instance.region, instance.id)
            if found is not None:
                self._rows.change(tx, found, agent_connected=connected)


class Denied(AwsError):
    code = "AccessDeniedException"

    def __init__(self) -> None:
        super().__init__("User is not authorized to perform: ecs:Poll")


def _number(told: str | None) -> int:
    return int(told) if told and told.isascii() and told.isdecimal() and len(told) <= _DIGITS_MAX else 0


def _refused(status: int, code: str, text: str) -> FrontAnswer:
    body = json.dumps({"__type": code, "message": text}).encode()
    return FrontAnswer(status, [("Content-Type", "application/json")], body)
