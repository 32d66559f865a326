"""Real health probes: a new connection, with one HTTP request or none, again and again, from where a node stands.

How it works. `set_checks` says which checks there should be; each runs as one task that opens a socket in the node's
namespace, bound to the node's address (so that security groups count), sends a GET (or only connects), and reports an
`Outcome`. Intervals
are AWS time, timeouts are real time, as packets are. A probe that could not even be tried (no such namespace or
address yet) reports nothing.

What it refuses to know: thresholds, states, and what the outcome leads to.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Protocol

from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.health.rounds import Rounds
from kunren.world.interface import NoSuchNamespace

log = logging.getLogger(__name__)
START_WITHIN_S = 1.0
"""A new check begins at a random moment within this much AWS time, so that nodes do not probe in step."""
_HEAD_BYTES_MAX = 65_536
OUR_OWN = (errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Check:
    """What to ask, from where, and how often. `interval_s` is AWS time, `timeout_s` real. `version` is HTTP1, HTTP2 or
    GRPC."""

    namespace: str
    source: str
    address: str
    port: int
    secure: bool
    path: str
    interval_s: float
    timeout_s: float
    user_agent: str = "ELB-HealthChecker/2.0"
    pipe: str | None = None  # a unix socket to ask over instead (functions, behind their bridge)
    header: tuple[str, str] | None = None
    version: str = "HTTP1"
    connects_only: bool = False  # a TCP check: a connection is enough
    proxy_protocol: bool = False  # begin with a PROXY protocol header, version 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a probe saw: `kind` is "status" or "grpc" (with the code), "grpc-empty" (a grpc-status without a value),
    "connected", "timeout" or "failed" (refused, reset, not the protocol that was expected). `began` is AWS time,
    `took_s` real."""

    kind: str
    code: int = 0
    began: float = field(default=0.0, compare=False)
    took_s: float = field(default=0.0, compare=False)


class Sockets(Protocol):
    """The part of the world that probes need."""

    async def open_socket(
        self,
        namespace: str,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        *,
        bind: tuple[str, int] | None = None,
    ) -> socket.socket: ...


class Prober(Rounds[Check, Outcome]):
    """Runs checks by key. `report` is called with the key and what each probe saw."""

    def __init__(
        self, sockets: Sockets, clock: Clock, entropy: Entropy, report: Callable[[Any, Outcome], None]
    ) -> None:
        super().__init__(clock, entropy, self._timed, report, start_within_s=START_WITHIN_S)
        self._sockets = sockets

    async def _timed(self, check: Check) -> Outcome | None:
        began, started = self._clock.now(), self._clock.monotonic()
        outcome = await self.probe(check)
        if outcome is None:
            return None
        return replace(outcome, began=began, took_s=self._clock.monotonic() - started)

    async def probe(self, check: Check) -> Outcome | None:
        """One probe, or None where it could not be tried."""
        try:
            if check.pipe is not None:
                sock = socket.socket(socket.AF_UNIX)
                sock.setblocking(False)
            else:
                family = socket.AF_INET6 if ":" in check.source else socket.AF_INET
                sock = await self._sockets.open_socket(check.namespace, family, bind=(check.source, 0))
        except (OSError, NoSuchNamespace) as error:
            log.debug("no socket to probe %s:%d from %s: %r", check.address, check.port, check.source, error)
            return None
        try:
            async with asyncio.timeout(check.timeout_s):
                return await _ask(sock, check)
        except TimeoutError:
            return Outcome("timeout")
        except OSError as error:
            return None if error.errno in OUR_OWN else Outcome("failed")
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return Outcome("failed")
        finally:
            sock.close()


async def _ask(sock: socket.socket, check: Check) -> Outcome:
    """The exchange. Raises OSError, ValueError, IncompleteReadError, LimitOverrunError."""
    await asyncio.get_running_loop().sock_connect(sock, check.pipe or (check.address, check.port))
    if check.proxy_protocol:
        await asyncio.get_running_loop().sock_sendall(sock, proxy_header(check.source, sock.getsockname()[1], check))
    if check.connects_only:
        return Outcome("connected")
    context = any_certificate(check.version != "HTTP1")
    secure = {"ssl": context, "server_hostname": ""} if check.secure else {}
    reader, writer = await asyncio.open_connection(sock=sock, limit=_HEAD_BYTES_MAX, **secure)  # type: ignore[arg-type]
    try:
        if check.version != "HTTP1":
            from kunren.dataplane.health import http2

            return await http2.ask(reader, writer, check)
        writer.write(request(check))
        head = await reader.readuntil(b"\r\n\r\n")
        return Outcome("status", status_of(head))
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            writer.transport.abort()


def proxy_header(source: str, source_port: int, check: Check) -> bytes:
    """The PROXY protocol's header (version 2, TCP) of a connection to the check's target."""
    six = ":" in source
    family = socket.AF_INET6 if six else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, check.address)
    ends = addresses + struct.pack("!HH", source_port, check.port)
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x21 if six else 0x11, len(ends)) + ends


def request(check: Check) -> bytes:
    """The probe as a target sees it."""
    extra = f"{check.header[0]}: {check.header[1]}\r\n" if check.header is not None else ""
    host = f"[{check.address}]" if ":" in check.address else check.address
    return (
        f"GET {check.path} HTTP/1.1\r\nHost: {host}:{check.port}\r\nConnection: close\r\n"
        f"User-Agent: {check.user_agent}\r\nAccept-Encoding: gzip, compressed\r\n{extra}\r\n"
    ).encode()


def status_of(head: bytes) -> int:
    """The status code of an HTTP/1 response's head. Raises ValueError where it is none."""
    line = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(line) < 2 or not line[0].startswith(b"HTTP/1.") or len(line[1]) != 3 or not line[1].isdigit():
        raise ValueError("no HTTP/1 status line")
    return int(line[1])


@cache
def any_certificate(http2: bool) -> ssl.SSLContext:
    """Targets' certificates are not validated, as with ELB."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if http2:
        context.set_alpn_protocols(["h2"])
    return context
