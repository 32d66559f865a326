"""Connections that are made from an instance's place in the network, as if one of its programs had made them."""

from __future__ import annotations

import asyncio
import errno
import socket
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
    from kunren.dataplane.dns.client import addresses_of

    async def open_socket(kind: int) -> socket.socket:
        return await world.open_socket(namespace, socket.AF_INET, kind)

    found, _ = await addresses_of(open_socket, LINK_LOCAL_RESOLVER, host)
    if not found:
        raise OSError(errno.ENOENT, f"{host} has no address")
    return found[0]
