"""Listening sockets → connections: HTTP and HTTPS on one port, told apart by the first byte.

A connection's first byte is peeked at, never read: 0x16 opens a TLS handshake (RFC 8446, section 5.1), anything else is
HTTP. The certificate is chosen by the name the client asks for (SNI), from `contexts`. Sockets may come from anywhere:
the host, or a namespace of the world.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from kunren.core.clock import Clock, http_date
from kunren.core.uploads import Uploads
from kunren.gateway.client_hello import HELLO_BYTES_MAX, Incomplete, server_name
from kunren.gateway.connection import Connection, Handler, Limits
from kunren.gateway.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)
TICK_S = 5.0
ACCEPT_BATCH = 64
PENDING_MAX = 1024
HANDSHAKE_TIMEOUT_S = 15.0
HELLO_LOOK_S = 0.005
TLS_HANDSHAKE = 0x16
ContextFor = Callable[[str | None], ssl.SSLContext]
Refuse = Callable[[HttpRequest, int, str, str], HttpResponse]


class HttpServer:
    """Serves any number of listening sockets with one handler. `refuse` shapes answers to what is no request."""

    def __init__(
        self,
        clock: Clock,
        handler: Handler,
        refuse: Refuse,
        contexts: ContextFor | None = None,
        limits: Limits | None = None,
        *,
        by_hello: bool = False,
    ) -> None:
        """With `by_hello` the context is chosen before the handshake begins, so that it may ask for certificates."""
        self.handler = handler
        self.refuse = refuse
        self.limits = limits or Limits()
        self.uploads: Uploads | None = None
        self.connections: set[Connection] = set()
        self.buffered = 0
        self.tick = 0
        self._clock = clock
        self._contexts = contexts
        self._by_hello = by_hello
        self._context: ssl.SSLContext | None = None
        self._listeners: dict[socket.socket, bool | None] = {}
        self._resting: list[socket.socket] = []
        self._peeking: dict[socket.socket, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping = False
        self._date = ""
        self._date_second = -1

    def accept(self, listener: socket.socket, tls: bool | None = None) -> None:
        """Serve a listening socket. `tls` None tells HTTP and HTTPS apart, True and False say which it is."""
        listener.setblocking(False)
        self._listeners[listener] = tls
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        if not self._sweeping:
            self._sweeping = True
            self._keep(self._sweep())

    def serves(self, listener: socket.socket) -> bool:
        return listener in self._listeners

    def withdraw(self, listener: socket.socket) -> None:
        """Stop serving a listening socket and close it; its connections go on."""
        if self._listeners.pop(listener, False) is not False or listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(listener)
        if listener in self._resting:
            self._resting.remove(listener)
        listener.close()

    def date(self) -> str:
        """The Date header's value, made once a second."""
        second = int(self._clock.wall())
        if second != self._date_second:
            self._date_second = second
            self._date = http_date(second)
        return self._date

    async def stop(self, grace_s: float = 2.0) -> None:
        """Close the listeners, let requests in progress end for a while, then close everything."""
        for listener in list(self._listeners):
            self.withdraw(listener)
        deadline = self._clock.monotonic() + grace_s
        while sum(each.close_when_idle() for each in list(self.connections)):
            if self._clock.monotonic() >= deadline:
                break
            await self._clock.wall_sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        loop = asyncio.get_running_loop()
        for peeked in list(self._peeking):
            loop.remove_reader(peeked)
            peeked.close()
        self._peeking.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- accepting ------------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        tls = self._listeners.get(listener)
        for _ in range(ACCEPT_BATCH):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.error("no more connections can be accepted for now: %s", error)
                    asyncio.get_running_loop().remove_reader(listener)
                    self._resting.append(listener)
                elif listener in self._listeners:
                    log.exception("accepting a connection failed")
                return
            connection.setblocking(False)
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                self._peek(connection, address)
            else:
                self._keep(self._serve(connection, address, tls))

    def _peek(self, connection: socket.socket, address: object) -> None:
        """Look at the first byte, now or when it comes."""
        loop = asyncio.get_running_loop()
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            if connection not in self._peeking:
                if len(self._peeking) >= PENDING_MAX:
                    connection.close()
                    return
                self._peeking[connection] = self.tick
                loop.add_reader(connection, self._peek, connection, address)
            return
        except OSError:
            first = b""
        if self._peeking.pop(connection, None) is not None:
            loop.remove_reader(connection)
        if not first:
            connection.close()
            return
        self._keep(self._serve(connection, address, first[0] == TLS_HANDSHAKE))

    async def _serve(self, connection: socket.socket, address: object, secure: bool) -> None:
        source = (str(address[0]), int(address[1])) if isinstance(address, tuple) and address else ("", 0)
        try:
            if secure and self._contexts is None:
                connection.close()
                return
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self, source, secure),
                connection,
                ssl=await self._chosen(connection) if secure else None,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if secure else None,
            )
        except (OSError, ssl.SSLError, EOFError) as error:  # a timeout too
            log.debug("a connection from %s ended while being made: %s", source[0], error)
            connection.close()

    async def _chosen(self, connection: socket.socket) -> ssl.SSLContext:
        """The context for a handshake. Raises TimeoutError where no whole hello comes, OSError."""
        if not self._by_hello:
            return self._tls()
        assert self._contexts is not None
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            while True:
                try:
                    return self._contexts(server_name(connection.recv(HELLO_BYTES_MAX, socket.MSG_PEEK)))
                except (BlockingIOError, InterruptedError, Incomplete):
                    await self._clock.wall_sleep(HELLO_LOOK_S)

    def _tls(self) -> ssl.SSLContext:
        """The context that every handshake begins with; the client's name then chooses another."""
        if self._context is None:
            assert self._contexts is not None
            contexts = self._contexts
            base = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            base.set_alpn_protocols(["http/1.1"])

            def choose(channel: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
                try:
                    channel.context = contexts(name)
                except Exception:
                    log.exception("no certificate for %s", name)
                    return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
                return None

            base.sni_callback = choose
            self._context = base
        return self._context

    def _keep(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        """Every tick: end what has been silent for too long, accept again where it rested."""
        loop = asyncio.get_running_loop()
        while True:
            await self._clock.wall_sleep(TICK_S)
            self.tick += 1
            for connection in list(self.connections):
                connection.expire(self.tick)
            for peeked, since in list(self._peeking.items()):
                if self.tick - since > self.limits.idle_ticks:
                    del self._peeking[peeked]
                    loop.remove_reader(peeked)
                    peeked.close()
            resting, self._resting = self._resting, []
            for listener in resting:
                loop.add_reader(listener, self._accept, listener)
