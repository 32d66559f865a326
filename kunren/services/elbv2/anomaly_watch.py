"""Watches what Envoy counted for each target, and writes which of them are anomalous, and their weights.

Nothing is asked while no group has the three healthy targets that a comparison needs.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from kunren.control.store import Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.envoy.admin import Counted
from kunren.services.elbv2.anomalies import TARGETS_MIN, Counts, anomalous, next_weight
from kunren.services.elbv2.associations import group_users
from kunren.services.elbv2.attributes import TARGET_GROUP, value
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.dataplane.weights import FULL, mitigates
from kunren.services.elbv2.model import Target, TargetAnomaly, TargetGroup, TargetHealth, target_health_id

log = logging.getLogger(__name__)
QUICK_S, SLOW_S = 1.0, 5.0
"""Real seconds between two looks: while a group's weights may follow from them, and while they are only shown."""
LOOKS = 10
Endpoint = tuple[str, str, int]
"""A target group's `NAME/ID`, and a target's address and port."""
Ask = Callable[[], Awaitable[Iterable[Counted]]]


@dataclass(slots=True)
class _History:
    total: Counts = Counts()
    recent: deque[Counts] = field(default_factory=lambda: deque(maxlen=LOOKS))


class AnomalyWatch:
    """Looks again and again. `ask` gives Envoy's totals of every endpoint."""

    def __init__(self, store: Store, clock: Clock, ask: Ask, *, quick_s: float = QUICK_S) -> None:
        self._store = store
        self._clock = clock
        self._ask = ask
        self._quick_s = quick_s
        self._seen: dict[Endpoint, _History] = {}

    async def run(self) -> None:
        while True:
            groups = compared(self._store.snapshot())
            await self._clock.wall_sleep(self._quick_s if any(map(_weighs, groups)) else SLOW_S)
            if not groups and not self._seen:
                continue
            try:
                self.look(await self._ask())
            except (OSError, TimeoutError) as error:
                log.debug("envoy did not say what it counted: %r", error)

    def look(self, counted: Iterable[Counted]) -> None:
        """Take in one more set of totals and write what follows."""
        groups = compared(self._store.snapshot())
        self._remember(counted, {targets.resource_name(group.id) for group in groups})
        for group in groups:
            self._judge(group)
        self._forget({group.id for group in groups})

    def _remember(self, counted: Iterable[Counted], names: set[str]) -> None:
        totals: dict[Endpoint, Counts] = {}
        for each in counted:
            name = "/".join(each.cluster.split("/")[-2:])
            if name in names:
                key = (name, each.address, each.port)
                totals[key] = totals.get(key, Counts()) + Counts(each.requests, each.errors)
        for key, total in totals.items():
            history = self._seen.get(key)
            if history is None:
                history = self._seen[key] = _History(total)
            history.recent.append(total.since(history.total))
            history.total = total
        for key in [key for key in self._seen if key not in totals]:
            del self._seen[key]

    def _judge(self, group: TargetGroup) -> None:
        snapshot = self._store.snapshot()
        found: dict[Target, Counts] = {}
        for target in healthy_targets(snapshot, group):
            address, port = targets.address_of(snapshot, group, target)
            history = self._seen.get((targets.resource_name(group.id), address or "", port))
            found[target] = sum(history.recent, Counts()) if history is not None else Counts()
        outliers = anomalous(found)
        for target in found:
            before = snapshot.get(TargetAnomaly, group.account, group.region, target_health_id(group.id, target))
            weight = before.weight if before is not None else FULL
            after = TargetAnomaly(
                account=group.account,
                region=group.region,
                id=target_health_id(group.id, target),
                anomalous=target in outliers,
                weight=next_weight(weight, target in outliers) if mitigates(group) else FULL,
            )
            if after != before and (before is not None or after.anomalous):
                with self._store.write() as tx:
                    tx.put(after)

    def _forget(self, watched: set[str]) -> None:
        """Rows of groups that are not compared any more, and of targets that are gone."""
        with self._store.write() as tx:
            for row in self._store.snapshot().every(TargetAnomaly):
                arn = row.id.partition("|")[0]
                group = tx.get(TargetGroup, row.account, row.region, arn)
                kept = group is not None and any(target_health_id(arn, each) == row.id for each in group.targets)
                if arn not in watched or not kept:
                    tx.delete(row)


def healthy_targets(snapshot: Snapshot, group: TargetGroup) -> list[Target]:
    """Those that pass their health checks and are not leaving."""
    found = []
    for target in group.targets:
        seen = snapshot.get(TargetHealth, group.account, group.region, target_health_id(group.id, target))
        if target.draining_since is None and seen is not None and seen.state == "healthy":
            found.append(target)
    return found


def compared(snapshot: Snapshot) -> list[TargetGroup]:
    """The groups that some listener reaches, with targets enough to compare them."""
    users: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    found = []
    for group in snapshot.every(TargetGroup):
        if group.protocol not in ("HTTP", "HTTPS") or len(group.targets) < TARGETS_MIN:
            continue
        where = (group.account, group.region)
        if where not in users:
            users[where] = group_users(snapshot, *where)
        if group.id in users[where] and len(healthy_targets(snapshot, group)) >= TARGETS_MIN:
            found.append(group)
    return found


def _weighs(group: TargetGroup) -> bool:
    return value(TARGET_GROUP, group.attributes, "load_balancing.algorithm.type") == "weighted_random"
