"""What functions print, for CloudWatch Logs: kept back until somebody asks that service anything, then delivered first.

Most functions' logs are never looked at there, so an invocation costs neither a call nor the start of the program that
answers for Logs. Whoever asks sees every line that was printed before. What waits is bounded, and lost when the daemon
ends; the functions' log files have it all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kunren.core.calling import CallService
from kunren.core.errors import AwsError

log = logging.getLogger(__name__)
WAITING_BYTES_MAX = 8_000_000
OWN_CALLS = frozenset({"CreateLogGroup", "CreateLogStream", "PutLogEvents"})
"""What delivery itself, and others who write logs, call: these don't wait for it."""
_BATCH_EVENTS, _BATCH_BYTES, _EVENT_BYTES = 10_000, 1_048_576, 26
"""PutLogEvents' limits (API reference): events, bytes, and the bytes that each event counts beside its text."""

Line = tuple[int, str]


class _Piece(NamedTuple):
    account: str
    region: str
    group: str
    stream: str
    lines: list[Line]
    size: int


class LogDelivery:
    """`take` is the runtime's log sink. `flush` makes the runtime hand over what it has gathered. `line_end` closes
    every event; with `makes_group`, a log group that is missing is made, as Lambda's own permission allows."""

    def __init__(self, call: CallService, *, line_end: str = "\n", makes_group: bool = True) -> None:
        self._call = call
        self._line_end = line_end
        self._makes_group = makes_group
        self._waiting: deque[_Piece] = deque()
        self._bytes = 0
        self._delivering = asyncio.Lock()
        self.flush: Callable[[], None] = lambda: None

    def take(self, account: str, region: str, group: str, stream: str, lines: list[Line]) -> None:
        """Keep lines until they are asked for; the oldest make room."""
        piece = _Piece(account, region, group, stream, lines, sum(len(text) + 100 for _, text in lines))
        self._waiting.append(piece)
        self._bytes += piece.size
        while self._bytes > WAITING_BYTES_MAX and len(self._waiting) > 1:
            self._bytes -= self._waiting.popleft().size

    async def before(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch Logs: return when everything printed so far is there."""
        if operation in OWN_CALLS:
            return
        async with self._delivering:
            self.flush()
            pieces, self._waiting, self._bytes = self._waiting, deque(), 0
            streams: dict[tuple[str, str, str, str], list[Line]] = {}
            for piece in pieces:
                streams.setdefault(piece[:4], []).extend(piece.lines)
            for (account, region, group, stream), lines in streams.items():
                try:
                    for events in _batches(lines, self._line_end):
                        await self._put(account, region, group, stream, events)
                except Exception as error:
                    log.warning("log lines were lost to %s in %s of %s: %s", group, region, account, error)

    async def _put(self, account: str, region: str, group: str, stream: str, events: Sequence[Any]) -> None:
        names = {"logGroupName": group, "logStreamName": stream}

        async def ask(operation: str, params: Mapping[str, Any], unless: str = "") -> bool:
            try:
                await self._call(account, region, "logs", operation, params)
            except AwsError as error:
                if error.code != unless:
                    raise
                return False
            return True

        told = {**names, "logEvents": events}
        if not await ask("PutLogEvents", told, unless="ResourceNotFoundException"):
            if self._makes_group:
                await ask("CreateLogGroup", {"logGroupName": group}, unless="ResourceAlreadyExistsException")
            await ask("CreateLogStream", names, unless="ResourceAlreadyExistsException")
            await ask("PutLogEvents", told)


def _batches(lines: Sequence[Line], line_end: str) -> Iterator[list[dict[str, Any]]]:
    """Lines as events, each with its end, in calls that Logs takes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for at, text in lines:
        more = len(text.encode("utf-8", "replace")) + 1 + _EVENT_BYTES
        if batch and (len(batch) == _BATCH_EVENTS or size + more > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append({"timestamp": at, "message": f"{text}{line_end}"})
        size += more
    if batch:
        yield batch
