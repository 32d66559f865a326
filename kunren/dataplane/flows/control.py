"""Puts flow tables into VPCs' namespaces, and ends flows there."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from kunren.dataplane.flows.ruleset import ruleset, table_name
from kunren.dataplane.flows.table import FlowNode, FlowTable
from kunren.world.handed_on import node_mark
from kunren.world.interface import Process, ProcessSpec
from kunren.world.layout import flow_mark
from kunren.world.network import vpc_namespace

_PROGRAM = str(Path(__file__).with_name("forget.py"))


class FlowWorld(Protocol):
    """The part of the world that flows need."""

    async def apply_table(self, owner: str, namespace: str, table: str, text: str) -> None: ...
    async def spawn(self, spec: ProcessSpec) -> Process: ...


class Answering(NamedTuple):
    """Who answers a flow, and for whom it takes the flow's client."""

    address: str
    port: int
    client: str
    client_port: int


async def answering(
    world: FlowWorld, namespace: str, protocol: str, address: str, port: int, to_address: str, to_port: int
) -> Answering | None:
    """Who has the flow from that socket to that one in the namespace; None where no balanced flow is that."""
    reading, writing = os.pipe()
    try:
        argv = [sys.executable, "-I", "-S", _PROGRAM, "find", protocol, address, str(port), to_address, str(to_port)]
        spec = ProcessSpec(name="find", argv=argv, namespace=namespace, stdout=writing)
        await (await world.spawn(spec)).wait()
        told = os.read(reading, 256) if select.select([reading], [], [], 0)[0] else b""
    finally:
        os.close(writing)
        os.close(reading)
    words = told.decode().split()
    return Answering(words[0], int(words[1]), words[2], int(words[3])) if len(words) == 4 else None


class FlowControl:
    """One handle for all owners (load balancers)."""

    def __init__(self, world: FlowWorld) -> None:
        self._world = world
        self._published: dict[str, tuple[FlowTable, str]] = {}

    def published(self, owner: str) -> FlowTable | None:
        return self._published[owner][0] if owner in self._published else None

    async def publish(self, owner: str, table: FlowTable) -> None:
        """Replace what the owner had; returns when the kernel has it. The flows of nodes that are gone are ended."""
        text = ruleset(owner, table)
        before = self._published.get(owner)
        if before is None or before[1] != text:
            await self._world.apply_table(owner, vpc_namespace(table.vpc_id), table_name(owner), text)
            self._published[owner] = (table, text)
        if before is not None:
            staying = {node.interface_id for node in table.nodes}
            gone = [node for node in before[0].nodes if node.interface_id not in staying]
            await self._forget(table.vpc_id, gone)

    async def withdraw(self, owner: str) -> None:
        """Take away the owner's balancing and end its flows."""
        before = self._published.get(owner)
        if before is not None:
            table = before[0]
            await self._world.apply_table(owner, vpc_namespace(table.vpc_id), table_name(owner), "")
            self._published.pop(owner, None)
            await self._forget(table.vpc_id, table.nodes)

    async def end(self, owner: str, address: str, port: int) -> None:
        """End the owner's flows to a target, of TCP and UDP."""
        table = self.published(owner)
        if table is not None:
            for protocol in ("tcp", "udp"):
                await self._forget(table.vpc_id, table.nodes, protocol, address, str(port))

    async def _forget(self, vpc_id: str, nodes: tuple[FlowNode, ...] | list[FlowNode], *target: str) -> None:
        if not nodes:
            return
        marks: Mapping[int, int] = {node_mark(each.interface_id): flow_mark(each.subnet_cidr) for each in nodes}
        pairs = [f"{node}:{flow}" for node, flow in marks.items()]
        argv = [sys.executable, "-I", "-S", _PROGRAM, *pairs, *target]
        process = await self._world.spawn(ProcessSpec(name="forget", argv=argv, namespace=vpc_namespace(vpc_id)))
        code = await process.wait()
        if code != 0:
            raise OSError(f"ending flows in {vpc_id} failed with {code}")
