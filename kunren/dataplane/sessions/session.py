"""A session: a program on a terminal of its own, and the client that is connected to it, or none for a while.

A client that was cut off may come back: what it has not acknowledged is sent again. A session ends with its program, by
the client's word, or after twenty minutes in which neither side said anything ("idle session timeout"); its program is
hung up on then.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import pty
import struct
import termios
from collections.abc import Awaitable, Callable
from typing import Any

from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.sessions import message as m
from kunren.dataplane.sessions.channel import PIECE_BYTES, Channel
from kunren.dataplane.sessions.message import Message, NotAMessage
from kunren.dataplane.sessions.socket import WebSocket
from kunren.world.interface import Process

log = logging.getLogger(__name__)
AGENT_VERSION = "3.3.2299.0"
IDLE_S = 1200.0
"""AWS time."""
HANDSHAKE_WITHIN_S, LAST_WORDS_WITHIN_S, TICK_S = 15.0, 10.0, 0.25
_HANG_UP_GRACE_S = 2.0
_RECORDED_MAX = 8 << 20
UNREAD_MAX = 4 << 20
"""How many bytes may wait for who is to read them before the client has to wait."""
UNREAD_AT_ALL_MAX = 64 << 20
"""How many, where it is heard all the same: it owes acknowledgements."""
Start = Callable[[int], Awaitable[Process]]
"""Starts the session's program with that descriptor as its terminal. Raises OSError."""


