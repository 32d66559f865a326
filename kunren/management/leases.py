"""Network interfaces that are lent to programs of the user's (`kunren exec --subnet`), for as long as they run."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from kunren.services.ec2.workloads import Workloads, namespace_of
from kunren.world.world import World


class Leases:
    """Each lasts until the process it was given to has ended, or Kunren ends."""

    def __init__(self, workloads: Workloads, world: World) -> None:
        self._workloads = workloads
        self._world = world
        self._running: set[asyncio.Task[None]] = set()

    async def begin(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """An interface on a subnet with a namespace of its own, kept until the process `pid` ends.

        `wanted` has "subnet" and "pid", and may have "address", "security_groups" and "command".
        """
        ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._lease(wanted, ready), name="exec --subnet")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await ready

    def end(self) -> None:
        for lease in self._running:
            lease.cancel()

    async def _lease(self, wanted: dict[str, Any], ready: asyncio.Future[dict[str, Any]]) -> None:
        try:
            async with self._workloads.running(
                wanted["subnet"],
                address=wanted.get("address"),
                groups=wanted.get("security_groups") or (),
                command=wanted.get("command", ""),
            ) as interface:
                ready.set_result(
                    {
                        "interface": interface.id,
                        "address": interface.private_ip,
                        "public_address": interface.public_ip,
                        "ipv6_addresses": list(interface.ipv6),
                        "namespace": namespace_of(interface),
                        "world": self._world.handle(),
                    }
                )
                await process_ended(wanted["pid"])
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)


async def process_ended(pid: int) -> None:
    """Return when that process of this machine has ended, however it did."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
