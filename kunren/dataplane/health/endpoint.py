"""One probe of an endpoint as Route 53's health checkers make it: look up, connect, ask, search the body.

Times are real, as packets are, and those of the developer guide ("How Route 53 determines the status of health checks
that monitor an endpoint"): a TCP check has ten seconds to connect; HTTP and HTTPS have four, then two until the status
is there, and two more for the body where a string is searched. Certificates are not validated. What a finding means is
for others to say.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import httptools

from kunren.core.entropy import Entropy
from kunren.dataplane.dns.names import BadName
from kunren.dataplane.dns.stub import Found
from kunren.dataplane.health.prober import OUR_OWN, Sockets, any_certificate
from kunren.world import addresses6
from kunren.world.addresses import PUBLIC, PUBLIC_RESOLVER
from kunren.world.interface import NoSuchNamespace

log = logging.getLogger(__name__)
TCP_CONNECT_S, HTTP_CONNECT_S, STATUS_S, BODY_S = 10.0, 4.0, 2.0, 2.0
SEARCHED_BYTES = 5120
_READ_BYTES = 16_384
_HEAD_BYTES_MAX = 65_536
_UNREACHABLE = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES))

Lookup = Callable[["Endpoint"], Awaitable[Found]]
"""What the endpoint's resolver says of its name."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one checker asks, and how often (AWS time). Without `target`, `name` is looked up before each probe, at
    `resolver`; an address that is not public is visited where `private` says so.
    `search` is what the body must hold; `server_name` goes into the TLS handshake."""

    namespace: str
    source: str
    protocol: str  # HTTP, HTTPS or TCP
    port: int
    interval_s: float
    target: str | None = None
    name: str = ""
    host: str = ""
    path: str = "/"
    search: bytes | None = None
    server_name: str = ""
    user_agent: str = ""
    resolver: str = PUBLIC_RESOLVER
    private: bool = False
    source6: str = ""

    @property
    def address(self) -> str:
        return self.target or self.name


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe saw. `kind`: "status" (code and reason phrase), "unmatched" (the status was good, the string is not
    there), "connected", "timeout" (no connection), "refused", "unreachable", "closed", "silent" (connected, and no
    answer in time), "malformed", "tls" (phrase: the alert), "unresolved" (code: the response code, -1 for none) or
    "forbidden" (the name leads to an address that may not be checked). `resolved` is the address that was looked up."""

    kind: str
    code: int = 0
    phrase: str = ""
    resolved: str | None = None


async def probe(sockets: Sockets, lookup: Lookup, entropy: Entropy, endpoint: Endpoint) -> Finding | None:
    """One probe, or None where it could not be tried."""
    if endpoint.target is not None:
        return await _visit(sockets, endpoint, endpoint.target)
    try:
        found = await lookup(endpoint)
    except (OSError, NoSuchNamespace) as error:
        log.debug("no socket to look %s up: %r", endpoint.name, error)
        return None
    except BadName:
        return Finding("unresolved", -1)
    if not found.addresses:
        return Finding("unresolved", found.rcode if found.rcode is not None else -1)
    address = entropy.choice(found.addresses)
    if not endpoint.private and not is_public(address):
        return Finding("forbidden", resolved=address)
    seen = await _visit(sockets, endpoint, address)
    return replace(seen, resolved=address) if seen is not None else None


def is_public(address: str) -> bool:
    """Whether checkers may be sent there: not to local, private, non-routable or multicast ranges (RFC 5735, RFC 6598,
    RFC 5156), of which this world's own public block is one by rights."""
    given = ip_address(address)
    if given in (PUBLIC if isinstance(given, IPv4Address) else addresses6.PUBLIC):
        return True
    return given.is_global and not given.is_multicast and not given.is_reserved


async def _visit(sockets: Sockets, endpoint: Endpoint, address: str) -> Finding | None:
    """A new connection to that address, and the exchange over it."""
    six = isinstance(ip_address(address), IPv6Address)
    try:
        if six:
            bind = (endpoint.source6, 0) if endpoint.source6 else None
            sock = await sockets.open_socket(endpoint.namespace, socket.AF_INET6, bind=bind)
        else:
            sock = await sockets.open_socket(endpoint.namespace, bind=(endpoint.source, 0))
    except (OSError, NoSuchNamespace) as error:
        log.debug("no socket to probe %s from %s: %r", address, endpoint.source, error)
        return None
    try:
        try:
            async with asyncio.timeout(TCP_CONNECT_S if endpoint.protocol == "TCP" else HTTP_CONNECT_S):
                await asyncio.get_running_loop().sock_connect(sock, (address, endpoint.port))
        except TimeoutError:
            return Finding("timeout")
        except OSError as error:
            return _no_connection(error, six)
        if endpoint.protocol == "TCP":
            return Finding("connected")
        return await _asked(sockets, sock, endpoint, address)
    finally:
        sock.close()


