"""Connections of a load balancer's nodes to identity providers, in the world."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from kunren.control.store import Store
from kunren.dataplane.health.prober import Sockets
from kunren.services.elbv2.dataplane.balancer import is_live
from kunren.services.elbv2.model import LoadBalancer
from kunren.world.network import vpc_namespace

Connect = Callable[[str, str, str, int], Awaitable[socket.socket]]
"""From a node of a load balancer (account, ARN) to a host and port. Raises OSError."""
Resolve = Callable[[str], Awaitable[list[str]]]
"""The IPv4 addresses that the public resolver has for a name."""


class Nodes:
    """`connect` is what `Login` reaches providers by: from a live node's address, so that its security group, its
    subnet's ACL and routes decide."""

    def __init__(self, store: Store, sockets: Sockets, resolve: Resolve) -> None:
        self._store = store
        self._sockets = sockets
        self._resolve = resolve

    async def connect(self, account: str, balancer_arn: str, host: str, port: int) -> socket.socket:
        """Raises OSError."""
        snapshot, region = self._store.snapshot(), balancer_arn.split(":")[3]
        balancer = snapshot.get(LoadBalancer, account, region, balancer_arn)
        nodes = [node for node in balancer.zones if is_live(snapshot, balancer, node)] if balancer else []
        addresses = await self._resolve(host)
        if balancer is None or not nodes or not addresses:
            raise OSError(f"no way from {balancer_arn} to {host}")
        opened = await self._sockets.open_socket(vpc_namespace(balancer.vpc_id), bind=(nodes[0].private_ip, 0))
        try:
            await asyncio.get_running_loop().sock_connect(opened, (addresses[0], port))
        except BaseException:
            opened.close()
            raise
        return opened
