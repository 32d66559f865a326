"""Asking DNS with real packets, as a certificate authority does: the authoritative servers first, without a cache.

`ask` starts at the name servers that the registry delegates the name to, follows referrals and CNAMEs from server to
server, and asks the public resolver for what no hosted zone has. Messages by dnspython: nothing here is hot.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

log = logging.getLogger(__name__)
TIMEOUT_S = 2.0
TRIES = 3
HOPS_MAX = 16
Opener = Callable[[int], Awaitable[socket.socket]]  # socket type → a socket in the client's namespace


@dataclass(frozen=True, slots=True)
class QueryResult:
    """`rcode` as text ("NOERROR", "NXDOMAIN", …; "TIMEOUT" where nobody answered). `values` are the records of the
    type asked for, in presentation form (names with a trailing dot); `chain` the CNAME targets passed on the way."""

    rcode: str
    values: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()


async def ask(
    open_socket: Opener, servers: Callable[[str], list[str]], name: str, rtype: str, port: int = 53
) -> QueryResult:
    """Resolve with real packets. `servers` gives the addresses to begin with for a name."""
    wanted = dns.rdatatype.from_text(rtype)
    current = dns.name.from_text(name)
    addresses = servers(current.to_text())
    chain: list[str] = []
    for _ in range(HOPS_MAX):
        reply = await exchange(open_socket, addresses, dns.message.make_query(current, wanted, use_edns=0), port)
        if reply is None:
            return QueryResult("TIMEOUT", chain=tuple(chain))
        followed = _follow(reply, current, wanted, chain)
        if followed.values:
            return QueryResult("NOERROR", followed.values, tuple(chain))
        if chain and followed.name != current and followed.name is not None:
            current, addresses = followed.name, servers(followed.name.to_text())
            continue
        if followed.referral:
            addresses = [address for server in followed.referral for address in servers(server)] or []
            if addresses:
                continue
        return QueryResult(dns.rcode.to_text(reply.rcode()), chain=tuple(chain))
    return QueryResult("SERVFAIL", chain=tuple(chain))


@dataclass(frozen=True, slots=True)
class _Followed:
    values: tuple[str, ...] = ()
    name: dns.name.Name | None = None
    referral: tuple[str, ...] = ()


def _follow(
    reply: dns.message.Message, name: dns.name.Name, wanted: dns.rdatatype.RdataType, chain: list[str]
) -> _Followed:
    """Walk the CNAMEs of one reply: the records wanted, or the name to go on with, or the servers it refers to."""
    sets = {(each.name, each.rdtype): each for each in reply.answer}
    start = name
    while (name, wanted) not in sets and (cname := sets.get((name, dns.rdatatype.CNAME))) is not None:
        name = cname[0].target
        if name.to_text() in chain:
            return _Followed()
        chain.append(name.to_text())
    if (found := sets.get((name, wanted))) is not None:
        return _Followed(tuple(each.to_text() for each in found))
    if name != start:
        return _Followed(name=name)
    if not reply.flags & dns.flags.AA:
        for each in reply.authority:
            if each.rdtype == dns.rdatatype.NS:
                return _Followed(referral=tuple(server.target.to_text() for server in each))
    return _Followed()


async def addresses_of(open_socket: Opener, resolver: str, host: str) -> tuple[tuple[str, ...], str | None]:
    """The IPv4 addresses that a resolver gives, and its response code (None: it was not asked, since the host is an
    address, or no name)."""
    try:
        return (str(IPv4Address(host)),), None
    except AddressValueError:
        try:
            query = dns.message.make_query(host, dns.rdatatype.A, use_edns=0)
        except dns.exception.DNSException:  # no name at all: a client's own library refuses it
            return (), None
    reply = await exchange(open_socket, [resolver], query)
    if reply is None:
        return (), "TIMEOUT"
    records = (record.to_text() for each in reply.answer if each.rdtype == dns.rdatatype.A for record in each)
    return tuple(records), dns.rcode.to_text(reply.rcode())


async def exchange(
    open_socket: Opener, addresses: list[str], query: dns.message.Message, port: int = 53
) -> dns.message.Message | None:
    """One question over UDP, over TCP where the answer was truncated; None where nobody answers in time."""
    for attempt in range(TRIES):
        for address in addresses[attempt:] + addresses[:attempt] if addresses else []:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    reply = await _udp(open_socket, address, query, port)
                    if reply.flags & dns.flags.TC:
                        reply = await _tcp(open_socket, address, query, port)
                    return reply
            except (TimeoutError, OSError, EOFError, dns.exception.DNSException) as error:
                log.debug("no answer from %s: %r", address, error)
    return None


async def _udp(open_socket: Opener, address: str, query: dns.message.Message, port: int) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    with await open_socket(socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, port))
        await loop.sock_sendall(sock, query.to_wire())
        while True:
            reply = dns.message.from_wire(await loop.sock_recv(sock, 65535), ignore_trailing=True)
            if query.is_response(reply):
                return reply


async def _tcp(open_socket: Opener, address: str, query: dns.message.Message, port: int) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    with await open_socket(socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (address, port))
        wire = query.to_wire()
        await loop.sock_sendall(sock, len(wire).to_bytes(2, "big") + wire)
        buffer = bytearray()
        while len(buffer) < 2 or len(buffer) < 2 + int.from_bytes(buffer[:2], "big"):
            data = await loop.sock_recv(sock, 65535)
            if not data:
                raise EOFError("the server closed the connection")
            buffer += data
        return dns.message.from_wire(bytes(buffer[2:]))
