"""Connections that are made from an instance's place in the network, as if one of its programs had made them."""

from __future__ import annotations

import asyncio
import errno
import socket
from ipaddress import AddressValueError, IPv4Address
from typing import Protocol

from kunren.world.firewall import LINK_LOCAL_RESOLVER

WITHIN_S = 10.0


class World(Protocol):
    """The part of the world that is needed."""

    async def open_socket(self, namespace: str, family: int = ..., type: int = ...) -> socket.socket: ...


async def connect(world: World, namespace: str, host: str, port: int) -> socket.socket:
    """A connection to an address, or to a name as the VPC's resolver has it. Raises OSError."""
    async with asyncio.timeout(WITHIN_S):
        address = await _resolved(world, namespace, host)
        opened = await world.open_socket(namespace)
        try:
            await asyncio.get_running_loop().sock_connect(opened, (address, port))
        except BaseException:
            opened.close()
            raise
        return opened


async def _resolved(world: World, namespace: str, host: str) -> str:
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        pass
    import dns.exception
    import dns.message
    import dns.rdatatype

    from kunren.dataplane.dns.client import exchange

    async def open_socket(kind: int) -> socket.socket:
        return await world.open_socket(namespace, socket.AF_INET, kind)

    try:
        asked = dns.message.make_query(host, dns.rdatatype.A, use_edns=0)
        reply = await exchange(open_socket, [LINK_LOCAL_RESOLVER], asked)
    except dns.exception.DNSException as error:
        raise OSError(errno.EINVAL, f"{host} is no name") from error
    records = [] if reply is None else [each for each in reply.answer if each.rdtype == dns.rdatatype.A]
    found = next((str(record.to_text()) for each in records for record in each), None)
    if found is None:
        raise OSError(errno.ENOENT, f"{host} has no address")
    return found
