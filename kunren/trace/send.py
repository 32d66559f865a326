"""Really sending a request from a place of the world, as a plain HTTP/1.1 client does: look up, connect, TLS, ask once.

What is said is what was seen on the wire; nothing is retried, redirected or guessed.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from kunren.core.clock import Clock
from kunren.trace.model import (
    ANSWER,
    CLOSED,
    CONNECTED,
    NO_ADDRESS,
    REFUSED,
    TIMEOUT,
    TLS_FAILURE,
    UNREACHABLE,
    Observed,
    Request,
)

CONNECTS_WITHIN_S = 4.0
SPEAKS_WITHIN_S = 1.0
"""How long an answer to a datagram may take."""
ANSWERS_WITHIN_S = 20.0
_BODY_MAX = 1 << 20
Opener = Callable[[int], Awaitable[socket.socket]]  # socket type → a socket at the client's place


async def send(
    open_socket: Opener, request: Request, addresses: tuple[str, ...], roots: Path, clock: Clock
) -> Observed:
    """Ask the first of the addresses, and say what happened."""
    if not addresses:
        return Observed(outcome=NO_ADDRESS)
    began = clock.monotonic()
    observed = Observed(outcome=ANSWER, addresses=addresses, address=addresses[0])
    try:
        if request.is_flow:
            await _begin(open_socket, request, observed)
        else:
            await _ask(open_socket, request, roots, observed)
    except TimeoutError:
        observed.outcome = TIMEOUT
        observed.error = observed.error or "no answer in time"
    except ssl.SSLError as error:
        observed.outcome, observed.error = TLS_FAILURE, str(error)
    except ConnectionRefusedError as error:
        observed.outcome, observed.error = REFUSED, str(error)
    except (ConnectionError, asyncio.IncompleteReadError, ValueError) as error:
        observed.outcome, observed.error = CLOSED, str(error) or type(error).__name__
    except OSError as error:
        unreachable = error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
        observed.outcome, observed.error = (UNREACHABLE if unreachable else CLOSED), str(error)
    observed.seconds = round(clock.monotonic() - began, 4)
    return observed


async def _ask(open_socket: Opener, request: Request, roots: Path, observed: Observed) -> None:
    raw = await _connected(open_socket, request, observed)
    if request.scheme == "https":
        context = ssl.create_default_context(cafile=str(roots))
        try:
            streams = await _handshake(raw, request, context)
            observed.verified = True
        except ssl.SSLCertVerificationError as error:
            # go on as a client that was told not to mind: what the listener would answer is the question
            observed.verified, observed.error = False, error.verify_message
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            streams = await _handshake(await _connected(open_socket, request, observed), request, context)
    else:
        streams = await asyncio.open_connection(sock=raw)
    reader, writer = streams
    try:
        _note_certificate(writer, observed)
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await _exchange(reader, writer, request, observed)
    finally:
        writer.close()


async def _begin(open_socket: Opener, request: Request, observed: Observed) -> None:
    """A connection, or one empty datagram and what comes back."""
    if request.transport == "tcp":
        raw = await _connected(open_socket, request, observed)
        observed.outcome = CONNECTED
        raw.close()
        return
    raw = await open_socket(socket.SOCK_DGRAM)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(raw, (observed.address, request.port))
        observed.source, observed.source_port = raw.getsockname()
        raw.send(b"")  # at once: a connected socket's first datagram has room
        async with asyncio.timeout(SPEAKS_WITHIN_S):
            await loop.sock_recv(raw, 65536)
    finally:
        raw.close()


async def _connected(open_socket: Opener, request: Request, observed: Observed) -> socket.socket:
    raw = await open_socket(socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(CONNECTS_WITHIN_S):
            await asyncio.get_running_loop().sock_connect(raw, (observed.address, request.port))
    except BaseException as error:
        if isinstance(error, TimeoutError):
            observed.error = f"no connection within {CONNECTS_WITHIN_S:g} s"
            observed.source, observed.source_port = raw.getsockname()  # it may have got part of the way
        raw.close()
        raise
    observed.source, observed.source_port = raw.getsockname()
    return raw


async def _handshake(
    raw: socket.socket, request: Request, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context.set_alpn_protocols(["http/1.1"])
    try:
        async with asyncio.timeout(CONNECTS_WITHIN_S):
            return await asyncio.open_connection(sock=raw, ssl=context, server_hostname=request.host)
    except (ConnectionError, EOFError) as error:
        raise ssl.SSLError(f"the handshake was cut off: {error or type(error).__name__}") from error


def _note_certificate(writer: asyncio.StreamWriter, observed: Observed) -> None:
    secured = writer.get_extra_info("ssl_object")
    if secured is None:
        return
    from cryptography import x509

    shown = secured.getpeercert(True)
    observed.fingerprint = hashlib.sha256(shown).hexdigest()
    try:
        extension = x509.load_der_x509_certificate(shown).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        observed.certificate = tuple(extension.value.get_values_for_type(x509.DNSName))
    except (ValueError, x509.ExtensionNotFound):
        observed.certificate = ()


def sent_headers(request: Request) -> list[tuple[str, str]]:
    """The headers as they are sent: those of a plain client, and what the caller named."""
    own = [("Host", request.host_header), ("User-Agent", "kunren-trace"), ("Accept", "*/*"), ("Connection", "close")]
    named = {name.lower() for name, _ in request.headers}
    headers = [each for each in own if each[0].lower() not in named or each[0] == "Host"]
    return headers + [each for each in request.headers if each[0].lower() != "host"]


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, observed: Observed
) -> None:
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in sent_headers(request)]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    observed.status = int(head[0].split(" ")[1])
    length: int | None = 0 if request.method == "HEAD" or observed.status in (204, 304) else None
    for line in head[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and length is None:
            length = int(value)
        elif name.lower() == "location":
            observed.location = value.strip()
        elif name.lower() == "server":
            observed.server = value.strip()
        elif name.lower() == "x-cache":
            observed.cache = value.strip()
        elif name.lower() == "x-amz-cf-id":
            observed.request_id = value.strip()
    # with a length, nobody waits for the end of the connection: a load balancer leaves the closing to its client
    left = _BODY_MAX if length is None else min(length, _BODY_MAX)
    while left > 0 and (data := await reader.read(min(left, 65536))):
        left -= len(data)
