"""The end of a data channel that a session's program is at: order, acknowledgements and sending again. No I/O.

Both directions number their messages from 0. What comes out of order waits; each message is acknowledged once it is
taken, and taken once only. What was sent is kept until it is acknowledged and goes out again after a while: a client
drops what comes before it is ready for it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kunren.dataplane.sessions import message as m
from kunren.dataplane.sessions.message import Message

PIECE_BYTES = 1024
UNACKNOWLEDGED_MAX = 512
"""How many messages may be under way before the program has to wait."""
EARLY_MAX, EARLY_BYTES_MAX = 1024, 4 << 20
"""How many messages are kept that came before their turn, and how much in them."""
RESEND_AFTER_S = 1.0


@dataclass(slots=True)
class _Sent:
    raw: bytes
    sequence: int
    at: float


@dataclass(slots=True)
class Channel:
    """`id` gives a new UUID, `now_ms` the time since 1970 in milliseconds; times of `at` are monotonic seconds."""

    id: Callable[[], str]
    now_ms: Callable[[], int]
    sent: int = 0
    expected: int = 0
    unacknowledged: deque[_Sent] = field(default_factory=deque)
    early: dict[int, Message] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return len(self.unacknowledged) >= UNACKNOWLEDGED_MAX

    def send(self, what: int, payload: bytes, at: float) -> bytes:
        """A message of the program's, to go out."""
        flags = m.SYN if self.sent == 0 else 0
        raw = m.packed(Message(m.OUTPUT, self.sent, self.id(), self.now_ms(), what, payload, flags))
        self.unacknowledged.append(_Sent(raw, self.sent, at))
        self.sent += 1
        return raw

    def send_fields(self, what: int, fields: dict[str, Any], at: float) -> bytes:
        return self.send(what, json.dumps(fields).encode(), at)

    def closed(self, session: str, target: str, output: str) -> bytes:
        """That the session has ended, and why where that is to be said."""
        id, now_ms = self.id(), self.now_ms()
        told = {
            "MessageId": id, "CreatedDate": str(now_ms), "DestinationId": target, "SessionId": session,
            "MessageType": m.CLOSED, "SchemaVersion": 1, "Output": output,
        }  # fmt: skip
        return m.packed(Message(m.CLOSED, 0, id, now_ms, 0, json.dumps(told).encode()))

    def take(self, raw: bytes) -> tuple[list[Message], list[bytes]]:
        """What there is to heed now, in order, and what to answer. Raises NotAMessage."""
        message = m.unpacked(raw)
        if message.kind == m.ACKNOWLEDGE:
            self._acknowledged(message)
            return [], []
        if message.kind != m.INPUT:
            return [], []
        if message.sequence > self.expected and self._has_enough_early:
            return [], []  # it will come again
        answer = [self._acknowledgement(message)]
        if message.sequence >= self.expected:
            self.early.setdefault(message.sequence, message)
        heeded = []
        while (following := self.early.pop(self.expected, None)) is not None:
            heeded.append(following)
            self.expected += 1
        return heeded, answer

    @property
    def _has_enough_early(self) -> bool:
        kept = sum(len(each.payload) for each in self.early.values())
        return len(self.early) >= EARLY_MAX or kept >= EARLY_BYTES_MAX

    def again(self, at: float, *, all: bool = False) -> list[bytes]:
        """What has waited too long for its acknowledgement, or everything that has none."""
        due = [each for each in self.unacknowledged if all or at - each.at >= RESEND_AFTER_S]
        for each in due:
            each.at = at
        return [each.raw for each in due]

    def _acknowledged(self, message: Message) -> None:
        number = message.fields().get("AcknowledgedMessageSequenceNumber")
        for each in self.unacknowledged:
            if each.sequence == number:
                self.unacknowledged.remove(each)
                return

    def _acknowledgement(self, message: Message) -> bytes:
        told = {
            "AcknowledgedMessageType": message.kind,
            "AcknowledgedMessageId": message.id,
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        }
        payload = json.dumps(told).encode()
        return m.packed(Message(m.ACKNOWLEDGE, 0, self.id(), self.now_ms(), 0, payload, m.SYN | m.FIN))