def _no_connection(error: OSError, six: bool) -> Finding | None:
    if error.errno in OUR_OWN:
        return Finding("unreachable") if six else None  # without IPv6 there is no address to come from
    if error.errno in _UNREACHABLE:
        return Finding("unreachable")
    return Finding("refused" if error.errno == errno.ECONNREFUSED else "closed")


async def _asked(sockets: Sockets, sock: socket.socket, endpoint: Endpoint, address: str) -> Finding | None:
    try:
        if endpoint.protocol == "HTTP":
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(STATUS_S):
                await loop.sock_sendall(sock, request(endpoint))
                answer = await _Answer.begin(lambda: loop.sock_recv(sock, _READ_BYTES))
            return await _judged(answer, endpoint)
        return await _asked_secure(sock, endpoint)
    except TimeoutError:
        return Finding("silent")
    except ssl.SSLError as error:
        if endpoint.server_name:  # as AWS's checkers do: once more without the name
            return await _visit(sockets, replace(endpoint, server_name=""), address)
        return Finding("tls", phrase=_alert(error))
    except OSError:
        return Finding("closed")
    except (httptools.HttpParserError, ValueError):
        return Finding("malformed")


async def _asked_secure(sock: socket.socket, endpoint: Endpoint) -> Finding:
    async with asyncio.timeout(STATUS_S):
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=any_certificate(False), server_hostname=endpoint.server_name
        )
    try:
        async with asyncio.timeout(STATUS_S):
            writer.write(request(endpoint))
            answer = await _Answer.begin(lambda: reader.read(_READ_BYTES))
        return await _judged(answer, endpoint)
    finally:
        with suppress(OSError, ssl.SSLError):
            writer.transport.abort()


async def _judged(answer: _Answer, endpoint: Endpoint) -> Finding:
    seen = Finding("status", answer.code, answer.phrase)
    if endpoint.search is None or not 200 <= answer.code < 400:
        return seen
    async with asyncio.timeout(BODY_S):
        found = await answer.holds(endpoint.search)
    return seen if found else replace(seen, kind="unmatched")


class _Answer:
    """An HTTP/1 response as it comes in. The callbacks are httptools'."""

    def __init__(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        self.code = 0
        self.phrase = ""
        self._receive = receive
        self._parser = httptools.HttpResponseParser(self)
        self._phrase = b""
        self._body = bytearray()
        self._ended = False

    @classmethod
    async def begin(cls, receive: Callable[[], Awaitable[bytes]]) -> _Answer:
        """The answer when its head is there. Raises OSError, HttpParserError, ValueError."""
        answer = cls(receive)
        read = 0
        while not answer.code:
            data = await receive()
            if not data:
                raise ConnectionResetError("the connection was closed without an answer")
            read += len(data)
            if read > _HEAD_BYTES_MAX:
                raise ValueError("the answer's head is too long")
            answer._parser.feed_data(data)
        return answer

    async def holds(self, wanted: bytes) -> bool:
        """Whether the string is in the part of the body that is searched."""
        while wanted not in self._body[:SEARCHED_BYTES]:
            if self._ended or len(self._body) >= SEARCHED_BYTES:
                return False
            data = await self._receive()
            if not data:
                return False
            self._parser.feed_data(data)
        return True

    def on_status(self, status: bytes) -> None:
        self._phrase += status

    def on_headers_complete(self) -> None:
        code = self._parser.get_status_code()
        if code >= 200:  # others announce the real one
            self.code, self.phrase = code, self._phrase.decode("latin-1")
        self._phrase = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._ended = bool(self.code)


def request(endpoint: Endpoint) -> bytes:
    """The request as the endpoint sees it."""
    return (
        f"GET {endpoint.path} HTTP/1.1\r\nHost: {endpoint.host}\r\nConnection: close\r\n"
        f"User-Agent: {endpoint.user_agent}\r\nAccept: */*\r\n\r\n"
    ).encode()


def _alert(error: ssl.SSLError) -> str:
    """The TLS alert that the endpoint sent, in the specification's words ("handshake_failure"); "" for none."""
    _, found, name = (error.reason or "").partition("_ALERT_")
    return name.lower() if found else ""
