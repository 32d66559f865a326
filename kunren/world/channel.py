"""The daemon's end of the socketpair to the world's agent: requests and their answers, over the event loop.

Requests may be made concurrently; the agent takes them in order. Knows the messages' frame and the kinds of error
(`agent/main.py`), not what the requests mean.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from kunren.world.agent import frames
from kunren.world.interface import NoSuchNamespace, WorldEnded

log = logging.getLogger(__name__)

Answer = tuple[Any, list[int]]


class RulesetRefused(Exception):
    """nft did not take a ruleset: its own words."""


class Channel:
    """One connection. `on_event` gets every message that answers no request; `on_end` is called once."""

    def __init__(
        self, connection: socket.socket, on_event: Callable[[dict[str, Any]], None], on_end: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._connection.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event
        self._on_end = on_end
        self._reader = frames.Reader(connection)
        self._outgoing: deque[tuple[memoryview, list[int]]] = deque()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last_id = 0
        self._closed = False
        self._loop.add_reader(connection.fileno(), self._readable)

    async def ask(self, op: str, fds: Sequence[int] = (), **members: Any) -> Answer:
        """The result and the descriptors that came with it. Raises OSError, NoSuchNamespace, RulesetRefused and
        WorldEnded.

        `fds` are duplicated here, so the caller may close its own at once.
        """
        if self._closed:
            raise WorldEnded("the world is not running")
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[number] = answer
        self.tell({"id": number, "op": op, **members}, fds)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(_discard)
            raise

    def tell(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send without waiting for an answer."""
        data = memoryview(frames.encode(message, fds))
        self._outgoing.append((data, [os.dup(fd) for fd in fds]))
        if len(self._outgoing) == 1:
            self._flush()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._connection.fileno())
        self._loop.remove_writer(self._connection.fileno())
        self._connection.close()
        self._reader.close()
        for _, fds in self._outgoing:
            _close_all(fds)
        self._outgoing.clear()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(WorldEnded("the world ended"))
                answer.exception()
        self._waiting.clear()
        self._on_end()

    def _flush(self) -> None:
        while self._outgoing:
            data, fds = self._outgoing[0]
            try:
                sent = self._connection.sendmsg([data], frames.ancillary(fds))
            except BlockingIOError:
                self._loop.add_writer(self._connection.fileno(), self._flush)
                return
            except OSError:
                self.close()
                return
            _close_all(fds)
            if sent < len(data):
                self._outgoing[0] = (data[sent:], [])
            else:
                self._outgoing.popleft()
        self._loop.remove_writer(self._connection.fileno())

    def _readable(self) -> None:
        try:
            more = self._reader.receive()
            for message, fds in self._reader.messages():
                self._take(message, fds)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            log.error("the world's agent sent what can't be read: %s", error)
            more = False
        if not more:
            self.close()

    def _take(self, message: dict[str, Any], fds: list[int]) -> None:
        if "event" in message:
            _close_all(fds)
            self._on_event(message)
            return
        answer = self._waiting.pop(message["id"], None)
        if answer is None or answer.done():
            _close_all(fds)
        elif "error" in message:
            answer.set_exception(_exception(message["error"]))
        else:
            answer.set_result((message["result"], fds))


def _exception(error: dict[str, Any]) -> Exception:
    kind, text = error["kind"], error["text"]
    if kind == "os":
        return OSError(error["errno"], text)
    if kind == "namespace":
        return NoSuchNamespace(text)
    if kind == "ruleset":
        return RulesetRefused(text)
    return RuntimeError(f"the world's agent failed: {text}")


def _discard(answer: asyncio.Future[Answer]) -> None:
    """Close what came for a caller that was cancelled."""
    if not answer.cancelled() and answer.exception() is None:
        _close_all(answer.result()[1])


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
