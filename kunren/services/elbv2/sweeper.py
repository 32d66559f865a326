"""Ends draining when its delay is over, and the connections to targets that are gone; a terminated instance is none.

The delay's begin is stored, so a restart changes nothing. A target that leaves at once (a delay of 0) is cut at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from msgspec.structs import replace

from kunren.control.store import Key, Resource, Snapshot, Store
from kunren.core.clock import Clock
from kunren.services.ec2.instances.model import Instance
from kunren.services.elbv2.associations import group_users
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.draining import drained_at, settled
from kunren.services.elbv2.model import LoadBalancer, TargetGroup
from kunren.services.elbv2.network_attributes import is_network
from kunren.world.network import vpc_namespace

log = logging.getLogger(__name__)
Cut = Callable[[str, str, int, tuple[str, ...]], Awaitable[None]]
"""End connections in a VPC's namespace: namespace, the target's address and port, the nodes' addresses."""
Reached = dict[tuple[str, str, int], tuple[str, ...]]
"""Namespace, address and port of every target that load balancers reach, and the nodes' addresses that do."""


class DrainingController:
    """Ends the draining of targets when their delay is over, and cuts what still runs to targets that are gone."""

    def __init__(self, store: Store, clock: Clock, cut: Cut | None = None) -> None:
        self._store = store
        self._clock = clock
        self._cut = cut
        self._reached: Reached = {}
        self._changed = asyncio.Event()
        self._cuts: set[asyncio.Task[None]] = set()
        store.subscribe(self._look, wants=lambda kind: kind in (TargetGroup.kind, Instance.kind))

    def _look(self, keys: frozenset[Key]) -> None:
        snapshot = self._store.snapshot()
        if any(key.kind == TargetGroup.kind or _is_terminated(snapshot.by_key(key)) for key in keys):
            self._changed.set()

    async def run(self) -> None:
        try:
            while True:
                self._changed.clear()
                due = self.sweep()
                timer = None if due is None else self._clock.call_later(due - self._clock.now(), self._changed.set)
                try:
                    await self._changed.wait()
                finally:
                    if timer is not None:
                        timer.cancel()
        finally:
            for task in self._cuts:
                task.cancel()

    def sweep(self) -> float | None:
        """Take away what is over; the AWS time at which the next target's delay ends."""
        now = self._clock.now()
        dues: list[float] = []
        for group in self._store.snapshot().every(TargetGroup):
            if group.target_type == "instance":
                group = self._without_terminated(group)
            ends = [end for target in group.targets if (end := drained_at(group, target)) is not None]
            if any(end <= now for end in ends):
                with self._store.write() as tx:
                    tx.put(settled(group, now))
            dues += [end for end in ends if end > now]
        self._end_connections()
        return min(dues, default=None)

    def _without_terminated(self, group: TargetGroup) -> TargetGroup:
        """The group without targets that are terminated instances ("Target groups", registered targets)."""
        snapshot = self._store.snapshot()
        held = [
            each
            for each in group.targets
            if not _is_terminated(snapshot.get(Instance, group.account, group.region, each.id))
        ]
        if len(held) == len(group.targets):
            return group
        changed = replace(group, targets=tuple(held))
        with self._store.write() as tx:
            tx.put(changed)
        return changed

    def _end_connections(self) -> None:
        before, self._reached = self._reached, reached(self._store.snapshot())
        for (namespace, address, port), sources in before.items():
            if (namespace, address, port) not in self._reached and sources and self._cut is not None:
                cut = self._cut(namespace, address, port, sources)
                task = asyncio.get_running_loop().create_task(_quietly(cut), name=f"cut:{address}:{port}")
                self._cuts.add(task)
                task.add_done_callback(self._cuts.discard)


def _is_terminated(found: Resource | None) -> bool:
    return isinstance(found, Instance) and found.ended_at is not None


def reached(snapshot: Snapshot) -> Reached:
    """All targets there are, draining ones too. (One address in two groups is one: connections do not say which.)"""
    found: Reached = {}
    users: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    for group in snapshot.every(TargetGroup):
        if group.vpc_id is None or not group.targets or is_network(group):
            continue  # what a Network Load Balancer ends is told in `endings.py`
        scope = (group.account, group.region)
        if scope not in users:
            users[scope] = group_users(snapshot, *scope)
        arns = users[scope].get(group.id, ())
        balancers = [snapshot.get(LoadBalancer, *scope, arn) for arn in arns]
        nodes = [node for each in balancers if each is not None for node in each.zones]
        sources = tuple(each for node in nodes for each in (node.private_ip, node.ipv6) if each is not None)
        namespace = vpc_namespace(group.vpc_id)
        for target in group.targets:
            address, port = targets.address_of(snapshot, group, target)
            if address is not None:
                key = (namespace, address, port)
                before = found.get(key)
                found[key] = sources if before is None else tuple(dict.fromkeys((*before, *sources)))
    return found


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(asyncio.CancelledError):
        try:
            await work
        except Exception as error:
            log.warning("connections to a deregistered target could not be ended: %r", error)
