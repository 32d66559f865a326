"""Ends connections to targets of Network Load Balancers when AWS does: when a target falls ill, or has left its group.

By default flows to an unhealthy target are ended at once; those to a deregistered one go on for as long as both ends
like, also after the delay. Attributes of the target group turn both around ("Connection termination for unhealthy
targets", "Deregistration delay"). What a target's flows may do is a pure function of the snapshot; the shell compares
it with what it was. UDP flows end the same way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.services.elbv2.associations import group_users
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.draining import settled
from kunren.services.elbv2.model import LoadBalancer, Rule, Target, TargetGroup, TargetHealth, target_health_id
from kunren.services.elbv2.network_attributes import is_network, of_group, unhealthy_until
from kunren.world.network import vpc_namespace

log = logging.getLogger(__name__)
_KINDS = frozenset(each.kind for each in (TargetGroup, TargetHealth, LoadBalancer, Rule))
End: TypeAlias = Callable[[str, str, int], Awaitable[None]]
"""End a load balancer's kernel flows to an address and port."""
Cut: TypeAlias = Callable[[str, str, int, tuple[str, ...]], Awaitable[None]]
"""End a proxy's connections: namespace, the target's address and port, the addresses they come from (none: any)."""
Place: TypeAlias = tuple[str, str, int]
"""Target group, address and port."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What flows to a target may do: `open` to go on; `closes_at` (AWS time) is when that ends by itself."""

    namespace: str
    balancers: tuple[str, ...]
    sources: tuple[str, ...]  # the nodes' addresses; none where proxies speak with clients' addresses
    open: bool
    closes_at: float | None
    ends_when_gone: bool


def standings(snapshot: Snapshot, now: float) -> dict[Place, Standing]:
    """All targets that Network Load Balancers reach, draining ones too."""
    found: dict[Place, Standing] = {}
    for stored in snapshot.every(TargetGroup):
        if not is_network(stored) or stored.vpc_id is None:
            continue
        group = settled(stored, now)
        users = group_users(snapshot, group.account, group.region).get(group.id, ())
        balancers = [snapshot.get(LoadBalancer, group.account, group.region, arn) for arn in users]
        zones = [node for each in balancers if each is not None for node in each.zones]
        nodes = tuple(each for node in zones for each in (node.private_ip, node.ipv6) if each is not None)
        for target in group.targets if users else ():
            closes_at = _closes_at(snapshot, group, target)
            standing = Standing(
                namespace=vpc_namespace(stored.vpc_id),
                balancers=users,
                sources=() if of_group(group, "preserve_client_ip.enabled") == "true" else nodes,
                open=closes_at is None or now < closes_at,
                closes_at=closes_at,
                ends_when_gone=of_group(group, "deregistration_delay.connection_termination.enabled") == "true",
            )
            for address, port, _ in targets.addresses_of(snapshot, group, target):
                found[group.id, address, port] = standing
    return found


def _closes_at(snapshot: Snapshot, group: TargetGroup, target: Target) -> float | None:
    """When an unhealthy target's flows end; None while they may go on."""
    seen = snapshot.get(TargetHealth, group.account, group.region, target_health_id(group.id, target))
    if target.draining_since is not None or seen is None or seen.state != "unhealthy":
        return None
    return unhealthy_until(group, seen.since)


def ended(snapshot: Snapshot, before: dict[Place, Standing], now: dict[Place, Standing]) -> list[Place]:
    """The targets whose flows end now: those that may go on no longer, and those that left a group which says so."""
    found = []
    for place, standing in before.items():
        after = now.get(place)
        left = after is None and standing.ends_when_gone and _is_used(snapshot, standing)
        if standing.open and (left or (after is not None and not after.open)):
            found.append(place)
    return found


def _is_used(snapshot: Snapshot, standing: Standing) -> bool:
    """Whether a load balancer that reached the target is still there (one that is gone has no flows)."""
    there = {each.id for each in snapshot.every(LoadBalancer)}
    return any(arn in there for arn in standing.balancers)


class EndingController:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, end: End, cut: Cut) -> None:
        self._store = store
        self._clock = clock
        self._end = end
        self._cut = cut
        self._before: dict[Place, Standing] = {}
        self._changed = asyncio.Event()
        store.subscribe(self._look, wants=_KINDS.__contains__)

    def _look(self, keys: frozenset[Key]) -> None:
        if any(key.kind in _KINDS for key in keys):
            self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            due = await self.sweep()
            timer = None if due is None else self._clock.call_later(due - self._clock.now(), self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def sweep(self) -> float | None:
        """End what is over; the AWS time at which the next flows are."""
        now, snapshot = self._clock.now(), self._store.snapshot()
        before, self._before = self._before, standings(snapshot, now)
        for place in ended(snapshot, before, self._before):
            await self._end_all(place, before[place])
        dues = [each.closes_at for each in self._before.values() if each.open and each.closes_at is not None]
        return min(dues, default=None)

    async def _end_all(self, place: Place, standing: Standing) -> None:
        _, address, port = place
        try:
            for balancer in standing.balancers:
                await self._end(balancer, address, port)
            await self._cut(standing.namespace, address, port, standing.sources)
        except Exception as error:
            log.warning("connections to %s:%d could not be ended: %r", address, port, error)