class Session:
    """`run` returns when it has ended. `record` is what the program printed, where that is kept."""

    def __init__(
        self, clock: Clock, entropy: Entropy, id: str, target: str, session_type: str, start: Start, *, recorded: bool
    ) -> None:
        self._clock, self._target, self._type, self._start = clock, target, session_type, start
        self.id = id
        self.tokens: set[str] = set()
        """By any of them a client may connect, again where it was cut off."""
        self.record = bytearray()
        self._recorded = recorded
        self._properties: dict[str, str] | None = None
        self._channel = Channel(entropy.uuid, lambda: int(clock.now() * 1000))
        self._socket: WebSocket | None = None
        self._master = -1
        self._input = bytearray()
        self._reading = self._writing = False
        self._came, self._shaken = asyncio.Event(), asyncio.Event()
        self._over, self._acknowledged = asyncio.Event(), asyncio.Event()
        self._heard_at = clock.monotonic()

    async def awaited(self, within_s: float) -> bool:
        """Whether a client came within so many real seconds."""
        await self._either(self._came, within_s)
        return self._came.is_set()

    async def run(self) -> None:
        watching = asyncio.get_running_loop().create_task(self._watch())
        output = ""
        try:
            await self._shake_hands()
            if not self._over.is_set():
                output = await self._serve()
            await self._last_words()
        finally:
            watching.cancel()
            if self._socket is not None:
                self._socket.send(self._channel.closed(self.id, self._target, output))
                self._socket.close()

    @property
    def status(self) -> str:
        """As DescribeSessions says it."""
        if self._over.is_set():
            return "Terminating"
        return "Connecting" if not self._came.is_set() else "Connected" if self._socket is not None else "Disconnected"

    def end(self) -> None:
        """Have it end: the client, or who may end it, said so."""
        self._over.set()

    # -- the client ----------------------------------------------------------------------------------------------------

    def connect(self, socket: WebSocket) -> None:
        """The client is here; one that was there before is not any more."""
        if self._socket is not None:
            self._socket.close()
        self._socket = socket
        self._came.set()
        self._heard_at = self._clock.monotonic()
        for each in self._channel.again(self._clock.monotonic(), all=True):
            socket.send(each)
        self._flow()

    def disconnected(self, socket: WebSocket) -> None:
        if self._socket is socket:
            self._socket = None
            self._flow()

    def heard(self, socket: WebSocket, raw: bytes) -> None:
        self._heard_at = self._clock.monotonic()
        try:
            heeded, answers = self._channel.take(raw)
            for each in answers:
                socket.send(each)
            for message in heeded:
                self._heed(message)
        except NotAMessage as error:
            log.debug("session %s: %s", self.id, error)
        if not self._channel.unacknowledged:
            self._acknowledged.set()
        self._flow()
        self._pace()

    def writable(self) -> None:
        self._flow()

    def _pace(self) -> None:
        """Hear the client as fast as somebody reads what it says, or while we wait for its acknowledgements: the
        official client knows no other way of holding back, and has lost what it is to send again after 10,000 messages.
        """
        room = self._has_room()
        if self._socket is not None:
            self._socket.hear(room or self._channel.full)

    def _has_room(self) -> bool:
        if len(self._input) > UNREAD_AT_ALL_MAX:
            self.end()
        return len(self._input) <= UNREAD_MAX

    def _heed(self, message: Message) -> None:
        if message.what == m.HANDSHAKE_RESPONSE:
            self._shaken.set()
        elif message.what == m.SIZE:
            size = message.fields()
            self._resize(size.get("rows"), size.get("cols"))
        elif message.what == m.FLAG and message.payload == m.TERMINATE_SESSION.to_bytes(4, "big"):
            self.end()
        elif message.what == m.DATA:
            self._input += message.payload
            self._write()

    def _send(self, what: int, payload: bytes) -> None:
        self._acknowledged.clear()
        raw = self._channel.send(what, payload, self._clock.monotonic())
        if self._socket is not None:
            self._socket.send(raw)

    def _send_fields(self, what: int, fields: dict[str, Any]) -> None:
        self._acknowledged.clear()
        raw = self._channel.send_fields(what, fields, self._clock.monotonic())
        if self._socket is not None:
            self._socket.send(raw)

    async def _shake_hands(self) -> None:
        """Tell the client what kind of session it is. One that does not answer is an old one, and is served all the
        same."""
        began = self._clock.monotonic()
        properties = {
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": self._type, "Properties": self._properties},
        }
        asked = {"AgentVersion": AGENT_VERSION, "RequestedClientActions": [properties]}
        self._send_fields(m.HANDSHAKE_REQUEST, asked)
        await self._either(self._shaken, HANDSHAKE_WITHIN_S)
        took_ns = int((self._clock.monotonic() - began) * 1e9)
        self._send_fields(m.HANDSHAKE_COMPLETE, {"HandshakeTimeToComplete": took_ns, "CustomerMessage": ""})

    async def _last_words(self) -> None:
        """Until the client has all that was printed, where it still listens."""
        if self._channel.unacknowledged and self._socket is not None:
            self._acknowledged.clear()
            try:
                async with asyncio.timeout(LAST_WORDS_WITHIN_S):
                    await self._acknowledged.wait()
            except TimeoutError:
                pass

    async def _watch(self) -> None:
        while True:
            await self._clock.wall_sleep(TICK_S)
            now = self._clock.monotonic()
            if now - self._heard_at > self._clock.wall_seconds(IDLE_S):
                self.end()
            if self._socket is not None:
                for each in self._channel.again(now):
                    self._socket.send(each)
                self._pace()

    async def _either(self, event: asyncio.Event, within_s: float | None) -> None:
        """Until that, or the end of the session."""
        waiting = [asyncio.ensure_future(each.wait()) for each in (event, self._over)]
        try:
            await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    # -- the program ---------------------------------------------------------------------------------------------------

    async def _serve(self) -> str:
        """Run the program until it or the session ends; why it could not be started."""
        self._master, terminal = pty.openpty()
        os.set_blocking(self._master, False)
        try:
            process = await self._start(terminal)
        except OSError as error:
            self._hang_up()
            return f"----------ERROR-------\nUnable to start command: Failed to start pty: {error.strerror or error}"
        finally:
            os.close(terminal)
        ended = asyncio.Event()
        waiting = asyncio.get_running_loop().create_task(process.wait())
        waiting.add_done_callback(lambda _: ended.set())
        self._flow()
        self._write()
        try:
            await self._either(ended, None)
            while ended.is_set() and self._master >= 0 and self._read():
                if self._channel.full:
                    await self._clock.wall_sleep(TICK_S)
        finally:
            self._hang_up()
            await process.stop(_HANG_UP_GRACE_S)
        return ""

    def _flow(self) -> None:
        """Read from the program while somebody takes what it prints."""
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        wanted = self._socket is not None and self._socket.ready and not self._channel.full
        if wanted and not self._reading:
            loop.add_reader(self._master, self._read)
        elif self._reading and not wanted:
            loop.remove_reader(self._master)
        self._reading = wanted

    def _read(self) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(self._master, PIECE_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # nobody has the terminal open any more
        if not data:
            self._hang_up()
            return False
        self._heard_at = self._clock.monotonic()
        if self._recorded and len(self.record) < _RECORDED_MAX:
            self.record += data
        self._send(m.DATA, data)
        self._flow()
        return True

    def _write(self) -> None:
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        try:
            while self._input:
                del self._input[: os.write(self._master, self._input)]
        except BlockingIOError:
            pass
        except OSError:
            self._input.clear()
        if bool(self._input) != self._writing:
            self._writing = bool(self._input)
            if self._writing:
                loop.add_writer(self._master, self._write)
            else:
                loop.remove_writer(self._master)

    def _resize(self, rows: Any, columns: Any) -> None:
        if self._master >= 0 and all(isinstance(each, int) and 0 < each < 65536 for each in (rows, columns)):
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _hang_up(self) -> None:
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        self._master, self._reading, self._writing = -1, False, False
