"""A session that has no program: connections of the client's, each a stream, that lead to one port in the world."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from kunren.dataplane.sessions import message as m
from kunren.dataplane.sessions import streams
from kunren.dataplane.sessions.channel import PIECE_BYTES
from kunren.dataplane.sessions.message import NotAMessage
from kunren.dataplane.sessions.session import UNREAD_AT_ALL_MAX, UNREAD_MAX, Session
from kunren.dataplane.sessions.streams import FIN, PUSH, SYN, Frame

log = logging.getLogger(__name__)
STREAMS_MAX = 256
GIVEN_UP_AFTER_S = 60.0
"""How long a connection that reads nothing may keep the others waiting (real time)."""
Connect = Callable[[], Awaitable[socket.socket]]
"""A connection to the port. Raises OSError."""


@dataclass(slots=True)
class _Stream:
    early: bytearray = field(default_factory=bytearray)
    writer: asyncio.StreamWriter | None = None
    task: asyncio.Task[None] | None = None
    finished: bool = False
    """Whether the client has closed it."""
    least_unread: int = 0
    since: float = 0.0
    """When less than ever was unread, while there is too much."""

    @property
    def unread(self) -> int:
        return len(self.early) if self.writer is None else self.writer.transport.get_write_buffer_size()

    def progresses(self, now: float) -> bool:
        """Whether somebody reads what is unread, at monotonic times."""
        if not self.since or self.unread < self.least_unread:
            self.least_unread, self.since = self.unread, now
        return now - self.since < GIVEN_UP_AFTER_S


class Forwarding(Session):
    """`connect` is asked for each stream."""

    def __init__(self, *told: Any, connect: Connect, properties: dict[str, str], **more: Any) -> None:
        super().__init__(*told, **more)
        self._connect, self._properties = connect, properties
        self._streams: dict[int, _Stream] = {}
        self._room = asyncio.Event()

    async def _serve(self) -> str:
        try:
            await self._either(asyncio.Event(), None)
        finally:
            tasks = [each.task for each in self._streams.values() if each.task is not None]
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return ""

    def _flow(self) -> None:
        if self._socket is not None and self._socket.ready and not self._channel.full:
            self._room.set()
        else:
            self._room.clear()

    def _has_room(self) -> bool:
        """Not while a connection does not read what it has: as smux has it, the others wait for that one."""
        now = self._clock.monotonic()
        full = False
        for each in self._streams.values():
            if each.unread <= UNREAD_MAX:
                each.since = 0.0
            elif each.unread <= UNREAD_AT_ALL_MAX and each.progresses(now):
                full = True
            elif each.writer is not None:
                each.writer.transport.abort()
            elif each.task is not None:
                each.task.cancel()
        return not full

    def _write(self) -> None:
        """Heed what the client has sent."""
        try:
            for each in streams.taken(self._input):
                self._take(each)
        except NotAMessage as error:
            log.debug("session %s: %s", self.id, error)
            self._input.clear()
            self.end()

    def _take(self, frame: Frame) -> None:
        stream = self._streams.get(frame.stream)
        if frame.command == SYN and stream is None and len(self._streams) < STREAMS_MAX:
            made = self._streams[frame.stream] = _Stream()
            made.task = asyncio.get_running_loop().create_task(self._live(frame.stream, made))
        elif frame.command == SYN and stream is None:
            self._send(m.DATA, streams.packed(Frame(FIN, frame.stream)))
        elif stream is None or stream.finished or frame.command not in (PUSH, FIN):
            return
        elif frame.command == FIN:
            stream.finished = True
            if stream.writer is not None:
                stream.writer.close()  # nobody takes what would still come
        elif stream.writer is None:
            stream.early += frame.data
        else:
            stream.writer.write(frame.data)

    async def _live(self, number: int, stream: _Stream) -> None:
        """One connection, from its opening to its end."""
        try:
            try:
                opened = await self._connect()
            except OSError as error:
                log.debug("session %s: %s", self.id, error)
                self._send(m.FLAG, m.CONNECT_TO_PORT_ERROR.to_bytes(4, "big"))
                return
            reader, stream.writer = await asyncio.open_connection(sock=opened)
            stream.writer.write(bytes(stream.early))
            if stream.finished:
                stream.writer.close()
            while data := await reader.read(PIECE_BYTES - streams.HEAD_BYTES):
                await self._room.wait()
                self._send(m.DATA, streams.packed(Frame(PUSH, number, data)))
                self._flow()
        except OSError as error:
            log.debug("session %s: %s", self.id, error)
        finally:
            if stream.writer is not None:
                stream.writer.close()
            self._streams.pop(number, None)
            self._send(m.DATA, streams.packed(Frame(FIN, number)))
